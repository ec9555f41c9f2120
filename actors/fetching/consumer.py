"""A consumer's side of the spool: what comes next is fetched, at most one answer ahead, and committed when it is done.

    opened ──Fetch first──> cursor and state of the last commit ──Fetch──> records ──Fetch──> ... ──Commit──> forgotten

A session begins at the committed cursor, again after each return of the spooler. What was seen already is passed over,
so its owner gets each record once for as long as the consumer is open.
"""

from collections.abc import Callable, Sequence

from actors.fetching.session import Position, Reading, Wanted
from transports.clock import Clock
from transports.mailbox import Mailbox
from transports.messages import Fetched

__all__ = ["Consumer", "Position", "Wanted"]


class Consumer(Reading):
    """Calls `on_begin(cursor, state)` once each time it is opened, then `on_records([(position, payload), ...])` with
    what came; an empty list means that there is something to ask for. It asks only when `fetch` is called."""

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Clock,
        wanted: Wanted,
        session: int,
        on_begin: Callable[[Position, bytes], None],
        on_records: Callable[[Sequence[tuple[Position, bytes]]], None],
    ) -> None:
        super().__init__(mailbox, wanted, session)
        self._clock = clock
        self._on_begin, self._on_records = on_begin, on_records
        self.seen: Position | None = None  # None until the spool has told where to go on
        self.fetching = False
        self.asked_at = 0.0

    def close(self) -> None:
        """As Reading has it."""
        super().close()
        self.seen = None

    def fetch(self) -> bool:
        """Ask for more, unless an answer is awaited already. Whether this asked."""
        if not self._open or self.fetching or self.seen is None:
            return False
        self.ask(first=False)
        return self.fetching

    def ask(self, first: bool, lane: str = "", after: Position | None = None, until: Position | None = None) -> bool:
        """As Reading has it."""
        self.asked_at = self._clock.now()
        self.fetching = super().ask(first, lane, after, until)
        return self.fetching

    def begun(self, cursor: Position, state: bytes) -> None:
        """As Reading has it."""
        first = self.seen is None
        self.seen = max(self.seen or cursor, cursor, self.committed)
        if first:
            self._on_begin(cursor, state)

    def arrived(self, fetched: Fetched) -> None:
        """As Reading has it."""
        self.fetching = False
        seen = self.seen
        if seen is None:
            return
        each = zip(fetched.records, fetched.frames, strict=True)
        fresh = [(position, payload) for position, payload in each if position > seen]
        if fresh:
            self.seen = fresh[-1][0]
        self._on_records(fresh)

    def silenced(self) -> None:
        """As Reading has it."""
        self.fetching = False
