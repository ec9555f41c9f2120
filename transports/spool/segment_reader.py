"""Reading one segment: its header, its snapshot, its records, and on behind damage."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

from transports.errors import NotUnderstood
from transports.spool.fault import FULL
from transports.spool.files import Files
from transports.spool.record import LEAD_BYTES, MARKER, PREFIX_BYTES, Entry, markers, parse, promised_bytes
from transports.spool.segment import CRC, HEADER, HEADERS, LEAD, MAGIC, SECTOR_BYTES, VERSION, Place, Segment
from transports.spool.terms import Kind

BLOCK_BYTES = 256 * 1024
_NO_FILE = (  # of a name that is none of ours: a directory, a pipe, a link that leads nowhere, another user's
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ELOOP,
    errno.ENOENT,
    errno.ENXIO,
    errno.ESPIPE,
    errno.EINVAL,
)


@contextmanager
def unreadable() -> Iterator[None]:
    """An OSError inside that says that this is no file to be read is NotUnderstood; every other is the disk's."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        raise NotUnderstood(f"it cannot be read: {error.strerror}") from error


class SegmentReader:
    """An open segment. Opening raises NotUnderstood for what cannot be read at all, OSError for all else."""

    def __init__(self, files: Files, place: Place, segment: Segment) -> None:
        self._place, self._segment = place, segment
        with unreadable():
            self._file = files.open(segment.path)
        self._seed = place.seed(segment.epoch, segment.first)
        self.head_bytes = 0  # where the snapshot begins
        self.body = 0  # where the records after it begin
        self.created_ns = 0
        self.version = self.diluted_s = 0
        self.hurt = False  # the header is damaged, and what it says was found elsewhere

    def read_header(self) -> None:
        """What the header says; where it is damaged, what its name and its records say.

        Raises NotUnderstood, with the reason, when it is another one than the file's name promises, or no record is
        whole either.
        """
        topic = self._place.topic.encode()
        with unreadable():
            raw = self.peek(HEADER.size + len(topic) + CRC.size, 0)
        magic, version, topic_bytes = LEAD.unpack_from(raw) if len(raw) >= LEAD.size else (b"", 0, 0)
        header = HEADERS.get(version, HEADER)
        size = header.size + topic_bytes
        if len(raw) < size + CRC.size or crc32(raw[:size]) != CRC.unpack_from(raw, size)[0]:
            self._do_without()
            return
        if magic != MAGIC or version not in HEADERS:
            raise NotUnderstood(f"the header is of format {magic!r} version {version}")
        _, _, _, body, epoch, first, created_ns, *diluted = header.unpack_from(raw)
        if (raw[header.size : size], epoch, first) != (topic, *self._segment.key):
            raise NotUnderstood("the header is that of another segment")
        self.version, self.head_bytes, self.body, self.created_ns = version, size + CRC.size, body, created_ns
        self.diluted_s = self._segment.diluted_s = sum(diluted)

    def _do_without(self) -> None:
        at = self.find(0, self._segment.size)
        if at >= self._segment.size:
            raise NotUnderstood("the header is damaged, and no record is whole")
        (first, *_), _, _ = self.read(at, self._segment.size)
        self.hurt, self.head_bytes, self.created_ns = True, at, first.time_ns
        self.version = VERSION if self.peek(len(MARKER), at) == MARKER else 1
        self.body = at + first.size * (first.kind == Kind.STATE)
        self._segment.diluted_s = 0

    def snapshot(self) -> bytes | None:
        """The payload of the snapshot at the head; None when it is damaged."""
        at, limit = self.head_bytes, self.body or self._segment.size
        while at < limit:
            entries, at, _ = self.read(at, limit)
            if entries:
                return entries[0].payload if entries[0].kind == Kind.STATE else None
        return None

    def read(self, offset: int, limit: int) -> tuple[list[Entry], int, bool]:
        """Some records from `offset` on, the offset after them, and whether damage was skipped instead.

        Nothing at or after `limit` is looked at. With `offset < limit` the new offset is always further on.
        """
        block = self.peek(min(BLOCK_BYTES, limit - offset), offset)
        entries, size = parse(block, 0, self._seed)
        if not entries and len(block) < promised_bytes(block) <= limit - offset:
            entries, size = parse(self.peek(promised_bytes(block), offset), 0, self._seed)
        if entries:
            return entries, offset + size, False
        return [], self.find(offset + 1, limit), True

    def find(self, at: int, limit: int) -> int:
        """Where the next whole record begins, from `at` on; `limit` when there is none. A window at a time."""
        while at < limit and (window := self.peek(min(BLOCK_BYTES, limit - at), at)):
            for found in markers(window):
                if self._is_record(at + found, limit):
                    return at + found
            at += max(1, len(window) - PREFIX_BYTES + 1) if at + len(window) < limit else len(window)
        return limit

    def _is_record(self, at: int, limit: int) -> bool:
        promised = promised_bytes(self.peek(LEAD_BYTES, at))
        if not 0 < promised <= limit - at:
            return False
        entries, _ = parse(self.peek(promised, at), 0, self._seed)
        return bool(entries)

    def make_durable(self, size: int, durable: int, cut: bool) -> None:
        """Make the file durable as it is, or cut to `size` bytes.

        What is not known to be durable is written again: after a failed fdatasync the kernel may hold pages as clean
        that never reached the disk (fsync(2)). They read well, and the next sync would do nothing about them.
        """
        if cut:
            self._file.truncate(size)
        try:
            for offset in range(durable, size, BLOCK_BYTES):
                self._file.pwrite(self.peek(min(BLOCK_BYTES, size - offset), offset), offset)
        except OSError as error:
            if error.errno not in FULL:  # a file system that writes elsewhere, and has no room: it is as it was
                raise
        self._file.fdatasync()

    def close(self) -> None:
        self._file.close()

    def peek(self, size: int, offset: int) -> bytes:
        """Bytes of the file; what the disk cannot read any more is zeros."""
        try:
            return self._file.pread(size, offset)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        end, found = offset + size, b""
        while offset < end:  # a bad sector costs the records on it, not the whole block
            step = min(SECTOR_BYTES - offset % SECTOR_BYTES, end - offset)
            found += self._sector(step, offset)
            offset += step
        return found

    def _sector(self, size: int, offset: int) -> bytes:
        try:
            return self._file.pread(size, offset)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return bytes(size)
