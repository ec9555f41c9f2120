"""An open spool at work: who writes, who reads, what is made durable, what is given up.

    Append ──> writers ──> spool <── readers <── Fetch, Commit
                  └──> group commit ──> acknowledged      each second: quota, what waits for room, what is to be said

It lasts as long as the disk does. Every method raises SpoolError when the disk fails, or tells `on_error` where nobody
called; then all of it is let go, and nothing that it knew is trusted again. SpoolFull: there is no room for this.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from actors.routes import OUT
from actors.spooling.group_commit import GroupCommit
from actors.spooling.ledger_batch import SOURCE, Row, batch
from actors.spooling.readers import Readers
from actors.spooling.room import Room
from actors.spooling.sessions import Sessions
from actors.spooling.standing import Counts
from actors.spooling.writers import Receipt, Writers
from transports import codec
from transports.clock import Clock
from transports.errors import NotUnderstood, SpoolError, SpoolFull
from transports.mailbox import Mailbox
from transports.messages import Message, Purge
from transports.spool import Dropped, Settings, Spool

log = logging.getLogger("holdfast.spooler")


class Desk:
    """`producers`, `consumers` and `unsaid` (what is still to be announced) outlive it."""

    def __init__(
        self,
        spool: Spool,
        settings: Settings,
        mailbox: Mailbox,
        clock: Clock,
        producers: Sessions,
        consumers: Sessions,
        unsaid: list[tuple[Dropped, str]],
        tell: Callable[[str, Message], None],
        on_durable: Callable[[], None],
        on_error: Callable[[SpoolError], None],
    ) -> None:
        self.spool, self._settings, self._clock = spool, settings, clock
        self._on_durable, self._on_error = on_durable, on_error
        self.group = GroupCommit[Receipt](mailbox, clock, spool, settings, self._durable, on_error)
        self._room = Room(spool, settings, clock, unsaid)
        self.readers = Readers(spool, self._room, consumers, tell, self.group.committed)
        self.writers = Writers(spool, self.group, self._room, producers, settings, clock, tell, self.readers.serve)
        self._ledger_at = clock.now() + settings.ledger_every_s

    def counts(self) -> Counts:
        """What it has done so far."""
        return Counts(self.writers.appended, self.readers.fetched, self.group.syncs, self.spool.written_bytes)

    def trouble(self) -> str:
        """What is wrong though the spool is open; "" when all is well."""
        if self.writers.is_slow:
            return f"a sync has been under way for {self.group.under_way_s():.0f} s"
        return "; ".join(self.writers.full.values())

    def tick(self) -> None:
        """Each second: keep within the quotas, and try again what found no room. A disk that hangs is left alone."""
        if self.writers.is_slow:
            return
        self._room.given_up(self.spool.enforce(self._clock.utc_ns()))
        self.readers.retry()
        self._announce()
        self.writers.tick()
        self._tell_ledger()

    def close(self, within_s: float) -> None:
        """Make everything durable and acknowledge it; in `within_s`, or not at all."""
        if not self.writers.is_slow:
            self.readers.retry()
            self.writers.settle()
        receipts = self.group.stop(within_s)
        if receipts is None:
            raise SpoolError(f"a sync does not return within {within_s:g} s")
        self.spool.sync()  # raises when the one that ran has failed; closing would say nothing
        self.spool.close()
        self.writers.acknowledge(receipts)

    def abandon(self) -> None:
        """The disk has failed."""
        self.group.abandon()
        with suppress(SpoolError, OSError):
            self.spool.close()

    # --- what the operator asks --------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """The ledger: topic, producer, consumer, read, delivered, waiting, gaps."""
        return [(a.topic, a.producer, a.consumer, a.read, a.delivered, a.waiting, a.gaps) for a in self.spool.ledger()]

    def purge(self, purge: Purge) -> list[list[Any]]:
        """Give up what waits; what went: topic, first, last, count, reason. Raises NotUnderstood."""
        if self.writers.is_slow:
            raise NotUnderstood(f"{self.trouble()}: nothing can be deleted now")
        topic, consumer = purge.topic, purge.consumer
        whose = f"for {consumer}, " if consumer else ""
        if purge.forget:
            self.spool.may_forget(topic, consumer)
        log.warning("purge of %s, %sasked by %s: %s", topic, whose, purge.who or "somebody", purge.why or "no reason")
        dropped = self.spool.purge(topic, consumer, self._clock.utc_ns())
        self._room.given_up(dropped, f"{whose}by {purge.who}: {purge.why}")
        if purge.forget:
            self.spool.forget(topic, consumer)
        self._announce()
        return [[each.topic, list(each.first), list(each.last), each.count, each.reason] for each in dropped]

    # --- upkeep ------------------------------------------------------------------------------------------------------

    def _durable(self, receipts: Iterable[Receipt]) -> None:
        self._on_durable()
        self.writers.acknowledge(receipts)
        try:
            self.readers.serve_durable()
        except SpoolError as error:
            self._on_error(error)

    def _announce(self) -> None:
        for topic in self._room.announce():
            self._wrote(topic)

    def _tell_ledger(self) -> None:
        """The ledger as readings of a source of its own, where that is wanted."""
        every_s, now = self._settings.ledger_every_s, self._clock.now()
        if not every_s or now < self._ledger_at:
            return
        self._ledger_at = now + every_s
        rows = self.rows()
        if not rows:
            return
        last, _ = self.spool.producer(OUT, SOURCE)
        now_ns = self._clock.utc_ns()
        said = batch(rows, last + 1, now_ns)
        with suppress(SpoolFull):  # readings are worth more
            self.spool.append(OUT, SOURCE, last + 1, [codec.pack(said)], now_ns, counts=[said.samples])
            self._wrote(OUT)

    def _wrote(self, topic: str) -> None:
        self.group.written()
        self.readers.serve(topic)
