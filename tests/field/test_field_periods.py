"""The judge of periods fails whom it has to: made-up readings with holes, outages and a machine that stands still."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.field.periods import Grace, Span, healing_ns, missed, obligations

S = 1_000_000_000
PERIOD_S = 0.5
MINUTE = Span(100 * S, 160 * S)


def every(period_s: float, span: Span = MINUTE) -> list[int]:
    return list(range(span.begin_ns - S, span.end_ns, round(period_s * S)))


def without(readings: Sequence[int], *holes: Span) -> list[int]:
    return [at for at in readings if not any(hole.begin_ns <= at < hole.end_ns for hole in holes)]


def counts(good_ns: Sequence[int], *outages: Span, grace: Grace | None = None, overslept: Sequence[Span] = ()) -> int:
    return sum(hole.periods for hole in missed(good_ns, PERIOD_S, MINUTE, outages, grace, overslept))


def test_a_device_that_keeps_its_period_misses_none() -> None:
    assert counts(every(PERIOD_S)) == 0


def test_one_reading_left_out_is_one_missed_period_and_says_where() -> None:
    readings = every(PERIOD_S)
    readings.remove(130 * S)
    (hole,) = missed(readings, PERIOD_S, MINUTE)
    assert (hole.periods, hole.hole) == (1, Span(130 * S - S // 2, 130 * S + S // 2))


def test_a_device_that_said_nothing_misses_all_its_periods() -> None:
    assert counts([]) == 120


def test_a_device_that_stops_before_the_end_misses_the_rest() -> None:
    assert counts(without(every(PERIOD_S), Span(150 * S, 161 * S))) == 20


@given(st.sets(st.integers(2, 118), max_size=20), st.lists(st.integers(0, 40_000_000), min_size=130, max_size=130))
def test_each_reading_left_out_counts_once_however_late_others_are(left_out: set[int], late_ns: list[int]) -> None:
    readings = [at + late_ns[n] for n, at in enumerate(every(PERIOD_S)) if n - 2 not in left_out]
    assert counts(readings) == len(left_out)


@given(st.lists(st.integers(0, 300_000_000), min_size=130, max_size=130))
def test_being_late_by_half_a_period_and_the_tolerance_is_not_missing(late_ns: list[int]) -> None:
    assert counts([at + late_ns[n] for n, at in enumerate(every(PERIOD_S))]) == 0


def test_the_outage_of_its_own_far_end_and_the_grace_after_it_are_excused() -> None:
    outage = Span(120 * S, 122 * S)
    readings = without(every(PERIOD_S), Span(120 * S, 124 * S))
    assert counts(readings, outage, grace=Grace(2.0)) == 0
    assert counts(readings, outage, grace=Grace(1.0)) > 0, "healing took longer than its grace"
    assert counts(readings, outage, grace=Grace(0.5, 0.75)) == 0, "half a second and 0.75 of the outage"
    assert counts(readings) == 8, "an outage of another far end excuses nothing"


def test_a_reading_has_to_come_within_the_grace() -> None:
    outage = Span(120 * S, 122 * S)
    readings = without(every(PERIOD_S), Span(120 * S, 127 * S))
    (hole,) = missed(readings, PERIOD_S, MINUTE, [outage], Grace(2.0))
    assert hole.periods == 6, "due at 124 s; the first came at 127 s"


def test_a_reading_of_the_outage_is_no_reading_after_it() -> None:
    outage = Span(120 * S, 122 * S)
    readings = [*without(every(PERIOD_S), Span(120 * S, 126 * S)), 121 * S]
    assert counts(sorted(readings), outage, grace=Grace(1.0)) >= 5


def test_a_device_that_was_never_killed_again_is_judged_between_two_outages() -> None:
    outages = Span(110 * S, 111 * S), Span(140 * S, 141 * S)
    readings = without(every(PERIOD_S), *outages, Span(125 * S, 126 * S))
    assert counts(readings, *outages, grace=Grace(1.0)) == 2


def test_what_the_control_clock_overslept_is_taken_off_the_hole_and_no_more() -> None:
    hole = Span(130 * S, 133 * S)
    readings = without(every(PERIOD_S), hole)
    whole, half = [Span(130 * S, 133 * S)], [Span(131 * S, 132 * S)]
    assert counts(readings) == 6
    assert counts(readings, overslept=whole) == 0
    assert counts(readings, overslept=half) == 4
    assert counts(readings, overslept=[Span(140 * S, 150 * S)]) == 6, "it was late at another time"


def test_a_clock_that_is_late_within_the_tolerance_excuses_nothing() -> None:
    readings = without(every(PERIOD_S), Span(130 * S, 133 * S))
    naps = [Span(at, at + S // 10) for at in range(130 * S, 133 * S, S // 8)]
    assert counts(readings, overslept=naps) == 6


spans = st.builds(lambda begin, s: Span(begin * S, (begin + s) * S), st.integers(95, 165), st.integers(1, 10))


@given(st.lists(spans, max_size=6), st.floats(0.5, 5.0))
@example([Span(148 * S, 158 * S), Span(161 * S, 162 * S)], 2.0)  # healed at the very end, and an outage after that
def test_nothing_is_asked_of_a_device_while_its_far_end_is_dead_or_it_heals(
    outages: list[Span], grace_s: float
) -> None:
    grace = Grace(grace_s)
    asked = [span for span, _ in obligations(MINUTE, outages, grace)]
    assert all(MINUTE.begin_ns <= span.begin_ns < span.end_ns <= MINUTE.end_ns for span in asked)
    for outage in outages:
        assert not any(span.begin_ns < grace.after(outage) and outage.begin_ns < span.end_ns for span in asked)


@given(st.lists(spans, max_size=6), st.floats(0.5, 5.0))
def test_whatever_is_not_excused_is_asked(outages: list[Span], grace_s: float) -> None:
    grace = Grace(grace_s)
    asked = [span for span, _ in obligations(MINUTE, outages, grace)]
    for at in range(MINUTE.begin_ns + 1, MINUTE.end_ns, S // 3):
        excused = any(outage.begin_ns <= at <= grace.after(outage) for outage in outages)
        assert excused or any(span.begin_ns <= at <= span.end_ns for span in asked)


@pytest.mark.parametrize(("first_s", "healed_s"), [(123, 1), (None, 0)])
def test_healing_is_from_the_revival_to_the_first_reading(first_s: int | None, healed_s: int) -> None:
    readings = [121 * S] + ([first_s * S] if first_s else [])
    assert healing_ns(readings, Span(120 * S, 122 * S)) == healed_s * S
