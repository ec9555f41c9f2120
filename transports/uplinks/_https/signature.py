"""A request's signature with a shared secret: HMAC-SHA256 (RFC 2104) over four lines: a decider.

    POST                                              the method
    /ingest/press-1?site=7                            path and query, as they stand in the request line
    Thu, 01 Jan 2026 00:00:00 GMT                     the header `date_header`, as it is sent
    9f86d081884c7d659a2feaa0c55ad015a3bf4f1b...       the header `digest_header`: SHA-256 of the body as it is sent,
                                                      so after `compress`; of nothing for a request without a body

The lines are joined by one newline (0x0A), without one at the end, and encoded as UTF-8; so is the secret, without the
newline at the end of its file. Digest and signature are hexadecimal in small letters, or base64 (RFC 4648, section 4)
with `encoding = "base64"`. The date is that of RFC 9110, section 5.6.7.
"""

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass
from email.utils import formatdate


@dataclass(frozen=True, slots=True)
class Words:
    """What of a request is signed: `target` is path and query, `date` as `http_date` writes it."""

    method: str
    target: str
    date: str
    body: bytes


def http_date(utc_ns: int) -> str:
    """A moment as HTTP writes it, such as "Thu, 01 Jan 2026 00:00:00 GMT"."""
    return formatdate(utc_ns // 1_000_000_000, usegmt=True)


def signed(words: Words, secret: str, encoding: str) -> tuple[str, str]:
    """The body's digest and the signature, both in this encoding ("hex" or "base64")."""
    digest = _written(hashlib.sha256(words.body).digest(), encoding)
    lines = "\n".join((words.method, words.target, words.date, digest))
    return digest, _written(hmac.digest(secret.encode(), lines.encode(), "sha256"), encoding)


def _written(octets: bytes, encoding: str) -> str:
    return octets.hex() if encoding == "hex" else b64encode(octets).decode()
