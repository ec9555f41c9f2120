"""A part of a batch: some of its scans, some of its tags."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from actors.stages.roster import Subset
from transports.samples import FIXED, Batch


def cut(batch: Batch, seq: int, rows: Sequence[int], subset: Subset) -> Batch:
    """These scans and tags of a batch as a batch of its own; times, types and status codes stay as they are."""
    n = len(batch.times_ns)
    picked = np.asarray(rows, np.intp)
    blocks: dict[Any, bytes | list[Any]] = {}
    for kind, columns in subset.blocks:
        if kind in FIXED:
            blocks[kind] = batch.matrix(kind)[picked][:, columns].tobytes()
        else:
            items, width, wanted = batch.blocks[kind], len(batch.blocks[kind]) // n, columns.tolist()
            blocks[kind] = [items[row * width + column] for row in rows for column in wanted]
    quality = batch.quality
    if not isinstance(quality, int):
        quality = batch.qualities()[picked][:, subset.among].astype("<u4").tobytes()
    times = tuple(map(batch.times_ns.__getitem__, rows))
    return Batch(batch.source, seq, subset.tags, times, blocks, quality, batch.window_ns)
