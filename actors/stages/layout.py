"""How the blocks of a batch are made of those of another one and of columns that a stage made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.roster import Columns, indices, neighbours
from transports.samples import FIXED, Batch, DataType, Tag

Made = Mapping[DataType, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the values of a tag come from: a column of the batch's block of type `kind`, or of what was made of it."""

    tag: Tag
    kind: DataType
    column: int
    is_made: bool


@dataclass(frozen=True, slots=True)
class Move:
    """Columns of one source to places in one block; `is_all` when they fill the block in their order."""

    kind: DataType
    is_made: bool
    columns: Columns
    places: Columns
    is_all: bool


class Layout:
    """The tags that come out, and the moves that fill each block. Drawn up once for a tuple of tags."""

    __slots__ = ("_blocks", "tags")

    def __init__(self, origins: Sequence[Origin], same: tuple[Tag, ...] | None = None) -> None:
        """`same` is the tuple of tags to go on with where nothing about the tags changes: others know it again."""
        tags = tuple(origin.tag for origin in origins)
        self.tags = same if same == tags else tags
        widths: dict[DataType, int] = {}
        ways: dict[DataType, dict[tuple[DataType, bool], list[tuple[int, int]]]] = {}
        for origin in origins:
            place = widths.get(origin.tag.type, 0)
            widths[origin.tag.type] = place + 1
            way = ways.setdefault(origin.tag.type, {}).setdefault((origin.kind, origin.is_made), [])
            way.append((origin.column, place))
        self._blocks = tuple((kind, widths[kind], _moves(moves, widths[kind])) for kind, moves in ways.items())

    def filled(self, batch: Batch, made: Made, rows: int | None = None) -> dict[DataType, bytes | list[Any]]:
        """The blocks: `made` has matrices (scans, columns) by the type that they were made of."""
        n = len(batch.times_ns) if rows is None else rows
        return {kind: self._block(kind, width, moves, batch, made, n) for kind, width, moves in self._blocks}

    def _block(
        self, kind: DataType, width: int, moves: tuple[Move, ...], batch: Batch, made: Made, n: int
    ) -> bytes | list[Any]:
        first = moves[0]
        if first.is_all and first.is_made and made[first.kind].shape[1] == width:
            return made[first.kind].tobytes()
        if first.is_all and not first.is_made:
            block = batch.blocks[first.kind]
            if len(block) == n * width * (FIXED[kind][1] if kind in FIXED else 1):
                return block
        if kind not in FIXED:
            return _listed(batch.blocks[kind], n, first)
        matrix = np.empty((n, width), FIXED[kind][2])
        for move in moves:
            source = made[move.kind] if move.is_made else _matrix(batch, move.kind, n)
            matrix[:, move.places] = source[:, move.columns]
        return matrix.tobytes()


def origins(tags: Sequence[Tag], made_of: Callable[[int, Tag], Tag | None]) -> list[Origin]:
    """An origin for each of the tags; `made_of` says what becomes of one by its number, None when it is left alone."""
    seen: dict[DataType, int] = {}
    changed: dict[DataType, int] = {}
    found = []
    for number, tag in enumerate(tags):
        column = seen.get(tag.type, 0)
        seen[tag.type] = column + 1
        other = made_of(number, tag)
        if other is None:
            found.append(Origin(tag, tag.type, column, False))
        else:
            found.append(Origin(other, tag.type, changed.get(tag.type, 0), True))
            changed[tag.type] = changed.get(tag.type, 0) + 1
    return found


def _moves(ways: dict[tuple[DataType, bool], list[tuple[int, int]]], width: int) -> tuple[Move, ...]:
    moves = []
    for (kind, is_made), way in ways.items():
        columns, places = (neighbours(numbers) for numbers in zip(*way, strict=True))
        in_order = isinstance(columns, slice) and isinstance(places, slice) and columns == places == slice(0, width)
        moves.append(Move(kind, is_made, columns, places, in_order))
    return tuple(moves)


def _matrix(batch: Batch, kind: DataType, n: int) -> NDArray[Any]:
    block = batch.blocks[kind]
    assert isinstance(block, bytes)
    return np.frombuffer(block, FIXED[kind][2]).reshape(n, -1)


def _listed(block: bytes | list[Any], n: int, move: Move) -> list[Any]:
    width, wanted = len(block) // n, indices(move.columns).tolist()
    return [block[row * width + column] for row in range(n) for column in wanted]
