"""Which statistics a set of tags becomes, and from which columns each comes.

Drawn up once for a tuple of tags, which seldom changes. A table says which statistic is made in which way, of readings
and of windows; a window's statistic that needs another (a mean its count) finds it by its name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transports.dilution.intervals import Cells, Intervals
from transports.samples import FIXED, Batch, DataType, Tag

Make = Callable[[Intervals, Cells], NDArray[Any]]

OF_READINGS: Mapping[str, Make] = {
    "count": Intervals.counted,
    "min": Intervals.lowest,
    "max": Intervals.highest,
    "mean": Intervals.mean,
    "last": Intervals.last,
    "bad": Intervals.unusable,
}
OF_WINDOWS: Mapping[str, Make] = {
    "count": Intervals.summed,
    "bad": Intervals.summed,
    "min": Intervals.lowest,
    "max": Intervals.highest,
    "last": Intervals.last,
    "mean": Intervals.mean,
    "stddev": Intervals.pooled,
    "first_time": Intervals.lowest,
    "last_time": Intervals.highest,
    "worst_quality": Intervals.highest,
}
ALWAYS_GOOD = ("count", "bad")
_OF_ALL = ("count", "last", "bad")  # also of what is no number
_TYPES = {"count": DataType.UINT64, "bad": DataType.UINT64, "mean": DataType.FLOAT64}  # the others: the tag's own


class Output(NamedTuple):
    """One statistic of a share: to these places of the block of type `into`, and among all tags."""

    statistic: str
    make: Make
    into: DataType
    places: NDArray[np.intp]
    among: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Share:
    """Tags of one type: their columns in its block and among all tags, what is made of them, and, for windows, where
    the counts and the means of the same tags are."""

    kind: DataType
    columns: NDArray[np.intp]
    among: NDArray[np.intp]
    outputs: tuple[Output, ...]
    counts: NDArray[np.intp] | None = None
    means: NDArray[np.intp] | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """What becomes of a set of tags."""

    tags: tuple[Tag, ...]
    shares: tuple[Share, ...]
    widths: Mapping[DataType, int]


def sheet_for(batch: Batch) -> Sheet | None:
    """How a batch is thinned; None for windows that cannot be merged (a mean without its count)."""
    return _windows_sheet(batch.tags) if batch.window_ns else _readings_sheet(batch.tags)


class _Drawing:
    """A sheet in the making: tags get their places as they come."""

    def __init__(self) -> None:
        self.tags: list[Tag] = []
        self.widths: dict[DataType, int] = {}

    def place(self, tag: Tag) -> tuple[int, int]:
        """Where a new tag's values go: in the block of its type, and among all tags."""
        place = self.widths.get(tag.type, 0)
        self.widths[tag.type] = place + 1
        self.tags.append(tag)
        return place, len(self.tags) - 1


@lru_cache(maxsize=256)
def _readings_sheet(tags: tuple[Tag, ...]) -> Sheet:
    drawing = _Drawing()
    columns = _columns(tags)
    ways: dict[DataType, dict[str, list[tuple[int, int]]]] = {}
    sources: dict[DataType, list[tuple[int, int]]] = {}
    for at, tag in enumerate(tags):
        sources.setdefault(tag.type, []).append((columns[at], at))
        for statistic in OF_READINGS if tag.type in FIXED else _OF_ALL:
            unit = "" if statistic in ALWAYS_GOOD else tag.unit
            made = Tag(f"{tag.name}.{statistic}", _TYPES.get(statistic, tag.type), unit)
            ways.setdefault(tag.type, {}).setdefault(statistic, []).append(drawing.place(made))
    shares = []
    for kind, found in sources.items():
        outputs = (
            Output(statistic, OF_READINGS[statistic], _TYPES.get(statistic, kind), *_indices(places))
            for statistic, places in ways[kind].items()
        )
        shares.append(Share(kind, *_indices(found), tuple(outputs)))
    return Sheet(tuple(drawing.tags), tuple(shares), drawing.widths)


@lru_cache(maxsize=256)
def _windows_sheet(tags: tuple[Tag, ...]) -> Sheet | None:
    columns, named = _columns(tags), {tag.name: at for at, tag in enumerate(tags)}
    groups: dict[tuple[DataType, str], list[int]] = {}
    for at, tag in enumerate(tags):
        _, _, statistic = tag.name.rpartition(".")
        if not _can_merge(tag, statistic, named, tags):
            return None
        groups.setdefault((tag.type, statistic), []).append(at)
    shares = tuple(_window_share(kind, statistic, at, tags, columns, named) for (kind, statistic), at in groups.items())
    widths = {kind: sum(tag.type is kind for tag in tags) for kind in {tag.type for tag in tags}}
    return Sheet(tags, shares, widths) if len(named) == len(tags) else None


def _can_merge(tag: Tag, statistic: str, named: Mapping[str, int], tags: tuple[Tag, ...]) -> bool:
    if statistic not in OF_WINDOWS or (tag.type not in FIXED and statistic != "last"):
        return False
    if statistic in ALWAYS_GOOD:
        return tag.type is DataType.UINT64
    siblings = ((_sibling(tag, need), kind) for need, kind in _needs(statistic))
    return all(name in named and tags[named[name]].type is kind for name, kind in siblings)


def _needs(statistic: str) -> Iterator[tuple[str, DataType]]:
    """Which other statistics of its tag one cannot be merged without; what they weigh is a float itself."""
    if statistic in ("mean", "stddev"):
        yield statistic, DataType.FLOAT64
        yield "count", DataType.UINT64
    if statistic == "stddev":
        yield "mean", DataType.FLOAT64


def _sibling(tag: Tag, statistic: str) -> str:
    return f"{tag.name.rpartition('.')[0]}.{statistic}"


def _window_share(
    kind: DataType,
    statistic: str,
    ats: Sequence[int],
    tags: tuple[Tag, ...],
    columns: Sequence[int],
    named: Mapping[str, int],
) -> Share:
    """A statistic of windows comes from where it goes to."""
    places, among = _indices([(columns[at], at) for at in ats])
    needed = {need for need, _ in _needs(statistic)}
    siblings = {need: np.array([columns[named[_sibling(tags[at], need)]] for at in ats], np.intp) for need in needed}
    output = Output(statistic, OF_WINDOWS[statistic], kind, places, among)
    means = siblings.get("mean") if statistic == "stddev" else None
    return Share(kind, places, among, (output,), siblings.get("count"), means)


def _columns(tags: Sequence[Tag]) -> list[int]:
    """The column of each tag in the block of its type."""
    drawing = _Drawing()
    return [drawing.place(tag)[0] for tag in tags]


def _indices(pairs: Sequence[tuple[int, int]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    places, among = zip(*pairs, strict=True)
    return np.array(places, np.intp), np.array(among, np.intp)
