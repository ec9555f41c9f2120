"""Samples left out of a batch: what stays, as batches of which each has its tags in all of its scans."""

import numpy as np
from numpy.typing import NDArray

from actors.stages.cut import cut
from actors.stages.roster import MAX_TAGS, Roster, Selection
from transports.samples import Batch, Tag


class Sieve:
    """Remembers the tags of a source, so that a batch costs no look at them."""

    def __init__(self) -> None:
        self._roster = Roster("", ("*",))

    def sifted(self, batch: Batch, mask: NDArray[np.bool_]) -> list[Batch]:
        """What the mask (scans, tags) says yes to, in order; neighbouring scans with the same tags in one batch."""
        if mask.all():
            return [batch]
        rows = np.flatnonzero(mask.any(axis=1))
        kept = mask[rows]
        turns = np.flatnonzero((kept[1:] != kept[:-1]).any(axis=1)) + 1
        selection = self._selection(batch.tags)
        out = []
        for some in np.split(np.arange(len(rows)), turns) if len(rows) else ():
            which = rows[some].tolist()
            out.append(cut(batch, batch.seq + which[0], which, selection.subset(kept[some[0]])))
        return out

    def _selection(self, tags: tuple[Tag, ...]) -> Selection:
        selection = self._roster.find(tags)
        if selection is not None:
            return selection
        if len(self._roster.tags) > MAX_TAGS:
            self._roster = Roster("", ("*",))
        return self._roster.select(tags)
