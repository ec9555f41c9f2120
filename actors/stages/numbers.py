"""Running statistics of tags that are numbers: one vector a statistic, one column a tag.

Means and squares are merged by the rule of Chan, Golub and LeVeque ("Updating formulae and a pairwise algorithm for
computing sample variances", 1979): exact enough for a small noise on a large value, whatever the order.

Not usable, and so not in the numbers, are Bad samples, NaN and infinities. The latter make the quality Uncertain.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.roster import Columns
from actors.stages.statistic import Statistic
from transports.samples import FIXED, DataType, Quality

Codes = int | NDArray[np.uint32]

BAD = 0x8000_0000
NEVER = -(2**63)
_ALWAYS = 2**63 - 1


@dataclass(slots=True)
class Numbers:
    """`count`, extremes, mean, sum of squared distances from the mean, last and first value, times, worst status code.

    `low`, `high`, `last` and `first` are of the tags' own type. What is alike for all columns may be a scalar in what
    is merged.
    """

    count: Any
    low: NDArray[Any]
    high: NDArray[Any]
    mean: NDArray[np.float64]
    square: NDArray[np.float64]
    last: NDArray[Any]
    first: NDArray[Any]
    first_ns: Any
    last_ns: Any
    worst: Any

    @classmethod
    def empty(cls, kind: DataType, width: int) -> "Numbers":
        """Columns that saw nothing yet."""
        bottom, top = _RANGES[kind]
        dtype = FIXED[kind][2]
        return cls(
            np.zeros(width, np.int64),
            np.full(width, top, dtype),
            np.full(width, bottom, dtype),
            np.zeros(width),
            np.zeros(width),
            np.zeros(width, dtype),
            np.zeros(width, dtype),
            np.full(width, _ALWAYS, np.int64),
            np.full(width, NEVER, np.int64),
            np.zeros(width, np.uint32),
        )

    @classmethod
    def restored(cls, kind: DataType, state: Any) -> "Numbers":
        """Columns from what `state` gave."""
        like = cls.empty(kind, 0)
        dtypes = [getattr(like, name).dtype for name in _NAMES]
        if len(state) == len(_NAMES) - 1:  # before there was a first value: the last one stands for it
            state = [*state[: _NAMES.index("first")], state[_NAMES.index("last")], *state[_NAMES.index("first") :]]
        return cls(*(np.frombuffer(held, dtype).copy() for held, dtype in zip(state, dtypes, strict=True)))

    def state(self) -> list[bytes]:
        """Every vector as it lies in memory, to the bit."""
        return [getattr(self, name).tobytes() for name in _NAMES]

    def grow(self, kind: DataType, width: int) -> None:
        """Room for tags that came later."""
        if width > len(self.count):
            more = Numbers.empty(kind, width - len(self.count))
            for name in _NAMES:
                setattr(self, name, np.concatenate([getattr(self, name), getattr(more, name)]))

    def add(self, values: NDArray[Any], times: NDArray[np.int64], codes: Codes, columns: Columns) -> None:
        """Take in some scans: values (scans, tags) and their status codes, times in ascending order."""
        part = Numbers(*(getattr(self, name)[columns] for name in _NAMES))
        part.merge(summed(values, times, codes))
        if not isinstance(columns, slice):  # a slice is a view, the part has been changed in place
            for name in _NAMES:
                getattr(self, name)[columns] = getattr(part, name)

    def merge(self, new: "Numbers") -> None:
        """Take in the statistics of other samples of the same tags; at equal times the new ones are the last."""
        total = self.count + new.count
        share = new.count / np.maximum(total, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            delta = new.mean - self.mean
            self.square += new.square + delta * (self.count * share) * delta
            self.mean += delta * share
        self.count[:] = total
        np.minimum(self.low, new.low, out=self.low)
        np.maximum(self.high, new.high, out=self.high)
        np.copyto(self.last, new.last, where=new.last_ns >= self.last_ns)
        np.copyto(self.first, new.first, where=new.first_ns < self.first_ns)
        np.minimum(self.first_ns, new.first_ns, out=self.first_ns)
        np.maximum(self.last_ns, new.last_ns, out=self.last_ns)
        np.maximum(self.worst, new.worst, out=self.worst)

    def seen(self) -> NDArray[np.bool_]:
        """Which tags had any sample, usable or not."""
        seen: NDArray[np.bool_] = (self.count > 0) | (self.worst > 0)
        return seen

    def quality(self) -> NDArray[np.uint32]:
        """The status code of each tag's statistics."""
        return quality_of(self.count, self.worst)

    def column(self, statistic: Statistic) -> NDArray[Any]:
        """One statistic of every tag."""
        match statistic:
            case "mean":
                return self._mean()
            case "stddev":
                with np.errstate(invalid="ignore"):
                    spread = np.sqrt(self.square / np.maximum(self.count, 1))
                return np.where(np.isnan(spread), np.inf, spread)
            case "rms":
                with np.errstate(over="ignore", invalid="ignore"):
                    rms = np.sqrt(self._mean() ** 2 + self.square / np.maximum(self.count, 1))
                return np.where(np.isnan(rms), np.inf, rms)
            case "range":
                return self._range()
            case _:
                vector: NDArray[Any] = getattr(self, _VECTORS[statistic])
                return vector

    def _mean(self) -> NDArray[np.float64]:
        """Between the extremes, also where rounding, or a sum beyond the range of a float, says otherwise."""
        low, high = self.low.astype(np.float64), self.high.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.clip(np.where(np.isfinite(self.mean), self.mean, low / 2 + high / 2), low, high)

    def _range(self) -> NDArray[Any]:
        if self.low.dtype.kind == "f":
            with np.errstate(over="ignore", invalid="ignore"):
                return np.asarray(self.high - self.low)
        return self.high.astype(np.uint64) - self.low.astype(np.uint64)  # modulo 2^64, and it fits


def quality_of(count: NDArray[np.int64], worst: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The worst status code, but never Bad where there is a value: "Bad" means that there is none.

    Some samples Bad: Uncertain, sub-normal (fewer good sources than required). None usable: Bad.
    """
    some = np.where(worst >= BAD, Quality.UNCERTAIN_SUB_NORMAL, worst)
    none = np.where(worst >= BAD, worst, Quality.BAD_OUT_OF_RANGE)
    return np.where(count > 0, some, none).astype(np.uint32)


def summed(values: NDArray[Any], times: NDArray[np.int64], codes: Codes) -> Numbers:
    """The statistics of some scans: values (scans, tags), times in ascending order, status codes."""
    usable, worst = _judged(values, codes)
    return _of_all(values, times, worst) if usable is None else _of_some(values, times, usable, worst)


def _judged(values: NDArray[Any], codes: Codes) -> tuple[NDArray[np.bool_] | None, Any]:
    """Which samples are usable, None for all of them, and each tag's worst status code."""
    worst = codes if isinstance(codes, int) else codes.max(axis=0)
    usable = np.less(codes, BAD)
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            odd = (usable & ~finite).any(axis=0)
            worst = np.maximum(worst, np.where(odd, Quality.UNCERTAIN_SUB_NORMAL, 0)).astype(np.uint32)
            return usable & finite, worst
    return (None if np.all(usable) else np.broadcast_to(usable, values.shape)), worst


def _of_all(values: NDArray[Any], times: NDArray[np.int64], worst: Any) -> Numbers:
    n = len(values)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.add.reduce(values, axis=0, dtype=np.float64) / n
        away = values - mean
        square = np.einsum("ij,ij->j", away, away)
    low, high = np.minimum.reduce(values, axis=0), np.maximum.reduce(values, axis=0)
    return Numbers(n, low, high, mean, square, values[-1], values[0], times[0], times[-1], worst)


def _of_some(values: NDArray[Any], times: NDArray[np.int64], usable: NDArray[np.bool_], worst: Any) -> Numbers:
    bottom, top = _RANGES_OF[values.dtype.kind]
    count = usable.sum(axis=0)
    first, last = usable.argmax(axis=0), len(values) - 1 - usable[::-1].argmax(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.add.reduce(np.where(usable, values, 0), axis=0, dtype=np.float64) / np.maximum(count, 1)
        away = np.where(usable, values - mean, 0.0)
        square = np.einsum("ij,ij->j", away, away)
    return Numbers(
        count,
        np.where(usable, values, np.array(top, values.dtype)).min(axis=0),
        np.where(usable, values, np.array(bottom, values.dtype)).max(axis=0),
        mean,
        square,
        values[last, np.arange(values.shape[1])],
        values[first, np.arange(values.shape[1])],
        np.where(count > 0, times[first], _ALWAYS),
        np.where(count > 0, times[last], NEVER),
        worst,
    )


_NAMES = tuple(field.name for field in fields(Numbers))
_VECTORS = {
    "count": "count",
    "min": "low",
    "max": "high",
    "last": "last",
    "first": "first",
    "first_time": "first_ns",
    "last_time": "last_ns",
    "worst_quality": "worst",
}
_RANGES: dict[DataType, tuple[Any, Any]] = {
    DataType.BOOL: (False, True),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT64: (0, 2**64 - 1),
    DataType.FLOAT64: (-np.inf, np.inf),
}
_RANGES_OF = {np.dtype(FIXED[kind][2]).kind: ends for kind, ends in _RANGES.items()}
