"""What is stored of a message: records, their readings or their gap, each shaped as a row of its table."""

from dataclasses import dataclass
from typing import NamedTuple


class RecordId(NamedTuple):
    """Equal ids are the same record, delivered again."""

    gateway: str
    topic: str
    epoch: int
    seq: int


class Cell(NamedTuple):
    """A value where it is exact: `integer` for bools and whole numbers of 64 bits with a sign, `real` for floats,
    `text` for texts, lists (as JSON), a NaN and whole numbers from 2**63 on, `blob` for bytes. No kind: no value."""

    kind: str | None = None
    integer: int | None = None
    real: float | None = None
    text: str | None = None
    blob: bytes | None = None


class Reading(NamedTuple):
    """One value of one tag. `time_ns` UTC, `scan` the source's number of that look, `quality` an OPC UA status code."""

    tag: str
    time_ns: int
    cell: Cell
    quality: int
    scan: int
    unit: str = ""
    window_ns: int = 0


class GapRow(NamedTuple):
    """Readings that are not there, and why; times in ns UTC, None for what nobody knows."""

    reason: str
    since_ns: int
    until_ns: int
    first_seq: int | None
    last_seq: int | None
    scans: int | None
    samples: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record: readings, or a gap. `time_ns` is its first reading's, or the gap's beginning."""

    id: RecordId
    device: str
    aggregate: str
    source_seq: int | None
    thinned_to: int | None
    time_ns: int
    historical: bool
    readings: tuple[Reading, ...] = ()
    gap: GapRow | None = None

    @property
    def essence(self) -> tuple[str, str, int | None, int]:
        """What a repetition has the same of, in whichever format it comes."""
        return self.device, self.aggregate, self.source_seq, self.time_ns


@dataclass(frozen=True, slots=True)
class Wrong:
    """A part of a message that is no record: why, and its id where at least that could be read."""

    reason: str
    id: RecordId | None = None


@dataclass(frozen=True, slots=True)
class Understood:
    """A whole message: its records, and what of it is none."""

    records: tuple[Record, ...] = ()
    wrong: tuple[Wrong, ...] = ()
