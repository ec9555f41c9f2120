"""What an aggregate takes of a source's batches before they go through its pipeline."""

from collections.abc import Sequence

from actors.stages.cut import cut
from actors.stages.roster import MAX_TAGS, Roster
from transports.samples import Batch


class Taken:
    """The tags of one source that the patterns name."""

    def __init__(self, source: str, patterns: Sequence[str]) -> None:
        self._source, self._patterns = source, patterns
        self._roster = Roster(source, patterns)

    def of(self, batch: Batch) -> list[Batch]:
        """The batch with these tags only, or nothing."""
        selection = self._roster.find(batch.tags)
        if selection is None:
            if len(self._roster.tags) > MAX_TAGS:
                self._roster = Roster(self._source, self._patterns)
            selection = self._roster.select(batch.tags)
        if selection.whole:
            return [batch]
        return [cut(batch, batch.seq, range(len(batch.times_ns)), selection.subset())] if selection.taken else []
