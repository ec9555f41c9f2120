"""Values and registers: every type in every order, there and back."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import LinkRefused
from transports.modbus.plan import plan
from transports.modbus.tags import WIDTH, Point
from transports.modbus.values import decoder, encode
from transports.samples import Value

LIMITS = {f"{sign}int{bits}": bits for sign in ("", "u") for bits in (16, 32, 64)}


def values_for(kind: str) -> st.SearchStrategy[Any]:
    if kind in LIMITS:
        bits = LIMITS[kind]
        low = 0 if kind.startswith("u") else -(2 ** (bits - 1))
        return st.integers(low, low + 2**bits - 1)
    if kind in ("bcd16", "bcd32"):
        return st.integers(0, 10 ** (4 * WIDTH[kind]) - 1)
    if kind == "string":
        return st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
    return st.booleans() if kind == "bool" else st.floats(width=32 if kind == "float32" else 64)


orders = st.sampled_from(["big", "little"])


@st.composite
def points_and_values(draw: st.DrawFn) -> tuple[list[Point], list[Any]]:
    """Some tags anywhere in the first few hundred registers, not overlapping, in any order, with a value each."""
    points: list[Point] = []
    address = draw(st.integers(0, 5))
    for at in range(draw(st.integers(1, 20))):
        kind = draw(st.sampled_from([*WIDTH, "string"]))
        width = 10 if kind == "string" else WIDTH[kind]
        points.append(
            Point(f"p{at}", "holding", address, kind, width, word_order=draw(orders), byte_order=draw(orders))
        )
        address += width + draw(st.sampled_from([0, 0, 0, 1, 30]))
    points = draw(st.permutations(points))
    return points, [draw(values_for(point.kind)) for point in points]


def same(one: Value | None, other: Value | None) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    return one == other and type(one) is type(other)


def read(points: Sequence[Point], registers: dict[int, int], max_gap: int = 0) -> list[Any]:
    """The points' values in their order, from a device that holds `registers` and 0xA55A elsewhere."""
    values: dict[int, Any] = {}
    for block in plan(points, max_gap):
        held = [registers.get(address, 0xA55A) for address in range(block.address, block.address + block.count)]
        data = struct.pack(f">{block.count}H", *held)
        values.update(zip(block.members, decoder(points, block)(data), strict=True))
    return [values[at] for at in range(len(points))]


@given(points_and_values(), st.sampled_from([0, 1, 100]))
def test_what_is_encoded_is_decoded_in_every_type_and_order(made: tuple[list[Point], list[Any]], max_gap: int) -> None:
    points, values = made
    registers: dict[int, int] = {}
    for point, value in zip(points, values, strict=True):
        registers.update(zip(range(point.address, point.end), encode(point, value), strict=True))
    for value, found in zip(values, read(points, registers, max_gap), strict=True):
        assert same(value, found)


@pytest.mark.parametrize(
    ("word_order", "byte_order", "registers"),
    [
        ("big", "big", (0x1122, 0x3344)),
        ("little", "big", (0x3344, 0x1122)),
        ("big", "little", (0x2211, 0x4433)),
        ("little", "little", (0x4433, 0x2211)),
    ],
)
def test_the_four_orders_are_those_of_the_manual(word_order: str, byte_order: str, registers: tuple[int, int]) -> None:
    point = Point("a", "holding", 0, "uint32", 2, word_order=word_order, byte_order=byte_order)
    assert encode(point, 0x11223344) == registers
    assert read([point], dict(enumerate(registers))) == [0x11223344]


def test_a_string_reads_in_register_order_whatever_the_word_order() -> None:
    point = Point("a", "holding", 0, "string", 3, word_order="little")
    assert read([point], {0: 0x4142, 1: 0x4344, 2: 0x0099}) == ["ABCD"]


def test_text_that_is_not_utf8_has_no_value() -> None:
    assert read([Point("a", "holding", 0, "string", 1)], {0: 0xFF41}) == [None]


@given(st.integers(0, 0xFFFF))
def test_the_bits_of_a_register_are_tags_of_their_own(word: int) -> None:
    bits = [Point(f"b{at}", "holding", 4, "bool", bit=at) for at in range(16)]
    any_bit = Point("any", "holding", 4, "bool")
    number = Point("word", "holding", 4, "uint16")
    *found, some, whole = read([*bits, any_bit, number], {4: word})
    assert found == [bool(word >> at & 1) for at in range(16)]
    assert (some, whole) == (word != 0, word)


def test_coils_are_picked_from_the_padding() -> None:
    points = [Point(f"c{at}", "coil", at, "bool") for at in (3, 5, 4)]
    (block,) = plan(points)
    assert decoder(points, block)(b"\x05") == [True, False, True]  # the bits of 3, 4 and 5, and padding


@given(st.lists(st.booleans(), min_size=1, max_size=2000))
def test_coils_in_a_row_are_read_in_the_order_of_their_addresses(bits: list[bool]) -> None:
    points = [Point(f"c{at}", "coil", 40 + at, "bool") for at in range(len(bits))]
    (block,) = plan(points)
    data = sum(1 << at for at, bit in enumerate(bits) if bit).to_bytes((len(bits) + 7) // 8, "little")
    assert decoder(points, block)(data) == bits


@pytest.mark.parametrize(("kind", "registers", "value"), [("bcd16", [0x1234], 1234), ("bcd32", [0x9, 0x8765], 98765)])
def test_decimal_digits_in_fours_of_bits_are_read_and_written(kind: str, registers: list[int], value: int) -> None:
    point = Point("a", "holding", 0, kind, len(registers))
    assert read([point], dict(enumerate(registers))) == [value]
    assert encode(point, value) == tuple(registers)


def test_a_digit_above_nine_has_no_value() -> None:
    assert read([Point("a", "holding", 0, "bcd16")], {0: 0x12A4}) == [None]
    assert read([Point("a", "holding", 0, "bcd16", scale=0.1)], {0: 0xF000}) == [None]


def test_scaled_digits_are_numbers() -> None:
    point = Point("a", "holding", 0, "bcd16", scale=0.5, offset=1.0)
    assert read([point], {0: 0x0030}) == [16.0]
    assert encode(point, 16.0) == (0x30,)


def test_a_double_keeps_every_bit_of_what_is_no_number() -> None:
    payload = 0x7FF8_DEAD_BEEF_0001
    words = [payload >> shift & 0xFFFF for shift in (48, 32, 16, 0)]
    point = Point("a", "holding", 0, "float64", 4)
    (value,) = read([point], dict(enumerate(words)))
    assert struct.pack(">d", value) == payload.to_bytes(8, "big")
    assert encode(point, value) == tuple(words)


@pytest.mark.parametrize(("kind", "least"), [("float32", 2.0**-149), ("float64", 5e-324)])
def test_the_least_number_above_zero_is_read_and_written(kind: str, least: float) -> None:
    point = Point("a", "holding", 0, kind, WIDTH[kind])
    registers = encode(point, least)
    assert sum(registers) == 1
    assert read([point], dict(enumerate(registers))) == [least]


def test_scale_and_offset_make_the_value_and_back() -> None:
    point = Point("t", "holding", 0, "int16", scale=0.1, offset=-40.0)
    assert read([point], {0: 655}) == [pytest.approx(25.5)]
    assert encode(point, 25.5) == (655,)
    assert encode(point, -40) == (0,)


@given(st.integers(-(2**15), 2**15 - 1), st.floats(1e-6, 1e6), st.floats(-1e6, 1e6))
def test_a_scaled_value_that_was_read_is_written_as_the_same_register(raw: int, scale: float, offset: float) -> None:
    point = Point("t", "holding", 0, "int16", scale=scale, offset=offset)
    lost = abs(offset) * 2**-51 / scale  # what adding a large offset rounds away
    (value,) = read([point], {0: raw & 0xFFFF})
    try:
        (found,) = encode(point, value)
    except LinkRefused:
        assert lost > 0.1
        return
    assert abs((found ^ 0x8000) - 0x8000 - raw) <= lost + 0.1


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("uint16", 65536, "out of the range of uint16"),
        ("uint16", -1, "out of the range of uint16"),
        ("int64", 2**63, "out of the range of int64"),
        ("float32", 1e300, "out of the range of float32"),
        ("float64", 10**400, "out of the range of float64"),
        ("int16", 1.5, "takes a whole number"),
        ("int16", math.nan, "takes a whole number"),
        ("int16", math.inf, "takes a whole number"),
        ("int16", True, "takes a number"),
        ("int16", "7", "takes a number"),
        ("bool", 2, "takes true or false"),
        ("bool", 1.0, "takes true or false"),
        ("bcd16", 10_000, "out of the range of bcd16"),
        ("bcd32", -1, "out of the range of bcd32"),
        ("string", 7, "takes text"),
        ("string", "äöü", "at most 4 bytes"),
        ("string", "a\0b", "without NUL"),
    ],
)
def test_what_a_register_cannot_say_is_refused_with_the_reason(kind: str, value: Any, said: str) -> None:
    with pytest.raises(LinkRefused, match=said) as refused:
        encode(Point("a", "holding", 0, kind, WIDTH.get(kind, 2)), value)
    assert str(refused.value).startswith("a = ")


def test_a_whole_float_and_a_scaled_giant_are_treated_as_numbers() -> None:
    assert encode(Point("a", "holding", 0, "uint16"), 7.0) == (7,)
    with pytest.raises(LinkRefused, match="out of the range"):
        encode(Point("a", "holding", 0, "uint16", scale=0.1), 10**400)
