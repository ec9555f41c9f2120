"""The Modbus driver in RTU frames: on a pseudo-terminal, over TCP through a converter, on a shared line."""

import json
import os
import random
import shutil
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peers.processes import Peer, start_modbus_server, start_peer
from transports.building import build
from transports.clock import MachineClock
from transports.errors import LinkDown, LinkRefused, LinkTimeout, NotUnderstood
from transports.line_messages import Hello, Outcome, Reply, Request, pack, unpack_asking
from transports.links.modbus import ModbusLink, Settings, connect
from transports.modbus.ports import Characters, SocketPort
from transports.modbus.wire_rtu import TURNAROUND_S, RtuWire, Times, silence_s
from transports.rtu_frames import with_crc
from transports.samples import Quality


@pytest.fixture
def slaves() -> Iterator[Peer]:
    with start_peer("rtu_slaves.py") as peer:
        yield peer


def link_to(way: dict[str, Any], tags: Any, **device: Any) -> ModbusLink:
    return connect(build(Settings, {"timeout": "5s", "tags": tags, **way, **device}, "device.x"))


def line_of(peer: Peer) -> dict[str, Any]:
    return {"serial": f"/dev/pts/{peer.port}", "baud": 115200}


def values(link: ModbusLink) -> list[Any]:
    (scan,) = link.read()
    return list(scan.values)


def test_a_unit_on_a_serial_port_is_read_and_written(slaves: Peer) -> None:
    tags = {"r": {"address": 0, "count": 130}, "w": {"address": 200, "type": "float64", "writable": True}}
    with closing(link_to(line_of(slaves), tags, unit=7)) as link:
        link.write("w", -0.1)
        assert values(link) == [*(7 * 256 + at for at in range(130)), -0.1]


def test_each_unit_of_a_line_is_told_from_the_others(slaves: Peer) -> None:
    with closing(link_to(line_of(slaves), {"a": {"address": 3}}, unit=2)) as two:
        assert values(two) == [2 * 256 + 3]
    with closing(link_to(line_of(slaves), {"a": {"address": 3}}, unit=201)) as other:
        assert values(other) == [201 * 256 + 3]


@pytest.mark.parametrize("manners", ["--noise 00ff", "--noise 0103", "--trailing 00", "--split", "--noise 010301"])
def test_noise_around_an_answer_and_an_answer_in_pieces_are_read_all_the_same(slaves: Peer, manners: str) -> None:
    slaves.tell(manners)
    with closing(link_to(line_of(slaves), {"a": {"address": 3, "count": 2}})) as link:
        assert [values(link) for _ in range(3)] == [[259, 260]] * 3


@pytest.mark.parametrize("manners", ["--damage", "--cut 4", "--units 2-9"])
def test_a_damaged_answer_is_a_timeout_and_the_next_one_is_read(slaves: Peer, manners: str) -> None:
    with closing(link_to(line_of(slaves), {"a": {"address": 3}}, timeout="60ms")) as link:
        slaves.tell(manners)
        with pytest.raises(LinkTimeout, match=f"/dev/pts/{slaves.port} unit 1: no answer within 0.06 s"):
            link.read()
        slaves.tell()
        assert values(link) == [259]


def test_an_adapter_that_hears_itself_needs_to_be_told(slaves: Peer) -> None:
    slaves.tell("--echo")
    with closing(link_to(line_of(slaves), {"a": {"address": 3, "writable": True}}, echo=True)) as link:
        link.write("a", 11)
        assert values(link) == [11]


def test_a_late_answer_is_never_taken_for_the_answer_to_another_request(slaves: Peer) -> None:
    """Two blocks of one length: the answer to the first, late, would fit the request for the second."""
    tags = {"a": {"address": 0, "count": 2}, "b": {"address": 100, "count": 2}}
    with closing(link_to(line_of(slaves), tags, timeout="100ms")) as link:
        slaves.tell("--delay 0.15")
        for _ in range(4):
            with pytest.raises(LinkTimeout):
                link.read()
        slaves.tell()
        assert values(link) == [256, 257, 356, 357]


def test_what_lies_on_the_line_before_the_request_is_no_answer() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    with closing(link_to({"serial": os.ttyname(slave)}, {"a": {"address": 3}}, timeout="50ms")) as link:
        os.write(master, with_crc(bytes.fromhex("01 03 02 0007")))
        with pytest.raises(LinkTimeout):
            link.read()
        assert os.read(master, 99) == with_crc(bytes.fromhex("01 03 0003 0001"))
    os.close(master)
    os.close(slave)


def test_a_request_waits_for_the_silence_that_ends_a_frame() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    way = {"serial": os.ttyname(slave), "baud": 300, "parity": "even"}
    with closing(link_to(way, {"a": {"address": 3}}, timeout="50ms")) as link:
        os.write(master, b"\xaa")
        began = time.monotonic()
        with pytest.raises(LinkTimeout):
            link.read()
        assert time.monotonic() - began >= 3.5 * 11 / 300 + 0.05
    os.close(master)
    os.close(slave)


def test_a_line_that_is_never_silent_is_a_timeout() -> None:
    near, far = socket.socketpair()
    talking = threading.Event()

    def talk() -> None:
        while not talking.wait(0.001):
            far.send(b"\xaa")

    chatter = threading.Thread(target=talk)
    chatter.start()
    wire = RtuWire(SocketPort(near, 0.05), Times(0.05, silence_s=0.02), MachineClock())
    try:
        with pytest.raises(LinkTimeout, match="never silent"):
            wire.ask(1, b"\3\0\0\0\1")
    finally:
        talking.set()
        chatter.join()
        wire.close()
        far.close()


def test_a_flood_is_cut_short() -> None:
    near, far = socket.socketpair()
    wire = RtuWire(SocketPort(near, 60.0), Times(60.0), MachineClock())
    threading.Thread(target=lambda: [far.recv(99), far.sendall(bytes(9000))], daemon=True).start()
    with far, closing(wire), pytest.raises(LinkDown, match="not Modbus"):
        wire.ask(1, b"\3\0\0\0\1")


@pytest.mark.parametrize(
    ("baud", "parity", "silence"),
    [(9600, "none", 3.5 * 10 / 9600), (19200, "even", 3.5 * 11 / 19200), (115200, "none", 0.00175)],
)
def test_the_silence_is_three_and_a_half_characters_and_fixed_on_fast_lines(
    baud: int, parity: str, silence: float
) -> None:
    assert silence_s(baud, Characters(baud, 8, parity, 1).seconds) == pytest.approx(silence)


def test_a_port_that_is_not_there_or_taken_says_what_to_look_at(slaves: Peer) -> None:
    with pytest.raises(LinkDown, match=r"/dev/no-such-port: no such port; is the adapter plugged in"):
        link_to({"serial": "/dev/no-such-port"}, {"a": {"address": 0}})
    with (
        closing(link_to(line_of(slaves), {"a": {"address": 0}})),
        pytest.raises(LinkDown, match=r"another program holds it; several devices on one port need a \[line.NAME\]"),
    ):
        link_to(line_of(slaves), {"a": {"address": 0}})


@pytest.mark.skipif(shutil.which("socat") is None, reason="socat is not installed")
def test_a_port_that_goes_away_is_down_and_can_be_opened_again(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    tags = {"a": {"address": 5}}
    simulated = json.dumps({"serial": str(far), "baud": 115200})
    link = None
    for _ in range(2):
        with cable(near, far) as socat, start_modbus_server("--engine", "simulator", "--simulate", simulated):
            link = link_to({"serial": str(near), "baud": 115200}, tags)
            assert values(link) == [5]
            socat.kill()
            socat.wait()
            with pytest.raises(LinkDown, match="unplugged or hung up"):
                link.read()
            with pytest.raises(LinkDown, match="closed"):
                link.read()
            link.close()


@contextmanager
def cable(near: Path, far: Path) -> Iterator["subprocess.Popen[bytes]"]:
    ends = [f"PTY,link={end},raw,echo=0" for end in (near, far)]
    with subprocess.Popen(["socat", "-d", "-d", *ends], stderr=subprocess.PIPE) as socat:
        try:
            assert socat.stderr is not None
            assert any(b"starting data transfer loop" in line for line in iter(socat.stderr.readline, b""))
            yield socat
        finally:
            socat.kill()


# --- over TCP --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def converter() -> Iterator[dict[str, Any]]:
    simulated = json.dumps({"framing": "rtu", "units": 3, "dead_units": [2]})
    with start_modbus_server("--engine", "simulator", "--simulate", simulated) as peer:
        yield {"host": "127.0.0.1", "port": peer.port, "framing": "rtu"}


def test_rtu_frames_pass_through_a_converter(converter: dict[str, Any]) -> None:
    tags = {"a": {"address": 300, "count": 130}, "w": {"address": 20, "type": "int64", "writable": True}}
    tags["bit"] = {"address": 30, "type": "bool", "bit": 4, "writable": True}
    with closing(link_to(converter, tags, unit=3)) as link:
        link.write("w", -(2**63))
        link.write("bit", False)
        assert values(link) == [*range(300, 430), -(2**63), False]


def test_a_broadcast_is_written_by_every_unit_and_nothing_is_waited_for(converter: dict[str, Any]) -> None:
    written: Any = {"a": {"address": 40, "writable": True}, "bit": {"address": 41, "type": "bool", "bit": 1}}
    written["bit"]["writable"] = True
    with closing(link_to(converter, written, unit=0, mask_write=True)) as everybody:
        assert everybody.read() == []
        assert set(everybody.writable) == {"a", "bit"}
        everybody.write("a", 4711)
        everybody.write("bit", True)
    for unit in (1, 3):
        with closing(link_to(converter, {"a": {"address": 40, "count": 2}}, unit=unit)) as link:
            assert values(link) == [4711, 41 | 2]


def test_the_units_have_time_to_carry_out_a_broadcast() -> None:
    near, far = socket.socketpair()
    wire = RtuWire(SocketPort(near, 5.0), Times(5.0), MachineClock())
    with far, closing(wire):
        began = time.monotonic()
        wire.tell(0, b"\6\0\1\0\1")
        wire.tell(0, b"\6\0\1\0\2")
        assert time.monotonic() - began >= TURNAROUND_S


def test_a_dead_unit_behind_a_converter_is_a_timeout(converter: dict[str, Any]) -> None:
    with (
        closing(link_to(converter, {"a": {"address": 40}}, unit=2, timeout="50ms")) as link,
        pytest.raises(LinkTimeout, match=r"unit 2: no answer within 0\.05 s"),
    ):
        link.read()


def test_a_converter_that_closes_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        way = {"host": "127.0.0.1", "port": server.getsockname()[1], "framing": "rtu"}
        link = link_to(way, {"a": {"address": 40}})
        server.accept()[0].close()
        with pytest.raises(LinkDown, match=r"unit 1: .*(closed|lost|takes no request)"):
            link.read()
        link.close()


TAGS = {"a": {"address": 1, "count": 9}, "c": {"register": "coil", "address": 0}}
ANSWERS = {1: with_crc(b"\1\1\1\1"), 3: with_crc(b"\1\3\x12" + bytes(range(18)))}


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_whatever_raise_anything_but_a_link_error(seed: int) -> None:
    """2,500 times a seed: noise, damaged and cut answers around good ones; the far end closes behind a bad one."""
    luck, read = random.Random(seed), 0
    made = build(Settings, {"host": "plc", "framing": "rtu", "tags": TAGS}, "device.x")
    for _ in range(2500):
        near, far = socket.socketpair()
        wire = RtuWire(_Answering(near, far, luck), Times(5.0), MachineClock())
        with far, closing(ModbusLink(wire, "plc:502", made, MachineClock())) as link:
            try:
                (scan,) = link.read()
            except (LinkDown, LinkTimeout):
                continue
            read += 1
            assert list(scan.values) == [*(2 * at << 8 | 2 * at + 1 for at in range(9)), True]
    assert read > 500


class _Answering(SocketPort):
    """A connection whose far end answers at once, more or less well."""

    def __init__(self, near: socket.socket, far: socket.socket, luck: random.Random) -> None:
        super().__init__(near, 5.0)
        self._far, self._luck = far, luck

    def write(self, data: bytes) -> None:
        answer = ANSWERS[data[1]]
        self._far.sendall(_damaged(self._luck, answer) + self._luck.choice([b"", self._luck.randbytes(3)]))
        if self._luck.random() < 0.5:
            self._far.sendall(answer)
        else:
            self._far.shutdown(socket.SHUT_WR)


def _damaged(luck: random.Random, answer: bytes) -> bytes:
    noise, changed = luck.randbytes(luck.choice([0, 0, 2, 7, 300])), bytearray(answer)
    match luck.randrange(4):
        case 0:
            changed[luck.randrange(len(changed))] ^= 1 << luck.randrange(8)
        case 1:
            del changed[luck.randrange(len(changed)) :]
    return noise + bytes(changed)


# --- on a shared line ------------------------------------------------------------------------------------------------


@contextmanager
def owner(path: Path, *replies: Reply) -> Iterator[list[Request]]:
    """Stands in for the process that owns a line: welcomes one member and gives these replies."""
    heard: list[Request] = []
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(str(path))
    listening.listen()

    def own() -> None:
        member, _ = listening.accept()
        with member:
            assert isinstance(unpack_asking(member.recv(9999)), Hello)
            member.send(pack(Reply(0, Outcome.ANSWER)))
            for reply in replies:
                try:
                    asked = unpack_asking(member.recv(9999))
                except (NotUnderstood, OSError):
                    return
                assert isinstance(asked, Request)
                heard.append(asked)
                member.send(pack(Reply(asked.number, reply.outcome, reply.body)))

    owning = threading.Thread(target=own, daemon=True)
    owning.start()
    with listening:
        yield heard
        owning.join(10)


def said(frame: str) -> Reply:
    return Reply(0, Outcome.ANSWER, with_crc(bytes.fromhex(frame)))


SETPOINT = {"a": {"address": 3, "writable": True}}


def test_a_member_of_a_line_asks_its_owner(tmp_path: Path) -> None:
    with (
        owner(tmp_path / "hall.line", said("05 03 02 0007"), said("05 06 0003 0008"), said("05 86 02")) as heard,
        closing(link_to({"line": str(tmp_path / "hall.line")}, SETPOINT, unit=5)) as link,
    ):
        assert values(link) == [7]
        link.write("a", 8)
        with pytest.raises(LinkRefused, match="line hall unit 5 answered exception 2"):
            link.write("a", 9)
    assert [request.frame.hex() for request in heard][:1] == [with_crc(bytes.fromhex("05 03 0003 0001")).hex()]
    assert {(request.rule, request.timeout_s) for request in heard} == {("rtu", 5.0)}
    assert [request.urgent for request in heard] == [False, True, True]  # commands go before readings


def test_a_broadcast_on_a_line_awaits_no_answer(tmp_path: Path) -> None:
    with (
        owner(tmp_path / "hall.line", Reply(0, Outcome.ANSWER)) as heard,
        closing(link_to({"line": str(tmp_path / "hall.line")}, SETPOINT, unit=0)) as link,
    ):
        link.write("a", 8)
    assert [(request.rule, request.frame) for request in heard] == [
        ("none", with_crc(bytes.fromhex("00 06 0003 0008")))
    ]


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        (Reply(0, Outcome.SILENT, b"nobody there"), LinkTimeout, "line hall unit 1: nobody there"),
        (Reply(0, Outcome.DOWN, b"the port is lost"), LinkDown, "line hall unit 1: the port is lost"),
        (Reply(0, Outcome.REFUSED, b"cannot"), LinkDown, "takes no Modbus request: cannot"),
        (said("01 03 04 0007 0008"), LinkTimeout, "4 bytes came where 2 were asked"),
        (Reply(0, Outcome.ANSWER, b""), LinkTimeout, "answered function nothing"),
    ],
)
def test_what_the_owner_says_is_told_as_it_is(tmp_path: Path, reply: Reply, error: type[Exception], text: str) -> None:
    with (
        owner(tmp_path / "hall.line", reply),
        closing(link_to({"line": str(tmp_path / "hall.line")}, {"a": {"address": 3}})) as link,
        pytest.raises(error, match=text),
    ):
        link.read()


def test_a_line_without_an_owner_says_where_one_would_be(tmp_path: Path) -> None:
    with pytest.raises(LinkDown, match=r"the line hall has no owner here: .*holdfast run"):
        link_to({"line": "hall"}, {"a": {"address": 3}})
    with pytest.raises(LinkDown, match="nobody owns the line hall"):
        link_to({"line": str(tmp_path / "hall.line")}, {"a": {"address": 3}})


def test_quality_of_what_a_unit_refuses_is_its_reason(slaves: Peer) -> None:
    with closing(link_to(line_of(slaves), {"a": {"address": 3}, "far": {"address": 0x8000}})) as link:
        (scan,) = link.read()
    assert (list(scan.values), scan.quality) == ([259, None], [Quality.GOOD, Quality.BAD_NOT_READABLE])
