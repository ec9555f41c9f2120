"""RTU frames: what answers a request is found in whatever is heard, and nothing else is ever taken for it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu.bit_message import ReadCoilsResponse

from transports.line_answers import MOST_BYTES, Awaited, find_by
from transports.rtu_frames import answer_length, crc, has_good_crc, is_answer, known, with_crc

FUZZED = 10_000


def asking(unit: int, function: int, data: str) -> bytes:
    return with_crc(bytes((unit, function)) + bytes.fromhex(data))


# request and answer, without unit and CRC: the examples of the Application Protocol 1.1b3, section 6
EXAMPLES = {
    "read coils": ("01 0013 0013", "01 03 CD6B05"),
    "read discrete inputs": ("02 00C4 0016", "02 03 ACDB35"),
    "read holding registers": ("03 006B 0003", "03 06 022B00000064"),
    "read input registers": ("04 0008 0001", "04 02 000A"),
    "write coil": ("05 00AC FF00", "05 00AC FF00"),
    "write register": ("06 0001 0003", "06 0001 0003"),
    "read exception status": ("07", "07 6D"),
    "diagnostics": ("08 0000 A537", "08 0000 A537"),
    "event counter": ("0B", "0B FFFF 0108"),
    "event log": ("0C", "0C 08 0000 0108 0121 2000"),
    "write coils": ("0F 0013 000A 02 CD01", "0F 0013 000A"),
    "write registers": ("10 0001 0002 04 000A 0102", "10 0001 0002"),
    "report server id": ("11", "11 03 4142FF"),
    "read file record": ("14 07 06 0004 0001 0002", "14 06 05 06 0DFE 0020"),
    "mask write": ("16 0004 00F2 0025", "16 0004 00F2 0025"),
    "read and write": ("17 0003 0006 000E 0003 06 00FF00FF00FF", "17 0C 00FE0ACD00010003000D00FF"),
    "read fifo": ("18 04DE", "18 0006 0002 01B8 1284"),
    "device identification": ("2B 0E 01 00", "2B 0E 01 01 00 00 02 00 03 414243 01 02 5859"),
}
PAIRS = {name: tuple(with_crc(b"\x11" + bytes.fromhex(pdu)) for pdu in pdus) for name, pdus in EXAMPLES.items()}


def answer_in(request: bytes, *chunks: bytes, echo: bool = False) -> bytes | None:
    awaited = Awaited(request, "rtu", echo)
    for chunk in chunks:
        answer = awaited.feed(chunk)
        if answer is not None:
            return answer
    return None


# --- frames ---------------------------------------------------------------------------------------------------------


def test_the_checksum_is_that_of_the_standard_and_of_pymodbus() -> None:
    assert crc(b"123456789") == 0x4B37
    assert with_crc(bytes.fromhex("0207")) == bytes.fromhex("02074112"), "MODBUS over Serial Line 1.02, appendix B"
    dice = random.Random(1)
    for size in range(1, 256):
        data = dice.randbytes(size)
        assert crc(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@pytest.mark.parametrize("name", PAIRS)
def test_an_answer_of_each_function_is_known_whole_and_not_before(name: str) -> None:
    request, answer = PAIRS[name]
    assert known(request)
    assert is_answer(request, answer)
    assert answer_length(request, answer) == len(answer)
    for end in range(len(answer)):
        assert answer_length(request, answer[:end]) in (None, len(answer))
        assert not is_answer(request, answer[:end])
    assert not is_answer(request, answer + b"\0")


@pytest.mark.parametrize("name", PAIRS)
def test_a_refusal_is_an_answer_of_five_bytes(name: str) -> None:
    request, _ = PAIRS[name]
    refusal = with_crc(bytes((request[0], request[1] | 0x80, 2)))
    assert answer_length(request, refusal[:2]) == 5
    assert is_answer(request, refusal)


@pytest.mark.parametrize("name", PAIRS)
def test_what_another_slave_or_another_function_answers_is_none(name: str) -> None:
    request, answer = PAIRS[name]
    assert not is_answer(request, with_crc(bytes((answer[0] + 1,)) + answer[1:-2]))
    assert not is_answer(with_crc(b"\0" + request[1:-2]), answer), "nobody answers a broadcast"
    others = [other for other, (asked, _) in PAIRS.items() if asked[1] != request[1]]
    assert [other for other in others if is_answer(PAIRS[other][0], answer)] == []


def test_a_late_answer_to_another_count_or_address_is_none() -> None:
    two = asking(1, 3, "0000 0002")
    assert not is_answer(two, with_crc(bytes.fromhex("01 03 06 000100020003")))
    assert not is_answer(asking(1, 6, "0007 0001"), asking(1, 6, "0008 0001"))
    assert not is_answer(asking(1, 16, "0007 0001 02 0001"), asking(1, 16, "0007 0002"))


def test_pymodbus_asks_and_answers_the_same_bits() -> None:
    for count in range(1, 200):
        answer = with_crc(b"\x01\x01" + ReadCoilsResponse(bits=[True] * count).encode())
        assert is_answer(asking(1, 1, f"0000 {count:04x}"), answer), count


@pytest.mark.parametrize("request_", [b"", b"\x01", b"\x01\x03", b"\x01\x03\0\0\0\2\0\0", asking(1, 0x41, "0000")])
def test_what_is_no_request_is_not_known(request_: bytes) -> None:
    assert not known(request_)


def test_fuzzed_frames_are_never_taken_for_an_answer() -> None:
    dice = random.Random(2)
    pairs = list(PAIRS.values())
    for at in range(FUZZED):
        request, answer = pairs[at % len(pairs)]
        wrong = bytearray(answer)
        for bit in dice.sample(range(8 * len(answer)), dice.randint(1, 3)):  # the CRC finds up to three wrong bits
            wrong[bit // 8] ^= 1 << bit % 8
        assert not is_answer(request, bytes(wrong))
        noise = dice.randbytes(dice.randint(0, 300))
        assert not is_answer(request, noise) or has_good_crc(noise)
        answer_length(request, noise)


# --- what is heard --------------------------------------------------------------------------------------------------


def test_fuzzed_lines_neither_hide_nor_invent_an_answer_nor_grow() -> None:
    dice = random.Random(3)
    pairs = list(PAIRS.values())
    for at in range(FUZZED):
        request, answer = pairs[at % len(pairs)]
        before = dice.randbytes(dice.choice([0, 1, 3, 40]))
        torn = answer[: dice.randrange(len(answer))] if dice.random() < 0.3 else b""
        heard = before + torn + answer
        cut = sorted(dice.sample(range(len(heard)), min(2, len(heard))))
        chunks = [heard[: cut[0]], heard[cut[0] : cut[-1]], heard[cut[-1] :]]
        assert answer_in(request, *chunks) == answer
        awaited = Awaited(request, "rtu")
        assert awaited.feed(heard[:-1]) is None
        assert awaited.feed(dice.randbytes(2000)) in (None, answer)
        assert len(awaited._heard) <= MOST_BYTES


@given(st.sampled_from(sorted(PAIRS)), st.binary(max_size=20), st.binary(max_size=20), st.booleans())
def test_any_split_into_bytes_gives_the_same_answer_and_the_same_noise(
    name: str, before: bytes, behind: bytes, echo: bool
) -> None:
    request, answer = PAIRS[name]
    heard = before + request * echo + answer
    whole = Awaited(request, "rtu", echo)
    assert whole.feed(heard + behind) == answer
    assert whole.noise_bytes == len(before) + len(behind)
    bytewise = Awaited(request, "rtu", echo)
    answers = [found for byte in heard if (found := bytewise.feed(bytes((byte,))))]
    assert (answers, bytewise.noise_bytes) == ([answer], len(before))


def test_the_echo_of_a_write_does_not_confirm_it() -> None:
    write = asking(1, 6, "0007 0001")
    assert answer_in(write, write, echo=True) is None
    assert answer_in(write, write[:3], write[3:] + write, echo=True) == write


def test_a_line_that_never_stops_is_held_in_bounds_and_counted() -> None:
    awaited = Awaited(asking(1, 3, "0000 0002"), "rtu", echo=True)
    for _ in range(100):
        assert awaited.feed(b"\xff" * 1000) is None
    assert len(awaited._heard) < 1000
    assert "is echo = true right?" in awaited.gave_up()
    assert awaited.noise_bytes == 100_000


def test_other_ends_are_a_delimiter_a_count_and_nothing() -> None:
    assert Awaited(b"?", "until:0d0a").feed(b"T=1\r\nrest") == b"T=1\r\n"
    assert Awaited(b"?", "bytes:3").feed(b"abcd") == b"abc"
    silent = Awaited(b"?", "none")
    assert not silent.expected
    assert silent.feed(b"anything") is None


@pytest.mark.parametrize(
    "rule", ["", "rtu:1", "until:", "until:0", "until:xy", "bytes:0", "bytes:5000", "bytes:-1", "x"]
)
def test_a_rule_that_cannot_be_says_which_can(rule: str) -> None:
    with pytest.raises(ValueError, match="must be rtu, none, until:<hex> or bytes:"):
        find_by(rule, b"?")


def test_an_rtu_request_that_is_none_or_has_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="no Modbus RTU request with a good CRC"):
        find_by("rtu", b"hello")
    with pytest.raises(ValueError, match="its rule is none"):
        find_by("rtu", asking(0, 6, "0000 0001"))
    with pytest.raises(ValueError, match="from 1 to 4096 bytes"):
        find_by("none", b"")
