"""The Hampel filter: a sample far from the median of its window is a spike; it becomes the median, or Bad.

    { stage = "hampel", tags = ["*_temp"], window = 7, sigmas = 3.0, least = 0.5 }

Far is more than `sigmas` x 1.4826 x the median of the distances from the median (for noise of a bell curve that is its
standard deviation), and more than `least`. The window is the sample and those before it, so nothing is delayed; the
first half window of a true step counts as a spike. Until the window is full nothing does. Bad samples, NaN and
infinities pass as they are and are not in the window; spikes are in it as they came.

After F. R. Hampel, "The influence curve and its role in robust estimation" (1974).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from actors.stages import recent
from actors.stages.chosen import Chosen
from actors.stages.columnwise import DOUBTFUL, OUT_OF_RANGE, Columnwise, Part, Turned, without_values
from actors.stages.middle import median
from transports.settings import setting

LASTING = False
_SIGMA = 1.4826  # standard deviations in one median distance, where values are normally distributed


def _odd(window: int) -> str | None:
    return None if window % 2 else "must be odd, so that there is one in the middle"


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """How long the window is, what a spike is and what becomes of it."""

    window: int = setting(7, ge=3, le=999, check=_odd, help="how many samples are looked at; odd")
    sigmas: float = setting(3.0, ge=0, help="how far from the median is a spike, in standard deviations")
    least: float = setting(0.0, ge=0, help="what is no further than this is never a spike: the signal's resolution")
    action: Literal["replace", "bad"] = setting("replace", help="make a spike the median, Uncertain; or make it Bad")


class Hampel(Columnwise):
    """See the module's note."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._window = settings, settings.window
        self.forms = recent.forms(settings.window)
        super().__init__(settings.tags)

    def turned(self, part: Part) -> Turned:
        if part.is_void:
            return Turned(part.values)
        windows = recent.Recent(part, self._window)
        middle = median(windows.lagged(windows.rows))
        rows = windows.rows.astype(np.float64, copy=False)
        centre = middle.astype(np.float64, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            spread = median([np.abs(each - centre) for each in windows.lagged(rows)])
            away = np.abs(rows[self._window - 1 :] - centre)
            spikes = away > np.maximum(spread * (self._settings.sigmas * _SIGMA), self._settings.least)
        if not windows.are_full():
            spikes &= windows.sizes() == self._window
        windows.remember()
        spikes = windows.dense.spread(spikes, False)
        if not spikes.any():
            return Turned(part.values)
        if self._settings.action == "bad":
            return Turned(without_values(part.values, spikes), part.marked(spikes, OUT_OF_RANGE))
        medians = windows.dense.spread(middle, part.values)
        return Turned(np.where(spikes, medians, part.values), part.marked(spikes, DOUBTFUL))


def make(settings: Settings) -> Hampel:
    """A stage for one source."""
    return Hampel(settings)
