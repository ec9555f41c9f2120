"""Running statistics of tags that are no numbers (texts, bytes, arrays): count, first and last value, times, status."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.numbers import BAD, Numbers, quality_of
from actors.stages.roster import Columns, indices
from actors.stages.statistic import Statistic
from transports.samples import PLACEHOLDER, DataType


class Things:
    """One column a tag, as in `Numbers`; few and slow tags, so they are counted one by one."""

    def __init__(self, kind: DataType, width: int) -> None:
        self._kind = kind
        self._marks = Numbers.empty(DataType.BOOL, width)  # its counts, times and status codes; the values stay unused
        self._last: list[Any] = [PLACEHOLDER[kind]] * width
        self._first = list(self._last)

    @classmethod
    def restored(cls, kind: DataType, state: Any) -> "Things":
        """Columns from what `state` gave."""
        marks, last, *first = state
        things = cls(kind, 0)
        things._marks, things._last = Numbers.restored(DataType.BOOL, marks), list(last)
        things._first = list(first[0] if first else last)
        return things

    def state(self) -> list[Any]:
        """What `restored` takes, for msgpack."""
        return [self._marks.state(), self._last, self._first]

    def grow(self, kind: DataType, width: int) -> None:
        """Room for tags that came later."""
        self._marks.grow(DataType.BOOL, width)
        self._last += [PLACEHOLDER[kind]] * (width - len(self._last))
        self._first += [PLACEHOLDER[kind]] * (width - len(self._first))

    def add(self, rows: list[list[Any]], times: NDArray[np.int64], codes: Any, columns: Columns) -> None:
        """Take in some scans: a list of values each, times in ascending order, status codes."""
        kept = indices(columns).tolist()
        flags = np.zeros((len(rows), len(kept)), np.bool_)
        before, after = self._marks.last_ns[kept], self._marks.first_ns[kept]
        self._marks.add(flags, times, codes, columns)
        usable = np.broadcast_to(np.less(codes, BAD), flags.shape)
        for row, time_ns, fine in zip(rows, times.tolist(), usable.tolist(), strict=True):
            for at, column in enumerate(kept):
                if fine[at] and time_ns >= before[at]:
                    self._last[column] = row[at]
                if fine[at] and time_ns < after[at]:
                    self._first[column], after[at] = row[at], time_ns

    def seen(self) -> NDArray[np.bool_]:
        """Which tags had any sample, usable or not."""
        return self._marks.seen()

    def quality(self) -> NDArray[np.uint32]:
        """The status code of each tag's statistics."""
        return quality_of(self._marks.count, self._marks.worst)

    def column(self, statistic: Statistic) -> NDArray[Any] | list[Any]:
        """One statistic of every tag."""
        values = {"last": self._last, "first": self._first}
        return values[statistic] if statistic in values else self._marks.column(statistic)
