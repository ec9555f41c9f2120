"""A device: reads its link on time, tells the live feed, and keeps what it read in the spool.

    CLOSED ──connect──> OPEN ──LinkDown, or timeouts in a row──> CLOSED, open again after a back-off
                          │ due, or readable: read
                          └──> batch ──> live feed
                                   └──> outbox ──> spooler (`out`, and `raw` where an aggregate takes it)

A device that cannot be reached says so: a Bad sample of each tag when it is lost, and again with each failed attempt; a
gap while its tags are not known yet. What a former incarnation may have read and not kept is announced as a gap.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.polling import Polling
from actors.producing.keeping import Keeping
from actors.producing.outbox import Outbox
from actors.producing.producer import Producer
from actors.routes import Routes
from transports import catalog, codec
from transports.backoff import Backoff
from transports.building import build
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.feed import Publisher
from transports.links import Link, Listening
from transports.mailbox import Timer
from transports.messages import Message
from transports.samples import Batch, Gap, Quality, Scan, Tag, all_bad, batch_of

log = logging.getLogger("holdfast.device")
TIMEOUTS_IN_A_ROW = 3  # then the connection itself is suspected and made anew
LEAVE_WITHIN_S = 3.0  # how long a stop waits for the spool; shorter than the default grace
SPOOL_WITHIN_S = 1.0  # how long the first read waits for the spool, so that gaps come before readings


@dataclass(frozen=True, slots=True)
class Work:
    """What a device process is told: plain values, from its spec file."""

    driver: str
    settings: Mapping[str, Any]
    period_s: float = 1.0
    retry_first_s: float = 0.5
    retry_ceiling_s: float = 30.0
    batch_wait_s: float = 0.0
    batch_samples: int = 10_000
    raw: Sequence[str] = ()  # patterns of the tags that aggregates take
    keep: Sequence[str] = ()  # patterns of those that also pass straight
    outbox_bytes: int = 16 * 1024 * 1024
    max_record_bytes: int = 8 * 1024 * 1024  # larger batches are cut; a scan that does not fit is told, but not kept
    compress: bool = False  # what is kept; the live feed is not


@dataclass(slots=True)
class Tally:
    """What a device tells of itself."""

    connected: bool = False
    scans: int = 0
    samples: int = 0
    timeouts: int = 0
    refused: int = 0
    overruns: int = 0
    reopened: int = 0
    last_error: str = ""
    last_read_ns: int = 0


class Device(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, work: Work) -> None:
        super().__init__(place, fate)
        self._work = work
        self._link: Link | None = None
        self._tally = Tally()
        self._attempts = self._timeouts_in_a_row = 0
        self._seq = 1
        self._leaving = False
        self._last_tags: tuple[Tag, ...] | None = None
        self._poll_timer: Timer | None = None

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        place, work = self.place, self._work
        self._module = catalog.load(catalog.LINKS, work.driver, f"device.{place.name}.driver")
        self._settings = build(self._module.Settings, work.settings, f"device.{place.name}")
        self._backoff = Backoff(work.retry_first_s, ceiling_s=work.retry_ceiling_s)
        routes = Routes(place.name, work.raw, work.keep)
        self._feed = Publisher(place.context, place.run_dir, place.name, place.session)
        boxes = {t: Outbox(place.name, codec.pack, work.outbox_bytes) for t in routes.topics}
        self._producer = Producer(self.mailbox, place.name, place.session, boxes, self._met_spool)
        self._keeping = Keeping(
            self.mailbox,
            place.clock,
            self._producer,
            routes,
            work.batch_wait_s,
            work.batch_samples,
            work.max_record_bytes,
            codec.LEVEL if work.compress else 0,
        )
        self._awaited = set(boxes)
        self._first = self.mailbox.at(place.clock.now() + SPOOL_WITHIN_S, self._connect)

    def on_message(self, sender: str, message: Message) -> Any:
        return None if self._producer.hear(message) else NotImplemented

    def leave(self) -> None:
        """Read no more, and go when everything that was read is durable, or when it takes too long."""
        self._leaving = True
        self._close_link()
        self._keeping.flush()
        self._producer.finish(self.stop, self.place.clock.now() + LEAVE_WITHIN_S)

    def end(self) -> None:
        self._feed.close()

    def state(self) -> Mapping[str, Any]:
        ledger = self._keeping.ledger()
        return {
            **asdict(self._tally),
            "driver": self._work.driver,
            "waiting": self._producer.waiting,
            "waiting_bytes": self._producer.waiting_bytes,
            "dropped": self._producer.dropped,
            "waiting_samples": sum(account["waiting"] for account in ledger.values()),
            "too_large": self._keeping.too_large,
            "dropped_samples": sum(account["dropped"] for account in ledger.values()),
            "ledger": ledger,
        }

    # --- the spool ---------------------------------------------------------------------------------------------------

    def _met_spool(self, topic: str, last_pseq: int, time_ns: int) -> None:
        """The first word from the spool: say what a former incarnation cannot have kept, then begin to read."""
        if last_pseq:
            reason = self.place.last_end or "the gateway was not running"
            gap = Gap(self.place.name, f"process ended: {reason}", time_ns, self.place.clock.utc_ns())
            self._producer.outboxes[topic].announce(gap)
        self._awaited.discard(topic)
        if not self._awaited and self._first.what is not None:
            self._first.cancel()
            self._connect()

    # --- the connection ----------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._first.cancel()
        if self._leaving:
            return
        try:
            self._link = self._module.connect(self._settings)
        except (LinkDown, LinkTimeout) as down:
            self._lost(str(down), Quality.BAD_NOT_CONNECTED)
            return
        if self._tally.last_error or self._tally.reopened:
            log.warning("connected again")
        self._last_tags = self._link.tags
        self._tally.connected, self._tally.last_error = True, ""
        self._tally.reopened += 1
        self._timeouts_in_a_row = 0
        if isinstance(self._link, Listening):
            self.mailbox.when_readable(self._link.fileno(), self._read)
        else:
            now = self.place.clock.now()
            self._polling = Polling(0.0, self._work.period_s)  # one grid for all: neighbours wake together, and sleep
            self._poll(now)

    def _lost(self, why: str, quality: int) -> None:
        """The device cannot be reached: say so, once in the log and as Bad samples, and try again later."""
        if why != self._tally.last_error:
            log.warning("%s", why)
        self._tally.connected, self._tally.last_error = False, why
        self._close_link()
        self._say_bad(why, quality)
        delay_s = self._backoff.delay_s(self._attempts, random.random())
        self._attempts += 1
        self.mailbox.at(self.place.clock.now() + delay_s, self._connect)

    def _close_link(self) -> None:
        link, self._link = self._link, None
        if self._poll_timer is not None:
            self._poll_timer.cancel()
        if link is not None:
            if isinstance(link, Listening):
                self.mailbox.forget(link.fileno())
            link.close()

    def _say_bad(self, why: str, quality: int) -> None:
        now_ns = self.place.clock.utc_ns()
        if self._last_tags is not None:
            self._take([all_bad(self.place.name, 0, self._last_tags, now_ns, quality)])
        elif not self._attempts:
            self._keeping.tell(Gap(self.place.name, f"not connected: {why}", now_ns, now_ns))

    # --- reading -----------------------------------------------------------------------------------------------------

    def _poll(self, due: float) -> None:
        if self._link is None:
            return
        self._read()
        now = self.place.clock.now()
        if self._link is not None:
            self._tally.overruns += self._polling.missed(due, now)
            following = self._polling.following(due, now)
            self._poll_timer = self.mailbox.at(following, lambda: self._poll(following))

    def _read(self) -> None:
        if self._link is None:
            return
        try:
            said = self._link.read()
        except LinkTimeout as late:
            self._timed_out(str(late))
        except LinkRefused as refused:
            self._tally.refused += 1
            self._tally.last_error = str(refused)
            self._say_bad(str(refused), Quality.BAD_NOT_READABLE)
        except LinkDown as down:
            self._lost(str(down), Quality.BAD_NOT_CONNECTED)
        else:
            self._attempts = self._timeouts_in_a_row = 0
            self._tally.last_error = ""
            self._take([said] if isinstance(said, Batch) else list(self._batches(said)))

    def _timed_out(self, why: str) -> None:
        self._tally.timeouts += 1
        self._tally.last_error = why
        self._timeouts_in_a_row += 1
        if self._timeouts_in_a_row >= TIMEOUTS_IN_A_ROW:
            self._lost(f"{why} ({TIMEOUTS_IN_A_ROW} times in a row)", Quality.BAD_TIMEOUT)
        else:
            self._say_bad(why, Quality.BAD_TIMEOUT)

    def _batches(self, scans: Sequence[Scan]) -> Sequence[Batch]:
        """Neighbouring scans of the same tags as one batch each."""
        batches, begin = [], 0
        for at in range(1, len(scans) + 1):
            if at == len(scans) or scans[at].tags is not scans[begin].tags:
                batches.append(batch_of(self.place.name, 0, scans[begin:at]))
                begin = at
        return batches

    # --- telling and keeping -----------------------------------------------------------------------------------------

    def _take(self, batches: Sequence[Batch]) -> None:
        tally, taken = self._tally, []
        for batch in batches:
            batch = replace(batch, source=self.place.name, seq=self._seq)
            self._seq += len(batch.times_ns)
            tally.scans += len(batch.times_ns)
            tally.samples += batch.samples
            tally.last_read_ns = batch.times_ns[-1]
            self._feed.publish(codec.pack(batch))
            taken.append(batch)
        self._keeping.take(taken)
