"""One open window of one source: the running statistics of every tag that brought a sample in it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.figures import Figures, usable_floats
from actors.stages.roster import Columns, Roster, Selection, indices
from actors.stages.sheet import Table
from actors.stages.statistic import Statistic
from actors.stages.things import Things
from actors.stages.weights import Held
from transports.samples import FIXED, Batch, DataType


class Window:
    """Statistics by type, columns as the source's roster has them."""

    __slots__ = ("_span", "_wanted", "tables")

    def __init__(self, wanted: Sequence[Statistic], span: tuple[int, int]) -> None:
        """`span` is its start and end, UTC ns."""
        self._wanted, self._span = wanted, span
        self.tables: dict[DataType, Table] = {}

    @classmethod
    def restored(cls, wanted: Sequence[Statistic], span: tuple[int, int], state: Any) -> "Window":
        """A window from what `state` gave."""
        window = cls(wanted, span)
        for number, held in state.items():
            kind = DataType(number)
            table = Figures.restored(kind, wanted, span, held) if kind in FIXED else Things.restored(kind, held)
            window.tables[kind] = table
        return window

    def state(self) -> dict[int, Any]:
        """What `restored` takes, for msgpack."""
        return {int(kind): table.state() for kind, table in self.tables.items()}

    def add(
        self, batch: Batch, selection: Selection, roster: Roster, rows: Sequence[int] | None, before: "Before | None"
    ) -> None:
        """Take in some scans of a batch, in ascending order of time; `None` for all of them as they stand.

        `before` knows the values from before the window, and is told the new ones; None where nobody asks for them.
        """
        times = np.array(batch.times_ns if rows is None else [batch.times_ns[row] for row in rows], np.int64)
        codes = batch.quality if isinstance(batch.quality, int) else batch.qualities()
        if rows is not None and not isinstance(codes, int):
            codes = codes[rows]
        for share in selection.shares:
            width = roster.width(share.kind)
            held = Held(0) if before is None else before.of(share.kind, width)
            table = self._table(share.kind, width, held)
            some = int(codes) if isinstance(codes, int) else codes[:, share.among]
            if isinstance(table, Figures):
                values = _matrix(batch, share.kind, rows, share.block)
                table.add(values, times, some, share.kept)
                if before is not None:
                    held.note(usable_floats(values, some), times, share.kept)
            else:
                table.add(_lists(batch, share.kind, rows, share.block), times, some, share.kept)

    def _table(self, kind: DataType, width: int, held: Held) -> Table:
        table = self.tables.get(kind)
        if table is None:
            figures = kind in FIXED
            table = Figures(kind, width, self._wanted, self._span, held) if figures else Things(kind, width)
            self.tables[kind] = table
        else:
            table.grow(kind, width)
        return table


class Before:
    """The newest values of a source's tags by type: what holds when its next window begins."""

    def __init__(self) -> None:
        self._held: dict[DataType, Held] = {}

    @classmethod
    def restored(cls, state: Any) -> "Before":
        """From what `state` gave."""
        before = cls()
        before._held = {DataType(number): Held.restored(held) for number, held in state.items()}
        return before

    def state(self) -> dict[int, Any]:
        """What `restored` takes, for msgpack."""
        return {int(kind): held.state() for kind, held in self._held.items()}

    def of(self, kind: DataType, width: int) -> Held:
        """The tags of one type."""
        held = self._held.setdefault(kind, Held(width))
        held.grow(width)
        return held


def _matrix(batch: Batch, kind: DataType, rows: Sequence[int] | None, columns: Columns) -> NDArray[Any]:
    matrix = batch.matrix(kind)
    return matrix[:, columns] if rows is None else matrix[rows][:, columns]


def _lists(batch: Batch, kind: DataType, rows: Sequence[int] | None, columns: Columns) -> list[list[Any]]:
    block, n = batch.blocks[kind], len(batch.times_ns)
    width, wanted = len(block) // n, indices(columns).tolist()
    return [[block[row * width + column] for column in wanted] for row in (range(n) if rows is None else rows)]
