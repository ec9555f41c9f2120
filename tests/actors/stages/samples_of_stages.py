"""Batches with everything in them that a stage may meet, and what goes in and comes out by tag: for its tests."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from actors.stages.pipeline import Pipeline, pipeline_of
from tests.actors.stages.readings import START
from transports import codec
from transports.samples import Batch, DataType, Quality, Scan, Tag, Value, batch_of, is_bad

MS = 1_000_000
Sample = tuple[int, Value | None, int]  # time, value, status code

F, G = Tag("f", DataType.FLOAT64, "bar"), Tag("g", DataType.FLOAT64)
N, U = Tag("i", DataType.INT64), Tag("u", DataType.UINT64)
B, S = Tag("b", DataType.BOOL), Tag("s", DataType.STRING)
TUPLES: list[tuple[Tag, ...]] = [(F,), (F, N, G), (S, G, U, B), (N,), (F, G, N, U, B, S)]
FLOATS = st.floats(-100, 100).map(lambda value: round(value, 2)) | st.sampled_from(
    [math.nan, math.inf, -math.inf, 0.0, 5e-324, 1e308]
)
PLAIN = st.floats(-100, 100).map(lambda value: round(value, 2))
VALUES: dict[DataType, st.SearchStrategy[Any]] = {
    DataType.FLOAT64: FLOATS,
    DataType.INT64: st.integers(-50, 50) | st.sampled_from([-(2**63), 2**63 - 1, 2**53 + 1]),
    DataType.UINT64: st.integers(0, 50) | st.sampled_from([2**64 - 1, 2**53 + 1]),
    DataType.BOOL: st.booleans(),
    DataType.STRING: st.sampled_from(["", "on"]),
}
QUALITIES = st.sampled_from([Quality.GOOD] * 6 + [Quality.UNCERTAIN_LAST_USABLE, Quality.BAD_TIMEOUT])


@st.composite
def streams(
    draw: Callable[..., Any],
    tuples: Sequence[tuple[Tag, ...]] = TUPLES,
    values: dict[DataType, st.SearchStrategy[Any]] = VALUES,
    steps: st.SearchStrategy[int] | None = None,
) -> list[Batch]:
    """Some batches of one source; times mostly go on, in steps of milliseconds."""
    steps = st.integers(0, 30) | st.just(-5) if steps is None else steps
    now, batches = START // MS, []
    for _ in range(draw(st.integers(1, 5))):
        tags, scans = draw(st.sampled_from(list(tuples))), []
        alike = draw(st.booleans())
        for _ in range(draw(st.integers(1, 8))):
            now += draw(steps)
            codes = [Quality.GOOD] * len(tags) if alike else [draw(QUALITIES) for _ in tags]
            row = [None if is_bad(code) else draw(values[tag.type]) for tag, code in zip(tags, codes, strict=True)]
            scans.append(Scan(now * MS, tags, row, codes))
        batches.append(batch_of("d", 1, scans))
    return batches


def by_tag(batches: Sequence[Batch]) -> dict[str, list[Sample]]:
    """Each tag's samples in the order in which they came."""
    found: dict[str, list[Sample]] = {}
    for batch in batches:
        for time_ns, row, codes in batch.rows():
            for tag, value, code in zip(batch.tags, row, codes, strict=True):
                found.setdefault(tag.name, []).append((time_ns, value, code))
    return found


def through(batches: Sequence[Batch], *tables: dict[str, Any], pipeline: Pipeline | None = None) -> list[Batch]:
    """What a pipeline makes of them; every batch that comes out is whole, as the codec checks."""
    pipeline = pipeline or pipeline_of(tables)
    out = [made for batch in batches for made in pipeline.take(batch)]
    for made in out:
        assert codec.unpack(codec.pack(made)) == made or has_nan(made)
    return out


def has_nan(batch: Batch) -> bool:
    return any(isinstance(value, float) and math.isnan(value) for _, row, _ in batch.rows() for value in row)


def usable(sample: Sample) -> bool:
    _, value, code = sample
    return not is_bad(code) and not (isinstance(value, float) and not math.isfinite(value))


def same(found: Sequence[Sample], wanted: Sequence[Sample], close: float = 0.0) -> None:
    """Both in time, status code and value: exactly, or closely for floats."""
    assert [(time_ns, code) for time_ns, _, code in found] == [(time_ns, code) for time_ns, _, code in wanted]
    for (_, value, _), (_, expected, _) in zip(found, wanted, strict=True):
        assert alike(value, expected, close), (value, expected)


def alike(value: Any, expected: Any, close: float = 0.0) -> bool:
    if isinstance(value, float) and isinstance(expected, float):
        if math.isnan(expected) or math.isinf(expected):
            return value == expected or (math.isnan(value) and math.isnan(expected))
        return math.isclose(value, expected, rel_tol=close, abs_tol=close * 100)
    return value == expected and type(value) is type(expected)


NUMBERS = ("f", "g", "i", "u")
