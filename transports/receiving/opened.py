"""A payload as it was before it was packed: decompressed by its first bytes, then JSON or MessagePack.

1F 8B gzip, 28 B5 2F FD zstd, 5B or 7B JSON (`[`, `{`), 80-9F and DC-DF MessagePack's arrays and maps. Nothing expands
to more than 64 MiB, whatever it says of itself.
"""

import zlib
from typing import Any

import msgpack
import orjson

from transports.compression import MAX_CONTENT_BYTES, decompressed
from transports.errors import NotUnderstood

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_GZIP_WINDOW = 31  # 15 bits of window, and 16 for gzip's own header (zlib's manual, inflateInit2)
_UNPACKING = (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException)
_CURE = "give the uplink payload = json, json_columns or msgpack"


def opened(payload: bytes) -> Any:
    """Plain values. Raises NotUnderstood with the reason for anything else."""
    plain = _decompressed(payload)
    if not plain:
        raise NotUnderstood("an empty message")
    if plain[:1] in b"[{ \t\r\n":
        return _json(plain)
    if 0x80 <= plain[0] <= 0x9F or 0xDC <= plain[0] <= 0xDF:
        return _msgpack(plain)
    raise NotUnderstood(f"neither JSON nor MessagePack: it begins with {plain[:8].hex(' ')}; {_CURE}")


def _json(plain: bytes) -> Any:
    try:
        return orjson.loads(plain)
    except orjson.JSONDecodeError as wrong:
        raise NotUnderstood(f"it is no JSON: {wrong}") from wrong


def _msgpack(plain: bytes) -> Any:
    try:
        return msgpack.unpackb(plain, strict_map_key=False)
    except _UNPACKING as wrong:
        raise NotUnderstood(f"it is no MessagePack: {wrong!r:.80}") from wrong


def _decompressed(payload: bytes) -> bytes:
    if payload.startswith(_GZIP):
        return _gunzipped(payload)
    return decompressed(payload) if payload.startswith(_ZSTD) else payload


def _gunzipped(payload: bytes) -> bytes:
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = inflater.decompress(payload, MAX_CONTENT_BYTES)
    except zlib.error as wrong:
        raise NotUnderstood(f"it is damaged gzip: {wrong}") from wrong
    if inflater.unconsumed_tail:
        raise NotUnderstood(f"gzip of more than {MAX_CONTENT_BYTES} bytes")
    if not inflater.eof or inflater.unused_data:
        raise NotUnderstood("it is gzip that was cut off, or has something behind it")
    return plain
