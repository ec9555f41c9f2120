"""Thinning: the scans of an interval become one, which keeps what can be said of them all.

    of readings    oil            count  min  max  mean  last  bad     numbers; a bool counts as 0 or 1
                   recipe         count              last        bad   texts, bytes, arrays
    of windows     oil.count ...  the same tags again: counts are summed, means weighted by them, and so on

`count` are the usable samples, `bad` the others: those of Bad quality, NaN and infinities, which are in no statistic
but this. A statistic has the worst of the samples' status codes, but is Bad only where there is no value: some Bad
make it Uncertain, sub-normal. `count` and `bad` themselves are always Good. Its time is the interval's start. All but
`bad` is as an aggregate makes it, so that its windows are thinned to windows like its own.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from transports.dilution.intervals import BAD, Cells, Intervals
from transports.dilution.sheets import ALWAYS_GOOD, Share, Sheet, sheet_for
from transports.samples import FIXED, Batch, DataType


def thinned(batches: Sequence[Batch], interval_ns: int) -> Batch:
    """One batch with a scan for each interval, of batches of the same source and tags, in order.

    All are readings, or all are windows; `sheet_for` has said that they can be thinned.
    """
    first, sheet = batches[0], sheet_for(batches[0])
    assert sheet is not None
    rows = _Rows(batches)
    intervals = Intervals(rows.times_ns, interval_ns)
    blocks, quality = _filled(sheet, rows, intervals)
    seq = min(batch.seq for batch in batches)
    times_ns = tuple(intervals.starts_ns.tolist())
    thinned_to = max(batch.thinned_to or batch.seq + len(batch.times_ns) - 1 for batch in batches)
    return Batch(first.source, seq, sheet.tags, times_ns, blocks, quality, interval_ns, first.aggregate, thinned_to)


class _Rows:
    """All scans of some batches of the same tags, as columns by type."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self._n = sum(len(batch.times_ns) for batch in batches)
        self.times_ns = np.fromiter((time for batch in batches for time in batch.times_ns), np.int64, self._n)
        self._batches = batches
        self._matrices: dict[DataType, NDArray[Any]] = {}
        self._codes = _codes(batches)

    def cells(self, share: Share) -> Cells:
        """The values of a share with what is needed to judge and to weigh them."""
        codes = self._codes if isinstance(self._codes, int) else self._codes[:, share.among]
        counts = None if share.counts is None else self._matrix(DataType.UINT64)[:, share.counts].astype(np.float64)
        means = None if share.means is None else self._matrix(DataType.FLOAT64)[:, share.means]
        return Cells.judged(self._matrix(share.kind)[:, share.columns], codes, counts, means)

    def _matrix(self, kind: DataType) -> NDArray[Any]:
        if kind not in self._matrices:
            blocks = [batch.blocks[kind] for batch in self._batches]
            self._matrices[kind] = _numbers(kind, blocks) if kind in FIXED else _things(blocks)
            self._matrices[kind] = self._matrices[kind].reshape(self._n, -1)
        return self._matrices[kind]


def _codes(batches: Sequence[Batch]) -> int | NDArray[np.uint32]:
    first = batches[0].quality
    if isinstance(first, int) and all(batch.quality == first for batch in batches):
        return first
    return np.concatenate([batch.qualities() for batch in batches])


def _numbers(kind: DataType, blocks: Sequence[Any]) -> NDArray[Any]:
    return np.frombuffer(b"".join(cast(Sequence[bytes], blocks)), FIXED[kind][2])


def _things(blocks: Sequence[Any]) -> NDArray[Any]:
    """Texts, bytes or tuples as objects; numpy left to itself would make a matrix of the tuples."""
    column = np.empty(sum(map(len, blocks)), object)
    for at, item in enumerate(item for block in blocks for item in block):
        column[at] = item
    return column


def _filled(sheet: Sheet, rows: _Rows, intervals: Intervals) -> tuple[dict[DataType, bytes | list[Any]], int | bytes]:
    codes = np.zeros((len(intervals), len(sheet.tags)), np.uint32)
    blocks: dict[DataType, NDArray[Any]] = {
        kind: np.zeros((len(intervals), width), FIXED[kind][2] if kind in FIXED else object)
        for kind, width in sheet.widths.items()
    }
    for share in sheet.shares:
        cells = rows.cells(share)
        quality = intervals.quality(cells)
        for output in share.outputs:
            made = output.make(intervals, cells)
            if output.statistic not in ALWAYS_GOOD:
                codes[:, output.among] = quality
                if output.into in FIXED:
                    made = np.where(quality < BAD, made, np.zeros(1, made.dtype))
            blocks[output.into][:, output.places] = made
    alike = bool((codes == codes.flat[0]).all())
    packed = {kind: block.tobytes() if kind in FIXED else block.ravel().tolist() for kind, block in blocks.items()}
    return packed, int(codes.flat[0]) if alike else codes.astype("<u4").tobytes()
