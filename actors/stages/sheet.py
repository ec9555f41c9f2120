"""The form on which a window's statistics are sent: which tags, and from which column each value comes.

The tags of a source seldom change from window to window, so a sheet is drawn up once for a set of tags. Its tuple of
tags stays the same object, by which the codec knows it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.figures import Figures
from actors.stages.numbers import BAD
from actors.stages.roster import Roster
from actors.stages.statistic import Statistic, exists, tag_of
from actors.stages.things import Things
from transports.samples import FIXED, PLACEHOLDER, Batch, DataType, Tag

Table = Figures | Things
_MAX_SHEETS = 16


@dataclass(frozen=True, slots=True)
class Move:
    """One statistic of the tags of one type: from these columns to these places of the block of type `into`."""

    kind: DataType
    statistic: Statistic
    into: DataType
    columns: NDArray[np.intp]
    places: NDArray[np.intp]
    among: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The tags to send, the moves that fill their blocks, and how long each block is."""

    tags: tuple[Tag, ...]
    moves: tuple[Move, ...]
    lengths: dict[DataType, int]

    def filled(self, tables: dict[DataType, Table]) -> tuple[dict[DataType, bytes | list[Any]], int | bytes]:
        """The blocks and the status codes of one scan."""
        codes = np.empty(len(self.tags), np.uint32)
        blocks = {kind: _blank(kind, length) for kind, length in self.lengths.items()}
        qualities = {kind: table.quality() for kind, table in tables.items()}
        for move in self.moves:
            quality = qualities[move.kind][move.columns]
            codes[move.among] = quality
            _put(blocks[move.into], move, tables[move.kind].column(move.statistic), quality)
        alike = bool((codes == codes[0]).all())
        packed = {kind: block if isinstance(block, list) else block.tobytes() for kind, block in blocks.items()}
        return packed, int(codes[0]) if alike else codes.astype("<u4").tobytes()


class Sheets:
    """The sheets of one source, remembered by which of its tags they are for."""

    def __init__(self, roster: Roster, statistics: Sequence[Statistic]) -> None:
        self._roster, self._statistics = roster, statistics
        self._drawn: dict[bytes, Sheet] = {}

    def batch(self, seq: int, start_ns: int, window_ns: int, tables: dict[DataType, Table]) -> Batch | None:
        """What is sent of a window; nothing where its tags have none of the statistics."""
        sheet = self._sheet(tables)
        if not sheet.tags:
            return None
        blocks, quality = sheet.filled(tables)
        return Batch(self._roster.source, seq, sheet.tags, (start_ns,), blocks, quality, window_ns)

    def _sheet(self, tables: dict[DataType, Table]) -> Sheet:
        present = np.zeros(len(self._roster.tags), np.bool_)
        for kind, table in tables.items():
            table.grow(kind, self._roster.width(kind))
            present[self._roster.places[kind]] = table.seen()
        key = present.tobytes()
        if key not in self._drawn:
            if len(self._drawn) >= _MAX_SHEETS:
                self._drawn.clear()
            self._drawn[key] = _drawn(self._roster, self._statistics, present)
        return self._drawn[key]


def _drawn(roster: Roster, statistics: Sequence[Statistic], present: NDArray[np.bool_]) -> Sheet:
    columns = {place: column for places in roster.places.values() for column, place in enumerate(places)}
    tags: list[Tag] = []
    lengths: dict[DataType, int] = {}
    ways: dict[tuple[DataType, Statistic, DataType], list[tuple[int, int, int]]] = {}
    for number in np.flatnonzero(present).tolist():
        tag = roster.tags[number]
        for statistic in (each for each in statistics if exists(each, tag.type)):
            out = tag_of(statistic, tag)
            place = lengths.get(out.type, 0)
            lengths[out.type] = place + 1
            ways.setdefault((tag.type, statistic, out.type), []).append((columns[number], place, len(tags)))
            tags.append(out)
    moves = (
        Move(*which, *(np.array(numbers, np.intp) for numbers in zip(*way, strict=True))) for which, way in ways.items()
    )
    return Sheet(tuple(tags), tuple(moves), lengths)


def _blank(kind: DataType, length: int) -> NDArray[Any] | list[Any]:
    return np.zeros(length, FIXED[kind][2]) if kind in FIXED else [PLACEHOLDER[kind]] * length


def _put(block: NDArray[Any] | list[Any], move: Move, column: Any, quality: NDArray[np.uint32]) -> None:
    """Fill in what has a value; the rest keeps its placeholder."""
    fine = quality < BAD
    if isinstance(block, list):
        for from_, to, has in zip(move.columns.tolist(), move.places.tolist(), fine.tolist(), strict=True):
            block[to] = column[from_] if has else block[to]
    elif fine.all():
        block[move.places] = column[move.columns]
    else:
        block[move.places[fine]] = column[move.columns[fine]]
