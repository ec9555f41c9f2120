"""A message as an HTTP request carries it: its body, what the body is, and the key that it is known by: a decider.

The key of a message that is sent again, for its answer was lost, is the same: SHA-256 in hexadecimal over what its
records are (`records` in the message's fields: their dedupe keys) or, where nobody told, over the payload, which has
those in it. What is sent in the place of a refused message has another key.
"""

import gzip
import hashlib
from dataclasses import dataclass

from transports.compression import MAX_CONTENT_BYTES, compressed
from transports.errors import UplinkRefused
from transports.uplinks import Identity, Outgoing

LEAST_BYTES = 256  # the headers weigh more than what could be saved of a smaller body
_GZIP_LEVEL, _ZSTD_LEVEL = 6, 3
_INSTEAD = "\ninstead"


@dataclass(frozen=True, slots=True)
class Body:
    """What travels: `coding` is "" where nothing is compressed."""

    octets: bytes
    coding: str


def digest_of(message: Outgoing) -> bytes:
    """What tells one payload from another."""
    return hashlib.sha256(message.payload).digest()


def idempotency_key(identity: Identity, message: Outgoing, digest: bytes) -> str:
    """64 hexadecimal digits: by what the message is known when it comes again."""
    if "records" not in message.fields:
        return digest.hex()
    named = "\n".join((identity.gateway, message.fields["device"], message.fields["records"]))
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()


def key_instead(key: str) -> str:
    """The key of what is sent in the place of a refused message."""
    return hashlib.sha256((key + _INSTEAD).encode()).hexdigest()


def content_type(said: str, message: Outgoing) -> str:
    """What the body is: as the configuration says, else as the message says, else what its first byte shows."""
    if said or "content_type" in message.fields:
        return said or message.fields["content_type"]
    first = message.payload[0] if message.payload else 0
    if first in b"[{":
        return "application/json"
    # A list or a map in MessagePack; no text begins so.
    is_msgpack = first >> 5 == 0b100 or first in b"\xdc\xdd\xde\xdf"
    return "application/vnd.msgpack" if is_msgpack else "application/octet-stream"


def body_of(payload: bytes, compress: str) -> Body:
    """The payload in its content coding (RFC 9110, section 8.4.1; zstd: RFC 8878). Raises UplinkRefused."""
    if compress == "none" or len(payload) < LEAST_BYTES:
        return Body(payload, "")
    if compress == "gzip":
        return Body(gzip.compress(payload, _GZIP_LEVEL, mtime=0), "gzip")
    if len(payload) > MAX_CONTENT_BYTES:
        raise UplinkRefused(
            f"a message of {len(payload)} bytes; zstd takes {MAX_CONTENT_BYTES}: make batch_bytes smaller"
        )
    return Body(compressed(payload, _ZSTD_LEVEL), "zstd")
