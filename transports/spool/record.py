"""One record on disk: its bytes, how a block of them is parsed, and how reading finds back after damage.

    offset  size  field
         0     4  marker      F5 C1 48 52: no UTF-8 text and no msgpack has its first two bytes in a row
         4     4  length      u32, bytes after the crc: 28 + name + payload
         8     4  crc32       of everything after it, begun with the seed of its segment (segment.py)
        12     1  kind        0 DATA, 1 GAP, 2 COMMIT, 3 STATE, 4 MARK; readers skip higher ones
        13     1  flags       1 MORE: the transaction goes on in the next record
        14     2  name size   u16
        16     8  pseq        u64, the producer's own number; 0 where the kind has none
        24     8  seq         u64, its number in the topic; other kinds than DATA and GAP: the last number given
        32     8  time        i64, ns UTC, when it was appended
        40     n  name        of the producer, UTF-8; empty where the kind has none
      40+n     m  payload     DATA, GAP: opaque; COMMIT, STATE: msgpack (state.py); MARK: u64, see below

All integers are little-endian. MARK says: every byte of this file before the offset in its payload was durable when
the mark was written. Damage before the last mark is the disk's, and only the hit records are lost; what is broken
after it was never acknowledged, and the log ends there.

The seed keeps out records that are whole but not of this place: a recycled disk block, or a payload that is itself
a piece of a spool.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from transports.errors import NotUnderstood
from transports.spool.terms import Kind

MARKER = b"\xf5\xc1HR"
MORE = 1
HEAD_BYTES = 40
MAX_PAYLOAD_BYTES, MAX_NAME = 1 << 28, 1000
_MAX_PSEQ = (1 << 64) - 1
_LEAD, _REST, _HEAD = struct.Struct("<4sII"), struct.Struct("<BBHQQq"), struct.Struct("<4sIIBBHQQq")
_MARK = struct.Struct("<Q")


class Entry(NamedTuple):
    """A record as it was read; `size` is what it takes on disk."""

    kind: int
    flags: int
    name: str
    pseq: int
    seq: int
    time_ns: int
    payload: bytes
    size: int


def check_sizes(producer: str, pseq: int, payloads: Sequence[bytes], kind: int) -> None:
    """Raises NotUnderstood for what the fields of a record cannot hold."""
    if kind not in (Kind.DATA, Kind.GAP):
        raise NotUnderstood(f"{producer} appends a record of kind {kind}; it must be DATA or GAP")
    if not 1 <= pseq <= _MAX_PSEQ - len(payloads):
        raise NotUnderstood(f"{producer} numbers its records {pseq}; the first is 1, the last {_MAX_PSEQ}")
    if len(producer) > MAX_NAME or not producer.isprintable():
        raise NotUnderstood(f"the producer {producer!r:.60} must have a printable name of at most {MAX_NAME} letters")
    largest = max(map(len, payloads), default=0)
    if largest > MAX_PAYLOAD_BYTES:
        raise NotUnderstood(f"{producer} appends {largest} bytes in a record; {MAX_PAYLOAD_BYTES} are the most")


def pack(
    seed: int, kind: int, payload: bytes, seq: int, time_ns: int, flags: int = 0, name: bytes = b"", pseq: int = 0
) -> tuple[bytes, bytes, bytes, bytes]:
    """The record in pieces, so that a batch of them is joined once."""
    rest = _REST.pack(kind, flags, len(name), pseq, seq, time_ns)
    crc = crc32(payload, crc32(name, crc32(rest, seed)))
    return _LEAD.pack(MARKER, 28 + len(name) + len(payload), crc), rest, name, payload


def pack_mark(durable_offset: int) -> bytes:
    """The payload of a MARK."""
    return _MARK.pack(durable_offset)


def unpack_mark(payload: bytes) -> int:
    """Up to which offset the file was durable; 0 from a mark of another form."""
    offset: int = _MARK.unpack(payload)[0] if len(payload) == _MARK.size else 0
    return offset


def parse(block: bytes, at: int, seed: int) -> tuple[list[Entry], int]:
    """The whole records from `at` on, and the offset after them, where something else begins or the block ends."""
    entries: list[Entry] = []
    view, size, unpack, make = memoryview(block), len(block), _HEAD.unpack_from, tuple.__new__
    while at + HEAD_BYTES <= size:
        marker, length, crc, kind, flags, name_bytes, pseq, seq, time_ns = unpack(block, at)
        end, body = at + 12 + length, at + HEAD_BYTES + name_bytes
        if marker != MARKER or not body <= end <= size or crc32(view[at + 12 : end], seed) != crc:
            break
        name = block[at + HEAD_BYTES : body].decode(errors="replace")
        entries.append(make(Entry, (kind, flags, name, pseq, seq, time_ns, block[body:end], end - at)))
        at = end
    return entries, at


def promised_bytes(block: bytes) -> int:
    """How long the record at the head of the block says it is; 0 when there is no sign of a record."""
    if len(block) < HEAD_BYTES or block[:4] != MARKER:
        return 0
    length: int = _LEAD.unpack_from(block)[1]
    return 12 + length


def find(block: bytes, at: int, seed: int) -> int:
    """Where the next whole record begins in the block, from `at` on; -1 when there is none."""
    at = block.find(MARKER, at)
    while at >= 0 and not _is_record(block, at, seed):
        at = block.find(MARKER, at + 1)
    return at


def _is_record(block: bytes, at: int, seed: int) -> bool:
    if at + HEAD_BYTES > len(block):
        return False
    _, length, crc, _, _, name_bytes, *_ = _HEAD.unpack_from(block, at)
    end = at + 12 + length
    if not 28 + name_bytes <= length or end > len(block):
        return False
    return bool(crc32(memoryview(block)[at + 12 : end], seed) == crc)
