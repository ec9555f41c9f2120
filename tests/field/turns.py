"""Whose far end is killed when: pure. All in turn, in an order of chance, the same in every round."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

SPACING_S = 3.0  # between two kills, where there is time
MOST_DEAD_S = 3.0


@dataclass(frozen=True, slots=True)
class Turn:
    """Kill `name` at `at_s` after the begin, start it again `dead_s` later."""

    at_s: float
    name: str
    dead_s: float


def turns(least_dead_s: Mapping[str, float], duration_s: float, seed: int) -> list[Turn]:
    """Each name equally often, and at least once, evenly over the duration; each is dead so long at least."""
    dice = random.Random(seed)
    order = dice.sample(list(least_dead_s), len(least_dead_s))
    rounds = max(1, int(duration_s / (SPACING_S * len(order))))
    spacing_s = duration_s / (rounds * len(order))
    return [
        Turn(number * spacing_s, name, dice.uniform(least_dead_s[name], MOST_DEAD_S))
        for number, name in enumerate(name for _ in range(rounds) for name in order)
    ]
