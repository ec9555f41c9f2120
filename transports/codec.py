"""Batches and gaps as bytes: what lies in a spool record and travels on the live feed.

A record's payload is one msgpack array; the first item names what it is and its version:

    ["b1", source, seq, tags, times, blocks, quality, window_ns, aggregate]
        tags     bin: msgpack [[name, type, unit], ...], packed apart so that a reader can remember it by its bytes
        times    bin: n x int64, little-endian, ns UTC
        blocks   {type: bin (n x k_type items, little-endian) | [item, ...]}; arrays are bins of 8-byte items
        quality  int | bin: n x k uint32, little-endian
    ["g1", source, reason, since_ns, until_ns, first_seq, last_seq, count, detail, aggregate]

New fields are added at the end and have a default, so that older records are understood. Unknown kinds and damaged
payloads raise NotUnderstood; a payload is never guessed at.
"""

import struct
from collections.abc import Mapping
from functools import lru_cache
from types import NoneType
from typing import Any

import msgpack

from transports.errors import NotUnderstood
from transports.samples import ARRAYS, FIXED, Batch, DataType, Gap, Tag

_announced: dict[int, tuple[tuple[Tag, ...], bytes]] = {}


def pack(item: Batch | Gap) -> bytes:
    """The payload that `unpack` reads back, equal in every value."""
    if isinstance(item, Gap):
        fields = (
            item.source,
            item.reason,
            item.since_ns,
            item.until_ns,
            item.first_seq,
            item.last_seq,
            item.count,
            item.detail,
            item.aggregate,
        )
        return _packed(["g1", *fields])
    n = len(item.times_ns)
    return _packed(
        [
            "b1",
            item.source,
            item.seq,
            _packed_tags(item.tags),
            struct.pack(f"<{n}q", *item.times_ns),
            {int(kind): _packed_block(kind, block) for kind, block in item.blocks.items()},
            item.quality,
            item.window_ns,
            item.aggregate,
        ]
    )


def unpack(payload: bytes | memoryview) -> Batch | Gap:
    """A batch or a gap from its payload. Raises NotUnderstood, naming what is wrong, and nothing else."""
    try:
        kind, *fields = _unpacked(payload)
        if kind == "b1":
            return _batch(*fields)
        if kind == "g1":
            return _gap(*fields)
    except (ValueError, TypeError, KeyError, struct.error, msgpack.exceptions.UnpackException) as wrong:
        raise NotUnderstood(f"a damaged payload of {len(payload)} bytes: {wrong}") from wrong
    raise NotUnderstood(f"a payload of the unknown kind {kind!r:.20}; it was written by a newer version")


def _batch(
    source: str,
    seq: int,
    tags: bytes,
    times: bytes,
    blocks: Mapping[int, bytes | tuple[Any, ...]],
    quality: int | bytes,
    window_ns: int,
    aggregate: str = "",
) -> Batch:
    _check_types((source, str), (seq, int), (blocks, dict), (quality, (int, bytes)), (window_ns, int), (aggregate, str))
    times_ns = struct.unpack(f"<{len(times) // 8}q", times)
    batch = Batch(
        source,
        seq,
        _unpacked_tags(tags),
        times_ns,
        {DataType(kind): _unpacked_block(DataType(kind), block) for kind, block in blocks.items()},
        quality,
        window_ns,
        aggregate,
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
    _check_types(*((known, (int, NoneType)) for known in (gap.first_seq, gap.last_seq, gap.count)))
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


def _packed_tags(tags: tuple[Tag, ...]) -> bytes:
    known = _announced.get(id(tags))  # by identity: hashing a thousand tags costs more than packing their scan
    if known is not None and known[0] is tags:
        return known[1]
    packed = _packed([[tag.name, int(tag.type), tag.unit] for tag in tags])
    if len(_announced) >= 256:
        _announced.clear()
    _announced[id(tags)] = (tags, packed)
    return packed


@lru_cache(maxsize=256)
def _unpacked_tags(packed: bytes) -> tuple[Tag, ...]:
    tags = tuple(Tag(name, DataType(kind), unit) for name, kind, unit in msgpack.unpackb(packed))
    _check_types(*((text, str) for tag in tags for text in (tag.name, tag.unit)))
    return tags
