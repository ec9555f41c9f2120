"""Hypothesis strategies: any scans that a driver may hand out, any batch, any gap."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from transports.samples import Batch, DataType, Gap, Quality, Scan, Tag, Value, batch_of, is_bad

INT64, UINT64 = st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1)
FLOAT64 = st.floats()  # NaNs of any bits, infinities, -0.0 and subnormal numbers among them
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES: dict[DataType, st.SearchStrategy[Any]] = {
    DataType.BOOL: st.booleans(),
    DataType.INT64: INT64,
    DataType.UINT64: UINT64,
    DataType.FLOAT64: FLOAT64,
    DataType.STRING: TEXT,
    DataType.BYTES: st.binary(max_size=8),
    DataType.INT64_ARRAY: st.lists(INT64, max_size=4).map(tuple),
    DataType.UINT64_ARRAY: st.lists(UINT64, max_size=4).map(tuple),
    DataType.FLOAT64_ARRAY: st.lists(FLOAT64, max_size=4).map(tuple),
}
CODES = st.sampled_from(list(Quality)) | st.integers(0, 2**32 - 1)
TAGS = st.lists(st.builds(Tag, TEXT, st.sampled_from(DataType), TEXT), max_size=6).map(tuple)


@st.composite
def scans(draw: st.DrawFn) -> list[Scan]:
    """One to four scans of the same tags."""
    tags = draw(TAGS)
    return [draw(_scan(tags)) for _ in range(draw(st.integers(1, 4)))]


@st.composite
def _scan(draw: st.DrawFn, tags: tuple[Tag, ...]) -> Scan:
    quality = draw(CODES | st.lists(CODES, min_size=len(tags), max_size=len(tags)))
    codes = [quality] * len(tags) if isinstance(quality, int) else quality
    values = [
        None if is_bad(code) and draw(st.booleans()) else draw(VALUES[tag.type])
        for tag, code in zip(tags, codes, strict=True)
    ]
    return Scan(draw(INT64), tags, values, quality)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Any batch that a driver's scans may become."""
    batch = batch_of(draw(TEXT), draw(UINT64), draw(scans()))
    return replace(batch, window_ns=draw(UINT64), aggregate=draw(TEXT), thinned_to=draw(st.just(0) | UINT64))


def gaps() -> st.SearchStrategy[Gap]:
    """Any gap, of known or unknown extent."""
    number = st.none() | UINT64
    return st.builds(Gap, TEXT, TEXT, INT64, INT64, number, number, number, TEXT, TEXT, number)


def bits(value: Value | None) -> Any:
    """Something that is equal only for the same bits of the same type: NaN is not equal to itself, and 1 is True."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, tuple):
        return tuple(bits(item) for item in value)
    return type(value), value


def expected_rows(given: Sequence[Scan]) -> list[Any]:
    """What `Batch.rows` must give for these scans, by `bits`."""
    rows = []
    for scan in given:
        codes = (scan.quality,) * len(scan.tags) if isinstance(scan.quality, int) else tuple(scan.quality)
        values = [None if is_bad(code) else value for value, code in zip(scan.values, codes, strict=True)]
        rows.append((scan.time_ns, [bits(value) for value in values], codes))
    return rows


def rows(batch: Batch) -> list[Any]:
    """The batch's rows by `bits`."""
    return [(time_ns, [bits(value) for value in values], codes) for time_ns, values, codes in batch.rows()]
