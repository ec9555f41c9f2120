"""Values from Modbus registers and back: compiled once for each block, so that a scan costs nanoseconds a tag.

A register is two bytes, most significant first. How more than one make a number differs by manufacturer (0x11223344):

    word_order  byte_order   registers
    big         big          1122 3344     what the standard suggests
    little      big          3344 1122     "swapped", the most frequent other
    big         little       2211 4433
    little      little       4433 2211

All four are one permutation of bytes, so a block is decoded by one permutation (none if all is big and nothing is
left out) and one `struct.unpack`. A string is UTF-8 up to its first NUL; the word order does not touch it. In BCD each
four bits are a decimal digit (0x1234 is 1234).
"""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from transports.errors import LinkRefused
from transports.modbus.plan import Block
from transports.modbus.tags import BCD, BITS, FALLIBLE, Point
from transports.samples import Value

Decoder = Callable[[bytes], list[Value | None]]
Step = Callable[[Any], Value | None]

_LETTER: Mapping[str, str] = {
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float32": "f",
    "float64": "d",
    "bool": "H",
    "bcd16": "H",
    "bcd32": "I",
}
_BITS_OF = tuple(tuple(bool(byte >> at & 1) for at in range(8)) for byte in range(256))  # the lowest address first


def decoder(points: Sequence[Point], block: Block) -> Decoder:
    """A function from the bytes of the block's answer to the values of its members, in their order.

    It must be given exactly the bytes that the block asks for. Text that is not UTF-8, and BCD of which a digit is
    above 9, is `None`.
    """
    members = [points[at] for at in block.members]
    return _bit_decoder(members, block) if block.register in BITS else _register_decoder(members, block)


def may_fail(points: Sequence[Point], block: Block) -> bool:
    """Whether the decoder of the block can find something that has no value."""
    return any(points[at].kind in FALLIBLE for at in block.members)


def encode(point: Point, value: Value) -> tuple[int, ...]:
    """The registers that say `value`. Raises LinkRefused with the reason when they cannot."""
    number = _text(point, value) if point.kind == "string" else _number(point, value)
    try:
        data = struct.pack(">" + _letter(point), number)
    except (struct.error, OverflowError) as wrong:
        raise LinkRefused(f"{point.name} = {value!r:.40}: out of the range of {point.kind}") from wrong
    wire = bytes(
        map(data.__getitem__, _byte_places(point, point.address))
    )  # each of the four permutations undoes itself
    return struct.unpack(f">{point.width}H", wire)


def _bit_decoder(members: Sequence[Point], block: Block) -> Decoder:
    places = [point.address - block.address for point in members]
    in_a_row = places == list(range(block.count))

    def decode(data: bytes) -> list[Value | None]:
        bits = list(chain.from_iterable(map(_BITS_OF.__getitem__, data)))
        return list(bits[: len(places)]) if in_a_row else [bits[place] for place in places]

    return decode


def _register_decoder(members: Sequence[Point], block: Block) -> Decoder:
    to_values = struct.Struct(">" + "".join(map(_letter, members))).unpack
    places = list(chain.from_iterable(_byte_places(point, block.address) for point in members))
    pick = None if places == list(range(2 * block.count)) else itemgetter(*places)
    steps = [(at, step) for at, point in enumerate(members) if (step := _step(point)) is not None]

    def decode(data: bytes) -> list[Value | None]:
        values: list[Value | None] = list(to_values(data if pick is None else bytes(pick(data))))
        for at, step in steps:
            values[at] = step(values[at])
        return values

    return decode


def _letter(point: Point) -> str:
    return f"{2 * point.width}s" if point.kind == "string" else _LETTER[point.kind]


def _byte_places(point: Point, start: int) -> list[int]:
    """Where in a block that begins at `start` the value's bytes lie, most significant first."""
    words = list(range(point.address - start, point.end - start))
    if point.word_order == "little" and point.kind != "string":
        words.reverse()
    first, second = (1, 0) if point.byte_order == "little" else (0, 1)
    return [byte for word in words for byte in (2 * word + first, 2 * word + second)]


def _step(point: Point) -> Step | None:
    """What is left to do after unpacking, if anything."""
    if point.kind == "string":
        return _string
    if point.kind == "bool":
        mask = 0xFFFF if point.bit is None else 1 << point.bit
        return lambda word: word & mask != 0
    if point.kind in BCD:
        return _scaled_bcd(point)
    if not point.scaled:
        return None
    scale, offset = point.scale, point.offset
    return lambda number: number * scale + offset


def _scaled_bcd(point: Point) -> Step:
    def step(word: int) -> Value | None:
        digits = f"{word:x}"
        if not digits.isdecimal():
            return None
        return int(digits) * point.scale + point.offset if point.scaled else int(digits)

    return step


def _string(data: bytes) -> str | None:
    try:
        return data.partition(b"\0")[0].decode()
    except UnicodeDecodeError:
        return None


def _text(point: Point, value: Value) -> bytes:
    if not isinstance(value, str):
        raise LinkRefused(f"{point.name} = {value!r:.40}: takes text")
    data = value.encode(errors="replace")  # half a surrogate pair is no text
    if len(data) > 2 * point.width or b"\0" in data:
        raise LinkRefused(f"{point.name} = {value!r:.40}: takes at most {2 * point.width} bytes of text without NUL")
    return data


def _number(point: Point, value: Value) -> int | float:
    if point.kind == "bool":
        if value in (False, True) and isinstance(value, (bool, int)):
            return int(value)
        raise LinkRefused(f"{point.name} = {value!r:.40}: takes true or false")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise LinkRefused(f"{point.name} = {value!r:.40}: takes a number")
    try:
        raw = (value - point.offset) / point.scale if point.scaled else value
    except OverflowError as wrong:
        raise LinkRefused(f"{point.name} = {value!r:.40}: out of the range of {point.kind}") from wrong
    if point.kind.startswith("float"):
        return raw
    whole = _whole(point, value, raw)
    return _bcd(point, value, whole) if point.kind in BCD else whole


def _bcd(point: Point, value: Value, whole: int) -> int:
    if not 0 <= whole < 10 ** (4 * point.width):
        raise LinkRefused(f"{point.name} = {value!r:.40}: out of the range of {point.kind}")
    return int(str(whole), 16)


def _whole(point: Point, value: Value, raw: int | float) -> int:
    """The nearest whole number for a scaled point; without a scale only a whole number will do."""
    if isinstance(raw, int):
        return raw
    if not math.isfinite(raw) or (not point.scaled and not raw.is_integer()):
        raise LinkRefused(f"{point.name} = {value!r:.40}: takes a whole number")
    return round(raw)
