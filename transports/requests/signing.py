"""Ed25519 keys: reading them, signing a request's text, and whether a signature fits.

A public key is base64 of its 32 bytes, or PEM; a private one is PEM (PKCS 8, not encrypted), as openssl makes them:
`openssl genpkey -algorithm ed25519`. Needs `cryptography`; only who signs or checks imports this.
"""

import base64
import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from transports.errors import NotUnderstood
from transports.requests.envelope import SEAL, sealed

_IS_NONE = "is no Ed25519 public key; write the base64 of its 32 bytes, or PEM: holdfast request --new-key FILE"


def public_key(text: str) -> Ed25519PublicKey:
    """The key that the text is. Raises NotUnderstood with the cure."""
    try:
        if text.lstrip().startswith("-----BEGIN"):
            key = serialization.load_pem_public_key(text.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise NotUnderstood(_IS_NONE)
            return key
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.strip(), validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as wrong:
        raise NotUnderstood(_IS_NONE) from wrong


def fits(key: Ed25519PublicKey, text: bytes, signature: bytes) -> bool:
    """Whether the signature is that key's, of exactly these bytes."""
    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def new_pair() -> tuple[bytes, str]:
    """A private key as PEM, and its public key as base64."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, base64.b64encode(key.public_key().public_bytes_raw()).decode()


def signed(text: str, private_pem: bytes) -> bytes:
    """The message that carries this request's text. Raises NotUnderstood for what is no private key."""
    try:
        key = serialization.load_pem_private_key(private_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as wrong:
        raise NotUnderstood("is no private key in PEM without a password; holdfast request --new-key FILE") from wrong
    if not isinstance(key, Ed25519PrivateKey):
        raise NotUnderstood("is no Ed25519 key; holdfast request --new-key FILE")
    return sealed(text, key.sign(SEAL + text.encode()))
