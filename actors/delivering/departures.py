"""What is between the spool and the far end: waiting for company, ready to leave, on its way: a decider.

live      add ──> batching ──> ready ┐
                                     ├─ next ──> Departure ──left──> window ──taken──> how far everything has arrived
backfill  add ──> batching ──> ready ┘

Live goes first whenever both could leave. `singly` lets each record travel alone: when one of them is looked for that
the far end does not bear (poison.py).
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import NamedTuple

from actors.delivering.batching import Batching, Entry, Group, Limits
from actors.delivering.lanes import BACKFILL, LIVE
from actors.delivering.window import Window
from transports.payloads import OutRecord
from transports.samples import Batch

Position = tuple[int, int]


class Departure(NamedTuple):
    """One message to be: the ticket it travels under, what its address depends on, its records, its lane, and how many
    bytes the records are in the spool."""

    ticket: int
    key: Hashable
    records: Sequence[OutRecord]
    lane: str = LIVE
    records_bytes: int = 0

    @property
    def first(self) -> Position:
        """Where its first record is."""
        return self.records[0].epoch, self.records[0].seq


class Arrival(NamedTuple):
    """The far end has so many records and samples more; `position` is what is delivered of the lane, if it moved."""

    records: int
    samples: int
    position: Position | None
    lane: str = LIVE


@dataclass(slots=True)
class _Lane:
    batching: Batching[OutRecord]
    ready: deque[Group[OutRecord]] = field(default_factory=deque)


class Departures:
    """Records in, in the spool's order; messages out, as many as the window lets go; positions when they are taken."""

    def __init__(self, limits: Limits, window: Window[Position]) -> None:
        self._lanes = {lane: _Lane(Batching(limits)) for lane in (LIVE, BACKFILL)}
        self._window = window
        self._away: dict[int, tuple[int, int, str]] = {}  # ticket -> records, samples, lane
        self._ticket = 0
        self._one_by_one = limits.max_records == 1
        self.singly = False

    @property
    def in_flight(self) -> int:
        """How many messages have left and are not taken."""
        return self._window.in_flight

    @property
    def uncommitted(self) -> int:
        """How many records were fetched and may not be forgotten yet."""
        return self._window.uncommitted

    def wants_more(self, lane: str = LIVE) -> bool:
        """Whether there is room for records: nothing is ready that could not leave."""
        return not self._lanes[lane].ready and self._window.room(lane)

    def is_clear(self, lane: str) -> bool:
        """Whether everything that was added to a lane has arrived or was set aside."""
        return self._window.is_clear(lane)

    def add(self, record: OutRecord, record_bytes: int, now: float, lane: str = LIVE) -> None:
        """A record came from the spool."""
        known, source = self._lanes[lane], record.item.source
        self._window.fetched((record.epoch, record.seq), lane)
        if self.singly or self._one_by_one:
            known.ready.append(Group(source, (record,), record_bytes))
        else:
            known.ready += known.batching.add(Entry(source, record_bytes, record), now)

    def skip(self, place: Position, lane: str) -> Position | None:
        """The record that comes next in a lane was delivered before. What is delivered of the lane, if it moved."""
        self._window.fetched(place, lane)
        return self._window.settled((place,), lane)

    def next_due(self) -> float | None:
        """When `due` must be called next (monotonic seconds); None while nobody waits for company."""
        dues = [due for lane in self._lanes.values() if (due := lane.batching.next_due()) is not None]
        return min(dues, default=None)

    def due(self, now: float) -> None:
        """Those that have waited long enough get ready."""
        for lane in self._lanes.values():
            lane.ready += lane.batching.due(now)

    def flush(self, lane: str) -> None:
        """No more company comes in this lane: all get ready."""
        known = self._lanes[lane]
        known.ready += known.batching.flush()

    def waiting(self, lane: str) -> Group[OutRecord] | None:
        """The next message of a lane, ready whether or not the window has room."""
        ready = self._lanes[lane].ready
        return ready[0] if ready else None

    def next(self) -> Departure | None:
        """The next message, if there is one and the window has room; when it leaves, `left` must follow."""
        for lane, known in self._lanes.items():
            if known.ready:
                return self.departing(lane) if self._window.room(lane) else None
        return None

    def departing(self, lane: str, at: int = 0) -> Departure:
        """One of the messages that are ready in a lane."""
        group = self._lanes[lane].ready[at]
        self._ticket += 1
        return Departure(self._ticket, group.key, group.records, lane, group.group_bytes)

    def candidate(self, number: int, lane: str, most: int = 64) -> Departure:
        """The next message of a lane for 0, another one that is ready for 1, and so on in turn; of other keys if there
        are any, for they may overtake it."""
        key = self._lanes[lane].ready[0].key
        others = [
            (of, at, group.key) for of in self._lanes for at, group in enumerate(islice(self._lanes[of].ready, most))
        ]
        strangers = [(of, at) for of, at, its_key in others if its_key != key]
        turns = [(lane, 0), *(strangers or [(of, at) for of, at, _ in others if (of, at) != (lane, 0)])]
        return self.departing(*turns[number % len(turns)])

    def new_ticket(self) -> int:
        """For a message that is none of these."""
        self._ticket += 1
        return self._ticket

    def left(self, departure: Departure, message_bytes: int) -> None:
        """It is on its way, as a message of this size."""
        ready, records = self._lanes[departure.lane].ready, departure.records
        if ready[0].records is records:
            ready.popleft()
        else:
            del ready[next(at for at, group in enumerate(ready) if group.records is records)]
        samples = sum([record.item.samples for record in records if isinstance(record.item, Batch)])
        self._away[departure.ticket] = len(records), samples, departure.lane
        positions = [(record.epoch, record.seq) for record in records]
        self._window.sent(departure.ticket, positions, message_bytes, departure.lane)

    def split(self, departure: Departure) -> None:
        """It cannot leave as one message after all: its records are the next to leave, each by itself."""
        del self._away[departure.ticket]
        self._window.withdrawn(departure.ticket)
        alone = [Group(departure.key, (record,), 0) for record in departure.records]
        self._lanes[departure.lane].ready.extendleft(reversed(alone))

    def emptied(self, ticket: int) -> None:
        """What travels under this ticket says only that its samples could not be delivered."""
        records, _, lane = self._away[ticket]
        self._away[ticket] = records, 0, lane

    def taken(self, ticket: int) -> Arrival:
        """The far end has it, or it was set aside for good."""
        records, samples, lane = self._away.pop(ticket, (0, 0, LIVE))
        return Arrival(records, samples, self._window.taken(ticket), lane)

    def heads(self) -> Iterator[Position]:
        """The first record of each lane that is on its way."""
        return self._window.heads()

    def recede(self, lane: str) -> None:
        """Forget what has not left, but for records before one that has: the lane jumps (lanes.py)."""
        known, last = self._lanes[lane], self._window.recede(lane)

        def keep(record: OutRecord) -> bool:
            return last is not None and (record.epoch, record.seq) < last

        known.batching.keep(keep)
        known.ready = deque(chain.from_iterable(_kept(group, keep) for group in known.ready))

    def reset(self) -> None:
        """The connection is gone: forget everything, the spool has it all."""
        for lane in self._lanes.values():
            lane.batching.reset()
            lane.ready.clear()
        self._window.reset()
        self._away.clear()


def _kept(group: Group[OutRecord], keep: Callable[[OutRecord], bool]) -> Sequence[Group[OutRecord]]:
    records = tuple(filter(keep, group.records))
    if len(records) == len(group.records):
        return [group]
    return [Group(group.key, records, group.group_bytes)] if records else []
