"""Percentiles, time-weighted means and the other figures of a window, against all of its samples in a list."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.stages.aggregation import Aggregation
from actors.stages.quantiles import CENTROIDS, EXACT, Quantiles
from actors.stages.settings import Settings
from tests.actors.stages.readings import DOOR, NOTE, OIL, PARTS, SECOND, START, TICKS, bad, batch, codes, said
from tests.actors.stages.samples_of_stages import FLOATS, MS, streams, usable
from transports.samples import Batch, DataType, Gap, Quality, is_bad

STATISTICS = ("count", "first", "last", "range", "rms", "twa", "p50", "p95", "p99")


def windows(**settings: Any) -> Aggregation:
    return Aggregation(
        "x", Settings(**{"from_": ("press-1", "d"), "window_s": 10.0, "statistics": STATISTICS, **settings})
    )


def one(*batches: Batch | Gap, end: float = 10) -> dict[str, Any]:
    aggregation = windows()
    out = [each for item in [*batches, batch((end, 0.0))] for each in aggregation.fold(item, START)]
    return said(next(each for each in out if isinstance(each, Batch)))


def test_first_range_and_rms() -> None:
    told = one(batch((3, 3.0), (1, 4.0), (5, -5.0)))
    assert (told["oil.first"], told["oil.range"], told["oil.last"]) == (4.0, 9.0, -5.0)
    assert told["oil.rms"] == pytest.approx(math.sqrt((9 + 16 + 25) / 3))


def test_the_range_of_64_bit_integers_is_exact_and_unsigned() -> None:
    rows = [(0, (-(2**63), 1, True)), (1, (2**63 - 1, 2**64 - 1, False))]
    aggregation = windows()
    aggregation.fold(batch(*rows, tags=[PARTS, TICKS, DOOR]), START)
    (out,) = aggregation.fold(batch((10, (0, 0, True)), tags=[PARTS, TICKS, DOOR]), START)
    told = said(out)
    assert (told["parts.range"], told["ticks.range"], told["door.range"]) == (2**64 - 1, 2**64 - 2, 1)
    assert (told["parts.first"], told["door.first"]) == (-(2**63), True)


def test_the_first_is_the_earliest_in_whatever_order_they_come() -> None:
    told = one(batch((5, 5.0)), batch((2, 2.0)), batch((7, 7.0)), batch((3, 3.0)))
    assert (told["oil.first"], told["oil.last"]) == (2.0, 7.0)


def test_what_comes_out_of_order_is_left_out_of_the_time_weighted_mean() -> None:
    assert one(batch((0, 10.0), (5, 20.0)), batch((2, 99.0)), batch((3, 99.0), (8, 30.0)))["oil.twa"] == pytest.approx(
        (5 * 10 + 3 * 20 + 2 * 30) / 10
    )


def test_texts_have_a_first_and_a_last() -> None:
    aggregation = windows()
    for at, text in [(5, "five"), (2, "two"), (7, "seven")]:
        aggregation.fold(batch((at, text), tags=[NOTE]), START)
    (out,) = aggregation.fold(batch((10, ""), tags=[NOTE]), START)
    assert said(out) == {"note.count": 3, "note.first": "two", "note.last": "seven"}


def test_the_time_weighted_mean_holds_each_value_until_the_next() -> None:
    aggregation = windows()
    aggregation.fold(batch((0, 10.0), (9, 20.0)), START)
    (first,) = aggregation.fold(batch((15, 0.0)), START)
    assert said(first)["oil.twa"] == pytest.approx((9 * 10 + 1 * 20) / 10)
    (second,) = aggregation.fold(batch((25, 0.0)), START)
    assert said(second)["oil.twa"] == pytest.approx((5 * 20 + 5 * 0) / 10), "what held before the window holds in it"


def test_while_a_tag_is_bad_nothing_is_counted() -> None:
    assert one(batch((0, 10.0)), bad(2), batch((8, 40.0)))["oil.twa"] == pytest.approx((2 * 10 + 2 * 40) / 4)


def test_a_gap_ends_what_held_before_it() -> None:
    aggregation = windows()
    aggregation.fold(batch((0, 100.0)), START)
    aggregation.fold(Gap("press-1", "process ended", START, START + 14 * SECOND), START)
    (_,) = aggregation.fold(batch((15, 4.0)), START)
    (out,) = aggregation.fold(batch((20, 0.0)), START)
    assert said(out)["oil.twa"] == 4.0


@given(streams(steps=st.integers(0, 25)))
def test_weights_and_percentiles_are_those_of_the_list_of_samples(batches: list[Batch]) -> None:
    aggregation = windows(window_s=0.05)
    out = [each for item in batches for each in aggregation.fold(item, 0)] + aggregation.expire(2**62)
    samples: dict[str, list[Any]] = {}
    for item in batches:
        for time_ns, row, status in item.rows():
            for tag, value, code in zip(item.tags, row, status, strict=True):
                samples.setdefault(tag.name, []).append((time_ns, value, code))
    for each in out:
        assert isinstance(each, Batch)
        start, told, status = each.times_ns[0], said(each), codes(each)
        for name in {tag.name.partition(".")[0] for tag in each.tags} - {"s"}:
            inside = [float(v) for t, v, c in samples[name] if start <= t < start + 50 * MS and usable((t, v, c))]
            if not inside:
                assert told[f"{name}.p50"] is None
                continue
            assert told[f"{name}.count"] == len(inside)
            if max(map(abs, inside)) < 1e300:
                agree(name, told, inside, weighted(samples[name], start, start + 50 * MS))
            assert not is_bad(status[f"{name}.twa"])


def agree(name: str, told: dict[str, Any], inside: list[float], twa: float) -> None:
    scale = max(map(abs, inside))
    for key, quantile in {"p50": 50, "p95": 95, "p99": 99}.items():
        wanted = float(np.percentile(inside, quantile))
        assert told[f"{name}.{key}"] == pytest.approx(wanted, rel=1e-12, abs=1e-12 * scale + 1e-320)
    rms = math.sqrt(sum(Fraction(each) ** 2 for each in inside) / len(inside))
    assert told[f"{name}.rms"] == pytest.approx(rms, rel=1e-9, abs=1e-150)
    if abs(twa) < 1e300 and math.isfinite(twa):
        assert told[f"{name}.twa"] == pytest.approx(twa, rel=1e-9, abs=1e-9 * max(scale, abs(twa)) + 1e-300)


def weighted(samples: list[Any], start: int, end: int) -> float:
    """The steps of a staircase, one after the other."""
    area, span, mean = Fraction(0), 0, []
    ends = [*(time_ns for time_ns, _, _ in samples[1:]), 2**62]
    for sample, until in zip(samples, ends, strict=True):
        since, until = max(sample[0], start), min(until, end)
        if usable(sample) and start <= sample[0] < end:
            mean.append(float(sample[1]))
        if usable(sample) and until > since:
            area, span = area + Fraction(sample[1]) * (until - since), span + until - since
    return float(area / span) if span else math.nan


@pytest.mark.parametrize("shape", ["normal", "even", "few", "rising", "falling", "steps"])
def test_beyond_what_is_exact_the_rank_is_wrong_by_less_than_it_is_said(shape: str) -> None:
    random = np.random.default_rng(5)
    n = 20_000
    values = {
        "normal": random.normal(20, 5, n),
        "even": random.uniform(-1, 1, n),
        "few": random.integers(0, 4, n).astype(float),
        "rising": np.arange(n, dtype=float),
        "falling": -np.arange(n, dtype=float),
        "steps": np.repeat(random.normal(0, 1, n // 100), 100),
    }[shape]
    quantiles = Quantiles(2)
    for at in range(0, n, 10):
        quantiles.add(values[at : at + 10, None] * np.array([1.0, -1.0]), slice(0, 2))
    ordered = np.sort(values)
    extremes = np.array([ordered[0], -ordered[-1]]), np.array([ordered[-1], -ordered[0]])
    for quantile, wrong in {0.5: 0.01, 0.95: 0.005, 0.99: 0.002}.items():
        told = quantiles.at(quantile, *extremes)
        for value, some in ((told[0], ordered), (told[1], -ordered[::-1])):
            ranks = np.searchsorted(some, value - 1e-12) / n, np.searchsorted(some, value + 1e-12, "right") / n
            near = np.searchsorted(some, [value], "left")[0] / n
            assert ranks[0] - wrong <= quantile <= ranks[1] + wrong or abs(near - quantile) <= wrong


def test_the_memory_of_percentiles_is_bounded() -> None:
    quantiles, sizes = Quantiles(3), []
    for _ in range(40):
        quantiles.add(np.random.default_rng(1).normal(size=(100, 3)), slice(0, 3))
        sizes.append(sum(len(part) for part in quantiles.state()[1:]))
    assert max(sizes) <= 3 * 8 * (EXACT + 2 * CENTROIDS)


@given(st.lists(st.lists(FLOATS, min_size=1, max_size=90), min_size=1, max_size=12), st.sets(st.integers(0, 11)))
def test_percentiles_go_on_after_a_restart_as_if_there_was_none(parts: list[list[float]], cuts: set[int]) -> None:
    straight, again = Quantiles(1), Quantiles(1)
    low, high = np.array([-1e308]), np.array([1e308])
    for number, part in enumerate(parts):
        if number in cuts:
            again = Quantiles.restored(again.state())
        rows = np.array([each if math.isfinite(each) else math.nan for each in part])[:, None]
        straight.add(rows, slice(0, 1))
        again.add(rows, slice(0, 1))
    for quantile in (0.5, 0.99):
        assert str(again.at(quantile, low, high)) == str(straight.at(quantile, low, high))


def test_statistics_that_are_wanted_since_a_reload_are_of_what_came_since() -> None:
    former = Aggregation("x", Settings(from_=("press-1",), window_s=10.0, statistics=("count",)))
    former.fold(batch((0, 100.0), (1, 100.0)), START)
    again = Aggregation("x", Settings(from_=("press-1",), window_s=10.0, statistics=("count", "p50", "twa")))
    again.load(former.dump())
    again.fold(batch((2, 4.0), (3, 4.0)), START)
    (out,) = again.fold(batch((10, 0.0)), START)
    assert said(out) == {"oil.count": 4, "oil.p50": 4.0, "oil.twa": 4.0}


def test_figures_of_infinities_are_left_out_as_they_are_of_the_mean() -> None:
    told = one(batch(*enumerate([1.0, math.inf, math.nan, 3.0])))
    assert (told["oil.count"], told["oil.p50"], told["oil.range"]) == (2, 2.0, 2.0)
    assert (DataType.FLOAT64, Quality.GOOD, OIL.unit) == (DataType.FLOAT64, 0, "degC")
