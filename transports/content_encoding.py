"""A payload made smaller: `compress = "none" | "gzip" | "zstd"`, over any format, from a few hundred bytes on.

The same payload always becomes the same bytes: gzip's header has no time in it (RFC 1952, section 2.3.1), and a zstd
frame tells the length of its content (RFC 8878) and needs no more than the 8 MiB of window that a receiver must have
(RFC 9659).
"""

import gzip
from typing import Final, NamedTuple

from transports.compression import compressed as framed
from transports.errors import UplinkRefused

NONE: Final = "none"
CHOICES: Final = (NONE, "gzip", "zstd")
LEAST_BYTES = 256  # headers around a message weigh more than what could be saved of a smaller one
GZIP_LEVEL = 6
ZSTD_LEVEL = 3


class Body(NamedTuple):
    """What travels. `encoding` is the name that HTTP has for it (RFC 9110, section 8.4.1; RFC 8878, section 7.2), ""
    where nothing is compressed."""

    octets: bytes
    encoding: str = ""


def compressed(payload: bytes, how: str) -> Body:
    """The payload as one of CHOICES makes it. Raises UplinkRefused for one that is too large for a frame."""
    if how == NONE or len(payload) < LEAST_BYTES:
        return Body(payload)
    match how:
        case "gzip":
            return Body(gzip.compress(payload, GZIP_LEVEL, mtime=0), how)
        case "zstd":
            return Body(_framed(payload), how)
    raise ValueError(f"{how!r} is not one of {', '.join(CHOICES)}")


def _framed(payload: bytes) -> bytes:
    try:
        return framed(payload, ZSTD_LEVEL)
    except ValueError as wrong:
        raise UplinkRefused(f"too large to be compressed, make batch_bytes smaller: {wrong}") from wrong
