"""Samples on a grid of times: what comes irregularly, or at many paces, comes at each full second.

    { stage = "resample", every = "1s" }
    { stage = "resample", tags = ["*_temp"], every = "10s", method = "linear", max_age = "1m" }

The grid is aligned to 1970-01-01 UTC; a point comes out with the first sample at or after it. `last` is the newest
sample at or before the point, `linear` the straight line between the two around it, `mean` the mean of the samples
since the point before. A value older than `max_age` is Bad, once; then the tag has no points until it speaks again.
After a Bad sample the points are Bad until the next one. A mean or a line takes no Bad sample, NaN or infinity; where
it has nothing else it is the sample before, Uncertain.

Tags that come together are put on the grid together. A sample that is not newer than the one before it is left out.
With `linear` and `mean` whole numbers become floats; flags always have their last value; texts, bytes and arrays pass.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from actors.stages import grid
from actors.stages.chosen import Chosen
from actors.stages.columnwise import NUMBERS, Columnwise, Moments, Part, Plan, packed
from actors.stages.roster import Columns, indices
from actors.stages.store import Form
from transports.errors import Problem
from transports.samples import Batch, DataType, Tag
from transports.settings import duration, setting

LASTING = False
MOST_POINTS = 1_000  # that one sample may stand for


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """The grid and how it is filled."""

    every_s: float = duration(ge=0.001, help="the distance of the points")
    method: Literal["last", "linear", "mean"] = setting("last", help="what a point says of the samples around it")
    max_age_s: float | None = duration(None, help="how old a value may be at a point; left out: ten points")

    @property
    def step_ns(self) -> int:
        """The distance of the points in ns."""
        return round(self.every_s * 1e9)

    @property
    def max_age_ns(self) -> int:
        """How old a value may be, in ns."""
        return 10 * self.step_ns if self.max_age_s is None else round(self.max_age_s * 1e9)

    def problems(self, path: str) -> Iterator[Problem]:
        """An age that no point keeps, or that one sample would fill for ever."""
        if not self.step_ns <= self.max_age_ns <= MOST_POINTS * self.step_ns:
            cure = f"must be at least one and at most {MOST_POINTS} times `every`"
            yield Problem(f"{path}.max_age", f"{self.max_age_ns / 1e9:g}", cure)


class Resample(Columnwise):
    """See the module's note."""

    kinds = (*NUMBERS, DataType.BOOL)
    forms: Mapping[str, Form] = {
        "value": Form(),
        "at_ns": Form("<i8"),
        "code": Form("<u4"),
        "known": Form("?"),
        "total": Form("<f8"),
        "count": Form("<i8"),
        "worst": Form("<u4"),
    }

    def __init__(self, settings: Settings) -> None:
        self._step_ns, self._max_age_ns, self._method = settings.step_ns, settings.max_age_ns, settings.method
        super().__init__(settings.tags)

    def renamed(self, tag: Tag) -> Tag:
        return tag if self._method == "last" or tag.type is DataType.BOOL else Tag(tag.name, DataType.FLOAT64, tag.unit)

    def take(self, batch: Batch) -> list[Batch]:
        n, plan = len(batch.times_ns), self._plan(batch.tags)
        if not n or not plan.shares:
            return [batch] if n else []
        moments = Moments(batch.times_ns)
        parts = [self._part(batch, *share, moments) for share in zip(plan.shares, plan.widths, strict=True)]
        out: list[Batch] = []
        if len(plan.apart.tags) < len(batch.tags):
            others = np.ones((n, len(batch.tags)), np.bool_)
            for share in plan.shares:
                others[:, share.among] = False
            out += self._sieve.sifted(batch, others)
        since = [self._since(part) for part in parts]
        if all((each == since[0][0]).all() for each in since):  # the tags mostly come together
            return out + self._resampled(batch, plan, parts, int(since[0][0]), whole=True)
        for before in np.unique(np.concatenate(since)).tolist():
            out += self._resampled(batch, plan, parts, before, whole=False)
        return out

    def _since(self, part: Part) -> NDArray[np.int64]:
        """When each tag was last heard of; just before the batch if never, or if its clock was set back since."""
        first, kept, columns = part.moments.vector[0], part.kept, part.columns
        lost = ~kept["known"][columns] | (kept["at_ns"][columns] - self._max_age_ns > first)
        if lost.any():
            for name in ("total", "count", "worst"):
                kept[name][columns] = np.where(lost, 0, kept[name][columns])
            kept["at_ns"][columns] = np.where(lost, first - 1, kept["at_ns"][columns])
        since: NDArray[np.int64] = kept["at_ns"][columns]
        return since

    def _resampled(self, batch: Batch, plan: Plan, parts: list[Part], before: int, whole: bool) -> list[Batch]:
        """The points of those tags that were last heard of at `before`: `whole` when these are all."""
        times = parts[0].moments.vector
        newer = times > np.maximum.accumulate(np.concatenate([[before], times[:-1]]))
        if not newer.any():
            return []
        times = np.concatenate([[before], times[newer]])
        points = grid.decided(times, self._step_ns, self._max_age_ns)
        shape = (len(points.times_ns), len(plan.apart.tags))
        codes, stays = np.zeros(shape, np.uint32), np.full(shape, whole)
        made: dict[DataType, NDArray[Any]] = {}
        for part, share, within in zip(parts, plan.shares, plan.within, strict=True):
            if whole:
                made[share.kind], codes[:, within] = self._filled(part, slice(None), newer, times, points)
                continue
            mine = np.flatnonzero(part.kept["at_ns"][part.columns] == before)
            values, status = self._filled(part, mine, newer, times, points)
            made[share.kind] = np.zeros((shape[0], part.values.shape[1]), values.dtype)
            made[share.kind][:, mine] = values
            places = indices(within)[mine]
            codes[:, places], stays[:, places] = status, True
        if not shape[0]:
            return []
        blocks, moments = plan.apart.filled(batch, made, shape[0]), tuple(points.times_ns.tolist())
        out = Batch(batch.source, batch.seq, plan.apart.tags, moments, blocks, packed(codes))
        return self._sieve.sifted(out, stays)

    def _filled(
        self, part: Part, mine: Columns, newer: NDArray[np.bool_], times: Any, points: grid.Points
    ) -> grid.Filled:
        """What some tags of a part say at the points; they are then remembered."""
        at, kept = part.columns if isinstance(mine, slice) else indices(part.columns)[mine], part.kept
        rows: Any = slice(None) if newer.all() else newer
        values = np.concatenate([kept["value"][at][None], part.values[rows][:, mine]])
        codes = np.concatenate([kept["code"][at][None], part.status[rows][:, mine]])
        for name, newest in {"value": values[-1], "code": codes[-1], "at_ns": times[-1], "known": True}.items():
            kept[name][at] = newest
        if part.kind is DataType.BOOL or self._method == "last":
            return grid.last(points, grid.Samples(times, values, codes), self._max_age_ns)
        samples = grid.Samples(times, values.astype(np.float64, copy=False), codes)
        if self._method == "linear":
            return grid.linear(points, samples, self._max_age_ns)
        sums = grid.Sums(kept["total"][at], kept["count"][at], kept["worst"][at])
        filled, new = grid.mean(points, samples, sums, self._step_ns, self._max_age_ns)
        kept["total"][at], kept["count"][at], kept["worst"][at] = new.total, new.count, new.worst
        return filled


def make(settings: Settings) -> Resample:
    """A stage for one source."""
    return Resample(settings)
