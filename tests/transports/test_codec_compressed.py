"""Compressed payloads: the same to the bit, smaller where that is worth it, and never a danger to who reads them."""

import math
import random
import struct
import sys
from collections.abc import Sequence
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.arbitrary import batches, gaps, rows
from transports import codec
from transports.codec import compressed, is_compressed, pack, unpack
from transports.columns import Form
from transports.errors import NotUnderstood
from transports.samples import Batch, DataType, Gap, Quality, Scan, Tag, batch_of

zstd: Any = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

HEAD_BYTES = 48 + len("press-1")  # of a record in the spool
QUIET_NAN = struct.unpack("<d", b"\x01\x02\x03\0\0\0\xf8\xff")[0]


def analog(tags: int, scans: int = 500, digits: int = 9, jitter_ns: int = 0) -> Batch:
    """A slow signal: a walk of small steps about 75, ten times a second."""
    dice = random.Random(1)
    names = tuple(Tag(f"zone-{n}.temperature", DataType.FLOAT64, "Cel") for n in range(tags))
    now, told = [75.0 + n for n in range(tags)], []
    for n in range(scans):
        now = [value + dice.gauss(0, 0.3) for value in now]
        time_ns = 1_700_000_000_000_000_000 + n * 100_000_000 + dice.randint(-jitter_ns, jitter_ns)
        told.append(Scan(time_ns, names, [round(value, digits) for value in now]))
    return batch_of("press-1", 1, told)


# --- the same to the bit --------------------------------------------------------------------------------------------


@given(batches(), st.sampled_from(Form))
def test_any_batch_comes_back_bit_for_bit_from_any_form(batch: Batch, form: Form) -> None:
    if not batch.blocks:
        return  # nothing of it is worth turning, and it is never done
    back = unpack(codec._packed(codec._turned_fields(batch, form)))
    assert isinstance(back, Batch)
    assert rows(back) == rows(batch)
    assert pack(back) == pack(batch)


@pytest.mark.parametrize("form", Form)
def test_the_bits_of_a_nan_and_the_ends_of_time_survive(form: Form) -> None:
    tags = (Tag("f"), Tag("i", DataType.INT64), Tag("b", DataType.BOOL), Tag("s", DataType.STRING))
    times = [-(2**63), 2**63 - 1, 0, -(2**63), -1]
    scans = [Scan(t, tags, [QUIET_NAN, t, t > 0, "x"], [0, Quality.BAD_TIMEOUT, t % 7, 0]) for t in times]
    batch = batch_of("press", 1, scans)
    back = unpack(codec._packed(codec._turned_fields(batch, form)))
    assert isinstance(back, Batch)
    assert pack(back) == pack(batch)


@pytest.mark.parametrize(("tags", "scans"), [(1, 500), (8, 500), (100, 20), (1, 65)])
def test_a_compressed_batch_is_the_batch(tags: int, scans: int) -> None:
    batch = analog(tags, scans)
    payload = pack(batch, 1)
    assert is_compressed(payload)
    assert len(payload) < len(pack(batch))
    assert unpack(payload) == batch
    assert unpack(memoryview(payload)) == batch


@given(batches() | gaps(), st.integers(0, 3))
def test_packing_at_any_level_never_makes_it_larger(item: Batch | Gap, level: int) -> None:
    payload = pack(item, level)
    assert len(payload) <= len(pack(item))
    assert pack(unpack(payload)) == pack(item)


def test_what_is_short_or_does_not_get_smaller_stays_plain() -> None:
    assert pack(analog(1, 3), 1) == pack(analog(1, 3))
    noise = random.Random(1).randbytes(5000)
    scan = Scan(1, (Tag("noise", DataType.BYTES),), [noise])
    assert not is_compressed(pack(batch_of("press", 1, [scan]), 1))
    assert compressed(noise) == noise


def test_scans_without_a_tag_are_kept_as_well() -> None:
    batch = batch_of("press", 1, [Scan(n, (), []) for n in range(500)])
    assert unpack(pack(batch, 1)) == batch


def test_any_payload_can_be_compressed_later_and_once_is_enough() -> None:
    plain = pack(analog(8))
    frame = compressed(plain)
    assert len(frame) < len(plain)
    assert unpack(frame) == unpack(plain)
    assert compressed(frame) == frame


# --- how much smaller -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tags", [1, 8])
@pytest.mark.parametrize(("digits", "jitter_ns", "at_most"), [(9, 0, 9.0), (2, 0, 5.0), (2, 200_000, 9.0)])
def test_a_slow_analog_sample_takes_at_most_so_many_bytes_on_disk(
    tags: int, digits: int, jitter_ns: int, at_most: float
) -> None:
    batch = analog(tags, 500, digits, jitter_ns)
    assert (len(pack(batch, 1)) + HEAD_BYTES) / batch.samples <= at_most


# --- no danger ------------------------------------------------------------------------------------------------------


def bomb(size_bytes: int) -> bytes:
    frame: bytes = zstd.compress(bytes(size_bytes), 19)
    return frame


def lying(frame: bytes) -> bytes:
    """A frame that says it has 256 bytes: one segment, the size in two bytes (RFC 8878, section 3.1.1.1)."""
    assert frame[4] & 0xC0 == 0x80, "the size is in four bytes"
    assert frame[4] & 0x20, "without a window"
    return frame[:4] + bytes([frame[4] & 0x3F | 0x40]) + bytes(2) + frame[9:]


def nested(payload: bytes, times: int) -> bytes:
    for _ in range(times):
        payload = zstd.compress(payload, 1)
    return payload


def without_size(payload: bytes) -> bytes:
    compressor = zstd.ZstdCompressor(1)
    frame: bytes = compressor.compress(payload) + compressor.flush()
    return frame


GOOD = pack(analog(8), 1)
WRONG = {
    "a bomb that says its size": bomb(100 * 1024 * 1024),
    "a bomb that says less": lying(bomb(200 * 1024)),
    "a frame of unknown size": without_size(pack(analog(8))),
    "a frame in a frame": nested(pack(analog(8)), 2),
    "two frames": GOOD + GOOD,
    "something behind the frame": GOOD + b"x",
    "half a frame": GOOD[: len(GOOD) // 2],
    "only its first bytes": GOOD[:4],
    "a frame of nothing": nested(b"", 1),
    "a frame of rubbish": nested(b"rubbish", 1),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_frame_is_never_trusted(name: str) -> None:
    with pytest.raises(NotUnderstood):
        unpack(WRONG[name])


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_understood_or_refused(at: int, flip: int) -> None:
    try:
        item = unpack(GOOD[:at] + bytes([GOOD[at] ^ flip]) + GOOD[at + 1 :])
    except NotUnderstood:
        return
    pack(item)


FIELDS: list[Any] = codec._turned_fields(analog(2, 4), Form.PLANES)
STRANGE: dict[str, Sequence[Any]] = {
    "more times than values": [*FIELDS[:5], [10**12, 0, 1], *FIELDS[6:]],
    "one time, and a step": [*FIELDS[:5], [1, 0, 1], *FIELDS[6:]],
    "a time that is half": [*FIELDS[:5], [4, 0.5, 1], *FIELDS[6:]],
    "a step beyond 64 bits": [*FIELDS[:5], [4, 0, 2**64 - 1], *FIELDS[6:]],
    "half a time": [*FIELDS[:5], bytes(12), *FIELDS[6:]],
    "a form of the future": ["b2", 9, *FIELDS[2:]],
    "values that are no table": [*FIELDS[:6], [], *FIELDS[7:]],
    "values that are cut": [*FIELDS[:6], {4: FIELDS[6][4][:-1]}, *FIELDS[7:]],
    "too few fields": FIELDS[:7],
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_turned_batch_is_never_guessed_at(name: str) -> None:
    with pytest.raises(NotUnderstood):
        unpack(msgpack.packb(STRANGE[name]))


@given(at=st.integers(0, len(FIELDS) - 1), strange=st.none() | st.integers() | st.binary(max_size=9) | st.text())
def test_a_turned_batch_with_a_strange_field_is_understood_or_refused(at: int, strange: Any) -> None:
    try:
        payload = msgpack.packb([*FIELDS[:at], strange, *FIELDS[at + 1 :]])
    except OverflowError:
        return
    try:
        unpack(payload)
    except NotUnderstood:
        return


def test_what_is_too_large_for_a_frame_stays_plain() -> None:
    scan = Scan(1, (Tag("film", DataType.BYTES),), [bytes(codec.MAX_FRAMED_BYTES)])
    assert not is_compressed(pack(batch_of("camera", 1, [scan]), 1))
    assert math.isclose(len(pack(batch_of("camera", 1, [scan]), 1)), codec.MAX_FRAMED_BYTES, rel_tol=0.01)
