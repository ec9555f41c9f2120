"""Rows of numbers summed up by the interval that they fall in: one column a tag, one row out for each interval.

Neighbouring rows of the same interval are one group; the arithmetic is numpy's `reduceat` over the groups.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transports.samples import Quality

BAD = 0x8000_0000
_EARLIEST_NS = -(2**63)


@dataclass(frozen=True, slots=True)
class Cells:
    """Values (rows, tags) of one type, and their status codes: one for all, or one each.

    `usable` says which count, None for all of them. Where the values are statistics themselves, `weights` are the
    counts behind them, and `means` their means: what a mean and a standard deviation need.
    """

    values: NDArray[Any]
    codes: int | NDArray[np.uint32]
    usable: NDArray[np.bool_] | None
    weights: NDArray[np.float64] | None = None
    means: NDArray[np.float64] | None = None

    @classmethod
    def judged(
        cls,
        values: NDArray[Any],
        codes: int | NDArray[np.uint32],
        weights: NDArray[np.float64] | None = None,
        means: NDArray[np.float64] | None = None,
    ) -> "Cells":
        """Not usable are Bad ones, NaN, infinities (which make the quality Uncertain), and what weighs nothing."""
        usable = np.broadcast_to(np.less(codes, BAD), values.shape)
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            if not finite.all():
                doubted = np.maximum(codes, np.uint32(Quality.UNCERTAIN_SUB_NORMAL))
                codes = np.where(finite, codes, doubted).astype(np.uint32)
                usable = usable & finite
        if weights is not None:
            usable = usable & (weights > 0)
        return cls(values, codes, None if usable.all() else usable, weights, means)

    def filled(self, instead: Any) -> NDArray[Any]:
        """The values, with this in the place of those that are not usable."""
        if self.usable is None:
            return self.values
        return np.where(self.usable, self.values, np.array(instead, self.values.dtype))


class Intervals:
    """Groups of neighbouring rows. `starts_ns` has the start of each group's interval."""

    def __init__(self, times_ns: NDArray[np.int64], interval_ns: int) -> None:
        starts = times_ns - times_ns % interval_ns
        starts[starts > times_ns] = _EARLIEST_NS  # below it there is no earlier start to be written
        self._begins = np.concatenate([[0], np.flatnonzero(starts[1:] != starts[:-1]) + 1])
        self._lengths = np.diff(self._begins, append=len(times_ns))
        self.starts_ns = starts[self._begins]

    def __len__(self) -> int:
        return len(self._begins)

    def quality(self, cells: Cells) -> NDArray[np.uint32]:
        """The worst status code of each group, but Bad only where nothing is usable."""
        codes = np.broadcast_to(np.asarray(cells.codes, np.uint32), cells.values.shape)
        worst: NDArray[np.uint32] = np.maximum.reduceat(codes, self._begins, axis=0)
        if cells.usable is not None:
            any_usable = np.logical_or.reduceat(cells.usable, self._begins, axis=0)
            some = np.where(worst >= BAD, np.uint32(Quality.UNCERTAIN_SUB_NORMAL), worst)
            none = np.where(worst >= BAD, worst, np.uint32(Quality.BAD_OUT_OF_RANGE))
            worst = np.where(any_usable, some, none)
        return worst

    def counted(self, cells: Cells) -> NDArray[Any]:
        """How many are usable."""
        if cells.usable is None:
            return np.broadcast_to(self._lengths[:, None], (len(self), cells.values.shape[1])).astype(np.uint64)
        counts: NDArray[Any] = np.add.reduceat(cells.usable, self._begins, axis=0, dtype=np.uint64)
        return counts

    def unusable(self, cells: Cells) -> NDArray[Any]:
        """How many are not."""
        all_of_it: NDArray[Any] = self._lengths[:, None].astype(np.uint64)
        unusable: NDArray[Any] = all_of_it - self.counted(cells)
        return unusable

    def summed(self, cells: Cells) -> NDArray[Any]:
        """The sum of what are counts themselves."""
        sums: NDArray[Any] = np.add.reduceat(cells.filled(0), self._begins, axis=0, dtype=cells.values.dtype)
        return sums

    def lowest(self, cells: Cells) -> NDArray[Any]:
        """The smallest."""
        lowest: NDArray[Any] = np.minimum.reduceat(cells.filled(_ends(cells.values.dtype)[1]), self._begins, axis=0)
        return lowest

    def highest(self, cells: Cells) -> NDArray[Any]:
        """The largest."""
        highest: NDArray[Any] = np.maximum.reduceat(cells.filled(_ends(cells.values.dtype)[0]), self._begins, axis=0)
        return highest

    def last(self, cells: Cells) -> NDArray[Any]:
        """The last usable one, in the order of the rows."""
        if cells.usable is None:
            ends: NDArray[Any] = cells.values[self._begins + self._lengths - 1]
            return ends
        rows = np.where(cells.usable, np.arange(len(cells.values))[:, None], -1)
        found: NDArray[Any] = np.take_along_axis(
            cells.values, np.maximum.reduceat(rows, self._begins, axis=0).clip(0), axis=0
        )
        return found

    def mean(self, cells: Cells) -> NDArray[np.float64]:
        """The mean, by the weights if there are any: between the extremes, whatever the rounding."""
        values, weights = cells.filled(0), self._weights(cells)
        total = np.maximum(self._sum(weights), 1)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = self._sum(values if cells.weights is None else values * weights) / total
            if not np.isfinite(mean).all():  # a sum beyond the range of a float, though the mean is not
                mean = self._sum(values * (weights / self._spread(total)))
        low, high = self.lowest(cells).astype(np.float64), self.highest(cells).astype(np.float64)
        return np.clip(mean, low, np.maximum(low, high))

    def pooled(self, cells: Cells) -> NDArray[np.float64]:
        """The standard deviation of all samples behind those whose means and deviations these are."""
        assert cells.means is not None
        about = Cells(cells.means, cells.codes, cells.usable, cells.weights)
        weights = self._weights(cells)
        total = np.maximum(self._sum(weights), 1)
        with np.errstate(over="ignore", invalid="ignore"):
            away = about.filled(0) - self._spread(self.mean(about))
            square = cells.filled(0) ** 2 + away**2
            spread = np.sqrt(self._sum(square * (weights / self._spread(total))))
        return np.where(np.isnan(spread), np.inf, spread)

    def _weights(self, cells: Cells) -> NDArray[np.float64]:
        """What each value counts; those that are not usable nothing."""
        weights = np.broadcast_to(1.0, cells.values.shape) if cells.weights is None else cells.weights
        return weights if cells.usable is None else np.where(cells.usable, weights, 0.0)

    def _sum(self, values: NDArray[Any]) -> NDArray[np.float64]:
        return np.add.reduceat(values, self._begins, axis=0, dtype=np.float64)

    def _spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Each group's value at each of its rows."""
        return np.repeat(values, self._lengths, axis=0)


def _ends(dtype: "np.dtype[Any]") -> tuple[Any, Any]:
    """The smallest and the largest value of a type."""
    match dtype.kind:
        case "b":
            return False, True
        case "f":
            return -np.inf, np.inf
        case _:
            limits = np.iinfo(dtype)
            return limits.min, limits.max
