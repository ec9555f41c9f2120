"""Framing: the same frames however the stream is cut, and never more memory than one frame."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.framing import Delimited, Enclosed, FixedSize, Framer

FRAMERS: dict[str, Callable[[], Framer]] = {
    "newline": lambda: Delimited(b"\n", 5),
    "crlf": lambda: Delimited(b"\r\n", 5),
    "repeating": lambda: Delimited(b"aa", 3),
    "fixed": lambda: FixedSize(3),
    "stx etx": lambda: Enclosed(b"\x02", b"\x03", 5),
    "long marks": lambda: Enclosed(b"a\r", b"a\n", 5),
}
# few different bytes, so that delimiters, halves of them and overlong frames are frequent
STREAMS = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\x02", b"\x03", b"x" * 7, b"ab"])).map(b"".join)


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
    framer.feed(b"\x02a\r")
    for _ in range(1000):
        framer.feed(b"z" * 100)
    assert len(framer._held) < 10  # type: ignore[attr-defined]
    assert framer.lost == 1


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
    [lambda: Delimited(b"", 9), lambda: FixedSize(0), lambda: Enclosed(b"a", b"ab", 9), lambda: Enclosed(b"", b"a", 9)],
)
def test_a_framing_that_could_never_work_is_refused(wrong: Callable[[], Framer]) -> None:
    with pytest.raises(ValueError, match=r"at least one byte|two different marks"):
        wrong()
