"""What a log remembers beside its records: how far each producer and each consumer got.

A snapshot stands at the head of each segment, so that opening reads the newest segment only. As msgpack:

    STATE    ["s1", {producer: [pseq, time_ns]}, [cursor, ...], [epoch, seq] of the last record, its time_ns]
    COMMIT   ["c1", *cursor]
    cursor   [topic, consumer, epoch, seq, state, revision]

A cursor of one topic may be kept in the log of another (the aggregator's output carries the commit of its input);
at opening the furthest wins. The revision counts the commits of one cursor: it decides between equal positions.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgpack

from transports.errors import NotUnderstood
from transports.spool.record import Entry
from transports.spool.terms import START, Commit, Kind, Position

CursorKey = tuple[str, str]  # topic, consumer


class Cursor(NamedTuple):
    """How far a consumer is. Compared as a tuple, position before revision: the greater one is the newer one."""

    position: Position
    revision: int
    state: bytes


NOWHERE = Cursor(START, 0, b"")


@dataclass(slots=True)
class State:
    """Of one log: producers {name: (last pseq, its time)}, the cursors kept here, and the last record given a seq."""

    producers: dict[str, tuple[int, int]] = field(default_factory=dict)
    cursors: dict[CursorKey, Cursor] = field(default_factory=dict)
    end: Position = START
    time_ns: int = 0

    def replay(self, epoch: int, entry: Entry) -> None:
        """Take in one record that was read back from a segment of this epoch."""
        if entry.kind in (Kind.DATA, Kind.GAP):
            self.produced(entry.name, entry.pseq, entry.time_ns)
        elif entry.kind == Kind.COMMIT:
            self.committed(*unpack_commit(entry.payload))
        if entry.seq > self.end.seq:  # a later kind tells of records that could not be read themselves
            self.end = Position(epoch, entry.seq)

    def produced(self, producer: str, pseq: int, time_ns: int) -> None:
        """A record of this producer was appended."""
        last, _ = self.producers.get(producer, (0, 0))
        self.producers[producer] = (max(last, pseq), time_ns)
        self.time_ns = time_ns

    def committed(self, key: CursorKey, cursor: Cursor) -> None:
        """A cursor moved; never backwards."""
        self.cursors[key] = max(self.cursors.get(key, NOWHERE), cursor)


def pack_state(state: State) -> bytes:
    """The payload of a STATE record."""
    producers = {name: list(known) for name, known in state.producers.items()}
    cursors = [_cursor_fields(key, cursor) for key, cursor in state.cursors.items()]
    return _packed(["s1", producers, cursors, list(state.end), state.time_ns])


def unpack_state(payload: bytes) -> State:
    """Raises NotUnderstood for anything that `pack_state` did not make."""
    fields = _unpacked("s1", payload)
    try:
        producers, cursors, (epoch, seq), time_ns = fields
        return State(
            {name: (pseq, last_ns) for name, (pseq, last_ns) in producers.items()},
            dict(_cursor(*cursor) for cursor in cursors),
            Position(epoch, seq),
            time_ns,
        )
    except (TypeError, ValueError, AttributeError) as wrong:
        raise NotUnderstood(f"a snapshot of another form: {wrong}") from wrong


def pack_commit(commit: Commit, revision: int) -> bytes:
    """The payload of a COMMIT record."""
    cursor = Cursor(commit.position, revision, commit.state)
    return _packed(["c1", *_cursor_fields((commit.topic, commit.consumer), cursor)])


def unpack_commit(payload: bytes) -> tuple[CursorKey, Cursor]:
    """Raises NotUnderstood for anything that `pack_commit` did not make."""
    fields = _unpacked("c1", payload)
    try:
        return _cursor(*fields)
    except TypeError as wrong:
        raise NotUnderstood(f"a commit of another form: {wrong}") from wrong


def _cursor_fields(key: CursorKey, cursor: Cursor) -> list[Any]:
    return [*key, *cursor.position, cursor.state, cursor.revision]


def _cursor(topic: str, consumer: str, epoch: int, seq: int, state: bytes, revision: int) -> tuple[CursorKey, Cursor]:
    return (topic, consumer), Cursor(Position(epoch, seq), revision, state)


def _packed(item: Any) -> bytes:
    packed: bytes = msgpack.packb(item)
    return packed


def _unpacked(form: str, payload: bytes) -> list[Any]:
    fields: list[Any]
    try:
        found, *fields = msgpack.unpackb(payload)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as wrong:
        raise NotUnderstood(f"{len(payload)} bytes that are no msgpack array: {wrong}") from wrong
    if found != form:
        raise NotUnderstood(f"the form {found!r:.20} where {form!r} was expected; written by a newer version")
    return fields
