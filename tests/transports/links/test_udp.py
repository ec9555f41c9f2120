"""The UDP driver against raw sockets: who sends by himself, who is asked, and who should not be heard."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.peers.scans import listen
from transports.building import build
from transports.checksums import Checksum
from transports.errors import LinkDown, LinkRefused, LinkTimeout, SettingsError
from transports.links import Commanded, Link, Listening, udp

PATIENCE_S = 10
TEMP = {"pattern": r"T=(?P<temp>\S+)"}


def connect(**table: Any) -> Link:
    given = {key: value for key, value in table.items() if value is not None}
    return udp.connect(build(udp.Settings, given, "device.x"))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def listener(stack: ExitStack) -> Callable[..., Link]:
    def make(**table: Any) -> Link:
        link = connect(**{"listen": "127.0.0.1:0", **TEMP, **table})
        stack.callback(link.close)
        return link

    return make


@pytest.fixture
def sender(stack: ExitStack) -> Callable[..., Callable[[bytes], None]]:
    """Something on a host of its own that sends datagrams to a link."""

    def make(link: Link, host: str = "127.0.0.1") -> Callable[[bytes], None]:
        made = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made.bind((host, 0))
        made.connect(link.stream._socket.getsockname())  # type: ignore[attr-defined]
        return lambda data: made.sendall(data)

    return make


class Device:
    """Something that is asked; answers each request from another thread."""

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.asked: list[bytes] = []
        self._answer = answer
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while True:
            asked, who = self.socket.recvfrom(65536)
            if asked == b"stop":
                return
            self.asked.append(asked)
            for each in self._answer(asked):
                self.socket.sendto(each, who)

    def stop(self) -> None:
        if self.socket.fileno() >= 0:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"stop", ("127.0.0.1", self.port))
            self._thread.join(PATIENCE_S)
            self.socket.close()


@pytest.fixture
def device(stack: ExitStack) -> Callable[[Callable[[bytes], list[bytes]]], Device]:
    def make(answer: Callable[[bytes], list[bytes]]) -> Device:
        made = Device(answer)
        stack.callback(made.stop)
        return made

    return make


Listen = Callable[..., Link]
Send = Callable[..., Callable[[bytes], None]]
Ask = Callable[[Callable[[bytes], list[bytes]]], Device]


def test_each_datagram_is_a_reading_and_a_line_end_does_not_matter(listener: Listen, sender: Send) -> None:
    link = listener(peer=True)
    sender(link)(b"T=1")
    sender(link, "127.0.0.2")(b"T=2\r\n")
    scans = listen(link, 2)
    assert [scan.values for scan in scans] == [[1.0, "127.0.0.1"], [2.0, "127.0.0.2"]]
    assert scans[0].tags is scans[1].tags
    link.close()
    link.close()
    with pytest.raises(LinkDown):
        link.read()


def test_64_bits_and_text_arrive_exactly(listener: Listen, sender: Send) -> None:
    link = listener(pattern=None, struct="<qQd8s", fields=["a", "b", "c", "d"], tags={"d": {"type": "string"}})
    sender(link)(struct.pack("<qQd8s", -(2**63), 2**64 - 1, 5e-324, "Größe".encode()))
    assert [scan.values for scan in listen(link, 1)] == [[-(2**63), 2**64 - 1, 5e-324, "Größe"]]


def test_pieces_of_a_stream_are_put_together_for_each_sender(listener: Listen, sender: Send) -> None:
    link = listener(delimiter="\n")
    one, two = sender(link), sender(link)
    for send, piece in ((one, b"T=1"), (two, b"T=2"), (one, b"1\nT="), (two, b"2\n"), (one, b"3\n")):
        send(piece)
    assert [scan.values for scan in listen(link, 3)] == [[11.0], [22.0], [3.0]]


def test_sentences_of_nmea_come_several_in_one_datagram(listener: Listen, sender: Send) -> None:
    link = listener(pattern=None, format="nmea", sentences=["HDT", "MTW"], delimiter="\n")
    both = [Checksum("nmea").appended(each) + b"\r\n" for each in (b"$HEHDT,1.5,T", b"$IIMTW,17.2,C")]
    sender(link)(b"".join(both))
    assert [scan.values for scan in listen(link, 2)] == [[1.5], [17.2]]


def test_garbage_is_counted_and_too_long_is_thrown_away(listener: Listen, sender: Send) -> None:
    link = listener(max_frame_bytes=100)
    send = sender(link)
    for data in (b"", b"\xff\x00", b"T=" + b"9" * 60_000, b"T=" + b"9" * 200, b"T=5"):
        send(data)
    assert [scan.values for scan in listen(link, 1)] == [[5.0]]
    assert link.rejections.misfits == 1  # type: ignore[attr-defined]
    assert link.rejections.lost == 2  # type: ignore[attr-defined]


def test_who_is_not_allowed_is_not_heard(listener: Listen, sender: Send) -> None:
    link = listener(allow=["127.0.0.2"])
    sender(link)(b"T=1")
    sender(link, "127.0.0.2")(b"T=2")
    assert [scan.values for scan in listen(link, 1)] == [[2.0]]
    assert link.stream.turned_away == 1  # type: ignore[attr-defined]


def test_more_senders_than_can_be_remembered_take_no_more_memory(listener: Listen) -> None:
    link = listener(delimiter="\n")
    address = link.stream._socket.getsockname()  # type: ignore[attr-defined]
    for number in range(300):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind((f"127.0.{number + 1 >> 7}.{number % 250 + 1}", 0))
            one.sendto(b"T=half", address)
        assert link.read() == []
    assert len(link._frames) == 256  # type: ignore[attr-defined]


def test_a_device_answers_and_takes_a_command(device: Ask) -> None:
    far = device(lambda asked: [b"noise", b"T=1.5\n"] if asked == b"?\n" else [])
    commands = {"writes": {"temp": "S{value}"}, "tags": {"temp": {"max": 9}}}
    link = connect(host="127.0.0.1", port=far.port, **TEMP, **commands, request="?\n", timeout="5s")
    assert not isinstance(link, Listening)
    assert isinstance(link, Commanded)
    link.write("temp", 9.0)
    assert [scan.values for scan in link.read()] == [[1.5]]  # type: ignore[union-attr]
    assert far.asked == [b"S9.0", b"?\n"]
    with pytest.raises(LinkRefused, match="no-such-tag"):
        link.write("no-such-tag", 1.0)
    link.close()


def test_an_answer_that_comes_late_is_not_the_next_one(device: Ask) -> None:
    far = device(lambda asked: [b"T=%d" % len(far.asked)])
    link = connect(host="127.0.0.1", port=far.port, **TEMP, request="?", timeout="5s")
    assert [scan.values for scan in link.read()] == [[1.0]]  # type: ignore[union-attr]
    far.socket.sendto(b"T=99", link.stream._socket.getsockname())  # type: ignore[attr-defined]
    assert [scan.values for scan in link.read()] == [[2.0]]  # type: ignore[union-attr]
    link.close()


def test_a_silent_device_is_a_time_out_and_one_that_is_not_there_is_down(device: Ask) -> None:
    far = device(lambda asked: [])
    link = connect(host="127.0.0.1", port=far.port, **TEMP, request="?", timeout="50ms")
    with pytest.raises(LinkTimeout, match="no answer"):
        link.read()
    far.stop()
    with pytest.raises(LinkDown, match="nothing listens there"):
        link.read()
    link.close()


def test_the_answer_of_a_stranger_is_not_heard(device: Ask) -> None:
    far = device(lambda asked: [])
    link = connect(host="127.0.0.1", port=far.port, **TEMP, request="?", timeout="50ms")
    here = link.stream._socket.getsockname()  # type: ignore[attr-defined]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        far._answer = lambda asked: [b""] * stranger.sendto(b"T=666", here)
        with pytest.raises(LinkTimeout):
            link.read()
    link.close()


def test_an_address_that_is_not_of_this_machine_is_link_down_with_a_cure() -> None:
    with pytest.raises(LinkDown, match="one of this machine's"):
        connect(listen="192.0.2.1:4001", **TEMP)


@pytest.mark.parametrize(
    ("table", "path", "cure"),
    [
        ({}, "host", "either host and port, or listen"),
        ({"host": "a", "request": "?"}, "port", "missing"),
        ({"host": "a", "port": 1}, "request", "needs listen"),
        ({"listen": "0.0.0.0:1", "request": "?"}, "request", "belongs to host"),
        ({"listen": "0.0.0.0:1", "writes": {"temp": "{value}"}}, "writes", "belongs to host"),
        ({"listen": "0.0.0.0:1", "port": 1}, "port", "belongs to host"),
        ({"listen": "localhost"}, "listen", "an address and a port"),
        ({"host": "a", "port": 1, "request": "?", "peer": True}, "peer", "belongs to listen"),
        ({"listen": "0.0.0.0:1", "allow": ["lan"]}, "allow", "192.168.1.0/24"),
        ({"listen": "0.0.0.0:1", "delimiter": "\n", "slip": True}, "slip", "only one way"),
    ],
)
def test_every_mistake_names_its_place_and_its_cure(table: dict[str, Any], path: str, cure: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(udp.Settings, {**TEMP, **table}, "device.x")
    assert [problem.path for problem in caught.value.problems] == [f"device.x.{path}"]
    assert cure in caught.value.problems[0].cure
