"""What an HTTP request says of its body: what it is, and the key by which it is known: a decider.

The key of a message that is sent again, for its answer was lost, is the same: SHA-256 in hexadecimal over what its
records are (their dedupe keys) or, where nobody told, over the payload, which has those in it. What is sent in the
place of a refused message has another key.
"""

import hashlib

from transports.uplinks import Identity, Outgoing

_INSTEAD = "\ninstead"


def digest_of(message: Outgoing) -> bytes:
    """What tells one payload from another."""
    return hashlib.sha256(message.payload).digest()


def idempotency_key(identity: Identity, message: Outgoing, digest: bytes) -> str:
    """64 hexadecimal digits: by what the message is known when it comes again."""
    if not message.records:
        return digest.hex()
    records = " ".join(f"{record.topic}/{record.epoch}/{record.seq}" for record in message.records)
    named = "\n".join((identity.gateway, message.fields["device"], records))
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()


def key_instead(key: str) -> str:
    """The key of what is sent in the place of a refused message."""
    return hashlib.sha256((key + _INSTEAD).encode()).hexdigest()


def content_type(said: str, message: Outgoing) -> str:
    """What the body is: as the configuration says, else as the message says."""
    return said or message.content_type or "application/octet-stream"
