"""Exponential smoothing: each sample moves the value towards itself, by time or by a fixed share.

    { stage = "exponential", tags = ["pressure"], time_constant = "5s" }
    { stage = "exponential", tags = ["pressure"], share = 0.2 }

After one time constant 63 % of a step is reached, whatever the distance of the samples; a sample whose time did not
move on changes nothing. The first sample is its own value. What comes out are floats. Bad samples, NaN and infinities
pass as they are and move nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.chosen import Chosen
from actors.stages.columnwise import Columnwise, Part, Turned
from actors.stages.dense import Dense, passed
from actors.stages.store import Form
from transports.errors import Problem
from transports.samples import DataType, Tag
from transports.settings import duration, setting

LASTING = False


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """How fast it follows."""

    time_constant_s: float | None = duration(None, ge=0.001, help="the time in which 63 % of a step is reached")
    share: float | None = setting(None, gt=0, le=1, help="instead: how much of the way each sample moves it")

    def problems(self, path: str) -> Iterator[Problem]:
        """Exactly one of the two."""
        if (self.time_constant_s is None) == (self.share is None):
            yield Problem(f"{path}.time_constant", "", "write either time_constant or share")


class Exponential(Columnwise):
    """See the module's note."""

    forms: Mapping[str, Form] = {"value": Form("<f8"), "at_ns": Form("<i8"), "known": Form("?")}

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__(settings.tags)

    def renamed(self, tag: Tag) -> Tag:
        return Tag(tag.name, DataType.FLOAT64, tag.unit)

    def turned(self, part: Part) -> Turned:
        floats = part.values.astype(np.float64, copy=False)
        if part.is_void:
            return Turned(floats)
        dense, kept, columns = Dense(floats, part.fine), part.kept, part.columns
        known = kept["known"][columns]
        shares = self._shares(dense, part, known)
        smooth = smoothed(np.where(known, kept["value"][columns], dense.values[0]), dense.values, shares)
        kept["value"][columns] = dense.newest(smooth, kept["value"][columns])
        kept["known"][columns] = known | (dense.counts > 0)
        return Turned(dense.spread(smooth, floats))

    def _shares(self, dense: Dense, part: Part, known: NDArray[np.bool_]) -> Any:
        """How much of the way each sample moves its value: (scans, tags), or (scans, 1) where all are alike."""
        constant_s = self._settings.time_constant_s
        if constant_s is None:
            shares = np.full((len(dense.values), 1), self._settings.share)
        else:
            shares = self._by_time(dense, part, constant_s)
        if not known.all():  # the first sample of a tag is its own value
            shares = np.broadcast_to(shares, dense.values.shape).copy()
            shares[0] = np.where(known, shares[0], 1.0)
        return shares

    def _by_time(self, dense: Dense, part: Part, constant_s: float) -> Any:
        times = dense.closed(part.moments.vector)
        before = part.kept["at_ns"][part.columns]
        elapsed = passed(times, before)
        part.kept["at_ns"][part.columns] = dense.newest(times, before)
        return -np.expm1(np.maximum(elapsed, 0) * (-1e-9 / constant_s))


def smoothed(before: NDArray[Any], values: NDArray[Any], shares: NDArray[Any]) -> NDArray[np.float64]:
    """y[i] = y[i-1] + share[i] * (x[i] - y[i-1]), for all i at once.

    Two such steps are one step of the same form, so their number is halved as in a tournament (Hillis and Steele, "Data
    parallel algorithms", 1986): log2(n) passes over the columns in place of n.
    """
    keeps = 1.0 - shares
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        moved = values * shares
        moved[0] += keeps[0] * before
        distance = 1
        while distance < len(values):
            moved[distance:] += keeps[distance:] * moved[:-distance]
            if 2 * distance < len(values):
                keeps[distance:] *= keeps[:-distance].copy()
            distance *= 2
    smooth: NDArray[np.float64] = moved
    return smooth


def make(settings: Settings) -> Exponential:
    """A stage for one source."""
    return Exponential(settings)
