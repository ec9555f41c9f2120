"""One open window of one source: the running statistics of every tag that brought a sample in it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.numbers import Numbers
from actors.stages.roster import Columns, Roster, Selection, indices
from actors.stages.sheet import Table
from actors.stages.things import Things
from transports.samples import FIXED, Batch, DataType


class Window:
    """Statistics by type, columns as the source's roster has them."""

    __slots__ = ("tables",)

    def __init__(self) -> None:
        self.tables: dict[DataType, Table] = {}

    @classmethod
    def restored(cls, state: Any) -> "Window":
        """A window from what `state` gave."""
        window = cls()
        for number, held in state.items():
            kind = DataType(number)
            window.tables[kind] = Numbers.restored(kind, held) if kind in FIXED else Things.restored(kind, held)
        return window

    def state(self) -> dict[int, Any]:
        """What `restored` takes, for msgpack."""
        return {int(kind): table.state() for kind, table in self.tables.items()}

    def add(self, batch: Batch, selection: Selection, roster: Roster, rows: Sequence[int] | None) -> None:
        """Take in some scans of a batch, in ascending order of time; `None` for all of them as they stand."""
        times = np.array(batch.times_ns if rows is None else [batch.times_ns[row] for row in rows], np.int64)
        codes = batch.quality if isinstance(batch.quality, int) else batch.qualities()
        if rows is not None and not isinstance(codes, int):
            codes = codes[rows]
        for share in selection.shares:
            table = self._table(share.kind, roster.width(share.kind))
            some = int(codes) if isinstance(codes, int) else codes[:, share.among]
            if isinstance(table, Numbers):
                table.add(_matrix(batch, share.kind, rows, share.block), times, some, share.kept)
            else:
                table.add(_lists(batch, share.kind, rows, share.block), times, some, share.kept)

    def _table(self, kind: DataType, width: int) -> Table:
        table = self.tables.get(kind)
        if table is None:
            table = self.tables[kind] = Numbers.empty(kind, width) if kind in FIXED else Things(kind, width)
        else:
            table.grow(kind, width)
        return table


def _matrix(batch: Batch, kind: DataType, rows: Sequence[int] | None, columns: Columns) -> NDArray[Any]:
    matrix = batch.matrix(kind)
    return matrix[:, columns] if rows is None else matrix[rows][:, columns]


def _lists(batch: Batch, kind: DataType, rows: Sequence[int] | None, columns: Columns) -> list[list[Any]]:
    block, n = batch.blocks[kind], len(batch.times_ns)
    width, wanted = len(block) // n, indices(columns).tolist()
    return [[block[row * width + column] for column in wanted] for row in (range(n) if rows is None else rows)]
