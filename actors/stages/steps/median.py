"""The median of the last samples: takes spikes out and leaves edges where they are.

    { stage = "median", tags = ["level"], window = 5 }

The window is the sample and those before it, so nothing is delayed, but a step shows half a window later. Whole numbers
stay whole. Until the window is full samples pass as they are; Bad ones, NaN and infinities always do and are not in
it.
"""

from dataclasses import dataclass

import numpy as np

from actors.stages import recent
from actors.stages.chosen import Chosen
from actors.stages.columnwise import Columnwise, Part, Turned
from actors.stages.middle import median
from transports.settings import setting

LASTING = False


def odd(window: int) -> str | None:
    """The cure for a window without a middle."""
    return None if window % 2 else "must be odd, so that there is one in the middle"


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """How long the window is."""

    window: int = setting(5, ge=3, le=999, check=odd, help="how many samples the median is of; odd")


class Median(Columnwise):
    """See the module's note."""

    def __init__(self, settings: Settings) -> None:
        self._window = settings.window
        self.forms = recent.forms(settings.window)
        super().__init__(settings.tags)

    def turned(self, part: Part) -> Turned:
        if part.is_void:
            return Turned(part.values)
        windows = recent.Recent(part, self._window)
        middle = median(windows.lagged(windows.rows))
        if not windows.are_full():
            middle = np.where(windows.sizes() < self._window, windows.dense.values, middle)
        windows.remember()
        return Turned(windows.dense.spread(middle, part.values))


def make(settings: Settings) -> Median:
    """A stage for one source."""
    return Median(settings)
