"""Checksums at a frame's end: verified and cut off, or made for what is sent.

name           is                                             bytes, on the wire unless told otherwise
crc16-modbus   polynomial 8005 reflected, from FFFF           2, low byte first
crc16-ccitt    polynomial 1021, from FFFF ("CCITT-FALSE")     2, high byte first
crc16-xmodem   polynomial 1021, from 0000                     2, high byte first
crc32          of Ethernet and ZIP (IEEE 802.3)               4, high byte first
sum8           sum of all bytes, modulo 256                   1
xor8           all bytes, exclusive or                        1
lrc            sum8, negated (two's complement)               1
nmea           xor8 of what lies between "$" and "*"          2 hexadecimal digits behind the "*"
"""

import binascii
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Literal

Form = Literal["big", "little", "hex"]


def _modbus_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_MODBUS = _modbus_table()


def _crc16_modbus(data: bytes) -> int:
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _MODBUS[(crc ^ byte) & 0xFF]
    return crc


def _crc16_ccitt(data: bytes) -> int:
    return binascii.crc_hqx(data, 0xFFFF)


def _crc16_xmodem(data: bytes) -> int:
    return binascii.crc_hqx(data, 0)


def _sum8(data: bytes) -> int:
    return sum(data) & 0xFF


def _xor8(data: bytes) -> int:
    return reduce(xor, data, 0)


def _lrc(data: bytes) -> int:
    return -sum(data) & 0xFF


# how it is counted, how many bytes it has, in which form it is written unless told otherwise
_KINDS: Mapping[str, tuple[Callable[[bytes], int], int, Form]] = {
    "crc16-modbus": (_crc16_modbus, 2, "little"),
    "crc16-ccitt": (_crc16_ccitt, 2, "big"),
    "crc16-xmodem": (_crc16_xmodem, 2, "big"),
    "crc32": (zlib.crc32, 4, "big"),
    "sum8": (_sum8, 1, "big"),
    "xor8": (_xor8, 1, "big"),
    "lrc": (_lrc, 1, "big"),
}
NAMES = (*_KINDS, "nmea", "none")


@dataclass(frozen=True, slots=True)
class Checksum:
    """One of the kinds, in the form in which it stands behind what it covers."""

    name: str
    form: Form | None = None

    def appended(self, payload: bytes) -> bytes:
        """The payload and its checksum."""
        if self.name == "nmea":
            return payload + b"*%02X" % _xor8(payload.removeprefix(b"$").removeprefix(b"!"))
        count, length, form = self._parts
        number = count(payload)
        return payload + (b"%0*X" % (2 * length, number) if form == "hex" else number.to_bytes(length, form))

    def verified(self, frame: bytes) -> bytes | None:
        """What stands before the checksum; None when it is not the right one or not there."""
        if self.name == "nmea":
            return _verified_nmea(frame)
        _, _, form = self._parts
        if form == "hex":
            frame = frame.rstrip(b"\r\n")
        payload, said = frame[: -self.length], frame[-self.length :]
        right = self.appended(payload)[len(payload) :]
        return payload if right == (said.upper() if form == "hex" else said) else None

    @property
    def length(self) -> int:
        """How many bytes it has at the frame's end."""
        if self.name == "nmea":
            return 3
        _, length, form = self._parts
        return 2 * length if form == "hex" else length

    @property
    def _parts(self) -> tuple[Callable[[bytes], int], int, Form]:
        count, length, form = _KINDS[self.name]
        return count, length, self.form or form


def _verified_nmea(frame: bytes) -> bytes | None:
    """NMEA 0183: "$" or "!", the sentence, "*", two digits. A line's end behind them does not matter."""
    payload, star, digits = frame.rstrip(b"\r\n").rpartition(b"*")
    if not star or len(digits) != 2 or payload[:1] not in (b"$", b"!"):
        return None
    return payload if digits.upper() == b"%02X" % _xor8(payload[1:]) else None


def checksum_of(name: str, form: Form | None = None) -> Checksum | None:
    """The checksum of that name; None for "none"."""
    return None if name == "none" else Checksum(name, form)
