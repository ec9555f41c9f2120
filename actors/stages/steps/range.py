"""A range check: what lies below `min` or above `max` is Bad, left out, or made the nearer end and Uncertain.

    { stage = "range", tags = ["oil*"], min = -20, max = 150 }
    { stage = "range", tags = ["level"], min = 0, action = "clamp" }

Whole numbers are compared exactly. NaN is in no range, so it is Bad, out of range (or left out).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from actors.stages.chosen import Chosen
from actors.stages.columnwise import DOUBTFUL, OUT_OF_RANGE, Columnwise, Part, Turned, without_values
from actors.stages.numbers import BAD
from transports.errors import Problem
from transports.settings import setting

LASTING = False


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """The ends of the range and what to do beyond them."""

    lowest: int | float | None = setting(None, key="min", help="the least that a value may be")
    highest: int | float | None = setting(None, key="max", help="the most that a value may be")
    action: Literal["bad", "drop", "clamp"] = setting(
        "bad", help="make it Bad, leave it out, or make it the nearer end"
    )

    def problems(self, path: str) -> Iterator[Problem]:
        """A range without ends, or with the wrong one first."""
        if self.lowest is None and self.highest is None:
            yield Problem(f"{path}.min", "", "is missing; write min, max or both")
        if self.lowest is not None and self.highest is not None and self.lowest > self.highest:
            yield Problem(f"{path}.min", f"{self.lowest:g}", f"must be at most max ({self.highest:g})")


class Range(Columnwise):
    """See the module's note."""

    def __init__(self, settings: Settings) -> None:
        self._action = settings.action
        low = -math.inf if settings.lowest is None else settings.lowest
        high = math.inf if settings.highest is None else settings.highest
        self._ends = {"f": (float(low), float(high)), "i": _whole(low, high, -(2**63), 2**63 - 1)}
        self._ends["u"] = _whole(low, high, 0, 2**64 - 1)
        super().__init__(settings.tags)

    def turned(self, part: Part) -> Turned:
        values = part.values
        low, high = self._ends[values.dtype.kind]
        nothing = low > high  # no number of the type lies between the ends
        inside = np.zeros(values.shape, np.bool_) if nothing else (values >= low) & (values <= high)
        if inside.all():
            return Turned(values)
        beyond = ~inside & np.less(part.codes, BAD)
        if not beyond.any():
            return Turned(values)
        if self._action == "drop":
            return Turned(values, None, ~beyond)
        if self._action == "bad" or nothing:
            return Turned(without_values(values, beyond), part.marked(beyond, OUT_OF_RANGE))
        lost = beyond & np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, np.bool_)
        part.codes = part.marked(beyond, DOUBTFUL)
        clamped = np.where(beyond, np.clip(values, low, high), values)
        return Turned(without_values(clamped, lost), part.marked(lost, OUT_OF_RANGE))


def _whole(low: float, high: float, bottom: int, top: int) -> tuple[int, int]:
    """The ends as whole numbers of a type; the first above the second where no number of it is between them."""
    first = bottom if low <= bottom else math.ceil(low) if low <= top else top + 1
    last = top if high >= top else math.floor(high) if high >= bottom else bottom - 1
    return first, last


def make(settings: Settings) -> Range:
    """A stage for one source."""
    return Range(settings)
