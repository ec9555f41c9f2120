"""Serial lines beyond text that ends with the line: replugging, pauses, silence, checksums, NMEA, several requests."""

import errno
import os
import select
import struct
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.peers.scans import listen
from transports.building import build
from transports.checksums import Checksum
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.links import Commanded, Link, Listening, serial
from transports.samples import Quality

PATIENCE_S = 10
TEMP = {"pattern": r"T=(?P<temp>\S+)"}


class Line:
    """A pseudo-terminal named by a link, as udev does it: unplugged and plugged in anew under the same name."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master = self._slave = -1

    def plug_in(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.link.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            os.close(self._slave)
            self.link.unlink()
        self.master = -1

    def connect(self, **table: Any) -> Link:
        return serial.connect(build(serial.Settings, {"port": str(self.link), **table}, "device.x"))

    def say(self, data: bytes) -> None:
        os.write(self.master, data)

    def heard(self) -> bytes:
        assert select.select([self.master], [], [], PATIENCE_S)[0]
        return os.read(self.master, 65536)

    def answering(self, answer: Callable[[bytes], bytes]) -> threading.Thread:
        """Answers from another thread until the line is unplugged by the link's end or by `stop`."""

        def work() -> None:
            with suppress(OSError):
                while (asked := os.read(self.master, 4096)) != b"stop":
                    os.write(self.master, answer(asked))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def stop(self, thread: threading.Thread) -> None:
        os.write(self._slave, b"stop")
        thread.join(PATIENCE_S)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    (tmp_path / "by-id").mkdir()
    made = Line(tmp_path / "by-id" / "usb-Scale_0001-if00")
    made.plug_in()
    yield made
    made.unplug()


def test_a_port_that_is_missing_is_told_together_with_those_that_are_there(line: Line) -> None:
    with pytest.raises(LinkDown, match=r"plugged in\? In .*by-id.* there is now: usb-Scale_0001-if00"):
        serial.connect(
            build(serial.Settings, {"port": str(line.link.with_name("usb-Scale_0002-if00")), **TEMP}, "device.x")
        )
    line.unplug()
    with pytest.raises(LinkDown, match="names no port at the moment"):
        line.connect(**TEMP)


@pytest.mark.parametrize("request_", [None, "?"])
def test_a_device_that_is_unplugged_is_down_and_heals_when_it_is_plugged_in_again(
    line: Line, request_: str | None
) -> None:
    asks = {} if request_ is None else {"request": request_, "timeout": "5s"}
    for value in (b"1", b"2", b"3"):
        link = line.connect(**TEMP, **asks)
        if request_ is None:
            line.say(b"T=%s\n" % value)
            (scan,) = listen(link, 1)
        else:
            thread = line.answering(lambda asked, value=value: b"T=%s\n" % value)  # type: ignore[misc]
            (scan,) = link.read()  # type: ignore[misc]
            line.stop(thread)
        assert scan.values == [float(value)]
        line.unplug()
        with pytest.raises(LinkDown, match=str(line.link)):
            link.read()
        with pytest.raises(LinkDown):
            line.connect(**TEMP)
        link.close()
        link.close()
        line.plug_in()


def test_a_link_that_was_closed_is_down_and_no_more(line: Line) -> None:
    link = line.connect(**TEMP, writes={"temp": "T{value}\n"})
    link.close()
    with pytest.raises(LinkDown, match="connect again"):
        link.read()
    with pytest.raises(LinkDown, match="connect again"):
        link.write("temp", 1.0)


def test_a_pause_ends_a_frame_without_another_byte_to_come(line: Line) -> None:
    link = line.connect(struct=">HH", fields=["a", "b"], gap="20ms")
    line.say(b"\x00\x01")
    assert isinstance(link, Listening)
    assert select.select([link.fileno()], [], [], PATIENCE_S)[0]
    assert link.read() == []
    line.say(b"\x00\x02")
    assert [scan.values for scan in listen(link, 1)] == [[1.0, 2.0]]
    assert select.select([link.fileno()], [], [], 0)[0] == [], "nothing is due any more"
    link.close()


def test_an_answer_that_a_pause_ends_is_an_answer(line: Line) -> None:
    link = line.connect(struct=">H", fields=["a"], gap="20ms", request="?", timeout="5s")
    thread = line.answering(lambda asked: b"\x01\x02")
    assert [scan.values for scan in link.read()] == [[258.0]]  # type: ignore[union-attr]
    line.stop(thread)
    link.close()


def test_frames_with_a_wrong_checksum_are_counted_and_requests_carry_one(line: Line) -> None:
    crc = Checksum("crc16-modbus")
    table = {"struct": ">Bd", "fields": ["unit", "value"], "checksum": "crc16-modbus", "slip": True}
    link = line.connect(**table, request="\u0001\u00c0", frame_sent=True, checksum_sent=True, timeout="5s")
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        good = crc.appended(struct.pack(">Bd", 1, 5e-324))
        return b"\xc0" + good[:-1] + b"\x00\xc0" + good + b"\xc0"

    thread = line.answering(answer)
    (scan,) = link.read()  # type: ignore[misc]
    assert scan.values == [1.0, 5e-324]
    assert link.rejections.damaged == 1  # type: ignore[attr-defined]
    payload = crc.appended(b"\x01\xc0")
    assert asked == [b"\xc0" + payload.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"]
    line.stop(thread)
    link.close()


def test_a_receiver_that_speaks_nmea_is_listened_to(line: Line) -> None:
    link = line.connect(format="nmea", sentences=["RMC", "HDT"])
    nmea = Checksum("nmea")
    rmc = nmea.appended(b"$GPRMC,123519,A,4807.038,N,01131.000,W,022.4,084.4,230394,003.1,W")
    line.say(
        b"9,A*33\r\n"
        + rmc
        + b"\r\n"
        + nmea.appended(b"$GPGSV,1,1,00")
        + b"\r\n"
        + rmc[:-2]
        + b"00\r\n"
        + nmea.appended(b"$HEHDT,1.5,T")
        + b"\r\n"
    )
    position, heading = listen(link, 2)
    named = {tag.name: value for tag, value in zip(position.tags, position.values, strict=True)}
    assert (named["rmc_latitude"], named["rmc_longitude"]) == (48 + 7.038 / 60, -(11 + 31 / 60))
    assert heading.values == [1.5]
    assert {tag.name for tag in link.tags} >= {"rmc_speed", "hdt_heading"}
    assert link.rejected == 2  # type: ignore[attr-defined]
    link.close()


def test_several_requests_are_asked_in_turn_and_one_without_an_answer_makes_its_tags_bad(line: Line) -> None:
    pattern = r"V=(?P<volt>\S+)|A=(?P<amp>\S+)"
    link = line.connect(pattern=pattern, requests=["V?\n", "A?\n"], timeout="100ms")
    answers = {b"V?\n": b"V=230\n", b"A?\n": b"A=5\n"}
    thread = line.answering(lambda asked: answers[asked])
    assert [scan.values for scan in link.read()] == [[230.0], [5.0]]  # type: ignore[union-attr]
    answers[b"A?\n"] = b"\n"
    volt, amp = link.read()  # type: ignore[misc]
    assert volt.values == [230.0]
    assert (amp.tags[0].name, amp.values, amp.quality) == ("amp", [None], Quality.BAD_TIMEOUT)
    answers.update({b"V?\n": b"\n", b"A?\n": b"A=6\n"})
    with pytest.raises(LinkTimeout):
        link.read()
    amp, volt = link.read()  # type: ignore[misc]
    assert (amp.values, volt.values) == ([6.0], [None]), "the dead request does not hide the one that is answered"
    line.stop(thread)
    link.close()


def test_what_has_a_command_may_be_written_within_its_limits(line: Line) -> None:
    link = line.connect(**TEMP, tags={"temp": {"min": 0, "max": 40}}, writes={"temp": "SET {value}\n"})
    assert isinstance(link, Commanded)
    assert link.writable["temp"].refusal(41.0)
    link.write("temp", 40.0)
    assert line.heard() == b"SET 40.0\n"
    with pytest.raises(LinkRefused, match="no-such-tag"):
        link.write("no-such-tag", 1.0)
    link.close()


def test_a_line_that_takes_no_bytes_is_told_in_time_and_half_a_command_is_the_end_of_the_link(line: Line) -> None:
    table = {"pattern": "(?P<text>.*)", "tags": {"text": {"type": "string"}}, "writes": {"text": "{value}"}}
    link = line.connect(**table, timeout="100ms")
    with pytest.raises(LinkDown, match=r"only \d+ of 200000 bytes"):
        link.write("text", "x" * 200_000)
    with pytest.raises(LinkTimeout, match="no byte was taken"):
        link.write("text", "x")
    link.close()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENODEV, errno.ENXIO])
def test_what_a_driver_of_usb_says_when_its_device_is_pulled_out_is_link_down(
    line: Line, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A pseudo-terminal only ever reads as empty; the errors of a real adapter are put in at read(2)."""
    link = line.connect(**TEMP)
    line.say(b"T=1\n")
    assert select.select([link.stream.fileno()], [], [], PATIENCE_S)[0]  # type: ignore[attr-defined]

    def pulled_out(descriptor: int, size: int) -> bytes:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "read", pulled_out)
        with pytest.raises(LinkDown, match="unplugged"):
            link.read()
    link.close()
