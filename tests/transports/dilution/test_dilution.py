"""Dilution: fewer samples that say the same, and exactly how many are gone; never more than there were."""

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.stages.aggregation import Aggregation
from actors.stages.settings import Settings
from tests.transports.arbitrary import batches, gaps
from transports import codec
from transports.dilution import Diluted, diluted
from transports.samples import Batch, DataType, Gap, Quality, Scan, Tag, batch_of

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
OIL, PARTS = Tag("oil", DataType.FLOAT64, "bar"), Tag("parts", DataType.INT64)
RUNS, RECIPE = Tag("runs", DataType.BOOL), Tag("recipe", DataType.STRING)
TAGS = (OIL, PARTS, RUNS, RECIPE)


def record(first: int, count: int, every_ns: int = SECOND // 10, tags: tuple[Tag, ...] = (OIL,)) -> bytes:
    """A batch of scans; scan number n has the value n, n parts, and so on."""
    kinds: dict[Tag, Any] = {OIL: float, PARTS: int, RUNS: lambda n: n % 2 == 0, RECIPE: "no. {}".format}
    scans = [
        Scan(START + (n - 1) * every_ns, tags, [kinds.get(tag, float)(n) for tag in tags])
        for n in range(first, first + count)
    ]
    return codec.pack(batch_of("press", first, scans))


def batch(result: Diluted) -> Batch:
    item = codec.unpack(result.payload)
    assert isinstance(item, Batch)
    return item


def table(batch: Batch) -> list[dict[str, Any]]:
    """Each scan by the names of its tags."""
    names = [tag.name for tag in batch.tags]
    return [dict(zip(names, values, strict=True)) for _, values, _ in batch.rows()]


# --- what becomes of readings ---------------------------------------------------------------------------------------


def test_each_second_of_a_fast_signal_becomes_one_scan_of_its_statistics() -> None:
    (result,) = diluted([record(1, 10), record(11, 10)], SECOND)
    thin = batch(result)
    assert [tag.name for tag in thin.tags] == ["oil.count", "oil.min", "oil.max", "oil.mean", "oil.last", "oil.bad"]
    assert [tag.unit for tag in thin.tags] == ["", "bar", "bar", "bar", "bar", ""]
    assert table(thin) == [
        {"oil.count": 10, "oil.min": 1.0, "oil.max": 10.0, "oil.mean": 5.5, "oil.last": 10.0, "oil.bad": 0},
        {"oil.count": 10, "oil.min": 11.0, "oil.max": 20.0, "oil.mean": 15.5, "oil.last": 20.0, "oil.bad": 0},
    ]
    assert thin.times_ns == (START, START + SECOND)
    assert (result.first_index, result.last_index, result.samples, result.lost_samples) == (0, 1, 12, 8)


def test_it_is_marked_as_thinned_with_the_scans_that_it_stands_for() -> None:
    (result,) = diluted([record(101, 10), record(111, 10)], SECOND)
    thin = batch(result)
    assert (thin.source, thin.seq, thin.thinned_to, thin.window_ns, thin.aggregate) == ("press", 101, 120, SECOND, "")


def test_intervals_are_aligned_to_utc_whatever_the_first_reading() -> None:
    (result,) = diluted([record(6, 20)], SECOND)  # from half a second on
    assert batch(result).times_ns == (START, START + SECOND, START + 2 * SECOND)
    assert [row["oil.count"] for row in table(batch(result))] == [5, 10, 5]


def test_every_type_keeps_what_it_has() -> None:
    (result,) = diluted([record(1, 100, every_ns=SECOND // 100, tags=TAGS)], SECOND)
    (row,) = table(batch(result))
    assert {name: row[name] for name in row if name.startswith("parts")} == {
        "parts.count": 100, "parts.min": 1, "parts.max": 100, "parts.mean": 50.5, "parts.last": 100, "parts.bad": 0,
    }  # fmt: skip
    assert (row["runs.min"], row["runs.max"], row["runs.mean"], row["runs.last"]) == (False, True, 0.5, True)
    assert [name for name in row if name.startswith("recipe")] == ["recipe.count", "recipe.last", "recipe.bad"]
    assert (row["recipe.count"], row["recipe.last"], row["recipe.bad"]) == (100, "no. 100", 0)


def test_arrays_and_bytes_keep_the_last_one() -> None:
    tags = (Tag("wave", DataType.FLOAT64_ARRAY), Tag("frame", DataType.BYTES))
    scans = [Scan(START + n, tags, [(float(n), 0.5), bytes([n])]) for n in range(9)]
    (result,) = diluted([codec.pack(batch_of("press", 1, scans))], SECOND)
    assert table(batch(result)) == [
        {"wave.count": 9, "wave.last": (8.0, 0.5), "wave.bad": 0}
        | {"frame.count": 9, "frame.last": b"\x08", "frame.bad": 0}
    ]


def test_bad_samples_are_counted_apart_and_are_in_no_statistic() -> None:
    values = [1.0, None, 3.0, math.nan, math.inf, *[2.0] * 20]
    codes = [Quality.BAD_TIMEOUT if value is None else Quality.GOOD for value in values]
    scans = [
        Scan(START + n, (OIL,), [value], [code]) for n, (value, code) in enumerate(zip(values, codes, strict=True))
    ]
    (result,) = diluted([codec.pack(batch_of("press", 1, scans))], SECOND)
    ((_, row, status),) = batch(result).rows()
    assert row == (22, 1.0, 3.0, 2.0, 2.0, 3)
    assert status == (0, *[Quality.UNCERTAIN_SUB_NORMAL] * 4, 0), "fewer good samples than there should be"


def test_an_interval_without_a_good_sample_says_so_and_how_many_were_bad() -> None:
    scans = [Scan(START + n, (OIL,), [None], Quality.BAD_NOT_CONNECTED) for n in range(20)]
    (result,) = diluted([codec.pack(batch_of("press", 1, scans))], SECOND)
    ((_, row, status),) = batch(result).rows()
    assert row == (0, None, None, None, None, 20)
    assert status == (0, *[Quality.BAD_NOT_CONNECTED] * 4, 0)


def test_64_bit_integers_and_the_ends_of_floats_are_exact() -> None:
    tags = (Tag("i", DataType.INT64), Tag("u", DataType.UINT64), Tag("f", DataType.FLOAT64))
    rows: list[Any] = [[-(2**63), 2**64 - 1, 1.75e308]] * 20 + [[2**63 - 1, 2**53 + 1, 1.25e308]] * 20
    scans = [Scan(START + n, tags, row) for n, row in enumerate(rows)]
    (result,) = diluted([codec.pack(batch_of("press", 1, scans))], SECOND)
    (row,) = table(batch(result))
    assert (row["i.min"], row["i.max"], row["u.min"], row["u.max"]) == (-(2**63), 2**63 - 1, 2**53 + 1, 2**64 - 1)
    assert math.isclose(row["f.mean"], 1.5e308, rel_tol=1e-12), "though the sum is beyond the range"


def test_it_says_what_an_aggregate_of_that_window_would_have_said() -> None:
    payloads = [record(first, 50, tags=TAGS) for first in range(1, 1001, 50)]
    aggregation = Aggregation("a", Settings(from_=("press",), window_s=10.0))
    windows: list[dict[str, Any]] = []
    for payload in [*payloads, record(10_000, 1, tags=TAGS)]:
        windows += [row for made in aggregation.fold(codec.unpack(payload), 0) for row in table(made)]  # type: ignore[arg-type]
    thin = [row for result in diluted(payloads, 10 * SECOND) for row in table(batch(result))]
    assert [{name: row[name] for name in row if not name.endswith(".bad")} for row in thin] == windows


# --- what stays as it is --------------------------------------------------------------------------------------------


def test_gaps_and_what_is_not_understood_pass_each_on_its_own_and_nothing_is_diluted_across_them() -> None:
    gap = codec.pack(Gap("press", "buffer full", 1, 2, samples=12))
    payloads = [record(1, 10), gap, record(11, 10), b"?", record(21, 10)]
    results = diluted(payloads, 60 * SECOND)
    assert [(r.first_index, r.last_index) for r in results] == [(n, n) for n in range(5)]
    assert (results[1].payload, results[1].samples, results[1].lost_samples) == (gap, 12, 0)
    assert (results[3].payload, results[3].samples) == (b"?", 0)
    assert [batch(results[n]).seq for n in (0, 2, 4)] == [1, 11, 21]


def test_a_slow_signal_that_would_grow_stays_as_it_is() -> None:
    payloads = [record(n, 1, every_ns=SECOND) for n in range(1, 11)]
    results = diluted(payloads, SECOND)
    assert [result.payload for result in results] == payloads
    assert all(result.lost_samples == 0 for result in results)


def test_windows_longer_than_the_interval_stay_as_they_are() -> None:
    halves = [each.payload for first in (1, 301) for each in diluted([record(first, 300)], 60 * SECOND)]
    assert [result.payload for result in diluted(halves, 10 * SECOND)] == halves


def test_an_aggregates_windows_that_cannot_be_weighted_stay_as_they_are() -> None:
    tags = (Tag("oil.mean"), Tag("oil.max"))
    scans = [Scan(START + n * SECOND, tags, [1.0, 2.0]) for n in range(100)]
    payload = codec.pack(replace(batch_of("press", 1, scans), window_ns=SECOND, aggregate="a"))
    (result,) = diluted([payload], 10 * SECOND)
    assert result.payload == payload


def test_an_interval_of_nothing_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="an interval of 0 ns"):
        diluted([], 0)


# --- several sets of tags -------------------------------------------------------------------------------------------


def test_a_device_that_brings_its_tags_by_turns_is_diluted_by_tags() -> None:
    payloads = [record(n, 1, tags=(PARTS,) if n % 2 else (OIL,)) for n in range(1, 101)]
    results = diluted(payloads, 10 * SECOND)
    assert [batch(result).tags[0].name for result in results] == ["parts.count", "oil.count"]
    assert [row["parts.count"] for row in table(batch(results[0]))] == [50]
    assert [(result.first_index, result.last_index) for result in results] == [(0, 98), (99, 99)]


def test_records_are_not_diluted_to_one_of_unbounded_size() -> None:
    payloads = [record(n, 500, tags=TAGS) for n in range(1, 200_001, 500)]
    results = diluted(payloads, SECOND)
    assert 1 < len(results) < 100
    assert max(len(result.payload) for result in results) < 128 * 1024


def test_records_of_one_scan_become_as_few_records_as_those_of_many() -> None:
    few = diluted([record(1, 3000)], 10 * SECOND)
    assert len(diluted([record(n, 1) for n in range(1, 3001)], 10 * SECOND)) == len(few) == 1


def test_what_was_compressed_is_compressed_again() -> None:
    pytest.importorskip("backports.zstd")
    payloads = [codec.compressed(record(n, 500)) for n in range(1, 100_001, 500)]
    (result, *_) = diluted(payloads, 5 * SECOND)
    assert codec.is_compressed(payloads[0])
    assert codec.is_compressed(result.payload)


# --- again and again ------------------------------------------------------------------------------------------------


def test_diluting_again_weighs_each_mean_by_its_count() -> None:
    first = [Scan(START + n, (OIL,), [1.0]) for n in range(90)]
    second = [Scan(START + SECOND + n, (OIL,), [11.0]) for n in range(10)]
    payload = codec.pack(batch_of("press", 1, [*first, *second]))
    (seconds,) = diluted([payload], SECOND)
    (result,) = diluted([seconds.payload], 10 * SECOND)
    (row,) = table(batch(result))
    assert (row["oil.count"], row["oil.mean"], row["oil.min"], row["oil.max"]) == (100, 2.0, 1.0, 11.0)
    assert (batch(result).seq, batch(result).thinned_to, batch(result).window_ns) == (1, 100, 10 * SECOND)
    assert (result.samples, result.lost_samples) == (6, 6)


def test_an_interval_that_was_cut_in_two_is_one_again_later() -> None:
    halves = [record(1, 70, SECOND // 100), record(71, 130, SECOND // 100)]
    thin = [each.payload for half in halves for each in diluted([half], SECOND)]
    assert len(thin) == 2
    (result,) = diluted(thin, SECOND)
    assert table(batch(result)) == table(batch(diluted(halves, SECOND)[0]))


def test_an_aggregates_own_windows_become_longer_windows() -> None:
    settings = Settings(
        from_=("press",),
        window_s=1.0,
        statistics=("count", "mean", "stddev", "min", "max", "last", "first_time", "last_time", "worst_quality"),
    )
    short, long = Aggregation("a", settings), Aggregation("a", replace(settings, window_s=10.0))
    seconds, tens = list[bytes](), list[dict[str, Any]]()
    for first in (*range(1, 1001, 50), 10_000):
        item = codec.unpack(record(first, 50 if first < 10_000 else 1, tags=(OIL, PARTS)))
        seconds += [codec.pack(replace(made, aggregate="a")) for made in short.fold(item, 0)]
        tens += [row for made in long.fold(item, 0) for row in table(made)]  # type: ignore[arg-type]
    thin = diluted(seconds, 10 * SECOND)
    assert [row for result in thin for row in table(batch(result))] == [pytest.approx(row) for row in tens]
    assert all(batch(result).aggregate == "a" for result in thin)


# --- whatever comes -------------------------------------------------------------------------------------------------


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Batches of one device over some minutes: a few sets of tags, Bad samples, jitter, gaps and rubbish between.

    The numbers come of a seed: drawn one by one they would take minutes.
    """
    dice = Random(draw(st.integers(0, 2**32)))
    time_ns, payloads, seq = START + dice.randrange(10 * SECOND), list[bytes](), 1
    step_ns = draw(st.sampled_from([SECOND // 50, SECOND // 7, SECOND, 13 * SECOND]))
    for what in draw(st.lists(st.integers(0, 9), min_size=1, max_size=12)):
        if what < 2:
            payloads.append(codec.pack(Gap("press", "buffer full", 0, 1, samples=3)) if what else b"rubbish")
            continue
        tags = [(OIL,), (OIL, PARTS), TAGS][what % 3]
        scans = []
        for _ in range(draw(st.integers(1, 60))):
            time_ns += dice.randrange(2 * step_ns)
            scans.append(_scan(dice, time_ns, tags))
        payloads.append(codec.pack(batch_of("press", seq, scans)))
        seq += len(scans)
    return payloads


def _scan(dice: Random, time_ns: int, tags: tuple[Tag, ...]) -> Scan:
    number = dice.choice([dice.uniform(-1e6, 1e6)] * 9 + [math.nan, math.inf])
    values: dict[Tag, Any] = {OIL: number, PARTS: dice.randrange(-(2**63), 2**63), RUNS: True, RECIPE: "x"}
    codes = dice.choices([0, 0x4090_0000, 0x8005_0000], [9, 1, 1], k=len(tags))
    return Scan(time_ns, tags, [values[tag] for tag in tags], codes)


INTERVALS = st.sampled_from([SECOND // 10, SECOND, 10 * SECOND, 60 * SECOND])


@given(streams(), INTERVALS)
def test_the_ledger_adds_up_and_the_ranges_leave_no_hole(payloads: list[bytes], interval_ns: int) -> None:
    results = diluted(payloads, interval_ns)
    expected = 0
    for result in results:
        assert result.first_index == expected
        expected = result.last_index + 1
    assert expected == len(payloads)
    samples = sum(item.samples or 0 for item in map(_item, payloads) if item)
    assert sum(result.samples + result.lost_samples for result in results) == samples


@given(streams(), INTERVALS)
def test_nothing_grows_and_nothing_is_later_than_its_source(payloads: list[bytes], interval_ns: int) -> None:
    latest = max((max(item.times_ns) for item in map(_item, payloads) if isinstance(item, Batch)), default=0)
    results = diluted(payloads, interval_ns)
    assert sum(len(result.payload) for result in results) <= sum(map(len, payloads))
    for result in results:
        item = _item(result.payload)
        assert result.lost_samples >= 0
        if isinstance(item, Batch):
            assert item.samples == result.samples
            assert max(item.times_ns) <= latest


@given(streams(), st.lists(INTERVALS, min_size=1, max_size=3))
def test_the_statistics_are_those_of_the_samples_however_often_it_is_diluted(
    payloads: list[bytes], intervals: list[int]
) -> None:
    thin: Sequence[bytes] = payloads
    for interval_ns in sorted(intervals):
        thin = [result.payload for result in diluted(thin, interval_ns)]
    before, after = _summed_up(payloads), _summed_up(thin)
    for name, (count, bad, low, high, total) in before.items():
        assert after[name][:4] == (count, bad, low, high)
        assert math.isclose(after[name][4], total, rel_tol=1e-9, abs_tol=1e-9 * max(abs(low), abs(high), 1) * count)


@given(st.lists(batches().map(codec.pack) | gaps().map(codec.pack) | st.binary(max_size=40), max_size=6), INTERVALS)
def test_whatever_a_device_said_is_diluted_or_passes(payloads: list[bytes], interval_ns: int) -> None:
    once = diluted(payloads, interval_ns)
    diluted([result.payload for result in once], 7 * interval_ns)


def _item(payload: bytes) -> Batch | Gap | None:
    return None if payload == b"rubbish" else codec.unpack(payload)


def _summed_up(payloads: Sequence[bytes]) -> dict[str, Any]:
    """Of each number over the whole stream, diluted or not: (count, bad, smallest, largest, sum)."""
    told: dict[str, Any] = {}
    for item in map(_item, payloads):
        if isinstance(item, Batch):
            for row in table(item):
                for name in ("oil", "parts"):
                    for one in [_one(row, name)] if f"{name}.count" in row or name in row else []:
                        so_far = told.get(name, (0, 0, math.inf, -math.inf, 0.0))
                        told[name] = _plus(so_far, one)
    return told


def _one(row: dict[str, Any], name: str) -> Any:
    if name in row:
        value = row[name]
        if value is None or not math.isfinite(value):
            return 0, 1, math.inf, -math.inf, 0.0
        return 1, 0, value, value, float(value)
    count, bad = row[f"{name}.count"], row[f"{name}.bad"]
    if not count:
        return 0, bad, math.inf, -math.inf, 0.0
    return count, bad, row[f"{name}.min"], row[f"{name}.max"], row[f"{name}.mean"] * count


def _plus(one: Any, other: Any) -> Any:
    return one[0] + other[0], one[1] + other[1], min(one[2], other[2]), max(one[3], other[3]), one[4] + other[4]
