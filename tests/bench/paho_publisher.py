"""Bare paho: how fast the library alone publishes a backlog's messages, QoS 1, with so many in flight.

    python -m tests.bench.paho_publisher PORT TOPIC RECORDS EPOCH IN_FLIGHT PARENT_PID

The payloads are made before. paho's own `loop` is driven from this one thread, on a socket that does not hold small
packets back: the fastest of what was tried (its loop thread, with or without a queue of its own, is 0 to 30 % slower).
"""

import socket
import sys
from typing import cast

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from tests.bench.backlog import messages
from tests.peers.lifeline import die_with_parent


class Publisher:
    """A connected client that counts its PUBACKs."""

    def __init__(self, port: int, in_flight: int) -> None:
        self._client, self._in_flight, self._acknowledged = Client(CallbackAPIVersion.VERSION2, "bare"), in_flight, 0
        self._client.max_inflight_messages_set(in_flight)
        self._client.on_publish = self._on_publish
        self._client.connect("127.0.0.1", port)
        cast(socket.socket, self._client.socket()).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not self._client.is_connected():
            self._turn()

    def publish(self, topic: str, payloads: list[bytes]) -> None:
        """Return when the last of them is acknowledged."""
        for sent, payload in enumerate(payloads):
            while sent - self._acknowledged >= self._in_flight:
                self._turn()
            self._client.publish(topic, payload, qos=1)
        while self._acknowledged < len(payloads):
            self._turn()
        self._client.disconnect()

    def _turn(self) -> None:
        result = self._client.loop()
        assert result == MQTTErrorCode.MQTT_ERR_SUCCESS, result

    def _on_publish(self, *_: object) -> None:
        self._acknowledged += 1


def main(port: int, topic: str, records: int, epoch: int, in_flight: int) -> None:
    payloads = list(messages(records, epoch))
    Publisher(port, in_flight).publish(topic, payloads)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[6]))
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
