"""Samples of one source passed on: all of them, or those that changed by more than a deadband."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.band import Band
from actors.stages.cut import cut
from actors.stages.roster import Roster, Selection, Share
from actors.stages.sent import Sent, column_of
from actors.stages.settings import Settings
from transports.samples import FIXED, Batch, DataType, Gap, Tag


@dataclass(frozen=True, slots=True)
class Column:
    """The samples of one type in a batch: what is known of their columns, values (n, tags), status codes."""

    share: Share
    sent: Sent
    values: NDArray[Any]
    codes: int | NDArray[np.uint32]


class Deadband:
    """Scans of one source to the scans that are sent on. `seq` is the next scan's number."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name, self._settings = name, settings
        self.seq, self.folded, self.late = 1, 0, 0
        self._band = Band(settings.deadband, settings.deadband_percent)
        self._silence_ns = None if settings.max_silence_s is None else round(settings.max_silence_s * 1e9)
        self._begin(())

    @classmethod
    def restored(cls, name: str, settings: Settings, state: Any) -> "Deadband":
        """A source from what `state` gave."""
        tags, sent = state
        deadband = cls(name, settings)
        deadband._begin(tuple(Tag(name, DataType(kind), unit) for name, kind, unit in tags))
        deadband._sent = {DataType(kind): Sent.restored(DataType(kind), held) for kind, held in sent.items()}
        return deadband

    def state(self) -> list[Any]:
        """What `restored` takes, for msgpack; the counters are kept by the caller."""
        tags = [[tag.name, int(tag.type), tag.unit] for tag in self._roster.tags]
        return [tags, {int(kind): sent.state() for kind, sent in self._sent.items()}]

    def fold(self, batch: Batch, utc_ns: int) -> list[Batch | Gap]:
        """What of a batch (at least one scan) is sent on, in order."""
        selection = self._roster.find(batch.tags)
        if selection is None:
            if not self._roster.admits(batch.tags):
                self._begin(())
            selection = self._roster.select(batch.tags)
        if not selection.shares:
            return []
        self.folded += len(batch.times_ns)
        if self._band == Band():
            return [self._passed(batch, selection, list(range(len(batch.times_ns))), None)]
        return [self._passed(batch, selection, rows, mask) for rows, mask in self._runs(batch, selection)]

    def expire(self, utc_ns: int) -> list[Batch | Gap]:
        """Nothing waits for the clock here."""
        return []

    def interrupt(self) -> None:
        """What was sent last is still what was sent last."""

    def due(self) -> int | None:
        """Nothing waits for the clock here."""
        return None

    def flush(self) -> list[Batch | Gap]:
        """Nothing is held back here."""
        return []

    def _begin(self, tags: tuple[Tag, ...]) -> None:
        self._roster = Roster(self.name, self._settings.from_, tags)
        self._sent: dict[DataType, Sent] = {}

    def _passed(self, batch: Batch, selection: Selection, rows: list[int], mask: NDArray[np.bool_] | None) -> Batch:
        seq, self.seq = self.seq, self.seq + len(rows)
        if len(rows) == len(batch.times_ns) and selection.whole and (mask is None or mask.all()):
            return replace(batch, seq=seq)
        return cut(batch, seq, rows, selection.subset(mask))

    def _runs(self, batch: Batch, selection: Selection) -> Iterator[tuple[list[int], NDArray[np.bool_]]]:
        """Scans, one after the other, of which the same tags are sent; scans of which none are left out."""
        rows: list[int] = []
        before: NDArray[np.bool_] | None = None
        for row, mask in self._masks(batch, selection):
            if before is not None and not np.array_equal(mask, before):
                yield rows, before
                rows = []
            rows.append(row)
            before = mask
        if before is not None:
            yield rows, before

    def _masks(self, batch: Batch, selection: Selection) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """The scans of which something is sent, and which of the taken tags; what is sent is remembered."""
        columns = list(self._columns(batch, selection))
        for row in range(self._first(batch, columns), len(batch.times_ns)):
            mask = np.zeros(len(selection.taken), np.bool_)
            for column in columns:
                mask[column.share.within] = self._sent_of(column, row, batch.times_ns[row])
            if mask.any():
                yield row, mask

    def _first(self, batch: Batch, columns: list[Column]) -> int:
        """The first scan that brings a change; mostly there is none, and one look at the whole batch tells."""
        changed = np.zeros(len(batch.times_ns), np.bool_)
        times = np.array(batch.times_ns, np.int64)[:, None]
        for column in columns:
            kept = column.share.kept
            changed |= column.sent.changed(column.values, times, column.codes, kept, self._band, self._silence_ns).any(
                axis=1
            )
        return int(changed.argmax()) if changed.any() else len(changed)

    def _sent_of(self, column: Column, row: int, time_ns: int) -> NDArray[np.bool_]:
        values, kept = column.values[row], column.share.kept
        codes = column.codes if isinstance(column.codes, int) else column.codes[row]
        mask = column.sent.changed(values, time_ns, codes, kept, self._band, self._silence_ns)
        column.sent.remember(values, time_ns, codes, kept, mask)
        return mask

    def _columns(self, batch: Batch, selection: Selection) -> Iterator[Column]:
        codes = None if isinstance(batch.quality, int) else batch.qualities()
        for share in selection.shares:
            sent = self._sent.setdefault(share.kind, Sent(share.kind))
            sent.grow(self._roster.width(share.kind))
            if share.kind in FIXED:
                matrix = batch.matrix(share.kind)
            else:
                matrix = column_of(batch.blocks[share.kind]).reshape(len(batch.times_ns), -1)
            some = int(batch.quality) if codes is None else codes[:, share.among]
            yield Column(share, sent, matrix[:, share.block], some)
