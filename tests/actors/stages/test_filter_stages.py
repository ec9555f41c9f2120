"""Rate, median, Hampel, averages: what filters make of a tag's samples, against the obvious loop over them."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.stages.middle import median, network
from actors.stages.steps.average import window_sums
from tests.actors.stages.readings import batch, values
from tests.actors.stages.samples_of_stages import NUMBERS, Sample, by_tag, same, streams, through, usable
from transports.samples import Quality

Loop = Callable[[list[Sample]], list[Sample]]


def check(batches: list[Any], table: dict[str, Any], loop: Loop, close: float = 0.0) -> None:
    out = by_tag(through(batches, table))
    for name, samples in by_tag(batches).items():
        same(out.get(name, []), loop(samples) if name in NUMBERS else samples, close)


@given(streams(), st.floats(0.1, 1e4), st.sampled_from(["bad", "uncertain", "drop"]))
def test_what_changes_faster_than_it_can_is_not_believed(batches: list[Any], most: float, action: str) -> None:
    def loop(samples: list[Sample]) -> list[Sample]:
        last: Sample | None = None
        out: list[Sample] = []
        for sample in samples:
            time_ns, value, code = sample
            if not usable(sample):
                out.append(sample)
                continue
            believed = (
                last is None or time_ns <= last[0] or _span(value, last[1]) <= (time_ns - last[0]) * (most * 1e-9)
            )
            if believed:
                last = sample
                out.append(sample)
            elif action == "bad":
                out.append((time_ns, None, Quality.BAD_OUT_OF_RANGE))
            elif action == "uncertain":
                out.append((time_ns, value, max(code, Quality.UNCERTAIN_SUB_NORMAL)))
        return out

    check(batches, {"stage": "rate", "max": most, "action": action}, loop)


def _span(value: Any, other: Any) -> float:
    return abs(value - other)


def test_a_spike_is_caught_alone_and_a_step_is_believed_when_there_was_time_for_it() -> None:
    spike = batch(*enumerate([20.0, 20.1, 95.0, 20.2, 20.3]))
    assert values(through([spike], {"stage": "rate", "max": 1.0})) == [20.0, 20.1, None, 20.2, 20.3]
    step = batch(*enumerate([20.0, 30.0, 30.0, 30.0, 30.0, 30.0]))
    assert values(through([step], {"stage": "rate", "max": 2.5})) == [20.0, None, None, None, 30.0, 30.0]


def test_the_first_sample_is_believed_whatever_it_is() -> None:
    assert values(through([batch((0, 1e308), (1, 1e308))], {"stage": "rate", "max": 1e-9})) == [1e308, 1e308]


def test_thousands_of_implausible_samples_cost_no_square_of_their_number() -> None:
    rows = [(at, 0.0 if at == 0 else 1e9 + at) for at in range(20_000)]
    out = values(through([batch(*rows)], {"stage": "rate", "max": 1.0}))
    assert out[:2] == [0.0, None]
    assert set(out[1:]) == {None}


@given(streams(), st.sampled_from([3, 5, 7, 13]))
def test_the_median_is_of_the_last_usable_samples(batches: list[Any], window: int) -> None:
    def loop(samples: list[Sample]) -> list[Sample]:
        seen: list[Any] = []
        out = []
        for sample in samples:
            if usable(sample):
                seen.append(sample[1])
                if len(seen) >= window:
                    sample = sample[0], sorted(seen[-window:])[window // 2], sample[2]
            out.append(sample)
        return out

    check(batches, {"stage": "median", "window": window}, loop)


@given(streams(), st.sampled_from([3, 5, 9]), st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from(["replace", "bad"]))
def test_a_spike_is_far_from_the_median_of_its_window(
    batches: list[Any], window: int, sigmas: float, action: str
) -> None:
    def loop(samples: list[Sample]) -> list[Sample]:
        seen: list[Any] = []
        out = []
        for time_ns, value, code in samples:
            if usable((time_ns, value, code)):
                seen.append(value)
                some = sorted(seen[-window:])
                middle = some[window // 2] if len(some) == window else None
                if middle is not None:
                    spread = sorted(abs(float(each) - float(middle)) for each in some)[window // 2]
                    if abs(float(value) - float(middle)) > max(spread * (sigmas * 1.4826), 0.25):  # type: ignore[arg-type]
                        bad = action == "bad"
                        value = None if bad else middle
                        code = Quality.BAD_OUT_OF_RANGE if bad else max(code, Quality.UNCERTAIN_SUB_NORMAL)
            out.append((time_ns, value, code))
        return out

    check(batches, {"stage": "hampel", "window": window, "sigmas": sigmas, "least": 0.25, "action": action}, loop)


def test_one_wrong_sample_in_a_noisy_signal_becomes_the_median_and_uncertain() -> None:
    noisy = [20.0, 20.2, 19.9, 20.1, 20.0, 20.1, 87.0, 20.2, 19.8]
    out = through([batch(*enumerate(noisy))], {"stage": "hampel", "window": 7})
    assert values(out) == [*noisy[:6], 20.1, *noisy[7:]]
    assert by_tag(out)["oil"][6][2] == Quality.UNCERTAIN_SUB_NORMAL


@given(streams(), st.sampled_from([2, 3, 4, 7, 16]))
def test_the_moving_average_is_the_mean_of_the_last_usable_samples(batches: list[Any], window: int) -> None:
    def loop(samples: list[Sample]) -> list[Sample]:
        seen: list[float] = []
        out = []
        for sample in samples:
            if usable(sample):
                seen.append(float(sample[1]))  # type: ignore[arg-type]
                some = seen[-window:]
                sample = sample[0], float(sum(map(Fraction, some)) / len(some)), sample[2]
            elif sample[1] is not None:
                sample = sample[0], float(sample[1]), sample[2]  # type: ignore[arg-type]
            out.append(sample)
        return out

    out = by_tag(through(batches, {"stage": "average", "window": window}))
    for name, samples in by_tag(batches).items():
        if name in NUMBERS:
            for (_, value, _), (_, expected, _), near in zip(
                out[name], loop(samples), _sizes(samples, window), strict=True
            ):
                if value is None or expected is None:
                    assert value is expected is None
                elif math.isfinite(expected):  # type: ignore[arg-type]
                    assert value == pytest.approx(expected, rel=1e-12, abs=1e-12 * near + 1e-300)


def _sizes(samples: list[Sample], window: int) -> list[float]:
    """The largest number in each sample's window: what rounding goes by."""
    seen: list[float] = [0.0]
    out = []
    for sample in samples:
        if usable(sample):
            seen.append(abs(float(sample[1])))  # type: ignore[arg-type]
        out.append(max(seen[-window:]))
    return out


@given(
    streams(), st.sampled_from([{"share": 0.25}, {"share": 1.0}, {"time_constant": "20ms"}, {"time_constant": 3600}])
)
def test_exponential_smoothing_goes_its_share_of_the_way(batches: list[Any], setting: dict[str, Any]) -> None:
    out = by_tag(through(batches, {"stage": "exponential", **setting}))
    for name, samples in by_tag(batches).items():
        if name not in NUMBERS:
            continue
        smooth: float | None = None
        largest, at_ns = 0.0, 0
        for (time_ns, value, code), (_, found, status) in zip(samples, out[name], strict=True):
            assert code == status
            if not usable((time_ns, value, code)):
                continue
            number = float(value)  # type: ignore[arg-type]
            seconds = {"20ms": 0.02, 3600: 3600.0}.get(setting.get("time_constant", 0))
            share = setting.get("share") or -math.expm1(-max(time_ns - at_ns, 0) / 1e9 / seconds)  # type: ignore[operator]
            smooth = number if smooth is None else smooth + share * (number - smooth)
            largest, at_ns = max(largest, abs(number)), time_ns
            if largest < 1e300:
                assert found == pytest.approx(smooth, rel=1e-9, abs=1e-9 * largest + 1e-300)


def test_after_a_time_constant_63_percent_of_a_step_is_reached_at_any_pace() -> None:
    for count in (1, 10, 997):
        rows = [(0, 0.0)] + [(10 * at / count, 1.0) for at in range(1, count + 1)]
        assert values(through([batch(*rows)], {"stage": "exponential", "time_constant": "10s"}))[-1] == pytest.approx(
            1 - math.exp(-1), rel=1e-9
        )


@pytest.mark.parametrize("size", [1, 3, 5, 7, 9, 11])
def test_a_network_of_comparators_finds_the_middle_of_any_zeros_and_ones(size: int) -> None:
    # what sorts all zeros and ones sorts everything (Knuth 5.3.4, the 0-1 principle)
    import numpy as np

    rows = np.array([[pattern >> at & 1 for pattern in range(2**size)] for at in range(size)])
    assert (median(list(rows)) == np.sort(rows, axis=0)[size // 2]).all()
    assert len(network(size)) <= size * size


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=40), st.integers(1, 40))
def test_sums_of_neighbours_are_their_sums(numbers: list[int], window: int) -> None:
    import numpy as np

    window = min(window, len(numbers))
    sums = window_sums(np.array(numbers, float)[:, None], window)[:, 0].tolist()
    assert sums == [sum(numbers[at : at + window]) for at in range(len(numbers) - window + 1)]
