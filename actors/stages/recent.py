"""The last few usable samples of each tag, with those of a batch below them: what filters over a window look at."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.columnwise import Part
from actors.stages.dense import Dense
from actors.stages.store import Form


def forms(window: int) -> Mapping[str, Form]:
    """What is remembered for a window of so many samples: all of it but the newest, and how many there are yet."""
    return {"before": Form(rows=window - 1), "count": Form("<i8")}


class Recent:
    """The windows of a part: `lagged(i)` are the samples i places after the oldest of each window."""

    def __init__(self, part: Part, window: int) -> None:
        self._part, self._window = part, window
        self.dense = Dense(part.values, part.fine)
        self._rows = np.concatenate([part.kept["before"][:, part.columns], self.dense.values])
        self._count = part.kept["count"][part.columns]

    @property
    def rows(self) -> NDArray[Any]:
        """What is remembered and the samples of the part: (window - 1 + scans, tags)."""
        return self._rows

    def lagged(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """For each place in the window, oldest first, what stands there: a view of `rows` for each."""
        n = len(self.dense.values)
        return [rows[at : at + n] for at in range(self._window)]

    def sizes(self) -> NDArray[np.int64]:
        """How many samples each window has: (scans, tags), `window` once there were enough."""
        ordinals = np.arange(1, len(self.dense.values) + 1)[:, None]
        sizes: NDArray[np.int64] = np.minimum(self._count + ordinals, self._window)
        return sizes

    def are_full(self) -> bool:
        """Whether all windows have all of their samples."""
        return bool((self._count >= self._window - 1).all())

    def remember(self) -> None:
        """The batch is done."""
        kept, columns, depth = self._part.kept, self._part.columns, self._window - 1
        kept["before"][:, columns] = self.dense.last(self._rows, depth)
        kept["count"][columns] = np.minimum(self._count + self.dense.counts, self._window)
