"""Means weighted by time: each value holds until the next one of its tag, whatever came at which pace.

    value   ──a──┐        ┌──c──
                 └───b────┘
    window  [s     t1      t2    e)      (a (t1-s) + b (t2-t1) + c (e-t2)) / (e-s)

The value at a window's start is the last one before it. While a tag is Bad, NaN or infinite, and after a gap of its
source, nothing holds: that time is not counted. A sample that comes out of order is left out of this statistic.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.numbers import NEVER
from actors.stages.roster import Columns

Floats = NDArray[np.float64]


class Held:
    """The newest value of each tag and its time: NaN where there is none."""

    def __init__(self, width: int) -> None:
        self.value: Floats = np.full(width, np.nan)
        self.at_ns = np.full(width, NEVER, np.int64)

    def grow(self, width: int) -> None:
        """Room for tags that came later."""
        more = width - len(self.value)
        if more > 0:
            self.value = np.concatenate([self.value, np.full(more, np.nan)])
            self.at_ns = np.concatenate([self.at_ns, np.full(more, NEVER, np.int64)])

    def note(self, values: Floats, times: NDArray[np.int64], columns: Columns) -> None:
        """Take in some scans in order of time: (scans, tags), NaN for what is not usable."""
        newer = times[-1] >= self.at_ns[columns]
        self.value[columns] = np.where(newer, values[-1], self.value[columns])
        self.at_ns[columns] = np.maximum(self.at_ns[columns], times[-1])

    def state(self) -> list[bytes]:
        """What `restored` takes, for msgpack."""
        return [self.value.tobytes(), self.at_ns.tobytes()]

    @classmethod
    def restored(cls, state: Any) -> "Held":
        """Columns from what `state` gave."""
        held = cls(0)
        held.value, held.at_ns = np.frombuffer(state[0], np.float64).copy(), np.frombuffer(state[1], np.int64).copy()
        return held


class Weights:
    """The time-weighted sums of one window, one column a tag."""

    def __init__(self, start_ns: int, held: Held, width: int) -> None:
        """What is held of a tag holds from the window's start on."""
        self._start_ns = start_ns
        self._area, self._span = np.zeros(0), np.zeros(0)
        self._value, self._at_ns = np.zeros(0), np.zeros(0, np.int64)
        self._grow_to(len(held.value))
        self._value[:] = held.value
        self.grow(width)

    @classmethod
    def restored(cls, start_ns: int, state: Any) -> "Weights":
        """Columns from what `state` gave."""
        weights = cls(start_ns, Held(0), 0)
        weights._area, weights._span, weights._value = (np.frombuffer(each, np.float64).copy() for each in state[:3])
        weights._at_ns = np.frombuffer(state[3], np.int64).copy()
        return weights

    def state(self) -> list[bytes]:
        """What `restored` takes, for msgpack."""
        return [each.tobytes() for each in (self._area, self._span, self._value, self._at_ns)]

    def grow(self, width: int) -> None:
        """Room for tags that came later."""
        if width > len(self._value):
            self._grow_to(width)

    def add(self, values: Floats, times: NDArray[np.int64], columns: Columns) -> None:
        """Take in some scans in order of time: (scans, tags), NaN for what is not usable."""
        value, at_ns = self._value[columns], self._at_ns[columns]
        if times[0] < at_ns.max(initial=NEVER):
            values = np.where(times[:, None] < at_ns, value, values)
        ends = np.maximum(times[:, None], at_ns)
        spans = np.diff(ends, axis=0, prepend=at_ns[None])
        held = np.concatenate([value[None], values[:-1]])
        holds = ~np.isnan(held)
        with np.errstate(over="ignore", invalid="ignore"):
            self._area[columns] += np.where(holds, held * spans, 0.0).sum(axis=0)
        self._span[columns] += np.where(holds, spans, 0).sum(axis=0)
        self._value[columns], self._at_ns[columns] = values[-1], ends[-1]

    def means(self, end_ns: int) -> Floats:
        """The mean of each tag up to the window's end; NaN where no value held for any time."""
        rest = np.where(np.isnan(self._value), 0, min(end_ns, 2**63 - 1) - self._at_ns)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            area = self._area + np.where(rest > 0, self._value * rest, 0.0)
            means = area / (self._span + rest)
        return np.where(np.isfinite(means), means, np.nan)

    def _grow_to(self, width: int) -> None:
        more = width - len(self._value)
        self._area = np.concatenate([self._area, np.zeros(more)])
        self._span = np.concatenate([self._span, np.zeros(more)])
        self._value = np.concatenate([self._value, np.full(more, np.nan)])
        self._at_ns = np.concatenate([self._at_ns, np.full(more, self._start_ns, np.int64)])
