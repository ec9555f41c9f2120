"""What can be said of a tag's samples in a window, and in which type."""

from collections.abc import Mapping
from typing import Literal

from transports.samples import FIXED, DataType, Tag

Statistic = Literal["count", "min", "max", "mean", "last", "stddev", "first_time", "last_time", "worst_quality"]

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
}
_OF_NUMBERS = ("min", "max", "mean", "stddev")
_UNITS: Mapping[Statistic, str] = {"count": "", "first_time": "ns", "last_time": "ns", "worst_quality": ""}


def exists(statistic: Statistic, kind: DataType) -> bool:
    """Whether tags of this type have the statistic: texts, bytes and arrays have no extremes and no mean."""
    return kind in FIXED or statistic not in _OF_NUMBERS


def tag_of(statistic: Statistic, tag: Tag) -> Tag:
    """The tag under which a statistic of `tag` is sent: `oil.mean` of `oil`."""
    kind = _TYPES[statistic]
    return Tag(f"{tag.name}.{statistic}", tag.type if kind is None else kind, _UNITS.get(statistic, tag.unit))
