"""The statistics of tags that are numbers in one window: running ones, and percentiles and weights where wanted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.numbers import BAD, Codes, Numbers
from actors.stages.quantiles import Quantiles
from actors.stages.roster import Columns
from actors.stages.statistic import QUANTILES, Statistic
from actors.stages.weights import Held, Weights
from transports.samples import DataType


class Figures:
    """One column a tag. What is not wanted is not kept; what is wanted only since a reload is of what came since."""

    def __init__(
        self, kind: DataType, width: int, wanted: Sequence[Statistic], span: tuple[int, int], held: Held
    ) -> None:
        """`span` is the window's start and end, UTC ns; `held` the newest values before it, for the weights."""
        self._span = span
        self.numbers = Numbers.empty(kind, width)
        self._quantiles = Quantiles(width) if any(each in QUANTILES for each in wanted) else None
        self._weights = Weights(span[0], held, width) if "twa" in wanted else None

    @classmethod
    def restored(cls, kind: DataType, wanted: Sequence[Statistic], span: tuple[int, int], state: Any) -> "Figures":
        """Columns from what `state` gave."""
        figures = cls(kind, 0, wanted, span, Held(0))
        if isinstance(state[0], bytes):  # before there was anything but the running ones
            state = [state, None, None]
        numbers, quantiles, weights = state
        figures.numbers = Numbers.restored(kind, numbers)
        if figures._quantiles is not None and quantiles is not None:
            figures._quantiles = Quantiles.restored(quantiles)
        if figures._weights is not None and weights is not None:
            figures._weights = Weights.restored(span[0], weights)
        figures.grow(kind, len(figures.numbers.count))
        return figures

    def state(self) -> list[Any]:
        """What `restored` takes, for msgpack."""
        more = [None if each is None else each.state() for each in (self._quantiles, self._weights)]
        return [self.numbers.state(), *more]

    def grow(self, kind: DataType, width: int) -> None:
        """Room for tags that came later."""
        self.numbers.grow(kind, width)
        for each in (self._quantiles, self._weights):
            if each is not None:
                each.grow(width)

    def add(self, values: NDArray[Any], times: NDArray[np.int64], codes: Codes, columns: Columns) -> None:
        """Take in some scans: values (scans, tags) and their status codes, times in ascending order."""
        self.numbers.add(values, times, codes, columns)
        if self._quantiles is not None or self._weights is not None:
            floats = usable_floats(values, codes)
            if self._quantiles is not None:
                self._quantiles.add(floats, columns)
            if self._weights is not None:
                self._weights.add(floats, times, columns)

    def seen(self) -> NDArray[np.bool_]:
        """Which tags had any sample, usable or not."""
        return self.numbers.seen()

    def quality(self) -> NDArray[np.uint32]:
        """The status code of each tag's statistics."""
        return self.numbers.quality()

    def column(self, statistic: Statistic) -> NDArray[Any]:
        """One statistic of every tag."""
        if statistic == "twa" and self._weights is not None:
            found = self._weights.means(self._span[1])
        elif statistic in QUANTILES and self._quantiles is not None:
            low, high = self.numbers.low.astype(np.float64), self.numbers.high.astype(np.float64)
            found = self._quantiles.at(QUANTILES[statistic], low, high)
        else:
            return self.numbers.column(statistic)
        return np.where(np.isnan(found), self.numbers.column("mean"), found)


def usable_floats(values: NDArray[Any], codes: Codes) -> NDArray[np.float64]:
    """The values as floats, NaN for those that are Bad, NaN or infinite."""
    floats = values.astype(np.float64, copy=False)
    fine = np.less(codes, BAD) & np.isfinite(floats)
    return floats if bool(np.all(fine)) else np.where(fine, floats, np.nan)
