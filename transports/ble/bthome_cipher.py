"""What BTHome v2 seals: AES-CCM with a key of 16 bytes, a tag of 4, and a nonce that nobody needs to send.

nonce = MAC (6, as printed) + D2 FC + device info (1) + counter (4, as sent)
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from transports.errors import NotUnderstood

_UUID = bytes.fromhex("d2fc")
_TAG_BYTES = 4


class Cipher:
    """Opens and seals for one peripheral. `key` is 32 hexadecimal digits; raises ValueError for anything else."""

    def __init__(self, key: str, address: str) -> None:
        bare = bytes.fromhex(key.strip())
        if len(bare) != 16:
            raise ValueError(f"a bindkey has 32 hexadecimal digits, not {2 * len(bare)}")
        self._aes, self._mac = AESCCM(bare, tag_length=_TAG_BYTES), bytes.fromhex(address.replace(":", ""))

    def open(self, info: int, mac: bytes, sealed: bytes, counter: bytes, tag: bytes) -> bytes:
        """The objects in the clear. Raises NotUnderstood where the key is another's or the data was tampered with."""
        try:
            return self._aes.decrypt(self._nonce(info, mac, counter), sealed + tag, None)
        except InvalidTag as wrong:
            raise NotUnderstood("cannot be decrypted; is the bindkey that of this device?") from wrong

    def seal(self, info: int, objects: bytes, counter: int) -> bytes:
        """The service data that a peripheral sends: device info, sealed objects, counter, tag."""
        number = counter.to_bytes(4, "little")
        sealed = self._aes.encrypt(self._nonce(info, b"", number), objects, None)
        return bytes([info]) + sealed[:-_TAG_BYTES] + number + sealed[-_TAG_BYTES:]

    def _nonce(self, info: int, mac: bytes, counter: bytes) -> bytes:
        return (mac or self._mac) + _UUID + bytes([info]) + counter
