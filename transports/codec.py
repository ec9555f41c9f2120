"""Batches and gaps as bytes: what lies in a spool record and travels on the live feed.

A record's payload is one msgpack array; the first item names what it is and its version:

    ["b1", source, seq, tags, times, blocks, quality, window_ns, aggregate, thinned_to]
        tags     bin: msgpack [[name, type, unit], ...], packed apart so that a reader can remember it by its bytes
        times    bin: n x int64, little-endian, ns UTC
        blocks   {type: bin (n x k_type items, little-endian) | [item, ...]}; arrays are bins of 8-byte items
        quality  int | bin: n x k uint32, little-endian
    ["b2", form, source, seq, ...]  the same, with times, blocks of FIXED types and quality turned (columns.py), which
        only helps the compression: only in frames
    ["g1", source, reason, since_ns, until_ns, first_seq, last_seq, count, detail, aggregate, samples]

New fields are added at the end and have a default, so that older records are understood; they are left out where they
say nothing, so that what needs none of them can be read by an older version. Unknown kinds and damaged
payloads raise NotUnderstood; a payload is never guessed at. A frame of zstd around a payload is taken off.
"""

import struct
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import msgpack

from transports.errors import NotUnderstood
from transports.samples import ARRAYS, FIXED, Batch, DataType, Gap
from transports.tag_bytes import packed_tags, unpacked_tags

LEVEL = 1  # of zstd, for the spool: higher ones save some percent more, at several times the work
WORTHWHILE_BYTES = 512  # shorter ones are mostly names and numbers that do not repeat
MAX_FRAMED_BYTES = 32 * 1024 * 1024  # half of what is taken apart again (compression.py)
COLUMNS, PLANES = 0, 1  # columns.Form


def pack(item: Batch | Gap, level: int = 0) -> bytes:
    """The payload that `unpack` reads back, equal in every value.

    With a `level` of zstd it is in a frame, where that makes it smaller, a batch turned for it.
    """
    if isinstance(item, Gap):
        return _packed(_gap_fields(item))
    plain = _packed(_batch_fields(item))
    if not level or not item.tags or not WORTHWHILE_BYTES <= len(plain) <= MAX_FRAMED_BYTES:
        return plain
    return _smallest([_packed(_turned_fields(item, form)) for form in (COLUMNS, PLANES)], plain, level)


def compressed(payload: bytes, level: int = LEVEL) -> bytes:
    """A payload in a frame of zstd, or as it is where that is not smaller, and where it is one already."""
    if is_compressed(payload) or not WORTHWHILE_BYTES <= len(payload) <= MAX_FRAMED_BYTES:
        return payload
    return _smallest([payload], payload, level)


def is_compressed(payload: bytes | memoryview) -> bool:
    """Whether it is in a frame of zstd (RFC 8878, section 3.1.1)."""
    return payload[:4] == b"\x28\xb5\x2f\xfd"


def unpack(payload: bytes | memoryview) -> Batch | Gap:
    """A batch or a gap from its payload. Raises NotUnderstood, naming what is wrong, and nothing else."""
    if is_compressed(payload):
        from transports.compression import decompressed

        payload = decompressed(payload)
    try:
        kind, *fields = _unpacked(payload)
        if kind == "b1":
            return _batch(*fields)
        if kind == "b2":
            return _turned_batch(*fields)
        if kind == "g1":
            return _gap(*fields)
    except (ValueError, TypeError, KeyError, struct.error, OverflowError, msgpack.exceptions.UnpackException) as wrong:
        raise NotUnderstood(f"a damaged payload of {len(payload)} bytes: {wrong}") from wrong
    raise NotUnderstood(f"a payload of the unknown kind {kind!r:.20}; it was written by a newer version")


def _smallest(candidates: Sequence[bytes], plain: bytes, level: int) -> bytes:
    """The smallest of the frames of the candidates, or what is plain where none is smaller."""
    from transports.compression import compressed  # here, because most processes never need it

    return min((plain, *(compressed(each, level) for each in candidates)), key=len)


def _gap_fields(gap: Gap) -> list[Any]:
    fields = [
        "g1",
        gap.source,
        gap.reason,
        gap.since_ns,
        gap.until_ns,
        gap.first_seq,
        gap.last_seq,
        gap.count,
        gap.detail,
        gap.aggregate,
    ]
    return fields if gap.samples is None else [*fields, gap.samples]


def _batch_fields(batch: Batch) -> list[Any]:
    times = struct.pack(f"<{len(batch.times_ns)}q", *batch.times_ns)
    blocks = {int(kind): _packed_block(kind, block) for kind, block in batch.blocks.items()}
    return ["b1", *_fields(batch, times, blocks, batch.quality)]


def _turned_fields(batch: Batch, form: int) -> list[Any]:
    from transports.columns import Form, packed_times, turned

    n, form = len(batch.times_ns), Form(form)
    blocks = {
        int(kind): turned(block, n, FIXED[kind][1], form) if isinstance(block, bytes) else _packed_block(kind, block)
        for kind, block in batch.blocks.items()
    }
    quality = batch.quality if isinstance(batch.quality, int) else turned(batch.quality, n, 4, form)
    return ["b2", int(form), *_fields(batch, packed_times(batch.times_ns), blocks, quality)]


def _fields(batch: Batch, times: Any, blocks: Mapping[int, Any], quality: int | bytes) -> list[Any]:
    fields = [
        batch.source,
        batch.seq,
        packed_tags(batch.tags),
        times,
        blocks,
        quality,
        batch.window_ns,
        batch.aggregate,
    ]
    return [*fields, batch.thinned_to] if batch.thinned_to else fields


def _turned_batch(
    form: int,
    source: str,
    seq: int,
    tags: bytes,
    times: Any,
    blocks: Mapping[int, Any],
    quality: int | bytes,
    *more: Any,
) -> Batch:
    """A batch in one of the forms of columns.py."""
    from transports.columns import Form, turned_back, unpacked_times

    _check_types((form, int), (blocks, dict))
    form, most = Form(form), sum(map(len, blocks.values()))  # no batch has more scans than bytes or items
    times_ns = unpacked_times(times, most)
    n = len(times_ns)
    rows = {
        kind: turned_back(block, n, FIXED[DataType(kind)][1], form) if isinstance(block, bytes) else block
        for kind, block in blocks.items()
    }
    codes = turned_back(quality, n, 4, form) if isinstance(quality, bytes) else quality
    return _batch(source, seq, tags, struct.pack(f"<{n}q", *times_ns), rows, codes, *more)


def _batch(
    source: str,
    seq: int,
    tags: bytes,
    times: bytes,
    blocks: Mapping[int, bytes | tuple[Any, ...]],
    quality: int | bytes,
    window_ns: int,
    aggregate: str = "",
    thinned_to: int = 0,
) -> Batch:
    _check_types((source, str), (seq, int), (blocks, dict), (quality, (int, bytes)), (window_ns, int), (aggregate, str))
    _check_types((thinned_to, int))
    times_ns = struct.unpack(f"<{len(times) // 8}q", times)
    batch = Batch(
        source,
        seq,
        unpacked_tags(tags),
        times_ns,
        {DataType(kind): _unpacked_block(DataType(kind), block) for kind, block in blocks.items()},
        quality,
        window_ns,
        aggregate,
        thinned_to,
    )
    _check_shape(batch)
    return batch


def _gap(*fields: Any) -> Gap:
    gap = Gap(*fields)
    _check_types(
        (gap.source, str),
        (gap.reason, str),
        (gap.detail, str),
        (gap.aggregate, str),
        (gap.since_ns, int),
        (gap.until_ns, int),
    )
    _check_types(*((known, (int, NoneType)) for known in (gap.first_seq, gap.last_seq, gap.count, gap.samples)))
    return gap


def _check_types(*promised: tuple[Any, type | tuple[type, ...]]) -> None:
    for value, wanted in promised:
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise TypeError(f"{value!r:.40} is not of the type that stands in its place")


def _check_shape(batch: Batch) -> None:
    """Every block has exactly the items that tags and times promise: a reader need not look again."""
    n, k = len(batch.times_ns), len(batch.tags)
    promised: dict[DataType, int] = {}
    for tag in batch.tags:
        promised[tag.type] = promised.get(tag.type, 0) + n
    if batch.blocks.keys() != promised.keys():
        raise ValueError("the blocks are not of the types that the tags have")
    for kind, count in promised.items():
        size = FIXED[kind][1] if kind in FIXED else 1
        if len(batch.blocks[kind]) != count * size:
            raise ValueError(f"the block of {kind.name} does not fit {n} scans of {k} tags")
    if isinstance(batch.quality, int):
        struct.pack("<I", batch.quality)
    elif len(batch.quality) != n * k * 4:
        raise ValueError(f"the status codes do not fit {n} scans of {k} tags")


def _packed_block(kind: DataType, block: bytes | list[Any]) -> bytes | list[Any]:
    letter = ARRAYS.get(kind)
    if letter is None or isinstance(block, bytes):
        return block
    return [struct.pack(f"<{len(item)}{letter}", *item) for item in block]


def _unpacked_block(kind: DataType, block: bytes | tuple[Any, ...]) -> bytes | list[Any]:
    if not isinstance(block, bytes if kind in FIXED else tuple):
        raise TypeError(f"the block of {kind.name} has the wrong form")
    if isinstance(block, bytes):
        return block
    letter = ARRAYS.get(kind)
    if letter is None:
        _check_types(*((item, str if kind is DataType.STRING else bytes) for item in block))
        return list(block)
    return [struct.unpack(f"<{len(item) // 8}{letter}", item) for item in block]


def _unpacked(payload: bytes | memoryview) -> Any:
    return msgpack.unpackb(payload, use_list=False, strict_map_key=False)


def _packed(item: Any) -> bytes:
    packed: bytes = msgpack.packb(item)
    return packed
