"""The serial driver on real pseudo-terminals: the test holds the device's end."""

import os
import select
import shutil
import struct
import subprocess
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from transports.building import build
from transports.errors import LinkDown, LinkRefused, LinkTimeout, SettingsError
from transports.links import Link, Listening, serial
from transports.samples import DataType, Quality, Scan, Value, batch_of

PATIENCE_S = 10


class Device:
    """The far end of a serial line: writes what it likes, answers as it is told, can be unplugged."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave: int | None = slave  # held until the driver has opened it: a terminal that nobody holds is hung up
        self.asked: list[bytes] = []

    def connect(self, **table: Any) -> Link:
        link = serial.connect(build(serial.Settings, {"port": self.path, **table}, "device.x"))
        assert self._slave is not None
        os.close(self._slave)
        self._slave = None
        return link

    def say(self, text: bytes) -> None:
        os.write(self.master, text)

    def heard(self) -> bytes:
        assert select.select([self.master], [], [], PATIENCE_S)[0]
        return os.read(self.master, 4096)

    def answer(self, *answers: Callable[["Device"], None]) -> None:
        """From another thread, answer each request in turn; the thread ends with the link."""
        threading.Thread(target=self._answer, args=answers, daemon=True).start()

    def _answer(self, *answers: Callable[["Device"], None]) -> None:
        with suppress(OSError):
            for answer in answers:
                self.asked.append(os.read(self.master, 4096))
                answer(self)

    def echo_and_answer_in_parts(self) -> None:
        for part in (b"MEAS?\r", b"\nT=5", b"0\r", b"\n"):
            self.say(part)

    def unplug(self) -> None:
        if self.master >= 0:
            os.close(self.master)
        if self._slave is not None:
            os.close(self._slave)
        self.master, self._slave = -1, None


@pytest.fixture
def device() -> Iterator[Device]:
    made = Device()
    yield made
    made.unplug()


def wait_for_bytes(link: Link) -> None:
    assert select.select([link.stream.fileno()], [], [], PATIENCE_S)[0]  # type: ignore[attr-defined]


def read(link: Link) -> list[Scan]:
    scans = link.read()
    assert isinstance(scans, list)
    return scans


def listen(link: Link, count: int) -> list[Scan]:
    """The next `count` scans, each read when the descriptor says so."""
    scans: list[Scan] = []
    while len(scans) < count:
        wait_for_bytes(link)
        scans += read(link)
    return scans


def named(scan: Scan) -> dict[str, Any]:
    return {tag.name: value for tag, value in zip(scan.tags, scan.values, strict=True)}


TEMP = {"pattern": r"T=(?P<temp>\S+)( H=(?P<hum>\d+))?"}


def test_a_line_split_into_bytes_is_one_reading(device: Device) -> None:
    link = device.connect(**TEMP)
    for byte in b"T=23.5 H=4":
        device.say(bytes([byte]))
        wait_for_bytes(link)
        assert link.read() == []
    device.say(b"0\r\n")
    (scan,) = listen(link, 1)
    assert named(scan) == {"temp": 23.5, "hum": 40.0}
    link.close()


def test_garbage_between_lines_is_skipped_and_counted(device: Device) -> None:
    link = device.connect(**TEMP)
    device.say(b"T=1\n\xff\xfe\x00garbage\n\n\r\nxT=9\nT=2\n")
    assert [named(scan) for scan in listen(link, 2)] == [{"temp": 1.0}, {"temp": 2.0}]
    assert link.rejected == 2  # type: ignore[attr-defined]
    assert link.last_rejected == "xT=9"  # type: ignore[attr-defined]
    link.close()


def test_an_overlong_line_is_thrown_away_and_counted(device: Device) -> None:
    link = device.connect(**TEMP, max_frame_bytes=16)
    device.say(b"T=" + b"9" * 1000 + b"\nT=2\n")
    assert [named(scan) for scan in listen(link, 1)] == [{"temp": 2.0}]
    assert link.rejected == 1  # type: ignore[attr-defined]
    link.close()


def test_a_number_that_is_none_makes_that_tag_bad_and_no_other(device: Device) -> None:
    table = {"tags": {"hum": {"type": "uint64"}}, "pattern": "(?P<temp>[^,]*),(?P<hum>[^,]*),(?P<n>[^,]*)"}
    link = device.connect(**table)
    device.say(b"----,40,1_0\n1.5,18446744073709551616,nan\n")
    first, second = listen(link, 2)
    assert (first.values, first.quality) == ([None, 40, None], [Quality.BAD_DECODING, 0, Quality.BAD_DECODING])
    assert second.values[:2] == [1.5, None]
    assert second.quality == [0, Quality.BAD_OUT_OF_RANGE, 0]
    assert batch_of("x", 0, [first, second]).samples == 6
    link.close()


def test_64_bit_numbers_arrive_exactly(device: Device) -> None:
    tags = {"i": {"type": "int64"}, "u": {"type": "uint64"}, "b": {"type": "bool"}, "s": {"type": "string"}}
    link = device.connect(pattern=r"(?P<i>\S+) (?P<u>\S+) (?P<b>\S+) (?P<s>\S+)", tags=tags)
    device.say("-9223372036854775808 18446744073709551615 ON Größe\n".encode())
    (scan,) = listen(link, 1)
    assert scan.values == [-(2**63), 2**64 - 1, True, "Größe"]
    assert [tag.type for tag in link.tags] == [DataType.INT64, DataType.UINT64, DataType.BOOL, DataType.STRING]
    link.close()


def test_scale_and_offset_make_the_unit_of_the_tag(device: Device) -> None:
    link = device.connect(**TEMP, tags={"temp": {"scale": 0.5, "offset": -10, "unit": "Cel"}})
    device.say(b"T=60\n")
    assert named(listen(link, 1)[0]) == {"temp": 20.0}
    assert link.tags[0].unit == "Cel"
    link.close()


def test_struct_frames_between_marks_survive_noise(device: Device) -> None:
    link = device.connect(
        struct=">Hf4s", fields=["n", "flow", "id"], start="\x02", end="\x03", tags={"id": {"type": "string"}}
    )
    frame = b"\x02" + struct.pack(">Hf4s", 0x4142, 1.5, b"P1") + b"\x03"
    device.say(b"noise" + frame + b"\x00" + frame[:5] + frame)
    assert [scan.values for scan in listen(link, 2)] == [[0x4142, 1.5, "P1"]] * 2
    assert link.rejected == 1  # type: ignore[attr-defined]
    link.close()


def test_struct_frames_have_their_own_size(device: Device) -> None:
    link = device.connect(struct="<hQ", fields=["a", "b"], tags={"b": {"type": "uint64"}})
    device.say(struct.pack("<hQhQ", -1, 2**64 - 1, 10, 13))
    assert [scan.values for scan in listen(link, 2)] == [[-1.0, 2**64 - 1], [10.0, 13]]
    link.close()


def test_a_listening_port_can_be_waited_on_and_a_polled_one_cannot(device: Device) -> None:
    link = device.connect(**TEMP)
    assert isinstance(link, Listening)
    link.close()
    other = Device()
    polled = other.connect(**TEMP, request="?")
    assert not isinstance(polled, Listening)
    polled.close()
    other.unplug()


def test_unplugging_a_listening_port_wakes_the_reader_with_link_down(device: Device) -> None:
    link = device.connect(**TEMP)
    device.unplug()
    wait_for_bytes(link)
    with pytest.raises(LinkDown, match="unplugged"):
        link.read()
    link.close()
    link.close()


def test_a_request_is_sent_and_its_answer_read(device: Device) -> None:
    link = device.connect(**TEMP, request="MEAS?\r\n")
    device.answer(Device.echo_and_answer_in_parts, lambda far: far.say(b"T=6\r\n"))
    assert [named(scan) for scan in read(link)] == [{"temp": 50.0}]
    assert [named(scan) for scan in read(link)] == [{"temp": 6.0}]
    assert device.asked == [b"MEAS?\r\n"] * 2
    link.close()


def test_an_answer_that_came_too_late_is_not_taken_for_the_next_one(device: Device) -> None:
    link = device.connect(**TEMP, request="?")
    device.say(b"T=1\nT=1")
    wait_for_bytes(link)
    device.answer(lambda far: far.say(b"T=2\n"))
    assert [named(scan) for scan in read(link)] == [{"temp": 2.0}]
    link.close()


def test_a_silent_device_times_out(device: Device) -> None:
    link = device.connect(**TEMP, request="?", timeout="50ms")
    with pytest.raises(LinkTimeout, match="no answer"):
        link.read()
    assert device.heard() == b"?"
    link.close()


def test_an_answer_that_does_not_fit_is_shown_in_the_time_out_and_the_next_may_fit(device: Device) -> None:
    link = device.connect(**TEMP, request="?", timeout="500ms")
    device.answer(lambda far: far.say(b"ERR 5\n"), lambda far: far.say(b"T=1\n"))
    with pytest.raises(LinkTimeout, match="ERR 5"):
        link.read()
    assert [named(scan) for scan in read(link)] == [{"temp": 1.0}]
    link.close()


def test_unplugging_a_polled_port_is_link_down_not_a_time_out(device: Device) -> None:
    link = device.connect(**TEMP, request="?", timeout="10s")
    device.answer(Device.unplug)
    with pytest.raises(LinkDown, match="unplugged"):
        link.read()
    with pytest.raises(LinkDown, match="unplugged"):
        link.read()
    with pytest.raises((LinkDown, LinkRefused)):
        link.write("temp", 1.0)
    link.close()


def test_writing_sends_the_command_of_the_tag(device: Device) -> None:
    writes = {"temp": "SET {value:.1f}\r\n", "valve": "V{value}\n", "text": "SAY {value}\n", "n": "N{value}\n"}
    tags = {
        "temp": {"scale": 0.5, "offset": 1},
        "valve": {"type": "bool"},
        "text": {"type": "string"},
        "n": {"type": "uint64"},
    }
    pattern = r"(?P<temp>\S+) (?P<valve>\S+) (?P<text>\S+) (?P<n>\S+)"
    link = device.connect(pattern=pattern, tags=tags, writes=writes)
    commands: list[tuple[str, Value, bytes]] = [
        ("temp", 3.5, b"SET 5.0\r\n"),
        ("valve", True, b"V1\n"),
        ("text", "grün", "SAY grün\n".encode()),
        ("n", 2**64 - 1, b"N18446744073709551615\n"),
    ]
    for tag, value, sent in commands:
        link.write(tag, value)
        assert device.heard() == sent
    link.close()


@pytest.mark.parametrize(
    ("tag", "value"),
    [("temp", "5"), ("temp", float("nan")), ("temp", True), ("text", "a\nRESET"), ("n", -1), ("n", 1.0), ("hum", 1.0)],
)
def test_a_value_that_cannot_be_said_is_refused_before_a_byte_is_sent(device: Device, tag: str, value: Any) -> None:
    pattern = r"(?P<temp>\S+) (?P<text>\S+) (?P<n>\S+) (?P<hum>\S+)"
    tags = {"text": {"type": "string"}, "n": {"type": "int64"} if value == 1.0 else {"type": "uint64"}}
    link = device.connect(pattern=pattern, tags=tags, writes=dict.fromkeys(("temp", "text", "n"), "{value}\n"))
    with pytest.raises(LinkRefused, match=tag):
        link.write(tag, value)
    assert select.select([device.master], [], [], 0)[0] == []
    link.close()


def test_a_port_that_is_in_use_is_not_shared(device: Device) -> None:
    link = device.connect(**TEMP)
    with pytest.raises(LinkDown, match="another program holds it"):
        serial.connect(build(serial.Settings, {"port": device.path, **TEMP}, "device.y"))
    link.close()


@pytest.mark.parametrize(("port", "cure"), [("/dev/no-such-port", "plugged in"), ("/dev/null", "cannot be opened")])
def test_connecting_to_nothing_is_link_down_with_a_cure(port: str, cure: str) -> None:
    with pytest.raises(LinkDown, match=cure):
        serial.connect(build(serial.Settings, {"port": port, **TEMP}, "device.x"))


@pytest.mark.skipif(shutil.which("socat") is None, reason="socat is not installed")
def test_a_line_that_dies_with_its_far_end_is_link_down(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    ends = [f"PTY,link={end},raw,echo=0" for end in (near, far)]
    with subprocess.Popen(["socat", "-d", "-d", *ends], stderr=subprocess.PIPE) as socat:
        try:
            assert socat.stderr is not None
            assert any(b"starting data transfer loop" in line for line in iter(socat.stderr.readline, b""))
            link = serial.connect(build(serial.Settings, {"port": str(near), **TEMP}, "device.x"))
            with far.open("wb", buffering=0) as device:
                device.write(b"T=1\n")
                assert [named(scan) for scan in listen(link, 1)] == [{"temp": 1.0}]
            socat.kill()
            wait_for_bytes(link)
            with pytest.raises(LinkDown):
                link.read()
            link.close()
        finally:
            socat.kill()


@pytest.mark.parametrize(
    ("table", "path", "cure"),
    [
        ({}, "struct", "either pattern"),
        ({"pattern": "(?P<a>.)", "struct": "<H", "fields": ["a"]}, "struct", "either pattern"),
        ({"pattern": "(?P<a>"}, "pattern", "regular expression"),
        ({"pattern": "(.)"}, "pattern", "named group"),
        ({"pattern": "(?P<a>.)", "fields": ["a"]}, "fields", "belong to struct"),
        ({"pattern": "(?P<temp>.)", "tags": {"tmep": {}}}, "tags.tmep", "did you mean 'temp'"),
        ({"pattern": "(?P<temp>.)", "writes": {"x": "{value}"}}, "writes.x", "no field of that name"),
        ({"pattern": "(?P<a>.)", "writes": {"a": "{val}"}}, "writes.a", "{value}"),
        ({"pattern": "(?P<a>.)", "writes": {"a": "{value:d}"}}, "writes.a", "{value}"),
        ({"pattern": "(?P<a>.)", "tags": {"a": {"type": "int64", "scale": 2}}}, "tags.a.type", "float64"),
        ({"pattern": "(?P<a>.)", "tags": {"a": {"scale": 0}}}, "tags.a.scale", "not be 0"),
        ({"pattern": "(?P<a>.)", "tags": {"a": {"type": "real"}}}, "tags.a.type", "one of float64"),
        ({"struct": "<H?", "fields": ["a"]}, "fields", "2 different names"),
        ({"struct": "<HH", "fields": ["a", "a"]}, "fields", "2 different names"),
        ({"struct": "<HZ", "fields": ["a"]}, "struct", "struct module"),
        ({"struct": "<99999999999s", "fields": ["a"]}, "struct", "65536"),
        ({"struct": "HB", "fields": ["a", "b"]}, "struct", "byte order"),
        ({"struct": "<H", "fields": ["a"], "frame_bytes": 3}, "frame_bytes", "must be 2"),
        ({"pattern": "(?P<a>.)", "start": "\x02"}, "end", "go together"),
        ({"pattern": "(?P<a>.)", "start": "a", "end": "ab"}, "end", "neither may contain"),
        ({"pattern": "(?P<a>.)", "delimiter": "\n", "frame_bytes": 3}, "frame_bytes", "only one way"),
        ({"pattern": "(?P<a>.)", "delimiter": ""}, "delimiter", "one or more bytes"),
        ({"pattern": "(?P<a>.)", "request": "€"}, "request", "one or more bytes"),
        ({"pattern": "(?P<a>.)", "encoding": "utf-9"}, "encoding", "text encoding"),
        ({"pattern": "(?P<a>.)", "parity": "evn"}, "parity", "did you mean 'even'"),
        ({"pattern": "(?P<a>.)", "stop_bits": 3}, "stop_bits", "1, 1.5, 2"),
        ({"pattern": "(?P<a>.)", "data_bits": 9}, "data_bits", "at most 8"),
    ],
)
def test_every_mistake_in_the_settings_names_its_place_and_its_cure(
    table: dict[str, Any], path: str, cure: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        build(serial.Settings, {"port": "/dev/ttyUSB0", **table}, "device.x")
    assert [problem.path for problem in caught.value.problems] == [f"device.x.{path}"]
    assert cure in caught.value.problems[0].cure
