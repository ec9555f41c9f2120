"""How far a value may move before it counts as changed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Band:
    """`absolute` in the tag's unit, `percent` of the last value sent; with both, whichever is left first."""

    absolute: float | None = None
    percent: float | None = None

    def left(self, values: NDArray[Any], last: NDArray[Any]) -> NDArray[np.bool_]:
        """Which values moved out of the band around the last ones sent: both of one type, columns are tags."""
        match values.dtype.kind:
            case "b":
                flipped: NDArray[np.bool_] = values ^ last
                return flipped
            case "f":
                return self._left_by_floats(values, last)
            case _:
                return self._left_by_integers(values, last)

    def _left_by_floats(self, values: NDArray[Any], last: NDArray[Any]) -> NDArray[np.bool_]:
        """NaN after NaN is no change; from or to NaN or an infinity always is one."""
        with np.errstate(over="ignore", invalid="ignore"):
            moved = np.abs(values - last)
            inside = np.isfinite(last) & np.isfinite(values)
            if self.absolute is not None:
                inside &= moved <= self.absolute
            if self.percent is not None:
                inside &= moved <= np.abs(last) * (self.percent / 100)
        same = (values == last) | (np.isnan(values) & np.isnan(last))
        left: NDArray[np.bool_] = ~(inside | same)
        return left

    def _left_by_integers(self, values: NDArray[Any], last: NDArray[Any]) -> NDArray[np.bool_]:
        """Exact over the whole range: the distance of two 64-bit integers always fits an unsigned one."""
        moved = np.maximum(values, last).astype(np.uint64) - np.minimum(values, last).astype(np.uint64)
        left = np.zeros(moved.shape, np.bool_)
        if self.absolute is not None and self.absolute < 2**64:
            left |= moved > np.uint64(int(self.absolute))
        if self.percent is not None:
            left |= moved > np.abs(last.astype(np.float64)) * (self.percent / 100)
        return left
