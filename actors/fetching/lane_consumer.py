"""A consumer that reads a topic in several places at once, each of them a lane with a name.

    opened ──Fetch first──> cursor, state, end ──> place(lane, after, until) ──fetch(lane)──> records of that lane

All lanes belong to one session. When the spooler returns, each goes on behind what it has seen. A lane is placed anew
only while no answer is awaited for it, so an answer is always for the place where the lane is now.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat

from actors.fetching.session import Position, Reading, Wanted
from transports.mailbox import Mailbox
from transports.messages import Fetched

Arrived = tuple[Position, int, bytes]  # where a record is, when it was appended (UTC ns), its payload


@dataclass(slots=True)
class _Lane:
    seen: Position
    until: Position | None
    placed: bool = False  # whether the spooler knows where this lane is
    fetching: bool = False


class LaneConsumer(Reading):
    """Calls `on_begin(cursor, state)` whenever a session begins: `place` its lanes then, unless they are placed. Calls
    `on_arrived(lane, records)` with what came; of a lane with an `until` nothing means that nothing is left."""

    def __init__(
        self,
        mailbox: Mailbox,
        wanted: Wanted,
        session: int,
        on_begin: Callable[[Position, bytes], None],
        on_arrived: Callable[[str, Sequence[Arrived]], None],
    ) -> None:
        super().__init__(mailbox, wanted, session)
        self._on_begin, self._on_arrived = on_begin, on_arrived
        self._lanes: dict[str, _Lane] = {}
        self._stands = False
        self.end: Position = (0, 0)  # where the topic ended when the spooler last answered

    def close(self) -> None:
        """As Reading has it; the lanes are forgotten."""
        super().close()
        self._lanes.clear()

    def place(self, lane: str, after: Position, until: Position | None = None) -> None:
        """Let a lane read on behind `after`, up to `until`. Not while an answer is awaited for it."""
        assert not self.awaits(lane)
        self._lanes[lane] = _Lane(after, until)

    def awaits(self, lane: str) -> bool:
        """Whether an answer for this lane is on its way."""
        return lane in self._lanes and self._lanes[lane].fetching

    def seen(self, lane: str) -> Position:
        """How far a lane that was placed has been handed out."""
        return self._lanes[lane].seen

    def fetch(self, lane: str) -> None:
        """Ask for more of a lane that was placed, unless an answer is awaited already or nobody would answer."""
        known = self._lanes.get(lane)
        if known is None or known.fetching or not self._stands:
            return
        known.fetching = self.ask(False, lane, None if known.placed else known.seen, known.until)
        known.placed = known.placed or known.fetching

    def begun(self, cursor: Position, state: bytes) -> None:
        """As Reading has it."""
        self._stands = True
        self._on_begin(cursor, state)

    def arrived(self, fetched: Fetched) -> None:
        """As Reading has it."""
        self.end = max(self.end, fetched.end or self.end)
        known = self._lanes.get(fetched.lane)
        if fetched.cursor is not None or known is None:
            return
        known.fetching = False
        seen, times = known.seen, fetched.times_ns or repeat(0, len(fetched.records))
        each = zip(fetched.records, times, fetched.frames, strict=True)
        fresh = [one for one in each if one[0] > seen]
        if fresh:
            known.seen = fresh[-1][0]
        if fresh or not fetched.records:
            self._on_arrived(fetched.lane, fresh)
        else:  # all of it was seen: it says nothing about what is left
            self.fetch(fetched.lane)

    def silenced(self) -> None:
        """As Reading has it."""
        self._stands = False
        for lane in self._lanes.values():
            lane.fetching = lane.placed = False
