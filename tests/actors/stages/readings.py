"""Batches for the tests of the stages, and what is said in a batch of statistics."""

from collections.abc import Sequence
from typing import Any

from transports.samples import Batch, DataType, Gap, Quality, Scan, Tag, batch_of

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
OIL, FLOW = Tag("oil", DataType.FLOAT64, "degC"), Tag("flow", DataType.FLOAT64, "l/s")
PARTS, TICKS = Tag("parts", DataType.INT64), Tag("ticks", DataType.UINT64)
DOOR, NOTE, WAVE = Tag("door", DataType.BOOL), Tag("note", DataType.STRING), Tag("wave", DataType.FLOAT64_ARRAY)


def batch(
    *rows: tuple[float, Any], source: str = "press-1", seq: int = 1, tags: Sequence[Tag] = (OIL,), quality: Any = 0
) -> Batch:
    """Scans from (seconds after START, value or values of the tags)."""
    scans = [
        Scan(
            START + round(at_s * SECOND),
            tuple(tags),
            values if isinstance(values, (tuple, list)) and len(tags) > 1 else (values,),
            quality,
        )
        for at_s, values in rows
    ]
    return batch_of(source, seq, scans)


def bad(*at_s: float, tags: Sequence[Tag] = (OIL,), quality: int = Quality.BAD_TIMEOUT) -> Batch:
    """Scans without a value."""
    return batch_of(
        "press-1", 1, [Scan(START + round(at * SECOND), tuple(tags), [None] * len(tags), quality) for at in at_s]
    )


def said(item: Batch | Gap) -> dict[str, Any]:
    """The values of a batch of one scan by tag."""
    assert isinstance(item, Batch)
    ((_, values, _),) = item.rows()
    return {tag.name: value for tag, value in zip(item.tags, values, strict=True)}


def codes(item: Batch | Gap) -> dict[str, int]:
    """The status codes of a batch of one scan by tag."""
    assert isinstance(item, Batch)
    ((_, _, status),) = item.rows()
    return {tag.name: code for tag, code in zip(item.tags, status, strict=True)}


def at_s(item: Batch | Gap) -> list[float]:
    """The seconds after START of a batch's scans."""
    assert isinstance(item, Batch)
    return [(time_ns - START) / SECOND for time_ns in item.times_ns]


def values(items: Sequence[Batch | Gap], tag: str = "oil") -> list[Any]:
    """All values of one tag in some batches, in order."""
    found = []
    for item in items:
        assert isinstance(item, Batch)
        for _, row, _ in item.rows():
            found += [value for each, value in zip(item.tags, row, strict=True) if each.name == tag]
    return found
