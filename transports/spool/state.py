"""What a log remembers beside its records: how far each producer and each consumer got.

A snapshot stands at the head of each segment, so that opening reads the newest segment only. As msgpack:

    STATE    ["s2", {producer: [pseq, time_ns, kept, missed]}, [cursor, ...], [epoch, seq] of the last, its time_ns,
              floor]
    COMMIT   ["c2", *cursor]
    cursor   [topic, consumer, epoch, seq, state, revision, time_ns, [epoch, first] of a segment, got, base]

A cursor of one topic may be kept in the log of another (the aggregator's output carries the commit of its input);
at opening the furthest wins. The revision counts the commits of one cursor: it decides between equal positions.

The rest is for the ledger, in samples. `kept` and `missed` sum up what a producer's records hold, and what its own gaps
say is missing; `base` is [kept, missed] of each producer where a consumer began; `got` is what it was handed in all
segments before the named one. In a COMMIT `got` and `base` are nil when the log has the same already.

Version 1 ("s1", "c1") is read: it has none of what the ledger needs, and its records count no samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgpack

from transports.errors import NotUnderstood
from transports.spool.record import MAX_COUNT, Entry, unpack_mark
from transports.spool.terms import GAP, NUMBERED, START, Commit, Kind, Position

CursorKey = tuple[str, str]  # topic, consumer
SegmentKey = tuple[int, int]  # epoch, first seq


class Produced(NamedTuple):
    """How far a producer is: its last pseq and when it came, and its samples: those kept, those it says are missing."""

    pseq: int = 0
    time_ns: int = 0
    kept: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a consumer is. `at` is the segment before which everything is in `got`; `base` is where it began."""

    position: Position = START
    revision: int = 0
    state: bytes = b""
    time_ns: int = 0
    at: SegmentKey = (0, 0)
    got: Mapping[str, int] = field(default_factory=dict)
    base: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def order(self) -> tuple[Position, int]:
        """Of two cursors of one consumer the greater one is the newer one."""
        return self.position, self.revision

    @property
    def settled(self) -> Position:
        """Everything up to here was handed out or given up. Files of that may come back after a power cut."""
        return Position(self.at[0], max(0, self.at[1] - 1))


NOWHERE = Cursor()
NEVER = Produced()


@dataclass(slots=True)
class State:
    """Of one log: its producers, the cursors kept here, the last record given a seq; what was before the seq `floor`
    went on purpose."""

    producers: dict[str, Produced] = field(default_factory=dict)
    cursors: dict[CursorKey, Cursor] = field(default_factory=dict)
    end: Position = START
    time_ns: int = 0
    floor: int = 0

    def replay(self, epoch: int, entry: Entry) -> None:
        """Take in one record that was read back from a segment of this epoch."""
        if entry.kind in NUMBERED:
            before = self.producers.get(entry.name, NEVER)
            # what the total knows and the counts do not was in records that cannot be read any more
            unread = (entry.total - entry.samples - before.kept - before.missed) & MAX_COUNT if entry.total else 0
            self.produced(entry.name, entry.pseq, entry.time_ns, unread, missed=False)
            self.produced(entry.name, entry.pseq, entry.time_ns, entry.samples, entry.kind == GAP)
        elif entry.kind == Kind.COMMIT:
            self._replay_commit(entry.payload)
        elif entry.kind == Kind.FLOOR:
            self.floor = max(self.floor, unpack_mark(entry.payload))
        if entry.seq > self.end.seq:  # a later kind tells of records that could not be read themselves
            self.end = Position(epoch, entry.seq)

    def produced(self, producer: str, pseq: int, time_ns: int, samples: int, missed: bool) -> None:
        """A record of this producer was appended, with so many samples in it, or missing by what it says."""
        last, _, kept, lost = self.producers.get(producer, NEVER)
        kept, lost = (kept, lost + samples) if missed else (kept + samples, lost)
        self.producers[producer] = Produced(max(last, pseq), time_ns, kept, lost)
        self.time_ns = time_ns

    def committed(self, key: CursorKey, cursor: Cursor) -> None:
        """A cursor moved; never backwards."""
        self.cursors[key] = max(self.cursors.get(key, NOWHERE), cursor, key=_order)

    def _replay_commit(self, payload: bytes) -> None:
        key, cursor, known = unpack_commit(payload)
        if known:
            before = self.cursors.get(key, NOWHERE)
            cursor = replace(cursor, got=before.got, base=before.base)
        self.committed(key, cursor)


def pack_state(state: State) -> bytes:
    """The payload of a STATE record."""
    producers = {name: list(known) for name, known in state.producers.items()}
    cursors = [[*_fields(key, cursor), cursor.got, cursor.base] for key, cursor in state.cursors.items()]
    return _packed(["s2", producers, cursors, list(state.end), state.time_ns, state.floor])


def unpack_state(payload: bytes) -> State:
    """Raises NotUnderstood for anything that `pack_state` did not make, in this version or the one before."""
    fields = _unpacked(("s1", "s2"), payload)
    try:
        producers, cursors, (epoch, seq), time_ns, *floor = fields
        return State(
            {name: Produced(*known) for name, known in producers.items()},
            dict(_cursor(*cursor)[:2] for cursor in cursors),
            Position(epoch, seq),
            time_ns,
            *floor,
        )
    except (TypeError, ValueError, AttributeError) as wrong:
        raise NotUnderstood(f"a snapshot of another form: {wrong}") from wrong


def pack_commit(commit: Commit, cursor: Cursor, known: Cursor = NOWHERE) -> bytes:
    """The payload of a COMMIT record, written to a log that has the cursor as `known` already."""
    same = cursor.got == known.got and cursor.base == known.base
    told = (None, None) if same else (cursor.got, cursor.base)
    return _packed(["c2", *_fields((commit.topic, commit.consumer), cursor), *told])


def unpack_commit(payload: bytes) -> tuple[CursorKey, Cursor, bool]:
    """The cursor, and whether what is not told of it is as the log has it already.

    Raises NotUnderstood for anything that `pack_commit` did not make, in this version or the one before.
    """
    fields = _unpacked(("c1", "c2"), payload)
    try:
        return _cursor(*fields)
    except (TypeError, ValueError, AttributeError) as wrong:
        raise NotUnderstood(f"a commit of another form: {wrong}") from wrong


def _order(cursor: Cursor) -> tuple[Position, int]:
    return cursor.order


def _fields(key: CursorKey, cursor: Cursor) -> list[Any]:
    return [*key, *cursor.position, cursor.state, cursor.revision, cursor.time_ns, list(cursor.at)]


def _cursor(
    topic: str,
    consumer: str,
    epoch: int,
    seq: int,
    state: bytes,
    revision: int,
    time_ns: int = 0,
    at: list[int] | None = None,
    got: dict[str, int] | None = None,
    base: dict[str, list[int]] | None = None,
) -> tuple[CursorKey, Cursor, bool]:
    first, second = at or (0, 0)
    begun = {name: (kept, missed) for name, (kept, missed) in (base or {}).items()}
    cursor = Cursor(Position(epoch, seq), revision, state, time_ns, (first, second), got or {}, begun)
    return (topic, consumer), cursor, got is None


def _packed(item: Any) -> bytes:
    packed: bytes = msgpack.packb(item)
    return packed


def _unpacked(forms: tuple[str, ...], payload: bytes) -> list[Any]:
    fields: list[Any]
    try:
        found, *fields = msgpack.unpackb(payload)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as wrong:
        raise NotUnderstood(f"{len(payload)} bytes that are no msgpack array: {wrong}") from wrong
    if found not in forms:
        raise NotUnderstood(f"the form {found!r:.20} where {forms[-1]!r} was expected; written by a newer version")
    return fields
