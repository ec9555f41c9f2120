"""One scan, one row of names and values: for far ends that keep a series of values for each name, and nothing else.

What json says in fields of their own stands here beside the values, under names that no tag has:

quality      of each row: the worst OPC UA status code in it, 0 where all is Good: so its newest value tells of now
quality.TAG  only where that sample is not plainly Good. A Bad sample has no value, nor has one that the format cannot
             say (a NaN): this tells it from silence. It holds for its own time only; look at `quality` of that time
record       in the first row of each record: TOPIC/EPOCH/SEQ, the dedupe key beside the gateway
scan         beside it: the source's number of that scan; the following rows count on
historical, window_ns, thinned_to   beside it, as in json, where there is one

A tag of such a name, or of one that the far end keeps for itself, becomes `tag.NAME`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Generic, TypeVar

from transports.payloads import OutRecord
from transports.payloads._records import HISTORICAL, Remembered
from transports.samples import Batch, DataType, Gap, Quality, Value

T = TypeVar("T")
Say = Callable[[DataType, Value], T | None]

_OWN = frozenset({"", "quality", "record", "scan", "historical", "window_ns", "thinned_to", "gap", "time"})
_OWN_BEGINS = ("quality.", "tag.", "_")  # InfluxDB keeps names with an underscore at the front, and `time`, for itself
_UNCERTAIN = 0x4000_0000  # the lowest status code that is no longer Good


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """One scan: what can be said, by field name; the worst status code; the codes that are not 0, by field name."""

    time_ns: int
    said: dict[str, T]
    worst: int
    codes: dict[str, int]


def field_name(tag_name: str) -> str:
    """What a tag is called here: its name, or `tag.NAME`. No two tags get the same."""
    return f"tag.{tag_name}" if tag_name in _OWN or tag_name.startswith(_OWN_BEGINS) else tag_name


def record_id(record: OutRecord) -> str:
    """The dedupe key, beside the gateway."""
    return f"{record.topic}/{record.epoch}/{record.seq}"


def marks(record: OutRecord, batch: Batch) -> dict[str, str | int | bool]:
    """What stands in the first row of a record, beside its values."""
    window = {"window_ns": batch.window_ns} if batch.window_ns else {}
    thinned = {"thinned_to": batch.thinned_to} if batch.thinned_to else {}
    late = HISTORICAL if record.historical else {}
    return {"record": record_id(record), "scan": batch.seq, **window, **thinned, **late}


def rows(batch: Batch, say: Say[T]) -> Iterator[Row[T]]:
    """Scan by scan; `say` puts a value in the words of the format, None where it has none for it."""
    fields = _fields(batch.tags)
    for time_ns, values, status in batch.rows():
        said: dict[str, T] = {}
        codes: dict[str, int] = {}
        for (name, kind), value, given in zip(fields, values, status, strict=True):
            words = None if value is None else say(kind, value)
            if words is not None:
                said[name] = words
            if words is None or (kind is DataType.FLOAT64_ARRAY and not is_finite(value)):
                codes[name] = int(doubted(given))
            elif given:
                codes[name] = int(given)
        yield Row(time_ns, said, max(codes.values(), default=0), codes)


def gap_time_ns(gap: Gap) -> int:
    """Where a gap stands in a series: at its beginning, or where nobody knows that (0), at its end."""
    return gap.since_ns or gap.until_ns


def doubted(code: int) -> int:
    """The status code of a sample whose value cannot be said: no longer Good."""
    return Quality.UNCERTAIN_SUB_NORMAL if code < _UNCERTAIN else code


def is_finite(value: Value | None) -> bool:
    """Whether a waveform has no NaN and no infinity in it; any other value has none, or cannot be said."""
    return not isinstance(value, tuple) or all(map(isfinite, value))


def numbers(values: tuple[float, ...]) -> list[float | None]:
    """A waveform as JSON can say it: null for the points that are no numbers."""
    return [value if isfinite(value) else None for value in values]


_fields = Remembered(lambda tags: [(field_name(tag.name), tag.type) for tag in tags])
