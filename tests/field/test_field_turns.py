"""Whoever can be killed is, equally often, and dead no longer than is said."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.field.turns import MOST_DEAD_S, turns

NINETEEN = dict.fromkeys(map(str, range(19)), 1.0)


@given(st.integers(1, 30), st.floats(1.0, 5000.0), st.integers(0, 2**32))
def test_each_is_killed_equally_often_and_once_at_least(ends: int, duration_s: float, seed: int) -> None:
    least_s = {f"end-{number}": 1.0 + number % 2 for number in range(ends)}
    made = turns(least_s, duration_s, seed)
    assert set(Counter(turn.name for turn in made)) == set(least_s)
    assert len(set(Counter(turn.name for turn in made).values())) == 1
    assert [turn.at_s for turn in made] == sorted(turn.at_s for turn in made)
    assert all(0 <= turn.at_s < duration_s and least_s[turn.name] <= turn.dead_s <= MOST_DEAD_S for turn in made)


def test_in_a_minute_nineteen_are_killed_about_every_three_seconds() -> None:
    made = turns(NINETEEN, 60.0, 1)
    assert len(made) == 19
    assert 3.0 <= made[1].at_s - made[0].at_s < 3.5


def test_the_order_is_of_chance_and_the_same_in_every_round() -> None:
    order = [turn.name for turn in turns(NINETEEN, 600.0, 1)]
    assert order == order[:19] * 10
    assert order[:19] != [turn.name for turn in turns(NINETEEN, 600.0, 2)][:19]
