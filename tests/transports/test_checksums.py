"""Checksums: the published check values, in each form, and any flipped bit seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.checksums import NAMES, Checksum, checksum_of

CHECKED = b"123456789"  # what the catalogue of parametrised CRC algorithms gives its check values for
KINDS = [name for name in NAMES if name not in ("nmea", "none")]


@pytest.mark.parametrize(
    ("name", "form", "end"),
    [
        ("crc16-modbus", None, b"\x37\x4b"),
        ("crc16-modbus", "big", b"\x4b\x37"),
        ("crc16-ccitt", None, b"\x29\xb1"),
        ("crc16-xmodem", None, b"\x31\xc3"),
        ("crc32", None, b"\xcb\xf4\x39\x26"),
        ("crc32", "little", b"\x26\x39\xf4\xcb"),
        ("crc32", "hex", b"CBF43926"),
        ("sum8", None, b"\xdd"),
        ("xor8", "hex", b"31"),
        ("lrc", None, b"\x23"),
        ("nmea", None, b"*31"),
    ],
)
def test_a_checksum_has_its_published_value(name: str, form: str | None, end: bytes) -> None:
    assert Checksum(name, form).appended(CHECKED) == CHECKED + end  # type: ignore[arg-type]
    assert Checksum(name, form).length == len(end)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["big", "little", "hex"])
@pytest.mark.parametrize("name", KINDS)
@given(payload=st.binary(min_size=1, max_size=40), data=st.data())
def test_a_frame_is_verified_and_a_flipped_bit_is_seen(
    name: str, form: str, payload: bytes, data: st.DataObject
) -> None:
    checksum = Checksum(name, form)  # type: ignore[arg-type]
    frame = checksum.appended(payload)
    assert checksum.verified(frame) == payload
    bit = data.draw(st.integers(0, 8 * len(payload) - 1))
    flipped = bytearray(frame)
    flipped[bit // 8] ^= 1 << bit % 8
    assert checksum.verified(bytes(flipped)) is None


@pytest.mark.parametrize("name", [*KINDS, "nmea"])
@given(frame=st.binary(max_size=8))
def test_a_frame_of_any_bytes_is_either_whole_or_none(name: str, frame: bytes) -> None:
    checksum = Checksum(name)
    payload = checksum.verified(frame)
    assert payload is None or checksum.appended(payload).upper() == frame.rstrip(b"\r\n").upper() or name != "nmea"


def test_hexadecimal_digits_may_be_small_and_a_line_end_may_follow() -> None:
    assert Checksum("crc32", "hex").verified(b"123456789cbf43926\r") == CHECKED


def test_a_sentence_of_nmea_is_verified_between_its_marks() -> None:
    sentence = b"$GPGLL,5057.970,N,00146.110,E,142451,A"
    assert Checksum("nmea").verified(sentence + b"*27\r\n") == sentence
    assert Checksum("nmea").appended(sentence) == sentence + b"*27"
    assert [Checksum("nmea").verified(each) for each in (sentence, sentence + b"*28", sentence[1:] + b"*27")] == [
        None
    ] * 3


def test_no_checksum_is_none() -> None:
    assert checksum_of("none") is None
