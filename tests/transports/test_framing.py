"""Framing: the same frames however the stream is cut, and never more memory than one frame."""

import struct
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.framing import (
    Datagrams,
    Delimited,
    Enclosed,
    FixedSize,
    Framer,
    Header,
    LengthPrefixed,
    Paused,
    Stuffed,
    slip,
    stuff,
    stuff_slip,
)

FRAMERS: dict[str, Callable[[], Framer]] = {
    "newline": lambda: Delimited(b"\n", 5),
    "crlf": lambda: Delimited(b"\r\n", 5),
    "repeating": lambda: Delimited(b"aa", 3),
    "fixed": lambda: FixedSize(3),
    "stx etx": lambda: Enclosed(b"\x02", b"\x03", 5),
    "long marks": lambda: Enclosed(b"a\r", b"a\n", 5),
    "stuffed": lambda: Stuffed(b"\x02", b"\n", b"\r", 5),
    "stuffed pairs": lambda: Stuffed(b"\r\x02", b"\r\n", b"\r", 5),
    "slip": lambda: slip(5),
    "length": lambda: LengthPrefixed(Header(1), 5),
    "length with start": lambda: LengthPrefixed(Header(1, at=2, add=1), 9, b"\r\n"),
    "length in header": lambda: LengthPrefixed(Header(2, "little", at=1, add=-3, skip=1), 9),
    "pause": lambda: Paused(0.1, 5),
}
# few different bytes, so that delimiters, halves of them and overlong frames are frequent
STREAMS = st.lists(
    st.sampled_from(
        [b"a", b"\r", b"\n", b"\r\n", b"\x02", b"\x03", b"x" * 7, b"ab", b"\xc0", b"\xdb", b"\xdc", b"\xdd", b"\x00"]
    )
).map(b"".join)


def fed(framer: Framer, chunks: list[bytes]) -> list[bytes]:
    return [frame for chunk in chunks for frame in framer.feed(chunk)]


@pytest.mark.parametrize("name", FRAMERS)
@given(stream=STREAMS, data=st.data())
def test_any_split_of_the_stream_gives_the_same_frames_and_losses(
    name: str, stream: bytes, data: st.DataObject
) -> None:
    whole, split = FRAMERS[name](), FRAMERS[name]()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    edges = [0, *cuts, len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(edges)]
    assert fed(split, chunks) == whole.feed(stream)
    assert split.lost == whole.lost


@given(
    frames=st.lists(st.binary(max_size=20).filter(lambda frame: b"\r\n" not in frame + b"\r" and b"\r" not in frame))
)
def test_delimited_frames_come_out_as_they_went_in(frames: list[bytes]) -> None:
    framer = Delimited(b"\r\n", 20)
    assert framer.feed(b"".join(frame + b"\r\n" for frame in frames)) == frames
    assert framer.lost == 0


@given(st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9))))
def test_enclosed_frames_are_found_between_any_noise(pairs: list[tuple[bytes, bytes]]) -> None:
    clean = [(noise.translate(None, b"\x02\x03"), frame.translate(None, b"\x02\x03")) for noise, frame in pairs]
    framer = Enclosed(b"\x02", b"\x03", 9)
    stream = b"".join(noise + b"\x02" + frame + b"\x03" for noise, frame in clean)
    assert framer.feed(stream) == [frame for _, frame in clean]
    assert framer.lost == 0


@given(frames=st.lists(st.binary(max_size=9).map(lambda raw: raw.replace(b"\n", b"")), max_size=30))
def test_every_overlong_frame_is_counted_and_hides_no_other(frames: list[bytes]) -> None:
    framer = Delimited(b"\n", 4)
    found = fed(framer, [frame + b"\n" for frame in frames])
    assert found == [frame for frame in frames if len(frame) <= 4]
    assert framer.lost == sum(len(frame) > 4 for frame in frames)


@pytest.mark.parametrize("name", [name for name in FRAMERS if name != "fixed"])
def test_a_stream_without_an_end_never_grows_memory(name: str) -> None:
    framer = FRAMERS[name]()
    framer.feed(b"\x02a\r\x02")
    lost_before = framer.lost
    for _ in range(1000):
        framer.feed(b"z" * 100)
    held = [each for each in vars(framer).values() if isinstance(each, bytearray)]
    assert held
    assert max(map(len, held)) < 10
    assert max(1, lost_before) <= framer.lost <= lost_before + 1


def test_a_frame_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    framer = Delimited(b"\r\n", 4)
    assert framer.feed(b"1234\r\n12345\r\n") == [b"1234"]
    assert framer.lost == 1


def test_a_frame_whose_end_was_lost_is_counted_and_the_next_one_arrives() -> None:
    framer = Enclosed(b"\x02", b"\x03", 9)
    assert framer.feed(b"\x021\x0222\x03") == [b"22"]
    assert framer.lost == 1


def test_reset_forgets_a_frame_that_has_begun() -> None:
    framer = Delimited(b"\n", 9)
    framer.feed(b"old")
    framer.reset()
    assert framer.feed(b"new\n") == [b"new"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Delimited(b"", 9),
        lambda: FixedSize(0),
        lambda: Enclosed(b"a", b"ab", 9),
        lambda: Enclosed(b"", b"a", 9),
        lambda: Stuffed(b"a", b"b", b"a", 9),
        lambda: Stuffed(b"a", b"bc", b"d", 9),
        lambda: Stuffed(b"da", b"dd", b"d", 9),
        lambda: LengthPrefixed(Header(0), 9),
        lambda: LengthPrefixed(Header(1, at=1), 9, b"ab"),
        lambda: Paused(0, 9),
    ],
)
def test_a_framing_that_could_never_work_is_refused(wrong: Callable[[], Framer]) -> None:
    with pytest.raises(ValueError, match=r"at least one byte|two different marks|one byte; start|longer than"):
        wrong()


@given(payloads=st.lists(st.binary(min_size=1, max_size=20)))
def test_slip_carries_any_bytes(payloads: list[bytes]) -> None:
    framer = slip(20)
    assert framer.feed(b"".join(map(stuff_slip, payloads))) == payloads
    assert framer.lost == 0


def test_an_escape_of_slip_that_means_nothing_spoils_its_frame_alone() -> None:
    framer = slip(20)
    assert framer.feed(b"\xc0a\xdbb\xc0\xc0ok\xc0a\xdb\xc0last\xc0") == [b"ok", b"last"]
    assert framer.lost == 2


@pytest.mark.parametrize(("start", "end"), [(b"\x02", b"\x03"), (b"\x10\x02", b"\x10\x03")])
@given(payloads=st.lists(st.binary(max_size=20)))
def test_stuffed_frames_carry_any_bytes_between_any_marks(start: bytes, end: bytes, payloads: list[bytes]) -> None:
    framer = Stuffed(start, end, b"\x10", 20)
    assert framer.feed(b"\x03noise".join([b"", *(stuff(each, start, end, b"\x10") for each in payloads)])) == payloads
    assert framer.lost == 0


def test_a_stuffed_frame_whose_end_was_lost_is_counted_and_the_next_arrives() -> None:
    framer = Stuffed(b"\x02", b"\x03", b"\x10", 20)
    assert framer.feed(b"\x02torn\x02\x10\x03\x03") == [b"\x03"]
    assert framer.lost == 1


@pytest.mark.parametrize("form", ["B", ">H", "<H", ">I", "<I"])
@given(payloads=st.lists(st.binary(max_size=40)))
def test_frames_of_any_size_come_out_behind_their_length(form: str, payloads: list[bytes]) -> None:
    header = Header(struct.calcsize(form), "little" if form[0] == "<" else "big")
    framer = LengthPrefixed(header, 50)
    stream = b"".join(struct.pack(form, len(each)) + each for each in payloads)
    assert stream == b"".join(header.of(each) + each for each in payloads)
    assert framer.feed(stream) == payloads
    assert framer.lost == 0


def test_a_length_may_lie_within_a_header_and_count_more_or_less_than_what_follows() -> None:
    whole = LengthPrefixed(Header(2, "big", at=1, add=-3, skip=0), 50)  # counts the whole frame
    assert whole.feed(b"A\x00\x05xyB\x00\x03") == [b"A\x00\x05xy", b"B\x00\x03"]
    crc = LengthPrefixed(Header(1, add=2), 50)  # two bytes behind what is counted
    assert crc.feed(b"\x03abcXYtail") == [b"abcXY"]


def test_a_length_that_cannot_be_true_is_passed_over_up_to_the_next_beginning() -> None:
    framer = LengthPrefixed(Header(2, at=2), 20, b"\xaa\x55")
    good = b"\xaa\x55\x00\x02ok"
    assert framer.feed(b"noise" + good + b"\xaa\x55\xff\xffxx\xaa" + good + good) == [b"ok"] * 3
    assert framer.lost == 2


def test_a_pause_ends_a_frame_and_bytes_without_one_are_one_frame() -> None:
    framer = Paused(0.1, 9)
    assert framer.feed(b"ab", 1.0) == []
    assert framer.feed(b"cd", 1.09) == []
    assert framer.due == pytest.approx(1.19)
    assert framer.feed(b"", 1.18) == []
    assert framer.feed(b"", 1.2) == [b"abcd"]
    assert framer.due is None
    assert framer.feed(b"e", 2.0) == []
    assert framer.feed(b"f", 3.0) == [b"e"], "the pause was there, even if nobody came to see it"


def test_what_is_too_long_between_two_pauses_is_lost_and_the_next_is_not() -> None:
    framer = Paused(0.1, 4)
    assert framer.feed(b"12345", 1.0) == framer.feed(b"6", 1.05) == framer.feed(b"", 2.0) == []
    assert framer.feed(b"1234", 3.0) + framer.feed(b"", 4.0) == [b"1234"]
    assert framer.lost == 1


def test_a_datagram_is_a_frame_unless_it_is_too_long() -> None:
    framer = Datagrams(3)
    assert [framer.feed(each) for each in (b"abc", b"", b"abcd", b"a\n")] == [[b"abc"], [], [], [b"a\n"]]
    assert framer.lost == 1
