"""Back-off: grows, stays below its ceiling, and is spread."""

from hypothesis import given
from hypothesis import strategies as st

from transports.backoff import Backoff

BACKOFFS = st.builds(Backoff, st.floats(0.001, 10), st.floats(1, 10), st.floats(10, 10_000), st.floats(0, 1))
LUCK = st.floats(0, 1, exclude_max=True)
ATTEMPTS = st.integers(0, 10**12)


def test_delays_double_from_the_first_to_the_ceiling() -> None:
    even = Backoff(first_s=0.5, ceiling_s=5.0, jitter=0.0)
    assert [even.delay_s(attempt, 0.7) for attempt in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_jitter_moves_a_delay_both_ways() -> None:
    spread = Backoff(first_s=10.0, jitter=0.2)
    assert [spread.delay_s(0, luck) for luck in (0.0, 0.5)] == [8.0, 10.0]
    assert 11.9 < spread.delay_s(0, 0.999) < 12.0


@given(backoff=BACKOFFS, attempt=ATTEMPTS, luck=LUCK)
def test_no_delay_is_above_the_ceiling_or_below_nothing_even_after_years(
    backoff: Backoff, attempt: int, luck: float
) -> None:
    assert 0 <= backoff.delay_s(attempt, luck) <= backoff.ceiling_s


@given(backoff=BACKOFFS, attempt=ATTEMPTS, luck=LUCK)
def test_with_the_same_luck_a_later_delay_is_never_shorter(backoff: Backoff, attempt: int, luck: float) -> None:
    assert backoff.delay_s(attempt, luck) <= backoff.delay_s(attempt + 1, luck)


@given(backoff=BACKOFFS, attempt=ATTEMPTS, luck=LUCK)
def test_a_delay_keeps_to_its_jitter(backoff: Backoff, attempt: int, luck: float) -> None:
    plain = Backoff(backoff.first_s, backoff.factor, backoff.ceiling_s, 0.0).delay_s(attempt, luck)
    delay_s = backoff.delay_s(attempt, luck)
    assert plain * (1 - backoff.jitter) * 0.999999 <= delay_s <= plain * (1 + backoff.jitter) * 1.000001
