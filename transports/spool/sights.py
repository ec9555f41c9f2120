"""Topics in numbers, from the files alone: what the heads of all segments and the records of the newest ones say."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from transports.errors import NotUnderstood
from transports.spool import quarantine
from transports.spool.cursors import FORGOTTEN_NS
from transports.spool.inspection import Inspection
from transports.spool.segment import Segment
from transports.spool.state import NOWHERE, Cursor, CursorKey, State, unpack_state
from transports.spool.terms import NUMBERED, START, Kind, Position
from transports.spool.viewing import SegmentView


@dataclass(frozen=True, slots=True)
class Sight:
    """One topic in numbers. `bytes` are on disk; times are UTC in ns, 0 where unknown.

    `first` is the first position that may still be there, `end` that of the last record; `cursors` is where each
    consumer is that ever committed, `waiting` about how many records it has not had. `versions` counts segments by the
    version of their format, 0 for those whose header cannot be read. `quarantined` counts the segments of which some
    consumer has yet to be told, `set_aside` those that are kept only to be looked at.
    """

    topic: str
    segments: int
    bytes: int
    epoch: int
    first: Position
    end: Position
    oldest_ns: int
    newest_ns: int
    cursors: Mapping[str, Position]
    waiting: Mapping[str, int]
    quarantined: int
    set_aside: int
    versions: Mapping[int, int]


def sights(inspection: Inspection, topics: Collection[str] = ()) -> list[Sight]:
    """Each topic of a spool, or those named. The cursors of a topic may be kept in another one, so all are looked at.

    Raises OSError.
    """
    states = {topic: _state(inspection, topic) for topic in topics or inspection.topics()}
    cursors = _furthest(states.values())
    return [_sight(inspection, topic, state, cursors) for topic, state in states.items()]


def _sight(inspection: Inspection, topic: str, state: State, cursors: Mapping[CursorKey, Cursor]) -> Sight:
    segments, aside = inspection.segments(topic), quarantine.names(inspection.files, inspection.place(topic))
    own = _own(segments)
    first = Position(*segments[0].key) if segments else START
    here = {
        consumer: cursor.position
        for (of, consumer), cursor in sorted(cursors.items(), key=lambda each: each[0])
        if of == topic and cursor.time_ns != FORGOTTEN_NS
    }
    return Sight(
        topic,
        segments=len(own),
        bytes=sum(segment.disk_bytes for segment in own),
        epoch=max([*(each.epoch for each in segments), *(epoch for _, (epoch, _, _) in aside)], default=0),
        first=first,
        end=state.end,
        oldest_ns=_oldest_ns(inspection, topic, own),
        newest_ns=state.time_ns,
        cursors=here,
        waiting={name: _waiting(position, first, state.end) for name, position in here.items()},
        quarantined=len(segments) - len(own),
        set_aside=len(aside) - (len(segments) - len(own)),
        versions=Counter(inspection.looked(topic, each, _version) or 0 for each in own),
    )


def _state(inspection: Inspection, topic: str) -> State:
    """What the newest segments say: the newest with a whole snapshot, and what came after it."""
    older, newer = _own(inspection.segments(topic)), []
    state = None
    while older and state is None:
        newer.append(older.pop())
        state = inspection.looked(topic, newer[-1], _snapshot)
    state = state or State()
    for segment in reversed(newer):
        inspection.looked(topic, segment, lambda view: _replay(view, state, view.segment is newer[0]))
    return state


def _snapshot(view: SegmentView) -> State | None:
    """The state at the head of a segment, also behind a damaged header; None when it is damaged itself."""
    for piece in view.pieces(view.head_bytes, view.body or view.segment.size):
        if piece.entry is not None:
            with suppress(NotUnderstood):
                return unpack_state(piece.entry.payload) if piece.entry.kind == Kind.STATE else None
            return None
    return None


def _replay(view: SegmentView, state: State, newest: bool) -> None:
    size = view.segment.size
    for piece in view.pieces(view.body, view.sound_size(size) if newest and not view.wrong else size):
        if piece.entry is not None:
            with suppress(NotUnderstood):  # of a form that this version cannot read
                state.replay(view.segment.epoch, piece.entry)


def _oldest_ns(inspection: Inspection, topic: str, segments: Sequence[Segment]) -> int:
    """When the first record that can be read was appended."""
    return next((found for each in segments if (found := inspection.looked(topic, each, _first_ns))), 0)


def _first_ns(view: SegmentView) -> int:
    entries = (piece.entry for piece in view.pieces(view.body, view.segment.size) if piece.entry)
    return next((entry.time_ns for entry in entries if entry.kind in NUMBERED), 0)


def _version(view: SegmentView) -> int:
    return view.version


def _furthest(states: Iterable[State]) -> dict[CursorKey, Cursor]:
    cursors: dict[CursorKey, Cursor] = {}
    for state in states:
        for key, cursor in state.cursors.items():
            cursors[key] = max(cursors.get(key, NOWHERE), cursor, key=lambda each: each.order)
    return cursors


def _waiting(cursor: Position, first: Position, end: Position) -> int:
    """As the spool itself counts (spool.py): 0 only when there are none."""
    return 0 if cursor >= end else max(1, end.seq - max(cursor.seq, first.seq - 1))


def _own(segments: Iterable[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.lost_to is None]
