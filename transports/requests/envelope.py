"""How a request comes: open, as the JSON object itself, or sealed, as the exact text that was signed. Pure.

    {"id": "7", "verb": "write", "device": "press-1", "tag": "setpoint", "value": 12.5}               open
    {"signed": "{\"id\": \"7\", ...}", "signature": "<base64 of 64 bytes>"}                           sealed

The signature is Ed25519 over SEAL and the UTF-8 bytes of the text as it stands between the quotes once JSON is undone:
nothing has to be put in a canonical order, and what is executed is what was signed.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transports.errors import NotUnderstood
from transports.requests.request import Request, id_of, request_of
from transports.requests.words import parsed

SEAL = b"holdfast request 1\n"  # so that a signature made for anything else is none here
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Opened:
    """A request, the bytes that its signature must fit, and the signature (None: it is open)."""

    request: Request
    text: bytes
    signature: bytes | None = None

    @property
    def digest(self) -> str:
        """Tells one text from another."""
        return hashlib.sha256(self.text).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What came is no request, and why; `id` is what it was called, if it said so. To an answer, which came back on a
    topic that has both, there is none."""

    why: str
    id: str = ""
    is_answer: bool = False


def opened(body: bytes) -> Opened | Unreadable:
    """What came, read strictly. Nothing is believed yet."""
    said: Mapping[str, Any] = {}
    try:
        said = parsed(body)
        if "signed" not in said:
            return Opened(request_of(said), body)
        text, signature = _sealed(said)
        said = parsed(text)
        return Opened(request_of(said), SEAL + text, signature)
    except NotUnderstood as wrong:
        return Unreadable(str(wrong), id_of(said), is_answer="result" in said and "verb" not in said)


def sealed(text: str, signature: bytes) -> bytes:
    """The message that carries a signed text."""
    said = {"signed": text, "signature": base64.b64encode(signature).decode()}
    return json.dumps(said, ensure_ascii=False).encode()


def _sealed(said: Mapping[str, Any]) -> tuple[bytes, bytes]:
    if set(said) != {"signed", "signature"}:
        raise NotUnderstood("a signed request has the members signed and signature, and no other")
    text, coded = said["signed"], said["signature"]
    if not isinstance(text, str) or not isinstance(coded, str):
        raise NotUnderstood("signed and signature: must be texts")
    try:
        signature = base64.b64decode(coded, validate=True)
        exact = text.encode()
    except (binascii.Error, ValueError) as wrong:  # also half a character
        raise NotUnderstood("signature: must be base64, and signed must be UTF-8") from wrong
    if len(signature) != SIGNATURE_BYTES:
        raise NotUnderstood(f"signature: has {len(signature)} bytes, and one of Ed25519 has {SIGNATURE_BYTES}")
    return exact, signature
