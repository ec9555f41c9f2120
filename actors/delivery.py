"""What is in flight to the far end, and how far the spool may forget: a decider.

    fetched(p) ... fetched(q)      records came from the spool, in its order
    sent(ticket, [p, q], bytes)    some of them left, as one message
    taken(ticket)                  the far end has them: the position up to which *everything* is taken, if it moved

Messages may hold records of one device each, so they interleave in the spool, and the far end may take them in any
order. A position is handed out for commit only when each record that was fetched at or before it has been taken (or
set aside): a crash at any moment repeats records and never skips one.
"""

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

P = TypeVar("P")


class Window(Generic[P]):
    """What has been fetched and is not committed yet. A position is any hashable value, such as (epoch, seq)."""

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._open: deque[P] = deque()
        self._done: set[P] = set()
        self._messages: dict[int, tuple[tuple[P, ...], int]] = {}
        self._bytes = 0

    @property
    def in_flight(self) -> int:
        """How many messages have left and are not taken."""
        return len(self._messages)

    @property
    def uncommitted(self) -> int:
        """How many records were fetched and may not be forgotten yet: what a reconnect would repeat."""
        return len(self._open)

    def room(self) -> bool:
        """Whether one more message may leave. A single one always may, however large."""
        return not self._messages or (len(self._messages) < self._max_messages and self._bytes < self._max_bytes)

    def fetched(self, position: P) -> None:
        """A record came from the spool, after all earlier ones: no commit passes it until it is taken."""
        self._open.append(position)

    def sent(self, ticket: int, positions: Sequence[P], message_bytes: int) -> None:
        """A message with the records at these positions, all of them fetched before, has left."""
        self._messages[ticket] = (tuple(positions), message_bytes)
        self._bytes += message_bytes

    def taken(self, ticket: int) -> P | None:
        """The far end has the message. The position to commit now, or None; also for a ticket that is not in flight."""
        if ticket not in self._messages:
            return None
        positions, message_bytes = self._messages.pop(ticket)
        self._bytes -= message_bytes
        return self.settled(positions)

    def settled(self, positions: Sequence[P]) -> P | None:
        """Nothing more will be done about these records: taken, or set aside as undeliverable. What to commit now."""
        self._done.update(positions)
        end: P | None = None
        while self._open and self._open[0] in self._done:
            end = self._open.popleft()
            self._done.discard(end)
        return end

    def reset(self) -> None:
        """The connection is gone: forget everything. The spool is read again from the last commit."""
        self._open.clear()
        self._done.clear()
        self._messages.clear()
        self._bytes = 0
