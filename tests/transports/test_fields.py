"""Fields: numbers exact to the last bit, in struct and in text, and what is no value Bad alone."""

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.fields import FieldSettings, Packed, Pattern
from transports.samples import DataType, Quality, Scan, batch_of

DOUBLES = [
    0x0000000000000001,  # the least denormal
    0x800FFFFFFFFFFFFF,  # the greatest negative denormal
    0x8000000000000000,  # -0.0
    0x7FF0000000000000,  # infinity
    0x7FF8000000000001,  # a NaN with a payload
    0xFFF8DEADBEEF0001,
    0x7FEFFFFFFFFFFFFF,
]


def kept(scan: Scan | None) -> tuple[Any, ...]:
    """The values as they arrive on the other side of a batch."""
    assert scan is not None
    ((_, values, _),) = batch_of("x", 0, [scan]).rows()
    return values


@pytest.mark.parametrize("bits", DOUBLES, ids=hex)
def test_a_double_arrives_bit_for_bit(bits: int) -> None:
    raw = struct.pack("<Q", bits)
    (value,) = kept(Packed("<d", ["x"], {}, "utf-8").scan(raw, 1))
    assert struct.pack("<d", value) == raw


@given(low=st.integers(-(2**63), 2**63 - 1), high=st.integers(0, 2**64 - 1))
def test_64_bit_integers_of_a_struct_are_exact_without_a_word_about_their_type(low: int, high: int) -> None:
    packed = Packed(">xq2sQ", ["low", "text", "high"], {"text": FieldSettings("string")}, "utf-8")
    scan = packed.scan(struct.pack(">xq2sQ", low, b"ok", high), 1)
    assert kept(scan) == (low, "ok", high)
    assert [field.tag.type for field in packed.fields] == [DataType.INT64, DataType.STRING, DataType.UINT64]


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, 2**64 - 1, 2**53 + 1])
def test_64_bit_integers_of_text_are_exact(number: int) -> None:
    kind = "int64" if number < 2**63 else "uint64"
    pattern = Pattern("(?P<x>.*)", {"x": FieldSettings(kind)}, "utf-8")  # type: ignore[arg-type]
    assert kept(pattern.scan(str(number).encode(), 1)) == (number,)


def test_a_scaled_field_is_a_float_whatever_stands_in_the_frame() -> None:
    assert kept(Packed("<q", ["x"], {"x": FieldSettings(scale=0.5)}, "utf-8").scan(struct.pack("<q", 3), 1)) == (1.5,)


def test_bytes_stay_bytes_and_text_shows_them_in_hexadecimal() -> None:
    note = {"x": FieldSettings("bytes")}
    assert kept(Packed("<4s", ["x"], note, "utf-8").scan(b"\x00\xff\x01\x00", 1)) == (b"\x00\xff\x01\x00",)
    pattern = Pattern("(?P<x>.*)", note, "utf-8")
    assert kept(pattern.scan(b"00 FF01", 1)) == (b"\x00\xff\x01",)
    scan = pattern.scan(b"0x", 1)
    assert scan is not None
    assert scan.quality == [Quality.BAD_DECODING]
    assert pattern.fields[0].operand(b"\x01\xfe") == "01fe"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")))
def test_text_arrives_as_it_was_said(text: str) -> None:
    assert kept(Pattern("(?P<x>.*)", {"x": FieldSettings("string")}, "utf-8").scan(text.encode(), 1)) == (text,)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python's own about escapes that mean nothing
@pytest.mark.parametrize("encoding", ["unicode_escape", "idna", "utf-16-le", "utf-7", "punycode"])
@given(frame=st.binary(max_size=30) | st.just(b"\\ud800"))
def test_an_odd_encoding_never_lets_through_what_cannot_be_kept(encoding: str, frame: bytes) -> None:
    for reader in (
        Pattern("(?P<x>.*)", {"x": FieldSettings("string")}, encoding),
        Packed(f"{len(frame)}s", ["x"], {"x": FieldSettings("string")}, encoding),
    ):
        scan = reader.scan(frame, 1)
        if scan is not None:
            kept(scan)


def test_a_number_too_great_for_its_type_is_bad_and_a_huge_one_costs_nothing() -> None:
    pattern = Pattern("(?P<x>.*)", {"x": FieldSettings("uint64")}, "utf-8")
    for text, code in ((b"18446744073709551616", Quality.BAD_OUT_OF_RANGE), (b"9" * 100_000, Quality.BAD_DECODING)):
        scan = pattern.scan(text, 1)
        assert scan is not None
        assert scan.quality == [code]


def test_float_text_is_read_as_written() -> None:
    pattern = Pattern(r"(?P<a>\S+) (?P<b>\S+) (?P<c>\S+)", {}, "utf-8")
    least, most, none = kept(pattern.scan(b"4.9406564584124654e-324 1.7976931348623157e308 nan", 1))
    assert (least, most) == (5e-324, 1.7976931348623157e308)
    assert math.isnan(none)
