"""Ruuvi data format 5 against the test vectors of its specification (docs.ruuvi.com), and iBeacon; and nonsense."""

import random

import pytest

from transports.ble import ibeacon, ruuvi
from transports.ble.said import Decode, Numbering
from transports.errors import NotUnderstood
from transports.samples import Scan, Value, batch_of

CASES = 10_000
BEACON = "0215e2c56db5dffb48d2b060d0f5a71096e0ffff000081"


def values(decode: Decode, text: str) -> list[Value | None]:
    return [value for _, value in decode(bytes.fromhex(text)).values]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (  # valid
            "0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F",
            [24.3, 53.49, 100044, 0.004, -0.004, 1.036, 2.977, 4, 66, 205, "CB:B8:33:4C:88:4F"],
        ),
        (  # maximum
            "057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F",
            [163.835, 163.835, 115534, 32.767, 32.767, 32.767, 3.646, 20, 254, 65534, "CB:B8:33:4C:88:4F"],
        ),
        (  # minimum
            "058001000000008001800180010000000000CBB8334C884F",
            [-163.835, 0.0, 50000, -32.767, -32.767, -32.767, 1.6, -40, 0, 0, "CB:B8:33:4C:88:4F"],
        ),
        ("058000FFFFFFFF800080008000FFFFFFFFFFFFFFFFFFFFFF", [None] * 11),  # invalid
    ],
)
def test_the_published_vectors_of_format_5_are_exact(data: str, expected: list[Value | None]) -> None:
    assert values(ruuvi.decode, data) == expected


def test_a_sequence_number_that_is_not_available_numbers_nothing() -> None:
    assert ruuvi.decode(bytes.fromhex("0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F")).number == 205
    said = ruuvi.decode(bytes.fromhex("0512FC5394C37C0004FFFC040CAC3642FFFFCBB8334C884F"))
    assert said.numbering is Numbering.NONE


def test_an_ibeacon_is_its_uuid_its_numbers_and_its_power() -> None:
    assert values(ibeacon.decode, BEACON) == ["e2c56db5-dffb-48d2-b060-d0f5a71096e0", 65535, 0, -127]


@pytest.mark.parametrize("decode", [ruuvi.decode, ibeacon.decode])
@pytest.mark.parametrize("data", ["", "05", "0215", "03" + "00" * 23, BEACON + "00", BEACON[:-2], "1005" + "00" * 3])
def test_another_length_or_format_is_refused(decode: Decode, data: str) -> None:
    if decode is ibeacon.decode and data == BEACON:
        return
    with pytest.raises(NotUnderstood, match="bytes"):
        decode(bytes.fromhex(data))


@pytest.mark.parametrize(("decode", "head", "size"), [(ruuvi.decode, b"\x05", 24), (ibeacon.decode, b"\x02\x15", 23)])
def test_nonsense_is_values_of_the_announced_types_or_refused(decode: Decode, head: bytes, size: int) -> None:
    dice, understood = random.Random(3), 0
    for case in range(CASES):
        tail = dice.randbytes(size - len(head) if case % 2 else dice.randrange(40))
        try:
            said = decode(head + tail)
        except NotUnderstood:
            continue
        understood += 1
        tags = tuple(tag for tag, _ in said.values)
        assert batch_of("x", 0, [Scan(0, tags, [value for _, value in said.values], 0x8000_0000)]).samples == len(tags)
    assert CASES // 2 <= understood < CASES
