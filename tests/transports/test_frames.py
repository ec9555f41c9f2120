"""From bytes to scans, whatever the bytes are: 10,000 broken streams through each framing, and what is counted."""

import random
import struct
from collections.abc import Mapping
from typing import Any

import pytest

from transports.building import build
from transports.errors import SettingsError
from transports.frame_settings import FrameSettings
from transports.frames import Frames, Rejections
from transports.samples import Scan, batch_of

TEXT = {"pattern": r"T=(?P<t>[^ ]+) U=(?P<u>.+)", "tags": {"u": {"type": "string"}}}
BINARY = {"struct": ">dqQ", "fields": ["d", "q", "u"], "max_frame_bytes": 64}
SENT = {"frame_sent": True, "checksum_sent": True, "writes": {}}
WAYS: Mapping[str, dict[str, Any]] = {
    "line": {**TEXT, "checksum": "crc16-modbus", "checksum_form": "hex"},
    "delimiter": {**TEXT, "delimiter": "\r\n"},
    "enclosed": {**TEXT, "start": "\x02", "end": "\x03", "checksum": "lrc", "checksum_form": "hex"},
    "stuffed": {**BINARY, "start": "\x02", "end": "\x03", "escape": "\x10", "checksum": "sum8"},
    "stuffed pairs": {**BINARY, "start": "\x10\x02", "end": "\x10\x03", "escape": "\x10", "checksum": "xor8"},
    "slip": {**BINARY, "slip": True, "checksum": "crc32"},
    "length": {**BINARY, "length": {"bytes": 2}, "checksum": "crc16-ccitt"},
    "size": {**BINARY, "checksum": "crc16-xmodem"},
    "gap": {**BINARY, "gap": "10ms", "checksum": "crc16-modbus"},
    "nmea": {"format": "nmea", "sentences": ["GLL", "HDT"]},
}
PAYLOADS = {
    "text": [b"T=1.5 U=\xc3\xa4", b"T=nan U=x", b"T=-1e308 U=0"],
    "nmea": [b"$GPGLL,4916.45,N,12311.12,W,225444,A", b"$HEHDT,274.07,T"],
    "binary": [struct.pack(">dqQ", 5e-324, -(2**63), 2**64 - 1), bytes(24), b"\x10\x02\x03\xc0\xdb\xff" * 4],
}


def settings(table: dict[str, Any]) -> FrameSettings:
    return build(FrameSettings, table, "device.x")


def stream(way: str, of: FrameSettings) -> list[bytes]:
    kind = "nmea" if way == "nmea" else "binary" if of.struct else "text"
    return [of.outgoing(each) for each in PAYLOADS[kind]]


def heard(frames: Frames, chunks: list[bytes]) -> list[Scan]:
    """Chunks with a pause behind each."""
    now, scans = 1.0, []
    for chunk in [*chunks, b""]:
        scans += frames.scans(chunk, now, 1)
        now += 1.0
    return scans


@pytest.mark.parametrize("way", WAYS)
def test_what_is_framed_for_sending_is_read_back_by_the_same_settings(way: str) -> None:
    of = settings({**WAYS[way], **SENT} if way != "delimiter" else {**WAYS[way], "frame_sent": True})
    frames = Frames(of, of.reader(), rejections := Rejections())
    sent = stream(way, of)
    assert len(heard(frames, sent)) == len(sent)
    assert rejections.all == 0


@pytest.mark.parametrize("way", WAYS)
def test_ten_thousand_broken_streams_neither_crash_nor_grow_nor_make_up_values(way: str) -> None:
    of = settings({**WAYS[way], **SENT} if way != "delimiter" else {**WAYS[way], "frame_sent": True})
    dice, frames = random.Random(way), Frames(of, of.reader(), rejections := Rejections())
    whole = stream(way, of)
    for _ in range(10_000):
        scans = frames.scans(broken(dice, whole), dice.random(), 1)
        if scans:
            each_alone = [batch_of("x", 0, [scan]) for scan in scans]
            assert all(batch.samples for batch in each_alone)
    held = [each for each in vars(frames._framer).values() if isinstance(each, bytearray)]
    assert sum(map(len, held)) <= 2 * of.max_frame_bytes
    assert rejections.all > 100
    assert len(rejections.last) <= 80


def broken(dice: random.Random, whole: list[bytes]) -> bytes:
    """Noise, or a frame that is cut, doubled or has bytes changed."""
    if dice.random() < 0.3:
        return dice.randbytes(dice.randrange(60))
    frame = bytearray(dice.choice(whole))
    for _ in range(dice.randrange(3)):
        frame[dice.randrange(len(frame))] = dice.randrange(256)
    cut = dice.randrange(len(frame) + 1)
    return bytes(frame[:cut] if dice.random() < 0.5 else frame[cut:] + frame)


def test_after_any_noise_a_marked_frame_arrives_again() -> None:
    for way in ("line", "enclosed", "stuffed", "stuffed pairs", "slip", "nmea"):
        of = settings({**WAYS[way], **SENT})
        frames, good = Frames(of, of.reader(), Rejections()), stream(way, of)[0]
        for seed in range(200):
            frames.scans(random.Random(seed).randbytes(50), 1.0, 1)
            assert frames.scans(good + good, 1.0, 1), f"{way} {seed}"


def test_a_wrong_checksum_is_counted_apart_and_gives_no_reading() -> None:
    of = settings({**TEXT, "checksum": "xor8", "checksum_form": "hex"})
    frames = Frames(of, of.reader(), rejections := Rejections())
    checksum = of.sum_of_frames
    assert checksum is not None
    good, other = checksum.appended(b"T=1 U=a"), checksum.appended(b"hello")
    lines = [good, b"T=1 U=a00", b"", other, b"x" * 5000, good]
    assert len(frames.scans(b"\r\n".join([*lines, b""]), 1.0, 1)) == 2
    assert (rejections.damaged, rejections.misfits, rejections.lost) == (1, 1, 1)


@pytest.mark.parametrize(
    ("table", "path", "cure"),
    [
        ({"length": {"bytes": 3}}, "length.bytes", "1, 2, 4"),
        ({"length": {}, "delimiter": "\n"}, "length", "only one way"),
        ({"slip": True, "gap": "1s"}, "gap", "only one way"),
        ({"gap": "1us"}, "gap", "at least 0.001"),
        ({"length": {}, "start": "\x02"}, "length.at", "lies behind what begins"),
        ({"escape": "\x10"}, "escape", "needs start and end"),
        ({"start": "\x02", "end": "\x10", "escape": "\x10"}, "escape", "one byte"),
        ({"checksum": "crc16"}, "checksum", "one of crc16-modbus"),
        ({"checksum_sent": True}, "checksum_sent", "needs checksum"),
        ({"checksum_form": "hex"}, "checksum_form", "needs checksum"),
        ({"checksum": "nmea", "checksum_form": "hex"}, "checksum_form", "left out"),
        ({"length": {"at": 1}, "frame_sent": True}, "frame_sent", "the number alone"),
        ({"request": "?", "requests": ["?"]}, "requests", "beside request"),
        ({"requests": ["?", "€"]}, "requests", "one or more bytes"),
        ({"requests": ["?"] * 33}, "requests", "at most 32"),
        ({"request": "x" * 300, "frame_sent": True, "length": {"bytes": 1}}, "request", "too long"),
        ({"sentences": ["RMC"]}, "sentences", "nmea"),
        ({"tags": {"t": {"min": 1}}}, "tags.t.min", "needs writable"),
        ({"tags": {"t": {"writable": True}}}, "tags.t.writable", "writes.t"),
        ({"tags": {"t": {"min": 2, "max": 1}}, "writes": {"t": "{value}"}}, "tags.t.min", "at most max"),
        ({"pattern": None, "format": "nmea", "sentences": ["RMS"]}, "sentences[0]", "did you mean 'RMC'"),
        ({"pattern": None, "format": "nmea", "layouts": {"RMC": ["a"]}}, "layouts.RMC", "sentences"),
        ({"pattern": None, "format": "nmea", "layouts": {"XYZ": ["a", "a"]}}, "layouts", "second time"),
        ({"pattern": None, "format": "nmea", "tags": {"rmc_speed": {}}}, "tags.rmc_speed", "no field"),
        ({"pattern": None, "format": "nmea", "fields": ["a"]}, "fields", "belong to struct"),
    ],
)
def test_every_mistake_names_its_place_and_its_cure(table: dict[str, Any], path: str, cure: str) -> None:
    given = {key: value for key, value in ({"pattern": "(?P<t>.+)"} | table).items() if value is not None}
    with pytest.raises(SettingsError) as caught:
        settings(given)
    assert [problem.path for problem in caught.value.problems] == [f"device.x.{path}"]
    assert cure in caught.value.problems[0].cure


def test_a_struct_has_its_own_size_and_that_of_its_checksum() -> None:
    of = settings({"struct": "<H", "fields": ["a"], "checksum": "crc16-modbus", "frame_bytes": 4})
    frames = Frames(of, of.reader(), Rejections())
    checksum = of.sum_of_frames
    assert checksum is not None
    assert [scan.values for scan in frames.scans(checksum.appended(b"\x02\x01") * 2, 1.0, 1)] == [[258.0]] * 2


def test_a_command_makes_its_tag_writable_within_the_limits_of_the_tag() -> None:
    of = settings({**TEXT, "tags": {"t": {"min": 1, "max": 5}}, "writes": {"t": "T{value}\n"}})
    assert set(of.limits) == {"t"}
    assert of.limits["t"].refusal(6.0)
    assert not of.limits["t"].refusal(5.0)
