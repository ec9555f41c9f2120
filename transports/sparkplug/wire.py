"""Protocol buffers on the wire: fields of scalars, and no more.

    field      key, then content       key = varint(number << 3 | kind)
    kind 0     varint                  7 bits a byte, the lowest first, the highest bit says that more follow
         1     8 bytes little-endian   double, fixed64
         2     varint n, then n bytes  string, bytes, a message
         5     4 bytes little-endian   float, fixed32

https://protobuf.dev/programming-guides/encoding/. Kinds 3 and 4 (groups) are long deprecated and not understood.
"""

import struct
from collections.abc import Iterator

from transports.errors import NotUnderstood

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MASK64 = (1 << 64) - 1
_NUMBER_MOST = (1 << 29) - 1
_FIXED = {FIXED64: 8, FIXED32: 4}
_ONE_BYTE = [bytes([n]) for n in range(0x80)]


def varint(number: int) -> bytes:
    """A number of 0 to 2^64 - 1."""
    if number < 0x80:
        return _ONE_BYTE[number]
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def key(number: int, kind: int) -> bytes:
    """What stands before a field's content."""
    return varint(number << 3 | kind)


def number_field(number: int, value: int) -> bytes:
    """An unsigned number, or a bool as 0 or 1."""
    return key(number, VARINT) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """A string's UTF-8, bytes, or a message."""
    return key(number, BYTES) + varint(len(value)) + value


def double_field(number: int, value: float) -> bytes:
    """A 64-bit float."""
    return key(number, FIXED64) + struct.pack("<d", value)


def float_field(number: int, value: float) -> bytes:
    """A 32-bit float. Raises OverflowError when it is too large for one."""
    return key(number, FIXED32) + struct.pack("<f", value)


def fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, kind, content) in the message's order: varints as numbers, everything else as its bytes.

    Raises NotUnderstood, with the place, for what is no message.
    """
    at, end = 0, len(message)
    while at < end:
        start = at
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if not 0 < number <= _NUMBER_MOST:
            raise NotUnderstood(f"byte {start}: there is no field {number}")
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            length, at = _varint(message, at)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise NotUnderstood(f"byte {start}: a field of kind {kind}")
        if length > end - at:
            raise NotUnderstood(f"byte {at}: {length} bytes are announced, {end - at} are there")
        yield number, kind, message[at : at + length]
        at += length


def as_double(content: int | bytes) -> float:
    """What eight bytes say. Raises NotUnderstood when it is not eight bytes."""
    return _unpacked("<d", 8, content)


def as_float(content: int | bytes) -> float:
    """What four bytes say. Raises NotUnderstood when it is not four bytes."""
    return _unpacked("<f", 4, content)


def as_number(content: int | bytes, bits: int = 64) -> int:
    """An unsigned number of so many bits; longer ones lose their high bits, as the format asks."""
    if not isinstance(content, int):
        raise NotUnderstood("bytes where a number must be")
    return content & ((1 << bits) - 1)


def as_bytes(content: int | bytes) -> bytes:
    """Bytes. Raises NotUnderstood for a number."""
    if isinstance(content, int):
        raise NotUnderstood("a number where bytes must be")
    return content


def as_text(content: int | bytes) -> str:
    """Text. Raises NotUnderstood when it is not UTF-8."""
    try:
        return as_bytes(content).decode()
    except UnicodeDecodeError as wrong:
        raise NotUnderstood(f"text that is not UTF-8: {wrong.reason}") from wrong


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    start = at
    while at < len(message) and shift < 70:  # ten bytes hold 64 bits
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK64, at
        shift += 7
    raise NotUnderstood(f"byte {start}: a number without an end")


def _unpacked(form: str, length: int, content: int | bytes) -> float:
    if isinstance(content, int) or len(content) != length:
        raise NotUnderstood(f"a float that is not {length} bytes")
    (value,) = struct.unpack(form, content)
    return float(value)
