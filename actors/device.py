"""A device: reads its link on time, tells the live feed, and keeps what it read in the spool.

    link ──read on time, or when it speaks (actors/reading)──> batch ──> live feed
      ^                                                          └──> outbox ──> spooler (`out`; `raw` for aggregates)
      └── Command, between two readings (actors/commanding)

A device that cannot be reached says so: a Bad sample of each tag when it is lost, and again with each failed attempt; a
gap while its tags are not known yet. So does one that talks by itself and has fallen silent. What a former incarnation
may have read and not kept is announced as a gap.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.commanding import commands
from actors.commanding.commands import Commands
from actors.producing.keeping import Keeping
from actors.producing.outbox import Outbox
from actors.producing.producer import Producer
from actors.reading.reader import Hearer, Manner, Reader
from actors.routes import Routes
from transports import catalog, codec
from transports.backoff import Backoff
from transports.building import build
from transports.feed import Publisher
from transports.messages import Command, Message
from transports.samples import Batch, Gap

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
    stages: Sequence[Mapping[str, Any]] = ()  # what readings go through before anybody hears of them
    silent_after_s: float = 0.0  # for a device that talks by itself; 0: never
    journals: str = ""  # directory of what became of commands; without it none is taken


@dataclass(slots=True)
class Tally:
    """What a device tells of its readings."""

    scans: int = 0
    samples: int = 0
    last_read_ns: int = 0


class Device(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, work: Work) -> None:
        super().__init__(place, fate)
        self._work = work
        self._tally = Tally()
        self._seq = 1
        self._commands: Commands | None = None

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        place, work = self.place, self._work
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
        self._pipeline = self._staged()
        self._reader = self._reading()
        if work.journals:
            lasting, passing = Path(work.journals) / f"{place.name}.journal", place.run_dir / f"{place.name}.commands"
            self._commands = Commands(self.mailbox, place.clock, lasting, passing, self._commanded())
        self._awaited = set(boxes)
        self._first = self.mailbox.at(place.clock.now() + SPOOL_WITHIN_S, self._open)

    def _staged(self) -> Callable[[Batch], Sequence[Batch]]:
        """What a batch becomes before it is told. Without stages their code is not even loaded."""
        if not self._work.stages:
            return lambda batch: (batch,)
        from actors.stages.pipeline import pipeline_of

        take = pipeline_of(self._work.stages, f"device.{self.place.name}.stages").take
        return lambda batch: take(replace(batch, source=self.place.name))

    def _reading(self) -> Reader:
        place, work = self.place, self._work
        module = catalog.load(catalog.LINKS, work.driver, f"device.{place.name}.driver")
        settings = build(module.Settings, work.settings, f"device.{place.name}")
        backoff = Backoff(work.retry_first_s, ceiling_s=work.retry_ceiling_s)
        hearer = Hearer(
            take=self._take,
            unmet=self._unmet,
            came=self._link_came,
            lost=self._link_lost,
            is_full=lambda: self._producer.waiting_bytes > work.outbox_bytes // 2,
            marks=self._keeping.marks,
        )
        manner = Manner(work.period_s, work.silent_after_s, backoff)
        return Reader(self.mailbox, place.clock, place.name, partial(module.connect, settings), manner, hearer)

    def on_message(self, sender: str, message: Message) -> Any:
        if isinstance(message, Command) and self._commands is not None:
            return self._commands.take(sender, message)
        if not self._producer.hear(message):
            return NotImplemented
        self._reader.progressed()
        return None

    def leave(self) -> None:
        """Read no more, and go when everything that was read is durable, or when it takes too long."""
        if self._commands is not None:
            self._commands.end()
        self._reader.leave()
        self._keeping.flush()
        self._producer.finish(self._left, self.place.clock.now() + LEAVE_WITHIN_S)

    def _left(self) -> None:
        self._reader.close()
        self.stop()

    def end(self) -> None:
        self._feed.close()

    def state(self) -> Mapping[str, Any]:
        ledger = self._keeping.ledger()
        return {
            **asdict(self._reader.tally),
            **asdict(self._tally),
            "overruns": self._reader.overruns,
            "driver": self._work.driver,
            "waiting": self._producer.waiting,
            "waiting_bytes": self._producer.waiting_bytes,
            "dropped": self._producer.dropped,
            "waiting_samples": sum(account["waiting"] for account in ledger.values()),
            "too_large": self._keeping.too_large,
            "dropped_samples": sum(account["dropped"] for account in ledger.values()),
            "ledger": ledger,
            **({} if self._commands is None else self._commands.tally()),
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
            self._open()

    # --- the link ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._first.cancel()
        self._reader.open()

    def _unmet(self, why: str) -> None:
        now_ns = self.place.clock.utc_ns()
        self._keeping.tell(Gap(self.place.name, f"not connected: {why}", now_ns, now_ns))

    def _link_came(self) -> None:
        if self._commands is not None:
            self._commands.go_on()

    def _link_lost(self, why: str) -> None:
        if self._commands is not None:
            self._commands.lost(why)

    def _commanded(self) -> commands.Device:
        def read_soon() -> None:
            self.mailbox.at(self.place.clock.now(), self._reader.read_out_of_turn)

        reader = self._reader
        return commands.Device(self.place.name, lambda: reader.link, read_soon, lambda down: reader.lose(str(down)))

    # --- telling and keeping -----------------------------------------------------------------------------------------

    def _take(self, batches: Sequence[Batch], mark: int) -> None:
        if self._commands is not None:
            self._commands.saw(batches)  # as the device says it, whatever its stages make of it
        tally, taken = self._tally, []
        for batch in (out for given in batches for out in self._pipeline(given)):
            batch = replace(batch, source=self.place.name, seq=self._seq)
            self._seq += len(batch.times_ns)
            tally.scans += len(batch.times_ns)
            tally.samples += batch.samples
            tally.last_read_ns = batch.times_ns[-1]
            self._feed.publish(codec.pack(batch))
            taken.append(batch)
        self._keeping.take(taken, mark)
        if mark:  # somebody waits for it, and keeps a copy until then
            self._keeping.flush()
