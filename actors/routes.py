"""Where a device's readings go: straight `out` to the uplinks, or to `raw` for the aggregates that take them.

A tag that no aggregate takes passes straight, so that what is only forwarded is written once. A tag that one takes
goes to `raw`, and passes straight as well where an aggregate says `keep`.
"""

from collections.abc import Sequence

import numpy as np

from actors.stages.cut import cut
from actors.stages.patterns import takes
from actors.stages.roster import Subset
from transports.samples import Batch, DataType, Tag

OUT, RAW = "out", "raw"
MAX_KNOWN = 256  # tuples of tags that a device brings by turns


class Routes:
    """The routes of one device. `topics` are those that it may write to."""

    def __init__(self, device: str, raw: Sequence[str], keep: Sequence[str]) -> None:
        self._device, self._raw, self._keep = device, raw, keep
        self.topics = (OUT, RAW) if raw else (OUT,)
        self._known: dict[int, tuple[tuple[Tag, ...], dict[str, Subset | None]]] = {}

    def routed(self, batches: Sequence[Batch]) -> dict[str, list[Batch]]:
        """The batches of each topic, in order; a batch is cut only where its tags part."""
        if not self._raw:
            return {OUT: list(batches)} if batches else {}
        parts: dict[str, list[Batch]] = {}
        for batch in batches:
            for topic, subset in self._ways(batch.tags).items():
                part = batch if subset is None else cut(batch, batch.seq, range(len(batch.times_ns)), subset)
                parts.setdefault(topic, []).append(part)
        return parts

    def samples(self, batches: Sequence[Batch]) -> dict[str, int]:
        """How many samples of these each topic would get."""
        counts = dict.fromkeys(self.topics, 0)
        for batch in batches:
            for topic, subset in self._ways(batch.tags).items():
                counts[topic] += len(batch.times_ns) * len(batch.tags if subset is None else subset.tags)
        return counts

    def _ways(self, tags: tuple[Tag, ...]) -> dict[str, Subset | None]:
        """For each topic which of the tags go there, None for all; remembered by identity."""
        known = self._known.get(id(tags))
        if known is not None and known[0] is tags:
            return known[1]
        ways: dict[str, Subset | None] = {}
        for topic, goes in ((OUT, self._straight), (RAW, self._taken)):
            wanted = [goes(tag) for tag in tags]
            if any(wanted):
                ways[topic] = None if all(wanted) else _subset(tags, wanted)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[id(tags)] = (tags, ways)
        return ways

    def _taken(self, tag: Tag) -> bool:
        return takes(self._raw, self._device, tag.name)

    def _straight(self, tag: Tag) -> bool:
        return not self._taken(tag) or takes(self._keep, self._device, tag.name)


def _subset(tags: tuple[Tag, ...], wanted: Sequence[bool]) -> Subset:
    columns: dict[DataType, list[int]] = {}
    seen: dict[DataType, int] = {}
    for tag, goes in zip(tags, wanted, strict=True):
        at = seen.get(tag.type, 0)
        seen[tag.type] = at + 1
        if goes:
            columns.setdefault(tag.type, []).append(at)
    blocks = tuple((kind, np.array(at, np.intp)) for kind, at in columns.items())
    chosen = tuple(tag for tag, goes in zip(tags, wanted, strict=True) if goes)
    return Subset(chosen, blocks, np.flatnonzero(wanted))
