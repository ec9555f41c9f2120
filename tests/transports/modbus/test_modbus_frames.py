"""Modbus messages and their frames on TCP: what fits, what does not, whatever the bytes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import LinkRefused, NotUnderstood
from transports.modbus import pdu
from transports.modbus.mbap import first_frame, framed
from transports.modbus.tags import Point
from transports.modbus.writing import bit_request, mask_request, write_request

SEEDED_CASES = 20_000
HOLDING = Point("a", "holding", 0x1234, "uint16")


@given(st.integers(0, 65535), st.integers(0, 255), st.binary(min_size=2, max_size=253), st.binary(max_size=20))
def test_a_frame_is_found_whole_and_only_when_it_is_whole(
    transaction: int, unit: int, message: bytes, rest: bytes
) -> None:
    frame = framed(transaction, unit, message)
    assert first_frame(frame + rest) == (transaction, unit, message, len(frame))
    for end in range(len(frame)):
        assert first_frame(frame[:end]) is None


@pytest.mark.parametrize("head", ["0001 0001 0003 01", "0001 0000 0002 01", "0001 0000 00ff 01", "4854 5450 2f31 2e"])
def test_what_can_be_no_frame_is_told_at_once(head: str) -> None:
    with pytest.raises(NotUnderstood, match="not Modbus"):
        first_frame(bytes.fromhex(head))


def test_no_bytes_are_taken_for_an_answer_that_does_not_fit() -> None:
    luck = random.Random(7)
    requests = [
        pdu.read("holding", 1, 9),
        pdu.read("coil", 1, 9),
        pdu.write_register(3, 4),
        pdu.write_registers(3, [4, 5]),
        pdu.mask_register(3, 4, 5),
    ]
    fitting = 0
    for _ in range(SEEDED_CASES):
        request = luck.choice(requests)
        good = bytearray(request[:5] if request[0] > 4 else bytes((request[0], 2, 0, 0)))
        good[luck.randrange(len(good))] ^= luck.choice([0, 0x80, luck.randrange(256)])
        answer = luck.choice([luck.randbytes(luck.randrange(30)), bytes(good[: luck.randrange(6)]), bytes(good)])
        if pdu.misfit(request, answer):
            continue
        fitting += 1
        assert answer[0] in (request[0], request[0] | 0x80)
        assert pdu.refusal(answer) or len(answer) == pdu.answer_length(request)
    assert 100 < fitting < SEEDED_CASES


@pytest.mark.parametrize(
    ("request_", "answer", "why"),
    [
        ("03 0001 0002", "03 04 0007 0008", ""),
        ("03 0001 0002", "83 02", ""),
        ("03 0001 0002", "03 02 0007", "2 bytes came where 4 were asked"),
        ("03 0001 0002", "03 04 0007", "2 bytes came where 4 were asked"),
        ("03 0001 0002", "04 04 0007 0008", "answered function 4 where 3 was asked"),
        ("03 0001 0002", "83 00", "a refusal without a reason came"),
        ("03 0001 0002", "83", "answered function 131 where 3 was asked"),
        ("03 0001 0002", "", "answered function nothing where 3 was asked"),
        ("06 0001 0002", "06 0001 0002", ""),
        ("06 0001 0002", "06 0001 0005", ""),
        ("06 0001 0002", "06 0002 0002", "the answer is about another address"),
        ("10 0001 0001 02 0009", "10 0001 0001", ""),
        ("10 0001 0001 02 0009", "10 0001 0002", "the answer is about another address"),
        ("16 0001 0002 0003", "16 0001 0002 0003", ""),
        ("16 0001 0002 0003", "16 0001 0002", "the answer is about another address"),
    ],
)
def test_an_answer_fits_its_request_or_says_why_not(request_: str, answer: str, why: str) -> None:
    assert pdu.misfit(bytes.fromhex(request_), bytes.fromhex(answer)) == why


@pytest.mark.parametrize(
    ("point", "value", "request_"),
    [
        (HOLDING, 7, "06 1234 0007"),
        (Point("a", "holding", 1, "uint16", write_function="multiple"), 7, "10 0001 0001 02 0007"),
        (Point("a", "holding", 1, "uint32", 2), 7, "10 0001 0002 04 0000 0007"),
        (Point("a", "coil", 1, "bool"), True, "05 0001 ff00"),
        (Point("a", "coil", 1, "bool"), False, "05 0001 0000"),
        (Point("a", "coil", 1, "bool", write_function="multiple"), True, "0f 0001 0001 01 01"),
    ],
)
def test_the_function_that_writes_is_the_one_of_the_manual(point: Point, value: object, request_: str) -> None:
    assert write_request(point, value) == bytes.fromhex(request_)  # type: ignore[arg-type]


@given(st.integers(0, 15), st.booleans(), st.integers(0, 0xFFFF), st.sampled_from(["big", "little"]))
def test_a_bit_is_changed_alone_by_either_way_to_write_it(bit: int, on: bool, word: int, byte_order: str) -> None:
    point = Point("a", "holding", 1, "bool", bit=bit, byte_order=byte_order)
    request = mask_request(point, on)
    keep, add = (int.from_bytes(request[at : at + 2], "big") for at in (3, 5))
    masked = word & keep | add & ~keep
    assert bit_request(point, on, word)[3:] == masked.to_bytes(2, "big")
    place = bit if byte_order == "big" else bit ^ 8
    assert masked ^ word in (0, 1 << place)
    assert bool(masked >> place & 1) is on


def test_a_bit_takes_only_true_or_false() -> None:
    with pytest.raises(LinkRefused, match="takes true or false"):
        mask_request(Point("a", "holding", 1, "bool", bit=3), "on")


@given(st.lists(st.booleans(), min_size=1, max_size=1968))
def test_coils_are_written_lowest_first(bits: list[bool]) -> None:
    request = pdu.write_bits(9, bits)
    assert request[5] == len(request) - 6 == (len(bits) + 7) // 8
    assert [bool(request[6 + at // 8] >> at % 8 & 1) for at in range(len(bits))] == bits
