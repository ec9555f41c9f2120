"""One segment as somebody sees it who does not own it: read only, a block at a time, whatever its bytes are.

Nothing is locked, written or cut, so it may be done while a gateway writes the file. Memory is bounded by a block and
the largest record, also in the middle of gigabytes of garbage.
"""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from transports.errors import NotUnderstood
from transports.spool.files import File, Files, OsFile, OsFiles
from transports.spool.record import LEAD_BYTES, MORE, Entry, promised_bytes, unpack_mark
from transports.spool.segment import Place, Segment
from transports.spool.segment_reader import BLOCK_BYTES, SegmentReader
from transports.spool.terms import Kind


class Piece(NamedTuple):
    """Bytes `offset` to `end` of a segment: one record, or (`entry` is None) bytes that are none."""

    offset: int
    end: int
    entry: Entry | None


class ViewFiles(OsFiles):
    """The file system of the operating system, where nothing can be changed."""

    def make_dir(self, path: str) -> None:
        return  # it is there, or it is empty

    def listdir(self, path: str) -> Sequence[str]:
        try:
            return super().listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def open(self, path: str) -> File:
        # without NONBLOCK a pipe of that name would keep us waiting for its writer
        return OsFile(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))


class _AlreadyOpen(OsFiles):
    """Hands out one file that is open: what a name means may change while we look."""

    def __init__(self, file: File) -> None:
        self._file = file

    def open(self, path: str) -> File:
        return self._file


class SegmentView:
    """An open segment. `wrong` says why its header cannot be used, "" when it can.

    Opening raises OSError, for a directory of that name too.
    """

    def __init__(self, files: Files, place: Place, segment: Segment) -> None:
        self.segment, self.wrong = segment, ""
        self._file = files.open(segment.path)
        self._reader = SegmentReader(_AlreadyOpen(self._file), place, segment)
        try:
            self._reader.read_header()
        except NotUnderstood as wrong:
            self.wrong = str(wrong)
        except OSError:
            self.close()
            raise

    @property
    def version(self) -> int:
        """The version of its format; 0 when the header is wrong."""
        return self._reader.version

    @property
    def head_bytes(self) -> int:
        """Where the snapshot begins; 0 when the header is wrong, and what lies before a record there is damage."""
        return self._reader.head_bytes

    @property
    def body(self) -> int:
        """Where the records behind the snapshot begin; 0 when the header is wrong."""
        return self._reader.body

    @property
    def created_ns(self) -> int:
        """When it was begun, UTC; 0 when the header is wrong."""
        return self._reader.created_ns

    def pieces(self, offset: int, limit: int) -> Iterator[Piece]:
        """Everything from `offset` up to `limit`, in order and without gaps; less when the file is shorter."""
        while offset < limit and (lead := self._reader.peek(LEAD_BYTES, offset)):
            entries = self._entries(offset, limit, lead)
            for entry in entries:
                yield Piece(offset, offset + entry.size, entry)
                offset += entry.size
            if not entries:
                after = self._reader.find(offset + 1, limit)
                yield Piece(offset, after, None)
                offset = after

    def sound_size(self, size: int) -> int:
        """Where a segment of this size that was the newest ends: what follows was never acknowledged (recovery.py).

        That is behind the last whole transaction before any damage that is not the disk's own.
        """
        complete = durable = min(self.body, size)
        torn: list[tuple[int, int]] = []  # where the latest damage is, and the end of what is whole before it
        for piece in self.pieces(complete, size):
            entry = piece.entry
            if entry is None:
                torn.append((piece.offset, complete))
            elif entry.kind == Kind.MARK:
                durable = max(durable, min(unpack_mark(entry.payload), piece.offset))
                torn = [each for each in torn if each[0] >= durable]
            if entry is not None and not entry.flags & MORE:
                complete = piece.end
        return max(durable, torn[0][1] if torn else complete)

    def close(self) -> None:
        """Give the descriptor back."""
        self._file.close()

    def _entries(self, offset: int, limit: int, lead: bytes) -> list[Entry]:
        """Some records from `offset` on; none when no whole record begins there."""
        promised = promised_bytes(lead)
        if not 0 < promised <= limit - offset:
            return []
        entries, _, _ = self._reader.read(offset, min(limit, offset + max(BLOCK_BYTES, promised)))
        return entries
