"""The words of the spool: positions, records, commits, and what is said of records that are missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What a record on disk is; the numbers are part of the format. NUMBERED ones have a seq of their own."""

    DATA = 0
    GAP = 1
    COMMIT = 2
    STATE = 3
    MARK = 4
    ALARM = 5
    SPAN = 6
    FLOOR = 7


DATA, GAP, ALARM = Kind.DATA, Kind.GAP, Kind.ALARM
NUMBERED = frozenset({DATA, GAP, ALARM})
COUNTED = frozenset({DATA, ALARM})  # what a consumer gets of these is delivered; a GAP says what is missing


class Position(NamedTuple):
    """Where a record is in its topic. Compared as a pair; never given twice, whatever is lost in a power cut."""

    epoch: int
    seq: int


START = Position(0, 0)


class Record(NamedTuple):
    """One record as a consumer gets it. `time_ns` is when it was appended, UTC; `kind` is DATA, GAP or ALARM.

    `samples` is how many it accounts for.
    """

    position: Position
    time_ns: int
    producer: str
    pseq: int
    kind: Kind
    payload: bytes
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """`consumer` is done with every record of `topic` up to and including `position`, and is now in `state`.

    `refused` are the samples, by producer, that it could not deliver of what it commits now.
    """

    topic: str
    consumer: str
    position: Position
    state: bytes = b""
    refused: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """Records `first` to `last` of a topic, `count` of them, all of one epoch, that nobody can have any more.

    They were appended after `since_ns` and not after `until_ns` (UTC, ns; 0 where unknown).
    """

    topic: str
    first: Position
    last: Position
    count: int
    since_ns: int
    until_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Hole(Missing):
    """Found while reading: `damaged` (records that fail their check) or `quarantined` (a whole segment)."""


@dataclass(frozen=True, slots=True)
class Dropped(Missing):
    """Given up on purpose before every consumer had it: `quota`, `age`, `full`, `purged`, or a `quarantined` segment
    that went with it. `samples` are those of the whole segment, 0 where unknown."""

    samples: int = 0


class Fetched(NamedTuple):
    """Records in order, the holes between them, and the position to commit when both are dealt with."""

    records: list[Record]
    holes: list[Hole]
    end: Position


@dataclass(frozen=True, slots=True)
class TopicStat:
    """One topic in numbers. `bytes` are on disk, `torn_bytes` were cut off at opening; `damaged` places were met."""

    segments: int
    bytes: int
    epoch: int
    first: Position
    end: Position
    durable: Position
    cursors: Mapping[str, Position] = field(default_factory=dict)
    torn_bytes: int = 0
    quarantined: int = 0
    damaged: int = 0
