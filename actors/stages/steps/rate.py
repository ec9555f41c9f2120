"""A check of how fast a value changes: what is further from the last plausible one than can be is Bad, or left out.

    { stage = "rate", tags = ["*_temp"], max = 5.0 }                       # per second
    { stage = "rate", tags = ["level"], max = 0.2, action = "uncertain" }

A spike alone is caught, and the sample after it is not; a true step is believed once it could have been made since the
last plausible value. A sample whose time did not move on (a clock that was set back) is believed: there is no rate.
Bad samples, NaN and infinities pass as they are and are compared with nothing. Whole numbers are compared exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from actors.stages.chosen import Chosen
from actors.stages.columnwise import DOUBTFUL, OUT_OF_RANGE, Columnwise, Part, Turned, spans, without_values
from actors.stages.dense import Dense, passed
from actors.stages.store import Form
from transports.settings import setting

LASTING = False
_FIRST_LOOK = 32  # samples; a spike is mostly over after one


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """How fast it may change and what to do with what is faster."""

    most: float = setting(key="max", gt=0, help="the most that a value can change in a second", example="5.0")
    action: Literal["bad", "uncertain", "drop"] = setting(
        "bad", help="make what is faster Bad or Uncertain, or leave it out"
    )


class Rate(Columnwise):
    """See the module's note."""

    forms: Mapping[str, Form] = {"value": Form(), "at_ns": Form("<i8"), "known": Form("?")}

    def __init__(self, settings: Settings) -> None:
        self._per_ns, self._action = settings.most * 1e-9, settings.action
        super().__init__(settings.tags)

    def turned(self, part: Part) -> Turned:
        if part.is_void:
            return Turned(part.values)
        dense, kept, columns = Dense(part.values, part.fine), part.kept, part.columns
        times = dense.closed(part.moments.vector)
        value, at_ns, known = kept["value"][columns], kept["at_ns"][columns], kept["known"][columns]
        plausible = self._beside_the_last(dense, times, value, at_ns, known)
        newest = dense.newest(dense.values, value)
        moment = np.broadcast_to(dense.newest(times, at_ns), newest.shape)
        if not plausible.all():
            newest, moment = newest.copy(), moment.copy()
            for tag in np.flatnonzero(~plausible.all(axis=0)).tolist():
                count, when = int(dense.counts[tag]), times[:, tag if times.shape[1] > 1 else 0]
                before = (value[tag], at_ns[tag]) if known[tag] else (dense.values[0, tag], when[0])
                column = _Column(dense.values[:count, tag], when[:count], self._per_ns)
                newest[tag], moment[tag] = column.judge(plausible[:count, tag], before)
        kept["value"][columns], kept["at_ns"][columns] = newest, moment
        kept["known"][columns] = known | (dense.counts > 0)
        return self._done(part, ~dense.spread(plausible, True))

    def _beside_the_last(
        self, dense: Dense, times: NDArray[np.int64], value: Any, at_ns: Any, known: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which samples are plausible if the one before each is: (scans, tags)."""
        with np.errstate(over="ignore", invalid="ignore"):
            moved = spans(dense.values, np.concatenate([value[None], dense.values[:-1]]))
            elapsed = passed(times, at_ns)
            plausible: NDArray[np.bool_] = (moved <= elapsed * self._per_ns) | (elapsed <= 0)
        plausible[0] |= ~known
        if dense.counts.min() < len(plausible):
            plausible |= ~dense.is_sample()
        return plausible

    def _done(self, part: Part, wrong: NDArray[np.bool_]) -> Turned:
        if not wrong.any():
            return Turned(part.values)
        if self._action == "drop":
            return Turned(part.values, None, ~wrong)
        if self._action == "uncertain":
            return Turned(part.values, part.marked(wrong, DOUBTFUL))
        return Turned(without_values(part.values, wrong), part.marked(wrong, OUT_OF_RANGE))


class _Column:
    """The samples of one tag, of which some are not plausible."""

    def __init__(self, values: NDArray[Any], times: NDArray[np.int64], per_ns: float) -> None:
        self._values, self._times, self._per_ns = values, times, per_ns

    def judge(self, plausible: NDArray[np.bool_], last: tuple[Any, Any]) -> tuple[Any, Any]:
        """Mark in `plausible`, which tells of each sample beside the one before it, what is so beside the last that is.

        Returns the value and time of the last plausible one.
        """
        doubts = np.flatnonzero(~plausible)
        at = 0
        while True:
            later = np.searchsorted(doubts, at)
            if later == len(doubts):
                return (self._values[-1], self._times[-1]) if at < len(plausible) else last
            first = int(doubts[later])
            if first > 0:
                last = self._values[first - 1], self._times[first - 1]
            at = self._next(first, last)
            plausible[first:at] = False
            if at >= len(plausible):
                return last
            last = self._values[at], self._times[at]
            plausible[at] = True
            at += 1

    def _next(self, first: int, last: tuple[Any, Any]) -> int:
        """The first sample from `first` on that is plausible beside `last`; as many as there are when none is."""
        length, at = _FIRST_LOOK, first
        while at < len(self._values):
            some = slice(at, at + length)
            elapsed = self._times[some] - last[1]
            with np.errstate(over="ignore"):
                moved = spans(self._values[some], np.full_like(self._values[some], last[0]))
            fits = (moved <= elapsed * self._per_ns) | (elapsed <= 0)
            if fits.any():
                return at + int(fits.argmax())
            at, length = at + length, length * 4
        return at


def make(settings: Settings) -> Rate:
    """A stage for one source."""
    return Rate(settings)
