"""What can be said of a tag's samples in a window, and in which type.

count min max range mean rms stddev     of the usable samples
first last first_time last_time         in order of time
twa                                     the mean weighted by time: each value holds until the next one (weights.py)
p50 p95 p99                             percentiles (quantiles.py)
worst_quality                           the worst status code
"""

from collections.abc import Mapping
from typing import Literal

from transports.samples import FIXED, DataType, Tag

Statistic = Literal[
    "count",
    "min",
    "max",
    "mean",
    "last",
    "stddev",
    "first_time",
    "last_time",
    "worst_quality",
    "first",
    "range",
    "rms",
    "twa",
    "p50",
    "p95",
    "p99",
]

DEFAULT: tuple[Statistic, ...] = ("count", "min", "max", "mean", "last")

# the type of each; None is the tag's own, so that the extremes of 64-bit integers stay exact
_TYPES: Mapping[Statistic, DataType | None] = {
    "count": DataType.UINT64,
    "min": None,
    "max": None,
    "mean": DataType.FLOAT64,
    "last": None,
    "stddev": DataType.FLOAT64,
    "first_time": DataType.INT64,
    "last_time": DataType.INT64,
    "worst_quality": DataType.UINT64,
    "first": None,
    "rms": DataType.FLOAT64,
    "twa": DataType.FLOAT64,
    "p50": DataType.FLOAT64,
    "p95": DataType.FLOAT64,
    "p99": DataType.FLOAT64,
}
_OF_NUMBERS = ("min", "max", "mean", "stddev", "range", "rms", "twa", "p50", "p95", "p99")
QUANTILES: Mapping[Statistic, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_UNITS: Mapping[Statistic, str] = {"count": "", "first_time": "ns", "last_time": "ns", "worst_quality": ""}


def exists(statistic: Statistic, kind: DataType) -> bool:
    """Whether tags of this type have the statistic: texts, bytes and arrays have no extremes and no mean."""
    return kind in FIXED or statistic not in _OF_NUMBERS


def tag_of(statistic: Statistic, tag: Tag) -> Tag:
    """The tag under which a statistic of `tag` is sent: `oil.mean` of `oil`."""
    kind = _range_type(tag.type) if statistic == "range" else _TYPES[statistic]
    return Tag(f"{tag.name}.{statistic}", tag.type if kind is None else kind, _UNITS.get(statistic, tag.unit))


def _range_type(kind: DataType) -> DataType:
    """The distance of two whole numbers of 64 bits always fits an unsigned one."""
    return DataType.FLOAT64 if kind is DataType.FLOAT64 else DataType.UINT64
