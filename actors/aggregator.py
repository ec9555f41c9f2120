"""An aggregator: raw readings become windows or changes; its output and how far it has read are one append.

    spooler ──Fetched (raw, durable)──> fold ──> [payloads] + commit(position, open windows) ──Append──> spooler (out)

Started again after any death, it loads the open windows that were committed with its position and goes on there: each
reading is counted exactly once. It reads only what is durable, or a power cut could bring a reading a second time.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.fetching.consumer import Consumer, Position, Wanted
from actors.producing import records
from actors.producing.outbox import Entry, Outbox
from actors.producing.producer import Producer
from actors.routes import OUT, RAW
from actors.stages.aggregation import Aggregation
from actors.stages.patterns import takes_from
from actors.stages.settings import Settings
from transports import codec
from transports.building import build
from transports.errors import NotUnderstood
from transports.mailbox import Timer
from transports.messages import Message
from transports.samples import Batch, Gap

log = logging.getLogger("holdfast.aggregator")
FETCH_BYTES = 1024 * 1024
AHEAD_BYTES = 4 * 1024 * 1024  # output that may wait for its acknowledgement before more is read
LEAVE_WITHIN_S = 3.0
QUIET_S = 0.5  # a fetch that waits this long, many times the spool's answer, has found nothing
COMMIT_S = 1.0  # how often the position is kept when there is no output to keep it with


@dataclass(frozen=True, slots=True)
class Work:
    """What an aggregator process is told: the table of its configuration, and how its output is kept."""

    settings: Mapping[str, Any]
    max_record_bytes: int = 8 * 1024 * 1024
    compress: bool = False


@dataclass(slots=True)
class Tally:
    """What an aggregator tells of itself."""

    records: int = 0
    samples: int = 0
    outputs: int = 0
    too_large: int = 0  # outputs; each is a gap
    damaged: int = 0


class Aggregator(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, work: Work) -> None:
        super().__init__(place, fate)
        self._work = work
        self._settings = build(Settings, work.settings, f"aggregate.{place.name}")
        self._aggregation = Aggregation(place.name, self._settings)
        self._tally = Tally()
        self._kept: Position = (0, 0)
        self._leaving = False
        self._expiry: Timer | None = None
        self._keeping: Timer | None = None

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        place = self.place
        # bounded by reading no further (AHEAD_BYTES), never by dropping: the raw topic still has everything
        outbox = Outbox(place.name, codec.pack, max_bytes=1 << 62)
        self._producer = Producer(self.mailbox, place.name, place.session, {OUT: outbox}, lambda *_: None)
        wanted = Wanted(RAW, place.name, FETCH_BYTES, durable=True)
        self._consumer = Consumer(self.mailbox, place.clock, wanted, place.session, self._go_on, self._take)
        self._consumer.open()

    def state(self) -> Mapping[str, Any]:
        account = self._producer.accounts()[OUT]
        return {
            **asdict(self._tally),
            "late": self._aggregation.late,
            "waiting": self._producer.waiting,
            "waiting_samples": account.waiting,
            "dropped_samples": account.dropped,
            "ledger": {OUT: asdict(account)},
        }

    def on_message(self, sender: str, message: Message) -> Any:
        if self._consumer.hear(message):
            return None
        if not self._producer.hear(message):
            return NotImplemented
        self._fetch()
        return None

    def leave(self) -> None:
        """Fold no more; go when the last output is durable, or when it takes too long: it can be made again."""
        self._leaving = True
        self._producer.finish(self.stop, self.place.clock.now() + LEAVE_WITHIN_S)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _fetch(self) -> None:
        may = not self._leaving and self._producer.waiting_bytes < AHEAD_BYTES
        if may and self._consumer.fetch():
            self._await_silence()

    def _go_on(self, cursor: Position, state: bytes) -> None:
        """Where the former incarnation had got to, with the windows it had open."""
        if state:
            self._aggregation.load(state)
        self._kept = cursor

    def _take(self, records: Sequence[tuple[Position, bytes]]) -> None:
        if self._leaving:
            return
        outputs: list[Batch | Gap] = []
        for _, payload in records:
            outputs += self._fold(payload)
        self._keep(outputs)
        self._fetch()

    def _fold(self, payload: bytes) -> Sequence[Batch | Gap]:
        try:
            item = codec.unpack(payload)
        except NotUnderstood as damaged:
            self._tally.damaged += 1
            log.error("a record is passed over: %s", damaged)
            return ()
        if isinstance(item, Gap) and not takes_from(self._settings.from_, item.source):
            return ()  # of a device that another aggregate takes
        self._tally.records += 1
        self._tally.samples += item.samples if isinstance(item, Batch) else 0
        return self._aggregation.fold(item, self.place.clock.utc_ns())

    # --- keeping -----------------------------------------------------------------------------------------------------

    def _keep(self, outputs: Sequence[Batch | Gap]) -> None:
        """Append the output with the position and the open windows; without output, the position a little later."""
        if outputs:
            self._append(outputs)
        elif self._keeping is None and self._consumer.seen != self._kept:
            self._keeping = self.mailbox.at(self.place.clock.now() + COMMIT_S, lambda: self._append(()))

    def _append(self, outputs: Sequence[Batch | Gap]) -> None:
        seen = self._consumer.seen
        assert seen is not None
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        commit = (RAW, self.place.name, *seen, self._aggregation.dump())
        self._tally.outputs += len(outputs)
        self._kept = seen
        told = [each for item in outputs for each in self._told(replace(item, aggregate=self.place.name))]
        only_gaps = bool(told) and all(isinstance(item, Gap) for item, _ in told)
        payloads, counts = tuple(payload for _, payload in told), tuple(_count(item) for item, _ in told)
        self._producer.add(OUT, Entry(payloads, commit=commit, is_gap=only_gaps, counts=counts))

    def _told(self, item: Batch | Gap) -> Iterator[tuple[Batch | Gap, bytes]]:
        """An output with its payload; what is too large for a record is a gap."""
        if isinstance(item, Gap):
            yield item, codec.pack(item)
            return
        for piece, payload in records.pieces(item, self._packed, self._work.max_record_bytes):
            if payload is None:
                self._tally.too_large += 1
                gap = _instead_of(piece)
                yield gap, codec.pack(gap)
            else:
                yield piece, payload

    def _packed(self, batch: Batch) -> bytes:
        return codec.pack(batch, codec.LEVEL if self._work.compress else 0)

    def _await_silence(self) -> None:
        """Have windows closed whose device has fallen silent."""
        due_ns = self._aggregation.next_due()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if due_ns is not None and self._consumer.fetching:
            clock = self.place.clock
            wait_s = max(0.01, (due_ns - clock.utc_ns()) / 1e9)
            self._expiry = self.mailbox.at(clock.now() + wait_s, self._expire)

    def _expire(self) -> None:
        """Close windows only when the spool has nothing for us: a backlog, or an answer on its way, is not silence."""
        quiet_at = self._consumer.asked_at + QUIET_S
        if self._consumer.fetching and self.place.clock.now() < quiet_at:
            self._expiry = self.mailbox.at(quiet_at, self._expire)
            return
        if self._consumer.fetching and not self._leaving:
            self._keep(self._aggregation.expire(self.place.clock.utc_ns()))
        self._await_silence()


def _count(item: Batch | Gap) -> int:
    """What an output counts in the ledger: a gap nothing, it tells of samples of another account (the device's)."""
    return item.samples if isinstance(item, Batch) else 0


def _instead_of(batch: Batch) -> Gap:
    first_seq, last_seq, since_ns, until_ns = records.covered(batch, batch)
    scans = len(batch.times_ns)
    log.error("a window of %s is larger than what is kept in a record", batch.source)
    gap = Gap(batch.source, records.TOO_LARGE, since_ns, until_ns, first_seq, last_seq, scans, samples=batch.samples)
    return replace(gap, aggregate=batch.aggregate)
