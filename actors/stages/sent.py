"""What was sent last of each tag: its value, time and status code, one column a tag."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.band import Band
from actors.stages.numbers import BAD
from actors.stages.roster import Columns, indices
from transports.samples import FIXED, DataType


class Sent:
    """Columns of one type. `values` is a vector for the FIXED types, else an array of objects."""

    def __init__(self, kind: DataType) -> None:
        self._dtype: Any = FIXED[kind][2] if kind in FIXED else object
        self._values: NDArray[Any] = np.zeros(0, self._dtype)
        self._times = np.zeros(0, np.int64)
        self._codes = np.zeros(0, np.uint32)
        self._known = np.zeros(0, np.bool_)

    @classmethod
    def restored(cls, kind: DataType, state: Any) -> "Sent":
        """Columns from what `state` gave."""
        sent = cls(kind)
        values, times, codes, known = state
        sent._values = column_of(values) if kind not in FIXED else np.frombuffer(values, sent._dtype).copy()
        sent._times = np.frombuffer(times, np.int64).copy()
        sent._codes = np.frombuffer(codes, np.uint32).copy()
        sent._known = np.frombuffer(known, np.bool_).copy()
        return sent

    def state(self) -> list[Any]:
        """What `restored` takes, for msgpack."""
        values = self._values.tolist() if self._dtype is object else self._values.tobytes()
        return [values, self._times.tobytes(), self._codes.tobytes(), self._known.tobytes()]

    def grow(self, width: int) -> None:
        """Room for tags that came later."""
        more = width - len(self._known)
        if more > 0:
            self._values = np.concatenate([self._values, np.zeros(more, self._dtype)])
            self._times = np.concatenate([self._times, np.zeros(more, np.int64)])
            self._codes = np.concatenate([self._codes, np.zeros(more, np.uint32)])
            self._known = np.concatenate([self._known, np.zeros(more, np.bool_)])

    def changed(
        self, values: NDArray[Any], times: Any, codes: Any, columns: Columns, band: Band, silence_ns: int | None
    ) -> NDArray[np.bool_]:
        """Which samples must be sent, of a scan (tags,) at one time or of scans (n, tags) at times (n, 1).

        The first of a tag, one whose status code or value changed, and one whose last was sent `silence_ns` ago.
        """
        last = self._values[columns]
        moved = np.not_equal(values, last) if self._dtype is object else band.left(values, last)
        different = np.not_equal(codes, self._codes[columns]) | ~self._known[columns]
        changed: NDArray[np.bool_] = different | (moved.astype(np.bool_) & np.less(codes, BAD))
        if silence_ns is not None:
            # a clock that was set back by more counts as well: it could be years until it has caught up
            changed |= np.abs(times - self._times[columns]) >= silence_ns
        return changed

    def remember(
        self, values: NDArray[Any], time_ns: int, codes: Any, columns: Columns, mask: NDArray[np.bool_]
    ) -> None:
        """One scan was sent: those of its samples for which the mask says yes."""
        which = indices(columns)[mask]
        self._values[which] = values[mask]
        self._times[which] = time_ns
        self._codes[which] = codes if isinstance(codes, int) else codes[mask]
        self._known[which] = True


def column_of(items: Any) -> NDArray[Any]:
    """Texts, bytes or tuples as a vector of objects; numpy left to itself would make a matrix of the tuples."""
    column = np.empty(len(items), object)
    for at, item in enumerate(items):
        column[at] = item
    return column
