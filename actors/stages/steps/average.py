"""The moving average: the mean of the last samples.

    { stage = "average", tags = ["flow"], window = 10 }

The mean is a float, of the sample and those before it; at the beginning of as many as there are. Bad samples, NaN and
infinities pass as they are and are in no mean.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages import recent
from actors.stages.chosen import Chosen
from actors.stages.columnwise import Columnwise, Part, Turned
from transports.samples import DataType, Tag
from transports.settings import setting

LASTING = False


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """How long the window is."""

    window: int = setting(10, ge=2, le=10_000, help="how many samples the mean is of")


class Average(Columnwise):
    """See the module's note."""

    def __init__(self, settings: Settings) -> None:
        self._window = settings.window
        self.forms = recent.forms(settings.window)
        super().__init__(settings.tags)

    def renamed(self, tag: Tag) -> Tag:
        return Tag(tag.name, DataType.FLOAT64, tag.unit)

    def turned(self, part: Part) -> Turned:
        floats = part.values.astype(np.float64, copy=False)
        if part.is_void:
            return Turned(floats)
        windows = recent.Recent(part, self._window)
        sizes: Any = self._window if windows.are_full() else windows.sizes()
        rows = windows.rows.astype(np.float64, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            means = window_sums(rows, self._window) / sizes
            if not np.isfinite(means).all():  # a sum beyond the range of a float
                means = np.where(
                    np.isfinite(means), means, window_sums(rows / self._window, self._window) * (self._window / sizes)
                )
        windows.remember()
        return Turned(windows.dense.spread(means, floats))


def window_sums(rows: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The sum of each `window` neighbouring rows: (rows - window + 1, columns).

    Sums of 1, 2, 4, 8 ... rows are doubled and put together, so that a sum is of its own samples only, and the same
    wherever a batch begins.
    """
    sums: NDArray[np.float64] | None = None
    doubled, length, done = rows, 1, 0
    n = len(rows) - window + 1
    while done < window:
        if window & length:
            piece = doubled[done : done + n]
            sums = piece if sums is None else sums + piece
            done += length
        doubled = doubled[:-length] + doubled[length:] if done < window else doubled
        length *= 2
    assert sums is not None
    return sums


def make(settings: Settings) -> Average:
    """A stage for one source."""
    return Average(settings)
