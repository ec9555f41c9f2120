"""The Modbus driver over TCP, against real servers: the peer that counts and misbehaves, and pymodbus's own."""

import logging
import math
import random
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.peers.processes import Peer, start_modbus_server
from transports.building import build
from transports.clock import HandClock, MachineClock
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.links import Commanded, Link, Paced
from transports.links.modbus import ModbusLink, Settings, connect
from transports.modbus.findings import AGAIN_S
from transports.modbus.wire_tcp import TcpWire
from transports.samples import Quality, batch_of
from transports.writing import Limits

COUNTER = {"address": 0, "type": "uint32", "word_order": "little"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Peer]:
    with start_modbus_server() as peer:
        yield peer


@pytest.fixture
def server(shared: Peer) -> Iterator[Peer]:
    yield shared
    shared.tell()


def link_to(peer: Peer, tags: Any, timeout: str = "5s", **device: Any) -> ModbusLink:
    table = {"host": "127.0.0.1", "port": peer.port, "timeout": timeout, "tags": tags, **device}
    return connect(build(Settings, table, "device.x"))


def values(link: Link) -> dict[str, Any]:
    (scan,) = link.read()
    _, row, _ = next(batch_of("x", 0, [scan]).rows())  # type: ignore[list-item]
    return {tag.name: value for tag, value in zip(link.tags, row, strict=True)}


@pytest.mark.parametrize("engine", ["own", "pymodbus"])
def test_all_four_tables_are_read_in_one_scan_in_the_order_of_the_tags(engine: str) -> None:
    tags = {
        "door": {"register": "discrete", "address": 3},
        "level": {"register": "input", "address": 2, "count": 2},
        "speed": {"address": 300, "scale": 0.5, "unit": "rpm"},
        "pair": {"address": 100, "type": "uint32"},
        "far": {"address": 301, "type": "int16"},
        "pump": {"register": "coil", "address": 8, "count": 2},
    }
    with start_modbus_server("--engine", engine) as peer, closing(link_to(peer, tags)) as link:
        before = time.time_ns()
        (scan,) = link.read()
        assert before <= scan.time_ns <= time.time_ns()
        assert [tag.name for tag in scan.tags] == ["door", "level0", "level1", "speed", "pair", "far", "pump0", "pump1"]
        assert list(scan.values) == [True, 65533, 65532, 150.0, 100 << 16 | 101, 301, False, True]
        assert scan.quality == Quality.GOOD
        assert scan.tags is link.tags


@pytest.mark.parametrize("engine", ["own", "pymodbus"])
@pytest.mark.parametrize("order", ["big", "little"])
def test_what_is_written_is_read_back_in_every_type(engine: str, order: str) -> None:
    wanted = {
        "uint16": 65535, "int16": -32768, "uint32": 2**32 - 1, "int32": -(2**31), "uint64": 2**64 - 1,
        "int64": -(2**63), "float32": -0.5, "float64": math.pi, "bool": True, "string": "Grüße",
    }  # fmt: skip
    tags: dict[str, Any] = {
        kind: {"address": 10 + 10 * at, "type": kind, "writable": True} for at, kind in enumerate(wanted)
    }
    tags["string"]["length"] = 5
    tags["coil"] = {"register": "coil", "address": 4, "writable": True}
    tags["scaled"] = {"address": 200, "type": "int16", "scale": 0.1, "offset": -40, "writable": True}
    with (
        start_modbus_server("--engine", engine) as peer,
        closing(link_to(peer, tags, word_order=order, byte_order=order)) as link,
    ):
        for tag, value in {**wanted, "coil": True, "scaled": 21.5}.items():
            link.write(tag, value)
        assert values(link) == {**wanted, "coil": True, "scaled": pytest.approx(21.5)}
        link.write("coil", False)
        assert values(link)["coil"] is False


def test_nan_and_infinity_pass_as_they_are(server: Peer) -> None:
    tags = {"a": {"address": 20, "type": "float32", "count": 3, "writable": True}}
    with closing(link_to(server, tags)) as link:
        for tag, value in {"a0": math.nan, "a1": math.inf, "a2": -math.inf}.items():
            link.write(tag, value)
        not_a_number, *infinite = values(link).values()
    assert math.isnan(not_a_number)
    assert infinite == [math.inf, -math.inf]


def test_a_thousand_registers_take_eight_requests(tmp_path: Path) -> None:
    with (
        start_modbus_server("--log", str(tmp_path / "log")) as peer,
        closing(link_to(peer, {"r": {"address": 0, "count": 1000}})) as link,
    ):
        (scan,) = link.read()
        assert list(scan.values)[4:] == list(range(4, 1000))
        assert len((tmp_path / "log").read_text().splitlines()) == 1


def hand_turned(peer: Peer, tags: Any) -> tuple[ModbusLink, HandClock]:
    """A link whose findings go by a clock that the test turns."""
    made, clock = build(Settings, {"host": "127.0.0.1", "port": peer.port, "tags": tags}, "device.x"), HandClock()
    connection = socket.create_connection(("127.0.0.1", peer.port))
    return ModbusLink(TcpWire(connection, 5.0, MachineClock()), "plc:502", made, clock), clock


def test_a_refused_request_makes_only_its_own_tags_bad(server: Peer) -> None:
    tags = {"good": {"address": 10}, "some": {"address": 100, "count": 2}, "busy": {"address": 200}, "last": COUNTER}
    server.tell("--refuse 101:2 --refuse 200:6")
    link, clock = hand_turned(server, tags)
    with closing(link):
        (scan,) = link.read()
        assert scan.values[:4] == [10, 100, None, None]
        assert scan.values[4]
        unreadable, busy = Quality.BAD_NOT_READABLE, Quality.BAD_OUT_OF_SERVICE
        assert scan.quality == [Quality.GOOD, Quality.GOOD, unreadable, busy, Quality.GOOD]
        server.tell()
        assert link.read()[0].values[2:4] == [None, 200]
        clock.advance(AGAIN_S)
        link.read()
        assert link.read()[0].quality == Quality.GOOD


def test_a_register_that_is_refused_costs_no_other_of_its_block(server: Peer) -> None:
    server.tell("--refuse 150:2 --refuse 199:2")
    with closing(link_to(server, {"r": {"address": 100, "count": 125}})) as link:
        (scan,) = [link.read() for _ in range(3)][-1]
    assert [at for at, value in enumerate(scan.values, 100) if value is None] == [150, 199]


def test_tags_of_their_own_periods_are_read_by_those(server: Peer) -> None:
    tags = {"a": {"address": 10}, "slow": {"address": 11, "count": 2, "period": "1m"}, "b": {"address": 13}}
    tags["slower"] = {"address": 14, "period": "1h"}
    with closing(link_to(server, tags)) as link:
        assert isinstance(link, Paced)
        assert link.paces == (60.0, 3600.0)
        (scan,) = link.read()
        assert ([tag.name for tag in scan.tags], list(scan.values)) == (["a", "b"], [10, 13])
        (scan,) = link.read_pace(60.0)
        assert ([tag.name for tag in scan.tags], list(scan.values)) == (["slow0", "slow1"], [11, 12])
        assert link.read_pace(60.0)[0].tags is scan.tags
        assert [tag.name for tag in link.tags] == ["a", "slow0", "slow1", "b", "slower"]


def test_a_device_whose_tags_all_have_their_own_periods_reads_nothing_in_between(server: Peer) -> None:
    with closing(link_to(server, {"slow": {"address": 11, "period": "1m"}})) as link:
        assert link.read() == []
        assert list(link.read_pace(60.0)[0].values) == [11]


def test_the_tags_that_a_command_may_set_have_their_limits(server: Peer) -> None:
    tags = {"fixed": {"address": 1}, "run": {"address": 8, "count": 2, "writable": True, "min": 1, "max": 5}}
    with closing(link_to(server, tags)) as link:
        assert isinstance(link, Commanded)
        assert link.writable == {"run0": Limits(1.0, 5.0), "run1": Limits(1.0, 5.0)}


def test_a_bit_is_written_without_touching_its_neighbours(server: Peer) -> None:
    tags = {"word": {"address": 70, "writable": True}, "bit": {"address": 70, "type": "bool", "bit": 3}}
    tags["bit"]["writable"] = True
    with closing(link_to(server, tags)) as link:
        link.write("word", 0xF0F0)
        link.write("bit", True)
        assert values(link) == {"word": 0xF0F8, "bit": True}
        link.write("bit", False)
        assert values(link) == {"word": 0xF0F0, "bit": False}
        with pytest.raises(LinkRefused, match="takes true or false"):
            link.write("bit", 3)


def test_a_bit_of_a_register_that_cannot_be_read_is_not_written(server: Peer) -> None:
    tags = {"bit": {"address": 70, "type": "bool", "bit": 3, "writable": True}, "word": {"address": 70}}
    with closing(link_to(server, tags)) as link:
        before = values(link)["word"]
        server.tell("--refuse 70:2")
        with pytest.raises(LinkRefused, match=r"bit = True: .* exception 2"):
            link.write("bit", True)
        server.tell()
        assert values(link)["word"] == before


def test_a_refusal_is_logged_when_it_comes_and_when_it_goes_not_at_each_read(
    server: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "holdfast.modbus")
    with closing(link_to(server, {"a": {"address": 100, "count": 2}})) as link:
        server.tell("--refuse 101:4")
        link.read(), link.read()
        server.tell()
        link.read(), link.read()
    where = f"127.0.0.1:{server.port}"
    assert [record.getMessage() for record in caplog.records] == [
        f"{where} refuses to read holding 100..101: exception 4 (server device failure)",
        f"{where} answers again for holding 100..101",
    ]


def test_text_that_is_not_utf8_is_bad_and_its_neighbours_are_good(server: Peer) -> None:
    tags = {"raw": {"address": 30, "writable": True}, "text": {"address": 30, "type": "string", "length": 1}}
    with closing(link_to(server, tags)) as link:
        link.write("raw", 0xFFFF)
        (scan,) = link.read()
    assert list(scan.values) == [0xFFFF, None]
    assert scan.quality == [Quality.GOOD, Quality.BAD_DECODING]


def test_a_killed_server_is_down_until_connecting_again(shared: Peer) -> None:
    tags = {"served": COUNTER}
    with start_modbus_server() as peer:
        port, link = peer.port, link_to(peer, tags)
        assert values(link) == {"served": 1}
        peer.kill()
        with pytest.raises(LinkDown, match=f"127.0.0.1:{port}"):
            link.read()
        with pytest.raises(LinkDown, match=rf"cannot connect to 127\.0\.0\.1:{port} .*switched on"):
            link_to(peer, tags)
    with start_modbus_server("--start", "70000", port=port) as peer:
        with pytest.raises(LinkDown, match="closed"):
            link.read()
        link.close()
        with closing(link_to(peer, tags)) as link:
            assert values(link) == {"served": 70001}
            assert values(link) == {"served": 70002}


def test_a_host_that_is_no_name_is_a_link_down() -> None:
    with pytest.raises(LinkDown, match="cannot connect"):
        connect(build(Settings, {"host": "a" * 70 + ".example", "tags": {"a": {"address": 0}}}, "device.x"))


def test_silence_is_a_timeout_and_the_connection_is_kept(server: Peer) -> None:
    with closing(link_to(server, {"a": {"address": 9}}, timeout="50ms")) as link:
        server.tell("--hang")
        for _ in range(6):  # more often than pymodbus would bear before it closes the connection
            with pytest.raises(LinkTimeout, match=f"127.0.0.1:{server.port}: no answer within 0.05 s"):
                link.read()
        server.tell()
        assert values(link) == {"a": 9}


def test_an_answer_that_comes_too_late_is_never_taken_for_a_later_one(tmp_path: Path) -> None:
    """The answer to read 1 lies in the socket when read 2 asks; what read 2 brings was counted after it asked."""
    with (
        start_modbus_server("--log", str(tmp_path / "log")) as peer,
        closing(link_to(peer, {"served": COUNTER}, timeout="300ms")) as link,
    ):
        peer.tell("--hold")
        with pytest.raises(LinkTimeout):
            link.read()
        peer.tell()  # sends what was held
        asked_ns = time.time_ns()
        found = values(link)
        counted_ns = dict(map(int, line.split()) for line in (tmp_path / "log").read_text().splitlines())
        assert found == {"served": 2}
        assert counted_ns[2] >= asked_ns > counted_ns[1]


def test_a_device_that_always_answers_too_late_is_down_not_wrong(server: Peer) -> None:
    with closing(link_to(server, {"served": COUNTER}, timeout="50ms")) as link:
        server.tell("--hold")
        with pytest.raises(LinkTimeout):
            link.read()
        server.tell("--hold")  # sends what was held, and holds what comes
        with pytest.raises(LinkDown, match="not the answer to what was asked"):
            link.read()


@pytest.mark.parametrize(
    "manners", ["--garbage", "--drop", "--cut 9", "--transaction-off 1", "--transaction-off -1", "--wrong-function"]
)
def test_whatever_is_not_the_answer_ends_the_connection(server: Peer, manners: str) -> None:
    with closing(link_to(server, {"a": {"address": 9, "count": 3}}, timeout="100ms")) as link:
        server.tell(manners)
        with pytest.raises(LinkDown, match=f"127.0.0.1:{server.port}"):
            link.read()
        server.tell()
        with pytest.raises(LinkDown, match="closed"):
            link.read()
    with closing(link_to(server, {"a": {"address": 9}})) as link:
        assert values(link) == {"a": 9}


TABLE = {"host": "plc", "tags": {"a": {"address": 1, "count": 9}, "c": {"register": "coil", "address": 0}}}


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_whatever_raise_anything_but_a_link_error(seed: int) -> None:
    """2,500 answers a seed: noise, noise with a header that fits, and answers with bytes exchanged, cut or added.

    Then the far end closes. What is read all the same is an answer that fits.
    """
    luck, made = random.Random(seed), build(Settings, TABLE, "device.x")
    for _ in range(2500):
        near, far = socket.socketpair()
        with far, closing(ModbusLink(TcpWire(near, 5.0, MachineClock()), "plc:502", made, MachineClock())) as link:
            far.sendall(_noise(luck))
            far.shutdown(socket.SHUT_WR)
            try:
                (scan,) = link.read()
            except (LinkDown, LinkTimeout):
                continue
            assert len(scan.values) == 10


def _noise(luck: random.Random) -> bytes:
    noise = luck.randbytes(luck.choice([0, 1, 3, 20, 300]))
    match luck.randrange(4):
        case 0:
            return noise
        case 1:
            return b"\0\1\0\0" + (len(noise) + 1).to_bytes(2, "big") + b"\1" + noise
        case 2:
            return b"\0\1\0\0\0\3\1" + luck.choice([b"\x81", b"\x83", b"\3", b"\0"]) + luck.randbytes(1) + noise
        case _:
            answers = bytearray(b"\0\1\0\0\0\4\1\1\1\1" + b"\0\2\0\0\0\x15\1\3\x12" + bytes(18))
            for _ in range(luck.randrange(3)):
                answers[luck.randrange(len(answers))] = luck.randrange(256)
            return bytes(answers[: luck.choice([5, 9, 12, 40, 40])]) + luck.choice([b"", noise])


@pytest.mark.parametrize(
    ("register", "answer"),
    [
        ("holding", "03 02 0007"),  # one register where two were asked
        ("holding", "03 06 0007 0008 0009"),
        ("coil", "01 02 0101"),  # two bytes of bits where one was asked
        ("coil", "01 00"),
    ],
)
def test_an_answer_of_another_length_ends_the_connection(register: str, answer: str) -> None:
    near, far = socket.socketpair()
    body = bytes.fromhex(answer)
    made = build(Settings, {"host": "plc", "tags": {"a": {"register": register, "address": 1, "count": 2}}}, "device.x")
    with far, closing(ModbusLink(TcpWire(near, 5.0, MachineClock()), "plc:502", made, MachineClock())) as link:
        far.sendall(b"\0\1\0\0" + (len(body) + 1).to_bytes(2, "big") + b"\1" + body)
        with pytest.raises(LinkDown, match=r"plc:502: \d+ bytes came where \d were asked"):
            link.read()


def test_a_flood_of_noise_is_cut_short() -> None:
    near, far = socket.socketpair()
    made = build(Settings, {"host": "plc", "tags": {"a": {"address": 1}}}, "device.x")
    with far, closing(ModbusLink(TcpWire(near, 60.0, MachineClock()), "plc:502", made, MachineClock())) as link:
        far.sendall(b"\0\0\0\0\xff\xff" + bytes(20_000))
        with pytest.raises(LinkDown, match="not Modbus"):
            link.read()


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        ("fixed", 1, "fixed: read only; set writable = true"),
        ("sped", 1, "no such tag; did you mean 'speed'?"),
        ("speed", 70000, "speed = 70000: out of the range of uint16"),
        ("guarded", 1, r"guarded = 1: 127.0.0.1:\d+ answered exception 3 \(illegal data value\)"),
    ],
)
def test_a_write_that_cannot_be_is_refused_and_the_link_lives(server: Peer, tag: str, value: Any, said: str) -> None:
    tags = {"fixed": {"address": 9}, "speed": {"address": 8, "writable": True}}
    tags["guarded"] = {"address": 50, "writable": True}
    with closing(link_to(server, tags)) as link:
        server.tell("--refuse 50:3")
        with pytest.raises(LinkRefused, match=said):
            link.write(tag, value)
        assert values(link)["fixed"] == 9


def test_a_write_without_an_answer_is_a_timeout(server: Peer) -> None:
    with closing(link_to(server, {"a": {"address": 9, "writable": True}}, timeout="50ms")) as link:
        server.tell("--hang")
        with pytest.raises(LinkTimeout):
            link.write("a", 1)


def test_a_closed_link_can_be_closed_again_and_says_that_it_is_down(server: Peer) -> None:
    link = link_to(server, {"a": {"address": 9, "writable": True}})
    link.close()
    link.close()
    with pytest.raises(LinkDown):
        link.read()
    with pytest.raises(LinkDown):
        link.write("a", 1)


def test_every_read_is_one_count_that_the_server_logged(tmp_path: Path) -> None:
    with (
        start_modbus_server("--log", str(tmp_path / "log"), "--start", "65530") as peer,
        closing(link_to(peer, {"served": COUNTER, "r": {"address": 0, "count": 4}})) as link,
    ):
        seen = [values(link) for _ in range(20)]
        logged = [int(line.split()[0]) for line in (tmp_path / "log").read_text().splitlines()]
    assert [one["served"] for one in seen] == logged == list(range(65531, 65551))
    assert all(one["r0"] == one["r3"] and one["r2"] == 4242 for one in seen)


def test_the_socket_sends_at_once_and_notices_a_dead_peer(server: Peer) -> None:
    with closing(link_to(server, {"a": {"address": 9}})) as link:
        assert isinstance(link._wire, TcpWire)
        connection = link._wire._connection
        assert connection is not None
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
