"""The tags of one source and the column in which each is kept; which columns of a batch go where.

A batch has its values by type, one matrix a type; so has what is kept of a source. A `Selection` remembers, for one
tuple of tags, which of them are taken and the way of their columns, so that a batch costs no look at its tags.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.patterns import takes
from transports.samples import DataType, Tag

Columns = slice | NDArray[np.intp]

MAX_TAGS = 20_000  # of a source that invents names for ever (a topic for each part made)
_MAX_SELECTIONS = 256
_MAX_SUBSETS = 64


@dataclass(frozen=True, slots=True)
class Share:
    """The taken tags of one type: their columns in that type's block, among all tags, among the taken, and kept."""

    kind: DataType
    block: Columns
    among: Columns
    within: Columns
    kept: Columns


@dataclass(frozen=True, slots=True)
class Subset:
    """Some tags of a batch: the columns of each type's block, and those among all tags."""

    tags: tuple[Tag, ...]
    blocks: tuple[tuple[DataType, NDArray[np.intp]], ...]
    among: NDArray[np.intp]


class Selection:
    """What is taken of batches that bring `tags`. `whole` tells that it is everything."""

    __slots__ = ("_subsets", "shares", "tags", "taken", "whole")

    def __init__(self, tags: tuple[Tag, ...], taken: tuple[Tag, ...], shares: tuple[Share, ...]) -> None:
        self.tags, self.taken, self.shares = tags, taken, shares
        self.whole = len(taken) == len(tags)
        self._subsets: dict[bytes, Subset] = {}

    def subset(self, mask: NDArray[np.bool_] | None = None) -> Subset:
        """The taken tags for which the mask says yes; remembered, because the same ones change again and again."""
        if mask is None:
            mask = np.ones(len(self.taken), np.bool_)
        key = mask.tobytes()
        if key not in self._subsets:
            if len(self._subsets) >= _MAX_SUBSETS:
                self._subsets.clear()
            self._subsets[key] = self._subset(mask)
        return self._subsets[key]

    def _subset(self, mask: NDArray[np.bool_]) -> Subset:
        among = np.empty(len(self.taken), np.intp)
        blocks = []
        for share in self.shares:
            chosen = mask[share.within]
            among[share.within] = indices(share.among)
            if chosen.any():
                blocks.append((share.kind, indices(share.block)[chosen]))
        return Subset(tuple(self.taken[i] for i in np.flatnonzero(mask)), tuple(blocks), among[mask])


class Roster:
    """The tags of one source that were ever taken, in the order in which they came, and what is taken of its batches.

    `widths` is how many columns of each type are kept, `places` the tags' numbers in `tags` by type and column.
    """

    def __init__(self, source: str, patterns: Sequence[str], tags: Iterable[Tag] = ()) -> None:
        self.source, self._patterns = source, patterns
        self.tags: list[Tag] = []
        self.places: dict[DataType, list[int]] = {}
        self._columns: dict[Tag, int] = {}
        self._named: dict[str, Tag] = {}
        self._selections: dict[tuple[Tag, ...], Selection] = {}
        self._met: dict[int, Selection] = {}
        for tag in tags:
            self._enter(tag)

    def width(self, kind: DataType) -> int:
        """How many tags of this type there are."""
        return len(self.places[kind])

    def column(self, tag: Tag) -> int:
        """In which column of its type a tag of the roster is kept."""
        return self._columns[tag]

    def find(self, tags: tuple[Tag, ...]) -> Selection | None:
        """The selection for these tags if they were seen lately: by identity first, hashing a thousand is slow."""
        selection = self._met.get(id(tags))
        if selection is not None and selection.tags is tags:
            return selection
        selection = self._selections.get(tags)
        if selection is not None:
            self._met.pop(id(selection.tags), None)
            selection.tags = tags
            self._met[id(tags)] = selection
        return selection

    def admits(self, tags: tuple[Tag, ...]) -> bool:
        """Whether these tags may join: none changed its type or unit, and there is room."""
        fresh = [tag for tag in self._taken(tags) if tag not in self._columns]
        if any(tag.name in self._named for tag in fresh):
            return False
        return not (fresh and self.tags) or len(self.tags) + len(fresh) <= MAX_TAGS

    def select(self, tags: tuple[Tag, ...]) -> Selection:
        """A selection for tags that `find` does not know; the taken ones join the roster."""
        if len(self._selections) >= _MAX_SELECTIONS:
            self._selections.clear()
            self._met.clear()
        columns: dict[DataType, list[tuple[int, int, int, int]]] = {}
        widths: dict[DataType, int] = {}
        taken: list[Tag] = []
        for at, tag in enumerate(tags):
            block = widths.get(tag.type, 0)
            widths[tag.type] = block + 1
            if takes(self._patterns, self.source, tag.name):
                columns.setdefault(tag.type, []).append((block, at, len(taken), self._enter(tag)))
                taken.append(tag)
        shares = (Share(kind, *map(neighbours, zip(*ways, strict=True))) for kind, ways in columns.items())
        selection = Selection(tags, tuple(taken), tuple(shares))
        self._selections[tags] = self._met[id(tags)] = selection
        return selection

    def _taken(self, tags: tuple[Tag, ...]) -> list[Tag]:
        return [tag for tag in tags if takes(self._patterns, self.source, tag.name)]

    def _enter(self, tag: Tag) -> int:
        if tag not in self._columns:
            places = self.places.setdefault(tag.type, [])
            self._columns[tag] = len(places)
            self._named[tag.name] = tag
            places.append(len(self.tags))
            self.tags.append(tag)
        return self._columns[tag]


def indices(columns: Columns) -> NDArray[np.intp]:
    """The numbers of the columns, one by one."""
    return np.arange(columns.start, columns.stop) if isinstance(columns, slice) else columns


def neighbours(numbers: Any) -> Columns:
    """The numbers as a slice where they are neighbours: numpy then looks instead of copying."""
    first, count = numbers[0], len(numbers)
    if tuple(numbers) == tuple(range(first, first + count)):
        return slice(first, first + count)
    return np.array(numbers, np.intp)
