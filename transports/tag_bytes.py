"""Tags as bytes: msgpack [[name, type, unit], ...], packed and read once for as long as they stay the same.

A device announces its tags once and brings them with each batch; so most batches find theirs here.
"""

from functools import lru_cache

import msgpack

from transports.samples import DataType, Tag

_REMEMBERED_MOST = 256
_announced: dict[int, tuple[tuple[Tag, ...], bytes]] = {}


def packed_tags(tags: tuple[Tag, ...]) -> bytes:
    """The bytes of some tags; by their identity, as hashing a thousand tags costs more than packing their scan."""
    known = _announced.get(id(tags))
    if known is not None and known[0] is tags:
        return known[1]
    packed: bytes = msgpack.packb([[tag.name, int(tag.type), tag.unit] for tag in tags])
    if len(_announced) >= _REMEMBERED_MOST:
        _announced.clear()
    _announced[id(tags)] = (tags, packed)
    return packed


@lru_cache(maxsize=_REMEMBERED_MOST)
def unpacked_tags(packed: bytes) -> tuple[Tag, ...]:
    """The tags again, the same tuple for the same bytes. Raises ValueError, TypeError, msgpack's own."""
    tags = tuple(Tag(name, DataType(kind), unit) for name, kind, unit in msgpack.unpackb(packed))
    if not all(isinstance(text, str) for tag in tags for text in (tag.name, tag.unit)):
        raise TypeError("the name or the unit of a tag is no text")
    return tags
