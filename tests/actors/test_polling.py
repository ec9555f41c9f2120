"""When a device is read: on the grid, once a period, and what was missed is counted."""

from itertools import pairwise
from math import inf, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.polling import Polling

PERIODS = st.floats(0.001, 86_400.0)
ORIGINS = st.floats(0.0, 1e8)  # seconds since the machine was started: three years
STEPS = st.integers(0, 1_000_000)
SLOWNESS = st.floats(0.0, 5.0)  # how long a read takes, in periods


def on_time(polling: Polling, reads: int, cost_s: float = 0.0) -> list[float]:
    """Due times of a loop that is woken exactly when it asked to be."""
    due, dues = polling.origin, []
    for _ in range(reads):
        dues.append(due)
        due = polling.next_after(due + cost_s)
    return dues


def test_reads_are_one_period_apart() -> None:
    assert on_time(Polling(100.0, 0.5), 4) == [100.0, 100.5, 101.0, 101.5]


def test_a_read_that_takes_time_does_not_move_the_next_one() -> None:
    assert on_time(Polling(100.0, 0.5), 4, cost_s=0.4) == [100.0, 100.5, 101.0, 101.5]


def test_ten_million_reads_later_the_grid_is_the_same() -> None:
    polling = Polling(1000.0, 0.1)
    assert polling.next_after(1000.0 + 10_000_000 * 0.1) == 1000.0 + 10_000_001 * 0.1


def test_a_read_that_takes_longer_than_a_period_is_not_made_up_for() -> None:
    polling = Polling(0.0, 1.0)
    assert polling.next_after(3.7) == 4.0
    assert polling.missed(0.0, 3.7) == 3


def test_a_read_that_ends_exactly_when_the_next_is_due_has_missed_that_one() -> None:
    polling = Polling(0.0, 1.0)
    assert polling.next_after(1.0) == 2.0
    assert polling.missed(0.0, 1.0) == 1


@pytest.mark.parametrize("now", [0.0, 0.5, 0.999])
def test_a_read_in_time_has_missed_nothing(now: float) -> None:
    assert Polling(0.0, 1.0).missed(0.0, now) == 0


def test_a_clock_that_reads_before_the_due_time_has_missed_nothing() -> None:
    assert Polling(0.0, 1.0).missed(5.0, 4.9) == 0


def test_the_due_time_that_passes_during_the_first_read_is_read_all_the_same() -> None:
    polling = Polling(0.0, 1.0)
    assert polling.following(6.9995, 7.0005) == 7.0, "at once: there is no hole of two periods"
    assert polling.missed(6.9995, 7.0005) == 0
    assert polling.following(7.0, 7.002) == 8.0
    assert polling.following(6.3, 6.4) == 7.0


def test_a_first_read_that_takes_many_periods_has_them_counted_by_the_next() -> None:
    polling = Polling(0.0, 1.0)
    due = polling.following(6.5, 11.2)
    assert due == 7.0
    assert polling.missed(due, 11.3) == 4


@given(origin=ORIGINS, period_s=PERIODS, steps=STEPS, nudge=st.sampled_from([-inf, 0.0, inf]))
def test_the_next_due_time_is_the_first_of_the_grid_that_is_later(
    origin: float, period_s: float, steps: int, nudge: float
) -> None:
    now = origin + steps * period_s
    now = nextafter(now, nudge) if nudge else now  # the neighbours of a due time are where rounding bites
    due = Polling(origin, period_s).next_after(now)
    assert due > now
    grid = [origin + n * period_s for n in range(max(0, steps - 2), steps + 3)]
    assert due == min(each for each in grid if each > now)


@given(origin=ORIGINS, period_s=PERIODS, begin=STEPS, costs=st.lists(SLOWNESS, min_size=1, max_size=20))
def test_no_period_is_read_twice_and_every_one_is_read_or_counted(
    origin: float, period_s: float, begin: int, costs: list[float]
) -> None:
    polling = Polling(origin, period_s)
    due, dues, missed = origin + begin * period_s, [], 0
    for cost in costs:
        dues.append(due)
        now = due + cost * period_s
        missed += polling.missed(due, now)
        due = polling.following(due, now)
    assert all(later - earlier > 0.5 * period_s for earlier, later in pairwise(dues)), "one period, one read"
    assert len(dues) + missed == round((due - origin) / period_s) - begin
