"""BTHome v2: the service data of UUID 0xFCD2.

    0            1 ...                                      end
    device info  [MAC, 6 bytes, where bit 1 says so]  id value  id value ...
    bits 5-7: version 2, bit 2: talks on events only, bit 1: has its MAC, bit 0: encrypted

Encrypted, the objects are AES-CCM, followed by a counter (4 bytes, little-endian) and a tag of 4 bytes; see
bthome_cipher.py. The source is bthome.io. An object that comes twice has a number in its name: temperature,
temperature_2. An object of an unknown id hides all that follow it, since nobody knows how long it is.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from transports.ble.bthome_objects import MEASURES, OBJECTS, PACKET_ID, TO_THE_LENGTH
from transports.ble.said import Numbering, Said
from transports.errors import NotUnderstood
from transports.samples import Tag, Value

SERVICE = "0000fcd2-0000-1000-8000-00805f9b34fb"
_ENCRYPTED, _HAS_MAC = 0x01, 0x02
_VERSION = 2
_SEALED_TAIL_BYTES = 8


class Opener(Protocol):
    """Opens what a peripheral sealed."""

    def open(self, info: int, mac: bytes, sealed: bytes, counter: bytes, tag: bytes) -> bytes:
        """The objects in the clear; `mac` is empty where the packet has none. Raises NotUnderstood."""
        ...


def decode(data: bytes, opener: Opener | None = None) -> Said:
    """What service data says. With an opener only sealed data is believed. Raises NotUnderstood."""
    if not data or data[0] >> 5 != _VERSION:
        raise NotUnderstood(f"{data[:4].hex(' ')} ...: not version 2 of BTHome")
    at = 7 if data[0] & _HAS_MAC else 1
    mac, body = data[1:at][::-1], data[at:]
    if len(data) < at:
        raise NotUnderstood(f"{len(data)} bytes: ends within its MAC")
    if not data[0] & _ENCRYPTED:
        if opener is not None:
            raise NotUnderstood("is not encrypted though there is a bindkey: anybody may have sent it")
        return _said(body)
    if opener is None:
        raise NotUnderstood("is encrypted; give its bindkey")
    if len(body) < _SEALED_TAIL_BYTES:
        raise NotUnderstood(f"{len(data)} bytes: too short to be encrypted")
    sealed, counter, tag = body[:-8], body[-8:-4], body[-4:]
    values = _said(opener.open(data[0], mac, sealed, counter, tag)).values
    return Said(values, Numbering.COUNTER, int.from_bytes(counter, "little"))


def tag_of(measure: str) -> Tag | None:
    """The tag of a measure's name, `temperature` or `temperature_2`; None where BTHome has none."""
    base, _, number = measure.rpartition("_")
    if measure in MEASURES:
        return MEASURES[measure]
    if base in MEASURES and number.isdecimal() and number.isascii() and number[0] != "0" and int(number) > 1:
        return Tag(measure, MEASURES[base].type, MEASURES[base].unit)
    return None


@dataclass(frozen=True, slots=True)
class _Piece:
    code: int
    data: bytes


def _said(body: bytes) -> Said:
    values: list[tuple[Tag, Value | None]] = []
    packet: int | None = None
    seen: Counter[str] = Counter()
    for piece in _pieces(body):
        if piece.code == PACKET_ID:
            packet = piece.data[0]
        kind = OBJECTS[piece.code]
        seen.update(tag.name for tag in kind.tags)
        for tag, value in zip(kind.tags, kind.values(piece.data), strict=False):  # an event of "none" has no values
            values.append((_numbered(tag, seen[tag.name]), value))
    return Said(tuple(values), Numbering.NONE if packet is None else Numbering.PACKET, packet or 0)


def _numbered(tag: Tag, number: int) -> Tag:
    return tag if number == 1 else Tag(f"{tag.name}_{number}", tag.type, tag.unit)


def _pieces(body: bytes) -> Iterator[_Piece]:
    at = 0
    while at < len(body) and body[at] in OBJECTS:
        code, begin = body[at], at + 1
        size = OBJECTS[code].size
        if size == TO_THE_LENGTH:
            size, begin = _length(body, begin), begin + 1
        at = begin + size
        if at > len(body):
            raise NotUnderstood(f"{len(body)} bytes end within object 0x{code:02x}")
        yield _Piece(code, body[begin:at])


def _length(body: bytes, at: int) -> int:
    if at == len(body):
        raise NotUnderstood(f"{len(body)} bytes end before the length of object 0x{body[-1]:02x}")
    return body[at]
