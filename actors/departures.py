"""What is between the spool and the far end: waiting for company, ready to leave, on its way: a decider.

add ──> batching ──> ready ──next──> Departure ──left──> window ──taken──> how far everything has arrived
"""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from actors.batching import Batching, Entry, Group, Limits
from actors.delivery import Window
from transports.payloads import OutRecord
from transports.samples import Batch

Position = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Departure:
    """One message to be: the ticket it travels under, what its address depends on, and its records."""

    ticket: int
    key: Hashable
    records: Sequence[OutRecord]


@dataclass(frozen=True, slots=True)
class Arrival:
    """The far end has so many records and samples more; `position` is what may be committed now, if it moved."""

    records: int
    samples: int
    position: Position | None


class Departures:
    """Records in, in the spool's order; messages out, as many as the window lets go; positions when they are taken."""

    def __init__(self, limits: Limits, window: Window[Position]) -> None:
        self._batching: Batching[OutRecord] = Batching(limits)
        self._window = window
        self._ready: deque[Group[OutRecord]] = deque()
        self._away: dict[int, tuple[int, int]] = {}  # ticket -> records, samples
        self._ticket = 0

    @property
    def in_flight(self) -> int:
        """How many messages have left and are not taken."""
        return self._window.in_flight

    @property
    def uncommitted(self) -> int:
        """How many records were fetched and may not be forgotten yet."""
        return self._window.uncommitted

    def wants_more(self) -> bool:
        """Whether there is room for records: nothing is ready that could not leave."""
        return not self._ready and self._window.room()

    def add(self, record: OutRecord, record_bytes: int, now: float) -> None:
        """A record came from the spool."""
        self._window.fetched((record.epoch, record.seq))
        self._ready += self._batching.add(Entry(record.item.source, record_bytes, record), now)

    def next_due(self) -> float | None:
        """When `due` must be called next (monotonic seconds); None while nobody waits for company."""
        return self._batching.next_due()

    def due(self, now: float) -> None:
        """Those that have waited long enough get ready."""
        self._ready += self._batching.due(now)

    def next(self) -> Departure | None:
        """The next message, if there is one and the window has room; `left` must follow."""
        if not self._ready or not self._window.room():
            return None
        group = self._ready.popleft()
        self._ticket += 1
        return Departure(self._ticket, group.key, group.records)

    def left(self, departure: Departure, message_bytes: int) -> None:
        """It is on its way, as a message of this size."""
        samples = sum(record.item.samples for record in departure.records if isinstance(record.item, Batch))
        self._away[departure.ticket] = len(departure.records), samples
        positions = [(record.epoch, record.seq) for record in departure.records]
        self._window.sent(departure.ticket, positions, message_bytes)

    def emptied(self, ticket: int) -> None:
        """What travels under this ticket says only that its samples could not be delivered."""
        records, _ = self._away[ticket]
        self._away[ticket] = records, 0

    def taken(self, ticket: int) -> Arrival:
        """The far end has it, or it was set aside for good."""
        records, samples = self._away.pop(ticket, (0, 0))
        return Arrival(records, samples, self._window.taken(ticket))

    def reset(self) -> None:
        """The connection is gone: forget everything, the spool has it all."""
        self._batching.reset()
        self._window.reset()
        self._ready.clear()
        self._away.clear()
