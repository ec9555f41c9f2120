"""What a link's far end may forget: told when everything that a read brought is durable in the spool.

    read 7 ──> mark 7 on its entries ──> outbox ──acknowledged──> nothing marked 7 or less waits: kept(7)

Reads are counted over the whole life of the process, so that what a former link has read cannot acknowledge for the
present one. Where too much waits, the link is better not read: its far end has the rest, and keeps it.
"""

from collections.abc import Callable, Iterable

from transports.links import Receipted


class Receipts:
    """`waiting` gives the marks of what is not durable yet, lowest first or not."""

    def __init__(self, waiting: Callable[[], Iterable[int]]) -> None:
        self._waiting = waiting
        self._link: Receipted | None = None
        self._reads = self._base = self._told = 0

    @property
    def wanted(self) -> bool:
        """Whether the link waits for receipts at all."""
        return self._link is not None

    @property
    def mark(self) -> int:
        """For what is read now; 0 where nobody asks."""
        return self._reads if self._link is not None else 0

    def connected(self, link: object) -> None:
        """Another link: what it will read is counted anew."""
        self._link = link if isinstance(link, Receipted) else None
        self._base = self._told = self._reads

    def lost(self) -> None:
        """The link is gone, and with it whoever waits for receipts."""
        self._link = None

    def reading(self) -> None:
        """The link is about to be read."""
        self._reads += 1

    def look(self) -> None:
        """Tell the link what has become durable since the last look."""
        if self._link is None or self._told == self._reads:
            return
        lowest = min(self._waiting(), default=0)
        durable = lowest - 1 if lowest else self._reads
        if durable > self._told:
            self._told = durable
            self._link.kept(durable - self._base)
