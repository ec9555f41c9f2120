"""Which comings and goings an operator hears of: each; of too many that they are; at last how it stayed: a decider.

    each is told ──more than MOST within WITHIN_S──> it flaps, told once ──none for WITHIN_S──> how it is, told once

A plug with a bad contact makes ten changes a second, for days: they would fill every log, and say no more than this.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

MOST, WITHIN_S = 6, 60.0


class Word(Enum):
    """What is to be told."""

    NOTHING = auto()
    CHANGE = auto()
    FLAPS = auto()
    STEADY = auto()


@dataclass(frozen=True, slots=True)
class Flapping:
    """`times` are the newest changes (monotonic seconds, MOST at most); `untold` how many since it was told that it
    flaps, that one included."""

    times: tuple[float, ...] = ()
    untold: int = 0


def changed(known: Flapping, now: float) -> tuple[Flapping, Word]:
    """It has come or gone."""
    if known.untold:
        return replace(known, times=(now,), untold=known.untold + 1), Word.NOTHING
    lately = tuple(at for at in known.times if at > now - WITHIN_S)
    if len(lately) < MOST:
        return Flapping((*lately, now)), Word.CHANGE
    return Flapping((now,), 1), Word.FLAPS


def looked(known: Flapping, now: float) -> tuple[Flapping, Word]:
    """It is as it was."""
    if known.untold and known.times[-1] <= now - WITHIN_S:
        return Flapping(), Word.STEADY
    return known, Word.NOTHING
