"""One client that publishes: an uplink of the house as its actor drives it, or bare paho; and what that cost it.

    python -m tests.bench.uplink_client TYPE SETTINGS CELLS PARENT_PID

TYPE is an uplink's, or "paho"; SETTINGS are its settings as JSON; CELLS a list of [bytes, in flight, messages]. On one
connection each cell is warmed up with a tenth of its messages, and then measured; for each, a line of JSON is printed:
seconds, the processor time of this process (all its threads), and the bytes that TCP carried in both directions, TLS
and answers included, TCP's and IP's own headers not.
"""

import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from tests.peers.lifeline import die_with_parent
from transports import catalog
from transports.building import build
from transports.uplinks import Identity, Outgoing

TOPIC = "bench/press"
# linux/tcp.h, struct tcp_info: where tcpi_bytes_received and tcpi_bytes_sent are
_RECEIVED, _SENT, _INFO_BYTES = 128, 200, 256


class Courier(Protocol):
    """Publishes, and waits for acknowledgements."""

    def publish(self, payload: bytes) -> None: ...

    def turn(self) -> int:
        """Wait for something to happen; how many more have been acknowledged."""
        ...


class UplinkCourier:
    """An uplink, and of its actor what moves bytes: wait for the descriptor, step, take what was taken."""

    def __init__(self, kind: str, settings: dict[str, Any]) -> None:
        module = catalog.load(catalog.UPLINKS, kind, "uplink.bench.type")
        self._uplink = module.connect(build(module.Settings, settings, "uplink.bench"), Identity("bench", "bench"))
        self._ticket = 0
        while not self._uplink.ready():
            self.turn()

    def publish(self, payload: bytes) -> None:
        self._ticket += 1
        self._uplink.send(Outgoing(self._ticket, {"device": "press"}, payload))

    def turn(self) -> int:
        uplink, poll = self._uplink, select.poll()
        if (descriptor := uplink.fileno()) >= 0:
            poll.register(descriptor, select.POLLIN | (select.POLLOUT if uplink.wants_write() else 0))
        now = time.monotonic()
        poll.poll(max(0.0, min(uplink.next_step(now) - now, 1.0)) * 1000)
        uplink.step(time.monotonic())
        return len(uplink.taken())


class PahoCourier:
    """Bare paho, driven as in paho_publisher.py: the fastest of what was tried there."""

    def __init__(self, settings: dict[str, Any], in_flight: int) -> None:
        self._acknowledged = 0
        self._client = Client(CallbackAPIVersion.VERSION2, "bare")
        self._client.max_inflight_messages_set(in_flight)
        self._client.on_publish = self._note
        self._client.connect(settings["host"], settings["port"])
        cast(socket.socket, self._client.socket()).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not self._client.is_connected():
            self.turn()

    def publish(self, payload: bytes) -> None:
        self._client.publish(TOPIC, payload, qos=1)

    def turn(self) -> int:
        assert self._client.loop() == MQTTErrorCode.MQTT_ERR_SUCCESS
        acknowledged, self._acknowledged = self._acknowledged, 0
        return acknowledged

    def _note(self, *_: object) -> None:
        self._acknowledged += 1


@dataclass(frozen=True)
class Cost:
    """Of one message: seconds, seconds of a processor, bytes."""

    s: float
    cpu_s: float
    wire_bytes: float


def measured(courier: Courier, size: int, in_flight: int, messages: int) -> Cost:
    """What so many messages cost, each."""
    payload = os.urandom(size // 2).hex().encode()
    publish(courier, payload, in_flight, max(messages // 10, 5))
    before = time.perf_counter(), time.process_time(), carried()
    publish(courier, payload, in_flight, messages)
    after = time.perf_counter(), time.process_time(), carried()
    return Cost(*((b - a) / messages for a, b in zip(before, after, strict=True)))


def publish(courier: Courier, payload: bytes, in_flight: int, messages: int) -> None:
    """Return when the last of them is acknowledged."""
    acknowledged = 0
    for sent in range(messages):
        while sent - acknowledged >= in_flight:
            acknowledged += courier.turn()
        courier.publish(payload)
    while acknowledged < messages:
        acknowledged += courier.turn()


def carried() -> int:
    """Bytes that the TCP connections of this process have carried, in both directions."""
    return sum(_carried(connection) for connection in connections())


def connections() -> Iterator[socket.socket]:
    """The TCP connections of this process, each as a socket of ours."""
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as found:
                if found.family == socket.AF_INET and found.type == socket.SOCK_STREAM:
                    yield found
        except OSError:  # no socket, or the directory's own descriptor
            continue


def _carried(connection: socket.socket) -> int:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    return sum(struct.unpack_from("Q", info, at)[0] for at in (_RECEIVED, _SENT))


def main(kind: str, settings: dict[str, Any], cells: list[list[int]]) -> None:
    most = max(in_flight for _, in_flight, _ in cells)
    make: Callable[[], Courier] = (
        (lambda: PahoCourier(settings, most)) if kind == "paho" else (lambda: UplinkCourier(kind, settings))
    )
    courier = make()
    for cell in cells:
        print(json.dumps(vars(measured(courier, *cell))), flush=True)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[4]))
    main(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]))
