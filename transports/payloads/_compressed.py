"""A payload made smaller: `compress = "none" | "gzip" | "zstd"`, over any format, and how HTTP calls that.

The same payload always becomes the same bytes: gzip's header has no time in it (RFC 1952, section 2.3.1), and a zstd
frame tells the length of its content (RFC 8878) and needs no more than the 8 MiB of window that a receiver must have
(RFC 9659).
"""

import gzip
from collections.abc import Mapping
from typing import Final

from transports.compression import compressed as framed
from transports.errors import UplinkRefused

NONE: Final = "none"
CHOICES: Final = (NONE, "gzip", "zstd")
# The value of Content-Encoding (RFC 9110, section 8.4.1; RFC 8878, section 7.2); none has no such header.
CONTENT_ENCODING: Mapping[str, str] = {"gzip": "gzip", "zstd": "zstd"}
GZIP_LEVEL = 6
ZSTD_LEVEL = 3


def compressed(payload: bytes, how: str) -> bytes:
    """The payload as one of CHOICES makes it. Raises UplinkRefused for one that is too large for a frame."""
    match how:
        case "none":
            return payload
        case "gzip":
            return gzip.compress(payload, GZIP_LEVEL, mtime=0)
        case "zstd":
            return _framed(payload)
    raise ValueError(f"{how!r} is not one of {', '.join(CHOICES)}")


def _framed(payload: bytes) -> bytes:
    try:
        return framed(payload, ZSTD_LEVEL)
    except ValueError as wrong:
        raise UplinkRefused(f"too large to be compressed: {wrong}") from wrong
