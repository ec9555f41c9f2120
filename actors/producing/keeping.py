"""What a device has read, on its way to the spool: collected, routed, packed into records, handed to the outboxes.

    take(batches) ──> pending ──wait or size──> routed by topic ──> records ──> outbox
                                                                      └── too large for a record: a gap

The ledger of each topic adds up at any time: taken = acknowledged + waiting + missing (account.py), in samples.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import islice

from actors.producing.outbox import Entry
from actors.producing.producer import Producer
from actors.producing.records import TOO_LARGE, entries
from actors.routes import Routes
from transports import codec
from transports.clock import Clock
from transports.mailbox import Mailbox, Timer
from transports.samples import Batch, Gap

log = logging.getLogger("holdfast.device")


class Keeping:
    """Batches are handed on when `wait_s` has passed or `max_samples` are pending; 0 s: at once. What is packed takes
    at most `max_record_bytes`, compressed at `level` (0: not)."""

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Clock,
        producer: Producer,
        routes: Routes,
        wait_s: float,
        max_samples: int,
        max_record_bytes: int,
        level: int,
    ) -> None:
        self._mailbox, self._clock, self._producer, self._routes = mailbox, clock, producer, routes
        self._wait_s, self._max_samples = wait_s, max_samples
        self._max_record_bytes, self._level = max_record_bytes, level
        self._pending: list[Batch] = []
        self._timer: Timer | None = None
        self._mark = 0  # the lowest of what is pending
        self.too_large = 0

    def take(self, batches: Sequence[Batch], mark: int = 0) -> None:
        """Keep these, soon or now; `mark` is the read that brought them, where somebody waits to hear of it."""
        self._pending += batches
        if batches:
            self._mark = self._mark or mark
        if not self._wait_s or sum(batch.samples for batch in self._pending) >= self._max_samples:
            self.flush()
        elif self._timer is None and self._pending:
            self._timer = self._mailbox.at(self._clock.now() + self._wait_s, self.flush)

    def flush(self) -> None:
        """Hand on what is pending."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batches, self._pending = self._pending, []
        mark, self._mark = self._mark, 0
        for topic, items in self._routes.routed(batches).items():
            for entry in entries(items, self._packed, self._max_record_bytes):
                entry = replace(entry, mark=mark) if mark else entry
                if entry.payloads:
                    self._producer.add(topic, entry)
                else:
                    self._give_up(topic, entry)

    def tell(self, gap: Gap) -> None:
        """A gap of the device's own, in every topic, behind what was read before."""
        self.flush()
        for topic in self._producer.outboxes:
            self._producer.add(topic, Entry((codec.pack(gap),), is_gap=True, counts=(gap.samples or 0,)))

    def marks(self) -> Iterator[int]:
        """The marks of what is not durable yet, the lowest of each topic and of what is pending."""
        if self._mark:
            yield self._mark
        for outbox in self._producer.outboxes.values():
            yield from islice(outbox.marks(), 1)

    def ledger(self) -> dict[str, dict[str, int]]:
        """The account of each topic, what is pending included."""
        ledger = {topic: asdict(account) for topic, account in self._producer.accounts().items()}
        for topic, samples in self._routes.samples(self._pending).items():
            ledger[topic]["taken"] += samples
            ledger[topic]["waiting"] += samples
        return ledger

    def _give_up(self, topic: str, entry: Entry) -> None:
        if not self.too_large:
            log.error("a scan does not fit in a record of %d bytes: such are told as gaps", self._max_record_bytes)
        self.too_large += 1
        self._producer.give_up(topic, entry, TOO_LARGE)

    def _packed(self, batch: Batch) -> bytes:
        return codec.pack(batch, self._level)
