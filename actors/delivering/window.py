"""What is in flight to the far end, and how far the spool may forget: a decider.

    fetched(p) ... fetched(q)      records came from the spool, in its order
    sent(ticket, [p, q], bytes)    some of them left, as one message
    taken(ticket)                  the far end has them: the position up to which *everything* is taken, if it moved

Messages may hold records of one device each, so they interleave in the spool, and the far end may take them in any
order. A position is handed out for commit only when each record that was fetched at or before it has been taken (or
set aside): a crash at any moment repeats records and never skips one. The window reaches from the oldest message that
is not taken to the newest that has left: so much is repeated at most when the connection is lost.

Records come in lanes (lanes.py), each with an order and a position of its own; the window is one for all. Backfill may
use a share of it, so that a live message finds room at once and not behind a window full of history.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from actors.delivering.lanes import BACKFILL, LIVE

P = TypeVar("P")
BACKFILL_SHARE = 0.5


@dataclass(slots=True)
class _Lane(Generic[P]):
    open: deque[P] = field(default_factory=deque)  # fetched, not committed
    done: set[P] = field(default_factory=set)  # of these, taken before an earlier one
    messages: int = 0  # in flight
    bytes: int = 0


class Window(Generic[P]):
    """What has been fetched and is not committed yet. A position is any hashable value, such as (epoch, seq)."""

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._lanes: dict[str, _Lane[P]] = {LIVE: _Lane(), BACKFILL: _Lane()}
        self._messages: dict[int, tuple[str, Sequence[P], int]] = {}
        self._order: deque[int] = deque()  # tickets from the oldest that is not taken on
        self._bytes = 0

    @property
    def in_flight(self) -> int:
        """How many messages have left and are not taken."""
        return len(self._messages)

    @property
    def uncommitted(self) -> int:
        """How many records were fetched and may not be forgotten yet: what a reconnect would repeat."""
        return sum(len(lane.open) for lane in self._lanes.values())

    def room(self, lane: str = LIVE) -> bool:
        """Whether one more message of a lane may leave. A single one always may, however large."""
        if not self._messages:
            return True
        if len(self._order) >= self._max_messages or self._bytes >= self._max_bytes:
            return False
        known = self._lanes[lane]
        if lane == LIVE or not known.messages:
            return True
        share = BACKFILL_SHARE
        return known.messages < self._max_messages * share and known.bytes < self._max_bytes * share

    def fetched(self, position: P, lane: str = LIVE) -> None:
        """A record came from the spool, after all earlier ones: no commit passes it until it is taken."""
        self._lanes[lane].open.append(position)

    def sent(self, ticket: int, positions: Sequence[P], message_bytes: int, lane: str = LIVE) -> None:
        """A message with the records at these positions, all of them fetched before, has left."""
        known = self._lanes[lane]
        self._messages[ticket] = lane, positions, message_bytes
        self._order.append(ticket)
        self._bytes += message_bytes
        known.messages += 1
        known.bytes += message_bytes

    def taken(self, ticket: int) -> P | None:
        """The far end has the message. The position to commit now, or None; also for a ticket that is not in flight."""
        if ticket not in self._messages:
            return None
        lane, positions = self.withdrawn(ticket)
        return self.settled(positions, lane)

    def withdrawn(self, ticket: int) -> tuple[str, Sequence[P]]:
        """The message is not on its way any more, and nothing is known of its records; its lane and their positions."""
        lane, positions, message_bytes = self._messages.pop(ticket)
        known, order = self._lanes[lane], self._order
        while order and order[0] not in self._messages:
            order.popleft()
        self._bytes -= message_bytes
        known.messages -= 1
        known.bytes -= message_bytes
        return lane, positions

    def settled(self, positions: Collection[P], lane: str = LIVE) -> P | None:
        """Nothing more will be done about these records: taken, or set aside as undeliverable. What to commit now."""
        known = self._lanes[lane]
        opened, done = known.open, known.done
        done.update(positions)
        end: P | None = None
        while opened and opened[0] in done:
            end = opened.popleft()
            done.discard(end)
        return end

    def heads(self) -> Iterator[P]:
        """The first record of each lane that is in flight."""
        away = {position for _, positions, _ in self._messages.values() for position in positions}
        for lane in self._lanes.values():
            first = next((position for position in lane.open if position in away), None)
            if first is not None:
                yield first

    def is_clear(self, lane: str) -> bool:
        """Whether every record that was fetched in a lane is settled."""
        return not self._lanes[lane].open

    def recede(self, lane: str) -> P | None:
        """Forget the records of a lane behind the last one that has left; that one, or None when none is open."""
        known = self._lanes[lane]
        gone = known.done.union(*(positions for of, positions, _ in self._messages.values() if of == lane))
        while known.open and known.open[-1] not in gone:
            known.open.pop()
        return known.open[-1] if known.open else None

    def reset(self) -> None:
        """The connection is gone: forget everything. The spool is read again from the last commit."""
        for lane in self._lanes:
            self._lanes[lane] = _Lane()
        self._messages.clear()
        self._order.clear()
        self._bytes = 0
