"""Waves as functions of time: the same instant shows the same value, always and everywhere."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.waves import LEVELS, WAVES, Signal, Waves

SECOND = 1_000_000_000
NOW = 1_760_000_000 * SECOND  # a multiple of ten seconds

instants = st.integers(0, 2**62)
periods = st.integers(1_000, 10**16)
shapes = st.sampled_from(list(WAVES))


def at(signal: Signal, *times_ns: int, seed: int = 0, first: int = 1) -> list[float]:
    return [float(value) for value in Waves([signal], seed).values(np.array(times_ns, np.int64), first)[:, 0]]


def quarters(kind: str, **more: float) -> list[float]:
    """The value at the start of a ten-second period and after each quarter of it."""
    return at(Signal(kind, **more), *(NOW + quarter * SECOND * 5 // 2 for quarter in range(4)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sine", [0, 1, 0, -1]),
        ("square", [1, 1, -1, -1]),
        ("triangle", [-1, 0, 1, 0]),
        ("sawtooth", [-1, -0.5, 0, 0.5]),
        ("constant", [0, 0, 0, 0]),
    ],
)
def test_a_wave_has_its_form(kind: str, expected: Sequence[float]) -> None:
    assert quarters(kind) == pytest.approx(expected, abs=1e-9)


def test_stairs_climb_from_minus_one_to_one_in_even_steps() -> None:
    found = at(Signal("step"), *(NOW + SECOND + step * 2 * SECOND for step in range(LEVELS)))
    assert found == pytest.approx([-1, -0.5, 0, 0.5, 1])


def test_amplitude_offset_and_phase_shape_the_wave() -> None:
    assert quarters("sine", amplitude=20, offset=50) == pytest.approx([50, 70, 50, 30])
    assert quarters("sine", phase=0.25) == pytest.approx([1, 0, -1, 0], abs=1e-9)


@given(shapes, instants, periods, st.floats(0, 1))
def test_the_same_instant_shows_the_same_value_alone_or_in_company(
    kind: str, time_ns: int, period_ns: int, phase: float
) -> None:
    signal = Signal(kind, period_ns, phase=phase)
    (alone,) = at(signal, time_ns, seed=1)
    crowd = [Signal("noise"), Signal("sine", 7), signal, Signal(kind, period_ns * 3), Signal("counter")]
    together = Waves(crowd, 2).values(np.array([0, time_ns, 5], np.int64), 99)
    assert together[1, 2] == alone
    assert -1 <= alone <= 1


@given(shapes, st.integers(0, 2**60), periods)
def test_a_wave_repeats_exactly_after_its_period(kind: str, time_ns: int, period_ns: int) -> None:
    first, second = at(Signal(kind, period_ns), time_ns, time_ns + period_ns)
    assert first == second


def test_a_nanosecond_counts_at_today_s_time() -> None:
    """A float of ns since 1970 is only good to 256 ns; a wave of 1 us must still have all its values."""
    assert len(set(at(Signal("sawtooth", 1_000), *range(NOW, NOW + 1_000)))) == 1_000


def test_a_counter_says_the_number_of_the_scan() -> None:
    assert at(Signal("counter"), NOW, NOW, NOW, first=2**40) == [2**40, 2**40 + 1, 2**40 + 2]


def test_noise_is_repeated_by_its_seed_and_spreads_as_told() -> None:
    times = [NOW] * 4000
    found = at(Signal("noise", amplitude=3, offset=10), *times, seed=7)
    assert found == at(Signal("noise", amplitude=3, offset=10), *times, seed=7)
    assert found != at(Signal("noise", amplitude=3, offset=10), *times, seed=8)
    assert np.mean(found) == pytest.approx(10, abs=0.3)
    assert np.std(found) == pytest.approx(3, abs=0.3)


def test_noise_on_one_signal_leaves_the_others_clean() -> None:
    clean, noisy = (
        Waves([Signal("constant", offset=4), Signal("constant", offset=4, noise=1)], 0)
        .values(np.array([NOW] * 50, np.int64), 1)
        .T
    )
    assert set(clean) == {4.0}
    assert len(set(noisy)) == 50


def test_a_constant_shows_what_it_is_set_to() -> None:
    waves = Waves([Signal("constant", offset=1), Signal("constant", offset=2)], 0)
    waves.set_offset(1, math.pi)
    assert waves.values(np.array([NOW], np.int64), 1).tolist() == [[1.0, math.pi]]
