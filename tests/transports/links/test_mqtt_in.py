"""Devices that publish, through a real Mosquitto; a broker played by hand where no real one misbehaves so."""

import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paho.mqtt.publish
import pytest

from tests.peers.certificates import Authority
from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Subscriber
from transports.building import build
from transports.errors import LinkDown, LinkRefused, LinkTimeout, SettingsError
from transports.links import Commanded, Link, Listening, Receipted, mqtt
from transports.samples import Scan

PATIENCE_S = 20
EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"
MESSAGES = {
    "sensor": {"topic": "s/{thing}", "tags": {"t": {"path": "$.t"}, "n": {"path": "$.n", "type": "uint64"}}},
    "switch": {"topic": "w/{thing}", "format": "text", "tags": {"on": {"path": "$", "type": "bool"}}},
}
PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


def settings(port: int, **table: Any) -> mqtt.Settings:
    base = {"host": "127.0.0.1", "port": port, "client_id": "gateway", "messages": MESSAGES}
    return build(mqtt.Settings, {**base, **table}, "device.x")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, persistence=True) as running:
        yield running


@contextmanager
def connected(port: int, **table: Any) -> Iterator[mqtt.MqttLink]:
    link = mqtt.connect(settings(port, **table))
    try:
        yield link
    finally:
        link.close()


def publish(broker: Mosquitto, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
    paho.mqtt.publish.single(topic, payload, qos, retain, port=broker.port)


def publish_all(broker: Mosquitto, messages: list[tuple[str, bytes]], qos: int = 1) -> None:
    paho.mqtt.publish.multiple([(topic, payload, qos, False) for topic, payload in messages], port=broker.port)


def hear(link: mqtt.MqttLink, count: int, keep: bool = False) -> list[Scan]:
    """The next `count` scans, each read when the descriptor says so."""
    scans: list[Scan] = []
    deadline = time.monotonic() + PATIENCE_S
    reads = 0
    while len(scans) < count and (left_s := deadline - time.monotonic()) > 0:
        if select.select([link.fileno()], [], [], left_s)[0]:
            scans += link.read()
            reads += 1
            if keep:
                link.kept(link._reads)
    assert len(scans) == count, scans
    return scans


def until_down(link: mqtt.MqttLink) -> str:
    """Read until the link is down; why it is."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        select.select([link.fileno()], [], [], PATIENCE_S)
        try:
            link.read()
        except LinkDown as down:
            return str(down)
    raise AssertionError("the link is not down")


def values(scans: list[Scan], tag: str = "a.t") -> list[Any]:
    found = [dict(zip([tag.name for tag in scan.tags], scan.values, strict=True)) for scan in scans]
    return [scan[tag] for scan in found if tag in scan]


def has_nothing(link: mqtt.MqttLink, broker: Mosquitto) -> bool:
    """Whether nothing waited before a message that is published now."""
    publish(broker, "s/last", b'{"t": -1}')
    first = hear(link, 1)
    link.kept(link._reads)
    return [tag.name for tag in first[0].tags] == ["last.t"]


@PROTOCOLS
def test_a_published_message_is_a_reading(broker: Mosquitto, protocol: str) -> None:
    with connected(broker.port, protocol=protocol) as link:
        assert isinstance(link, Link)
        assert isinstance(link, Listening)
        assert isinstance(link, Receipted)
        assert isinstance(link, Commanded)
        assert link.read() == []
        before_ns = time.time_ns()
        publish_all(broker, [("s/a", b'{"t": 21.5, "n": 18446744073709551615}'), ("w/lamp", b"on"), ("other", b"5")])
        first, second = hear(link, 2)
        assert ([tag.name for tag in first.tags], first.values) == (["a.t", "a.n"], [21.5, 2**64 - 1])
        assert before_ns <= first.time_ns <= time.time_ns()
        assert (second.tags[0].name, second.values) == ("lamp.on", [True])
        assert {tag.name for tag in link.tags} == {"a.t", "a.n", "lamp.on"}


@PROTOCOLS
def test_what_was_not_kept_comes_again_and_what_was_does_not(broker: Mosquitto, protocol: str) -> None:
    with connected(broker.port, protocol=protocol) as link:
        publish_all(broker, [("s/a", b'{"t": 1}')])
        assert values(hear(link, 1)) == [1.0]
    with connected(broker.port, protocol=protocol) as link:
        assert values(hear(link, 1)) == [1.0]
        link.kept(link._reads)
    with connected(broker.port, protocol=protocol) as link:
        assert has_nothing(link, broker)


@PROTOCOLS
def test_what_was_published_while_we_were_away_is_not_lost(broker: Mosquitto, protocol: str) -> None:
    with connected(broker.port, protocol=protocol):
        pass
    publish_all(broker, [("s/a", b'{"t": %d}' % n) for n in range(100)])
    with connected(broker.port, protocol=protocol) as link:
        assert values(hear(link, 100, keep=True)) == [float(n) for n in range(100)]


def test_only_the_reads_that_are_durable_are_acknowledged(broker: Mosquitto) -> None:
    with connected(broker.port) as link:
        for n in range(3):
            publish(broker, "s/a", b'{"t": %d}' % n)
            hear(link, 1)
        durable = link._reads - 1
        link.kept(durable)
        link.kept(durable - 1)  # late news changes nothing
    with connected(broker.port) as link:
        assert values(hear(link, 1)) == [2.0]


def test_a_broker_that_ends_orderly_gives_everything_again(broker: Mosquitto) -> None:
    with connected(broker.port) as link:
        publish_all(broker, [("s/a", b'{"t": 1}'), ("s/a", b'{"t": 2}')])
        hear(link, 2)
        broker.stop()
        assert "closed the connection" in until_down(link) or "shutting down" in str(link._session.lost)
        link.kept(link._reads)  # too late, and harmless
    broker.start()
    with connected(broker.port) as link:
        assert values(hear(link, 2, keep=True)) == [1.0, 2.0]


def test_a_broker_that_was_killed_is_down_and_the_next_connection_hears_again(broker: Mosquitto) -> None:
    with connected(broker.port) as link:
        broker.kill()
        until_down(link)
        with pytest.raises(LinkDown, match="nobody listens"):
            mqtt.connect(settings(broker.port))
    broker.start()
    with connected(broker.port) as link:
        publish(broker, "s/a", b'{"t": 3}')
        assert values(hear(link, 1)) == [3.0]


def test_what_was_read_before_the_loss_is_handed_out_first(broker: Mosquitto) -> None:
    with connected(broker.port) as link:
        publish(broker, "s/a", b'{"t": 1}', qos=0)
        assert select.select([link.fileno()], [], [], PATIENCE_S)[0]
        broker.kill()
        deadline = time.monotonic() + PATIENCE_S
        while not link._session.lost and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert values(link.read()) == [1.0]  # type: ignore[arg-type]
        until_down(link)


def test_the_broker_sends_no_more_than_in_flight_before_anything_is_durable(broker: Mosquitto) -> None:
    with connected(broker.port, in_flight=5) as link:
        publish_all(broker, [("s/a", b'{"t": %d}' % n) for n in range(12)])
        assert values(hear(link, 5)) == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert not select.select([link.fileno()], [], [], 0.1)[0]
        link.kept(link._reads)
        # Mosquitto 2.0.11 has been seen to send two more than its window when acknowledgements come in a bunch
        assert values(hear(link, 7, keep=True)) == [5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]


@PROTOCOLS
def test_messages_that_mean_nothing_do_not_use_up_the_window(broker: Mosquitto, protocol: str) -> None:
    with connected(broker.port, in_flight=5, protocol=protocol) as link:
        publish_all(broker, [("s/a", b"{ no json"), ("s/a", b"{}")] * 30 + [("s/a", b'{"t": 1}')])
        assert values(hear(link, 1)) == [1.0]
        assert link.rejected == 30
        assert link.last_rejected == "s/a: { no json"


def test_a_flood_of_qos_0_is_dropped_and_counted_and_bounded(broker: Mosquitto) -> None:
    with connected(broker.port, waiting=50) as link:
        publish_all(broker, [("s/a", b'{"t": %d}' % n) for n in range(500)], qos=0)
        publish(broker, "w/end", b"1")
        deadline = time.monotonic() + PATIENCE_S
        while link._session.flooded < 450 and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        scans = hear(link, 51)
        assert values(scans) == [float(n) for n in range(50)]
        assert values(scans, "end.on") == [True]
        assert link.rejected == 450


def test_a_retained_message_is_uncertain_and_a_fresh_one_good(broker: Mosquitto) -> None:
    publish(broker, "s/a", b'{"t": 1}', retain=True)
    with connected(broker.port) as link:
        assert hear(link, 1)[0].quality == 0x4090_0000
        publish(broker, "s/a", b'{"t": 2}', retain=True)
        assert hear(link, 1)[0].quality == 0


WRITES = {
    "{thing}.on": {"topic": "w/{thing}/set", "payload": '{"on": {json}}'},
    "level": {"topic": "level/set", "type": "float64", "min": 0, "max": 10, "read_back": False},
    "name": {"topic": "name/set", "type": "string"},
    "locked": {"topic": "locked/set", "type": "bool", "writable": False},
}


@PROTOCOLS
def test_a_command_is_published_and_acknowledged(broker: Mosquitto, protocol: str) -> None:
    with Subscriber(broker.port) as device, connected(broker.port, protocol=protocol, writes=WRITES) as link:
        assert set(link.writable) == {"level", "name"}
        publish(broker, "w/lamp", b"off")
        hear(link, 1, keep=True)
        assert set(link.writable) == {"level", "name", "lamp.on"}
        assert link.writable["level"].maximum == 10
        link.write("lamp.on", True)
        link.write("level", 2.5)
        device.wait(lambda messages: len(messages) >= 3)
        assert device.payloads("w/lamp/set") == [b'{"on": true}']
        assert device.payloads("level/set") == [b"2.5"]


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("nothing", 1.0),
        ("locked", True),
        ("level", "x"),
        ("level", True),
        ("level", float("inf")),
        ("name", 'a"b'),
        ("name", "a\nb"),
        ("name", 5),
    ],
)
def test_what_cannot_be_written_is_refused(broker: Mosquitto, tag: str, value: Any) -> None:
    with connected(broker.port, writes=WRITES) as link, pytest.raises(LinkRefused, match=tag if tag != "name" else "."):
        link.write(tag, value)


def test_a_name_with_a_slash_cannot_be_written_into_another_topic(broker: Mosquitto) -> None:
    with connected(broker.port, messages={"a": {**MESSAGES["switch"], "things": ["x/y", "z"]}}, writes=WRITES) as link:
        assert set(link.writable) == {"z.on", "level", "name"}


def test_a_broker_that_hangs_is_a_timeout_for_a_write_and_then_down(broker: Mosquitto) -> None:
    with connected(broker.port, writes=WRITES, timeout="200ms", keepalive="1s") as link:
        broker.pause()
        with pytest.raises(LinkTimeout):
            link.write("level", 1.0)
        assert "Keep alive" in until_down(link)
        with pytest.raises(LinkDown, match="not hung"):
            mqtt.connect(settings(broker.port, timeout="200ms"))
        broker.resume()


def test_wrong_users_and_forbidden_topics_are_down_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords, rights = tmp_path / "passwords", tmp_path / "rights"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "we", "secret"], check=True, capture_output=True)
    rights.write_text("user we\ntopic readwrite s/#\ntopic read w/#\n")
    for file in (passwords, rights):
        file.chmod(0o600)
    monkeypatch.setenv("RIGHT", "secret")
    monkeypatch.setenv("WRONG", "guessed")
    lines = ["allow_anonymous false", f"password_file {passwords}", f"acl_file {rights}"]
    with Mosquitto(tmp_path, lines) as broker:
        we = {"user": "we", "password": {"env": "RIGHT"}}
        for protocol in ("5", "3.1.1"):
            with pytest.raises(LinkDown, match="refuses the user name or the password"):
                mqtt.connect(settings(broker.port, protocol=protocol, user="we", password={"env": "WRONG"}))
        with pytest.raises(LinkDown, match="environment variable MISSING"):
            mqtt.connect(settings(broker.port, user="we", password={"env": "MISSING"}))
        with (
            connected(broker.port, **we, writes=WRITES) as link,
            pytest.raises(LinkRefused, match="refuses to publish"),
        ):
            link.write("level", 1.0)


def test_a_broker_behind_tls_is_verified(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    pair = ours.signs("localhost")
    lines = [f"certfile {pair.certificate}", f"keyfile {pair.key}"]
    with Mosquitto(tmp_path, lines) as broker:
        with connected(broker.port, tls={"ca": str(ours.ca)}) as link:
            assert link.read() == []
        with pytest.raises(LinkDown, match="certificate is not accepted"):
            mqtt.connect(settings(broker.port, tls={"ca": str(theirs.ca)}))
        with pytest.raises(LinkDown):
            mqtt.connect(settings(broker.port))


def test_another_client_of_our_name_is_named_as_the_cause(broker: Mosquitto) -> None:
    with connected(broker.port) as link, connected(broker.port):
        assert "client_id" in until_down(link)


class Hand:
    """A broker that greets, confirms the subscription, and then sends what it is told."""

    def __init__(self, then: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port, self._then = self._listener.getsockname()[1], then
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError):
                    client.recv(4096)
                    client.sendall(b"\x20\x02\x00\x00")
                    subscribe = client.recv(4096)
                    client.sendall(b"\x90\x04" + subscribe[2:4] + b"\x01\x01")
                    self._then(client)

    def close(self) -> None:
        self._listener.close()


def packet(topic: bytes, payload: bytes, mid: int) -> bytes:
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", mid) + payload
    return bytes([0x32, len(body)]) + body


def test_acknowledgements_go_out_in_order_and_not_before_their_reading_is_durable() -> None:
    heard: list[bytes] = []
    asked, answered = threading.Event(), threading.Event()

    def play(client: socket.socket) -> None:
        for mid in (1, 2, 3):
            client.sendall(packet(b"s/a", b'{"t": 1}', mid))
        asked.wait(PATIENCE_S)
        while sum(map(len, heard)) < 12:
            heard.append(client.recv(4096))
        answered.set()

    hand = Hand(play)
    with connected(hand.port, protocol="3.1.1") as link:
        hear(link, 3)
        asked.set()
        assert not answered.wait(0.1)
        assert heard == []
        link.kept(link._reads)
        assert answered.wait(PATIENCE_S)
    assert b"".join(heard) == b"\x40\x02\x00\x01\x40\x02\x00\x02\x40\x02\x00\x03"
    hand.close()


def test_ten_thousand_damaged_packets_end_a_session_with_a_reason_and_nothing_else() -> None:
    dice, sessions, read = random.Random(5), 200, 0

    def play(client: socket.socket) -> None:
        for mid in range(1, 51):
            damaged = bytearray(packet(b"s/\xc3\xa4", b'{"t": 1}', mid))
            for _ in range(dice.choice((0, 0, 0, 1, 3))):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            client.sendall(damaged)

    hand = Hand(play)
    for _ in range(sessions):
        with connected(hand.port, protocol="3.1.1") as link, suppress(LinkDown):
            while select.select([link.fileno()], [], [], PATIENCE_S)[0]:
                read += len(link.read())
        assert link._session.lost
    assert read > 200
    hand.close()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x20\x02\x00\x01", b"\x20\x02\x00\x04"])
def test_a_far_end_that_is_no_broker_is_down_with_words(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def play() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

        threading.Thread(target=play, daemon=True).start()
        with pytest.raises(LinkDown, match=r"127.0.0.1:\d+: \w+ \w+"):
            mqtt.connect(settings(server.getsockname()[1], protocol="3.1.1", timeout="2s"))


@pytest.mark.parametrize(
    ("table", "path", "cure"),
    [
        ({"host": "a b"}, "host", "name or an address"),
        ({"client_id": ""}, "client_id", "1 to 256"),
        ({"protocol": "4"}, "protocol", "one of 5, 3.1.1"),
        ({"password": {"env": "X"}}, "user", "is missing"),
        ({"messages": {}}, "messages", "at least one"),
        ({"messages": {"a": {"topic": "a/#/b", "tags": {"t": {"path": "$"}}}}}, "messages.a.topic", "last level"),
        ({"messages": {"a": {"topic": "a", "tags": {}}}}, "messages.a.tags", "at least one tag"),
        ({"messages": {"a": {"topic": "a", "tags": {"t": {"path": "t"}}}}}, "messages.a.tags.t.path", "JSONPath"),
        (
            {"messages": {"a": {"topic": "a", "prefix": "{x}.", "tags": {"t": {"path": "$"}}}}},
            "messages.a.prefix",
            "no level",
        ),
        (
            {"messages": {"a": {"topic": "a", "things": ["x"], "tags": {"t": {"path": "$"}}}}},
            "messages.a.things",
            "one named",
        ),
        (
            {"messages": {"a": {"topic": "{x}", "availability": {"topic": "y"}, "tags": {"t": {"path": "$"}}}}},
            "messages.a.availability.topic",
            "same named levels",
        ),
        (
            {"messages": {"a": {"topic": "a", "format": "text", "tags": {"t": {"path": "$.t"}}}}},
            "messages.a.tags.t.path",
            '"\\$"',
        ),
        ({"writes": {"x": {"topic": "x"}}}, "writes.x.type", "is missing"),
        ({"writes": {"x": {"topic": "x/#", "type": "bool"}}}, "writes.x.topic", "one topic"),
        ({"writes": {"x": {"topic": "{thing}/x", "type": "bool"}}}, "writes.x.topic", "no level"),
        ({"writes": {"x": {"topic": "x", "type": "bool", "payload": "ON"}}}, "writes.x.payload", "{value}"),
        ({"writes": {"x": {"topic": "x", "type": "float64", "min": 2, "max": 1}}}, "writes.x.min", "at most max"),
    ],
)
def test_each_mistake_is_one_problem_with_its_place_and_cure(table: dict[str, Any], path: str, cure: str) -> None:
    with pytest.raises(SettingsError, match=cure) as wrong:
        settings(1883, **table)
    assert [problem.path for problem in wrong.value.problems] == [f"device.x.{path}"]


def test_the_example_hears_and_commands_the_simulator(broker: Mosquitto) -> None:
    table = tomllib.loads((EXAMPLES / "mqtt-devices.toml").read_text())["device"]["hall"]
    del table["driver"], table["host"]
    code = (
        "from functools import partial; from tests.peers.lifeline import die_with_parent\n"
        "from transports.building import build; from transports.simulators import mqtt\n"
        f"die_with_parent({os.getpid()}); table = {{'port': {broker.port}, 'every': '50ms'}}\n"
        "mqtt.serve(build(mqtt.Settings, table, 'x'), partial(print, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout is not None
            assert simulator.stdout.readline().strip() == f"publishing to 127.0.0.1:{broker.port}"
            with connected(broker.port, **table) as link:
                last: dict[str, Any] = {}

                def see(*names: str) -> None:
                    while any(last.get(name) is None for name in names):
                        for scan in hear_some(link):
                            last.update(zip([tag.name for tag in scan.tags], scan.values, strict=True))

                see("lamp.temperature", "plug.power", "shelly1-a1.relay", "shellyplus1-b2.output")
                for tag in ("lamp.state", "plug.on", "shelly1-a1.relay", "shellyplus1-b2.output"):
                    last[tag] = None
                    link.write(tag, True)
                    while last[tag] is not True:
                        last[tag] = None
                        see(tag)
        finally:
            os.kill(simulator.pid, signal.SIGKILL)


def hear_some(link: mqtt.MqttLink) -> list[Scan]:
    assert select.select([link.fileno()], [], [], PATIENCE_S)[0]
    scans = list(link.read())
    link.kept(link._reads)
    return scans


def test_closing_twice_is_fine_and_a_closed_link_is_down(broker: Mosquitto) -> None:
    link = mqtt.connect(settings(broker.port, writes=WRITES))
    link.close()
    link.close()
    link.kept(5)
    with pytest.raises(LinkDown):
        link.write("level", 1.0)
    with pytest.raises(LinkDown):
        link.read()
