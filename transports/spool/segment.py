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

import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from zlib import crc32

from transports.errors import Problem, SettingsError
from transports.spool.files import File, Files
from transports.spool.record import pack
from transports.spool.state import State, pack_state
from transports.spool.terms import Kind

SECTOR_BYTES = 4096
MAGIC, VERSION = b"HOLDFAST", 2
LEAD, HEADER, CRC = struct.Struct("<8sHH"), struct.Struct("<8sHHIQQqI"), struct.Struct("<I")
HEADERS = {1: struct.Struct("<8sHHIQQq"), VERSION: HEADER}
_NAME = re.compile(r"(\d{10,19})-(\d{20})(?:-(\d{20}))?\.seg", re.ASCII)
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
        return self.allocated or -(-self.size // SECTOR_BYTES) * SECTOR_BYTES


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
    body = HEADER.size + len(topic) + CRC.size + len(record)
    header = HEADER.pack(MAGIC, VERSION, len(topic), body, epoch, first, created_ns, diluted_s) + topic
    return header + CRC.pack(crc32(header)) + record
