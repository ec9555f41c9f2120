"""NATS' nkeys: the Ed25519 key of a user as text, and the signature of a server's nonce.

    seed  "SU..."  base32 without padding of: 2 bytes of prefix, 32 bytes of seed, CRC-16 (XMODEM), low byte first
    user  "U..."   the same of: 1 byte of prefix, 32 bytes of public key, CRC-16

Source: NATS documentation, "NKeys", and ADR-14 "JWT library free jwt user generation". NATS' own package for Python has
no wheel.
"""

import base64
import binascii
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from transports.errors import NotUnderstood

_SEED, _USER = 18 << 3, 20 << 3  # "S" and "U" as the first five bits
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class UserKey:
    """A user's key pair: its public name, and what signs."""

    public: str
    private: Ed25519PrivateKey = field(repr=False)

    def signature(self, nonce: str) -> bytes:
        """What the server wants to see for its nonce, in base64."""
        return base64.b64encode(self.private.sign(nonce.encode()))


def user_key(seed: str) -> UserKey:
    """Of a seed that begins with SU. Raises NotUnderstood, which does not show the seed."""
    raw = _decoded(seed.strip())
    if len(raw) != 2 + _KEY_BYTES or raw[0] & 0xF8 != _SEED or (raw[0] & 7) << 5 | raw[1] >> 3 != _USER:
        raise NotUnderstood("it is no seed of a user; it must begin with SU")
    private = Ed25519PrivateKey.from_private_bytes(raw[2:])
    return UserKey(_encoded(bytes([_USER]) + private.public_key().public_bytes_raw()), private)


def _decoded(text: str) -> bytes:
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError) as wrong:
        raise NotUnderstood("it is no base32; a seed is 58 letters and digits that begin with SU") from wrong
    if len(raw) < 3 or binascii.crc_hqx(raw[:-2], 0) != int.from_bytes(raw[-2:], "little"):
        raise NotUnderstood("its checksum is wrong: was a letter changed, or something cut off?")
    return raw[:-2]


def _encoded(raw: bytes) -> str:
    whole = raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(whole).decode().rstrip("=")
