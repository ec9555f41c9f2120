"""One segment: a file that is written from its head to its end, and never again.

    directory/<topic>/<epoch:010d>-<firstseq:020d>.seg      quarantine/<topic>/<epoch>-<firstseq>-<lastseq>.seg

    offset  size  field
         0     8  magic       "HOLDFAST"
         8     2  version     u16, 2
        10     2  topic size  u16
        12     4  body        u32, offset of the first record after the snapshot
        16     8  epoch       u64
        24     8  first       u64, the seq that the first DATA or GAP record here has or will have
        32     8  created     i64, ns UTC
        40     4  diluted     u32, s: 0 as it was written; else only so much is left of it (dilution.py)
        44     n  topic       UTF-8
      44+n     4  crc32       of all of the above
      48+n        a STATE record (state.py), then records (record.py)

Version 1, read but not written, has no `diluted` (0): its topic is at 40, and its records are of version 1.

A segment is written under the name `.new`, synced and renamed: what is called `.seg` had a whole head once.
The crc of its records begins with crc32("<topic>/<epoch>-<firstseq>"), so that they belong here and nowhere else.
"""

import errno
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from zlib import crc32

from transports.errors import NotUnderstood, Problem, SettingsError
from transports.spool.files import File, Files
from transports.spool.record import LEAD_BYTES, MARKER, PREFIX_BYTES, Entry, markers, pack, parse, promised_bytes
from transports.spool.state import State, pack_state
from transports.spool.terms import Kind

BLOCK_BYTES = 256 * 1024
_SECTOR_BYTES = 4096
_MAGIC, _VERSION = b"HOLDFAST", 2
_LEAD, _HEADER, _CRC = struct.Struct("<8sHH"), struct.Struct("<8sHHIQQqI"), struct.Struct("<I")
_HEADERS = {1: struct.Struct("<8sHHIQQq"), _VERSION: _HEADER}
_NAME = re.compile(r"(\d{10,19})-(\d{20})(?:-(\d{20}))?\.seg", re.ASCII)
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
_TOPIC = re.compile(r"[a-z0-9][a-z0-9_.-]*", re.ASCII)


def check_topic(name: str) -> None:
    """Raises SettingsError for a name that cannot be a directory beside `quarantine`."""
    if not _TOPIC.fullmatch(name) or name == "quarantine" or len(name) > 100:
        cure = "a topic is up to 100 of a-z, 0-9, '_', '.', '-', beginning with one of the first two; not quarantine"
        raise SettingsError(Problem("spool.topic", repr(name), cure))


@dataclass(slots=True, eq=False)
class Segment:
    """A segment as its log knows it without opening it. `lost_to` is set when it is in quarantine: its last seq.

    `allocated` is what the disk says that it takes, once it is closed; `diluted_s` how far it has been diluted, None
    while nobody has looked.
    """

    path: str
    epoch: int
    first: int
    size: int
    lost_to: int | None = None
    gone: bool = False
    diluted_s: int | None = None
    allocated: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """Its place in the log; also the position of its first record."""
        return self.epoch, self.first

    @property
    def disk_bytes(self) -> int:
        """What it takes on disk, in whole blocks: a thousand tiny files are not free. Quarantine is not counted."""
        if self.lost_to is not None:
            return 0
        return self.allocated or -(-self.size // _SECTOR_BYTES) * _SECTOR_BYTES


@dataclass(frozen=True, slots=True)
class Place:
    """Where the segments of one topic lie."""

    directory: str
    topic: str

    @property
    def folder(self) -> str:
        return f"{self.directory}/{self.topic}"

    @property
    def quarantine(self) -> str:
        return f"{self.directory}/quarantine/{self.topic}"

    def path(self, epoch: int, first: int) -> str:
        return f"{self.folder}/{epoch:010d}-{first:020d}.seg"

    def quarantine_path(self, segment: Segment, last: int) -> str:
        return f"{self.quarantine}/{segment.epoch:010d}-{segment.first:020d}-{last:020d}.seg"

    def seed(self, epoch: int, first: int) -> int:
        return crc32(f"{self.topic}/{epoch:010d}-{first:020d}".encode())


def parse_name(name: str) -> tuple[int, int, int | None] | None:
    """(epoch, first seq, last seq if in quarantine) of a segment's file name; None for any other name."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), int(found[2]), int(found[3]) if found[3] else None) if found else None


def create(files: Files, place: Place, epoch: int, state: State, now_ns: int) -> tuple[Segment, File]:
    """A new segment with its header and snapshot, durable under its name. Raises OSError, leaving nothing behind."""
    first = state.end.seq + 1
    path = place.path(epoch, first)
    head = _head(place, (epoch, first), pack_state(state), now_ns)
    return Segment(path, epoch, first, len(head), diluted_s=0), _placed(files, place, path, head)


def rewrite(files: Files, place: Place, old: Segment, head: "Head", records: bytes) -> Segment:
    """The segment again with other records, in the place of the old one, which lasts until this is durable.

    Raises OSError, leaving the old one as it was.
    """
    data = _head(place, old.key, head.snapshot, head.created_ns, head.diluted_s) + records
    _placed(files, place, old.path, data, replaces=True).close()
    return Segment(old.path, *old.key, len(data), diluted_s=head.diluted_s)


def _placed(files: Files, place: Place, path: str, data: bytes, replaces: bool = False) -> File:
    file = files.create(f"{path}.new")
    try:
        file.pwrite(data, 0)
        file.fdatasync()
        files.rename(f"{path}.new", path)
        files.fsync_dir(place.folder)
    except OSError:
        file.close()
        for name in (f"{path}.new", *([] if replaces else [path])):
            with suppress(OSError):
                files.unlink(name)
        raise
    return file


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the records: when the segment was begun, the payload of its snapshot, how diluted it is."""

    created_ns: int
    snapshot: bytes
    diluted_s: int


def _head(place: Place, key: tuple[int, int], snapshot: bytes, created_ns: int, diluted_s: int = 0) -> bytes:
    (epoch, first), topic = key, place.topic.encode()
    record = b"".join(pack(place.seed(epoch, first), Kind.STATE, snapshot, first - 1, created_ns))
    body = _HEADER.size + len(topic) + _CRC.size + len(record)
    header = _HEADER.pack(_MAGIC, _VERSION, len(topic), body, epoch, first, created_ns, diluted_s) + topic
    return header + _CRC.pack(crc32(header)) + record


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
            raw = self.peek(_HEADER.size + len(topic) + _CRC.size, 0)
        magic, version, topic_bytes = _LEAD.unpack_from(raw) if len(raw) >= _LEAD.size else (b"", 0, 0)
        header = _HEADERS.get(version, _HEADER)
        size = header.size + topic_bytes
        if len(raw) < size + _CRC.size or crc32(raw[:size]) != _CRC.unpack_from(raw, size)[0]:
            self._do_without()
            return
        if magic != _MAGIC or version not in _HEADERS:
            raise NotUnderstood(f"the header is of format {magic!r} version {version}")
        _, _, _, body, epoch, first, created_ns, *diluted = header.unpack_from(raw)
        if (raw[header.size : size], epoch, first) != (topic, *self._segment.key):
            raise NotUnderstood("the header is that of another segment")
        self.version, self.head_bytes, self.body, self.created_ns = version, size + _CRC.size, body, created_ns
        self.diluted_s = self._segment.diluted_s = sum(diluted)

    def _do_without(self) -> None:
        at = self.find(0, self._segment.size)
        if at >= self._segment.size:
            raise NotUnderstood("the header is damaged, and no record is whole")
        (first, *_), _, _ = self.read(at, self._segment.size)
        self.hurt, self.head_bytes, self.created_ns = True, at, first.time_ns
        self.version = _VERSION if self.peek(len(MARKER), at) == MARKER else 1
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

    def sync_cut(self, size: int, cut: bool) -> None:
        """Make the file durable as it is, or cut to `size` bytes."""
        if cut:
            self._file.truncate(size)
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
            step = min(_SECTOR_BYTES - offset % _SECTOR_BYTES, end - offset)
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
