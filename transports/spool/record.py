"""One record on disk: its bytes, how a block of them is parsed, and how reading finds back after damage.

    offset  size  field
         0     4  marker      F5 C1 48 53: no UTF-8 text and no msgpack has its first two bytes in a row
         4     4  length      u32, bytes after the crc: 40 + name + payload
         8     4  crc32       of everything after it, begun with the seed of its segment (segment.py)
        12     1  kind        0 DATA, 1 GAP, 2 COMMIT, 3 STATE, 4 MARK, 5 ALARM, 6 SPAN, 7 FLOOR; others are skipped
        13     1  flags       1 MORE: the transaction goes on in the next record
        14     2  name size   u16
        16     8  pseq        u64, the producer's own number; 0 where the kind has none
        24     8  seq         u64, its number in the topic; other kinds than DATA, GAP and ALARM: the last number given
        32     8  time        i64, ns UTC, when it was appended
        40     4  count       u32, samples it accounts for: those in it, or (GAP) those that it says are missing
        44     4  span        u32, how many seq it stands for, its own the last; 1 except in a diluted segment
        48     4  total       u32, the producer's samples up to and with this record, modulo 2^32
        52     n  name        of the producer, UTF-8; empty where the kind has none
      52+n     m  payload     DATA, GAP, ALARM: opaque; COMMIT, STATE: msgpack (state.py); MARK: u64, see below

All integers are little-endian. MARK says: every byte of this file before the offset in its payload was durable when
the mark was written. Damage before the last mark is the disk's, and only the hit records are lost; what is broken
after it was never acknowledged, and the log ends there. SPAN says: the `span` seq that end with its own were given up
on purpose, and told of. FLOOR (u64): so was everything in segments that begin before this seq.

Version 1, read but not written: the marker ends with 52, the crc begins with the seed alone, and there are no count,
span and total (0, 1, 0): the name is at 40.

The crc begins with crc32(marker, seed): a marker that became another version's by a flipped bit does not fit either.
The seed keeps out records that are whole but not of this place: a recycled disk block, or a payload that is itself
a piece of a spool.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

from transports.errors import NotUnderstood
from transports.spool.terms import Kind

MARKER, _MARKER_1, _PREFIX = b"\xf5\xc1HS", b"\xf5\xc1HR", b"\xf5\xc1H"
MORE = 1
HEAD_BYTES, LEAD_BYTES, PREFIX_BYTES = 52, 12, 3
MAX_COUNT = (1 << 32) - 1
MAX_PAYLOAD_BYTES, MAX_NAME = 1 << 28, 1000
_MAX_PSEQ = (1 << 64) - 1
_LEAD, _REST, _HEAD = struct.Struct("<4sII"), struct.Struct("<BBHQQqIII"), struct.Struct("<4sIIBBHQQqIII")
_MARK = struct.Struct("<Q")


class _Layout(NamedTuple):
    """What a marker says of the head that it begins: its fields, its size, and the values of fields it lacks."""

    marker: bytes
    head: struct.Struct
    missing: tuple[int, ...]
    in_crc: bytes


_LAYOUTS = {
    MARKER: _Layout(MARKER, _HEAD, (), MARKER),
    _MARKER_1: _Layout(_MARKER_1, struct.Struct("<4sIIBBHQQq"), (0, 1, 0), b""),
}


class Entry(NamedTuple):
    """A record as it was read; `size` is what it takes on disk."""

    kind: int
    flags: int
    name: str
    pseq: int
    seq: int
    time_ns: int
    samples: int
    span: int
    total: int
    payload: bytes
    size: int


def check_sizes(producer: str, pseq: int, payloads: Sequence[bytes], kind: int, counts: Sequence[int] = ()) -> None:
    """Raises NotUnderstood for what the fields of a record cannot hold."""
    if kind not in (Kind.DATA, Kind.GAP, Kind.ALARM):
        raise NotUnderstood(f"{producer} appends a record of kind {kind}; it must be DATA, GAP or ALARM")
    if not 1 <= pseq <= _MAX_PSEQ - len(payloads):
        raise NotUnderstood(f"{producer} numbers its records {pseq}; the first is 1, the last {_MAX_PSEQ}")
    if len(producer) > MAX_NAME or not producer.isprintable():
        raise NotUnderstood(f"the producer {producer!r:.60} must have a printable name of at most {MAX_NAME} letters")
    if counts and len(counts) != len(payloads):
        raise NotUnderstood(f"{producer} counts {len(counts)} records and appends {len(payloads)}")
    if counts and not 0 <= min(counts) <= max(counts) <= MAX_COUNT:
        raise NotUnderstood(f"{producer} counts {max(counts)} samples in a record; {MAX_COUNT} are the most")
    largest = max(map(len, payloads), default=0)
    if largest > MAX_PAYLOAD_BYTES:
        raise NotUnderstood(f"{producer} appends {largest} bytes in a record; {MAX_PAYLOAD_BYTES} are the most")


def pack(
    seed: int,
    kind: int,
    payload: bytes,
    seq: int,
    time_ns: int,
    flags: int = 0,
    name: bytes = b"",
    pseq: int = 0,
    count: int = 0,
    span: int = 1,
    total: int = 0,
) -> tuple[bytes, bytes, bytes, bytes]:
    """The record in pieces, so that a batch of them is joined once."""
    rest = _REST.pack(kind, flags, len(name), pseq, seq, time_ns, count, span, total & MAX_COUNT)
    crc = crc32(payload, crc32(name, crc32(rest, crc32(MARKER, seed))))
    return _LEAD.pack(MARKER, 40 + len(name) + len(payload), crc), rest, name, payload


def pack_mark(offset_or_seq: int) -> bytes:
    """The payload of a MARK or a FLOOR."""
    return _MARK.pack(offset_or_seq)


def unpack_mark(payload: bytes) -> int:
    """Up to which offset the file was durable, or where the floor is; 0 from a record of another form."""
    offset: int = _MARK.unpack(payload)[0] if len(payload) == _MARK.size else 0
    return offset


def parse(block: bytes, at: int, seed: int) -> tuple[list[Entry], int]:
    """The whole records from `at` on, and the offset after them, where something else begins or the block ends."""
    entries: list[Entry] = []
    layout = _LAYOUTS.get(block[at : at + 4])
    if layout is None:
        return entries, at
    expected, head, missing, in_crc = layout
    seed = crc32(in_crc, seed)
    view, size, unpack, make, head_bytes = memoryview(block), len(block), head.unpack_from, tuple.__new__, head.size
    while at + head_bytes <= size:
        marker, length, crc, kind, flags, name_bytes, pseq, seq, time_ns, *more = unpack(block, at)
        end, body = at + LEAD_BYTES + length, at + head_bytes + name_bytes
        if marker != expected or not body <= end <= size or crc32(view[at + LEAD_BYTES : end], seed) != crc:
            break
        name = block[at + head_bytes : body].decode(errors="replace")
        count, span, total = more or missing
        fields = (kind, flags, name, pseq, seq, time_ns, count, span, total, block[body:end], end - at)
        entries.append(make(Entry, fields))
        at = end
    return entries, at


def promised_bytes(block: bytes) -> int:
    """How long the record at the head of the block says it is; 0 when there is no sign of a record."""
    if len(block) < LEAD_BYTES or block[:4] not in _LAYOUTS:
        return 0
    length: int = _LEAD.unpack_from(block)[1]
    return LEAD_BYTES + length


def markers(window: bytes) -> Iterator[int]:
    """Where in a window something begins that looks like a record, of whatever version."""
    at = window.find(_PREFIX)
    while at >= 0:
        yield at
        at = window.find(_PREFIX, at + 1)
