"""The usable samples of each tag closed up, so that a filter sees them as neighbours; and back into their places.

values   1  Bad  3  NaN  5        closed up   1  3  5  -  -   counts 3
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Dense:
    """`values` (scans, tags) with the usable ones first, `counts` of them a tag; what is behind them is no sample."""

    __slots__ = ("_fine", "_order", "counts", "values")

    def __init__(self, values: NDArray[Any], fine: NDArray[np.bool_] | None) -> None:
        self._fine = fine
        self._order: NDArray[np.intp] | None = None
        self.values = values
        self.counts: NDArray[np.intp] = np.full(values.shape[1], len(values))
        if fine is not None:
            self._order = np.argsort(~fine, axis=0, kind="stable")
            self.values = np.take_along_axis(values, self._order, 0)
            self.counts = fine.sum(axis=0)

    def closed(self, vector: NDArray[Any]) -> NDArray[Any]:
        """What a vector has for each scan, closed up as well: (scans, 1), or (scans, tags) where tags differ."""
        return vector[:, None] if self._order is None else vector[self._order]

    def is_sample(self) -> NDArray[np.bool_]:
        """Where in `values` there is a sample."""
        places: NDArray[np.bool_] = np.arange(len(self.values))[:, None] < self.counts
        return places

    def newest(self, rows: NDArray[Any], otherwise: NDArray[Any]) -> NDArray[Any]:
        """What `rows` have for each tag's last sample; something else for a tag without any."""
        if self._order is None:
            newest: NDArray[Any] = rows[-1]
            return newest
        found = rows[self.counts - 1, np.arange(rows.shape[1])]
        return np.where(self.counts > 0, found, otherwise)

    def spread(self, made: NDArray[Any], otherwise: Any) -> NDArray[Any]:
        """What was made of `values` in the places where they were, and something else in the others'."""
        if self._order is None or self._fine is None:
            return made
        spread = np.empty_like(made)
        np.put_along_axis(spread, self._order, made, 0)
        return np.where(self._fine, spread, otherwise)

    def last(self, rows: NDArray[Any], depth: int) -> NDArray[Any]:
        """Of `depth` rows from before and the samples below them: the last `depth` of each tag."""
        if self._order is None:
            return rows[-depth:]
        return np.take_along_axis(rows, self.counts + np.arange(depth)[:, None], 0)


def passed(times: NDArray[np.int64], before: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ns from each sample to the next: `times` (scans, 1 or tags), beginning at `before` (tags,).

    One column for all tags where they are alike.
    """
    first = times[0] - before
    if times.shape[1] == 1 and (first == first[0]).all():
        first = first[:1]
    spans = np.empty((len(times), len(first)), np.int64)
    spans[0], spans[1:] = first, times[1:] - times[:-1]
    return spans
