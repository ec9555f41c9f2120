"""What was acknowledged on a connection, read off its bytes: MQTT PUBLISH and PUBACK, HTTP POST and 2xx. No I/O.

A watcher is told what each side says, and yields a note when something has been acknowledged by the gateway:

    MQTT   "TOPIC PAYLOAD"   a message of QoS 1 that the broker had sent, and the gateway has acknowledged
    HTTP   "PATH BODY"       a request that the gateway has answered 2xx

Payloads and bodies are text of one line, as the simulators send them.
"""

from collections.abc import Iterator
from typing import Protocol

import h11

_CONNECT, _PUBLISH, _PUBACK = 1, 3, 4  # MQTT 5, 2.1.2


class Watcher(Protocol):
    """One connection."""

    def gateway_said(self, data: bytes) -> Iterator[str]:
        """Bytes from the gateway: notes of what they acknowledge."""
        ...

    def far_end_said(self, data: bytes) -> None:
        """Bytes from the far end."""
        ...


class Mqtt:
    """A connection of the gateway's to a broker."""

    def __init__(self) -> None:
        self._gateway, self._broker = bytearray(), bytearray()
        self._has_properties = False
        self._sent: dict[int, str] = {}

    def gateway_said(self, data: bytes) -> Iterator[str]:
        self._gateway += data
        for kind, _, body in packets(self._gateway):
            if kind == _CONNECT:
                self._has_properties = body[2 + int.from_bytes(body[:2])] >= 5  # the level, after the protocol's name
            elif kind == _PUBACK and (note := self._sent.pop(int.from_bytes(body[:2]), None)):
                yield note

    def far_end_said(self, data: bytes) -> None:
        self._broker += data
        for kind, flags, body in packets(self._broker):
            if kind == _PUBLISH and flags & 0b0110:
                self._note(body)

    def _note(self, body: bytes) -> None:
        """Topic with its length, packet id, properties with their length (MQTT 5 only), payload (3.3)."""
        end = 2 + int.from_bytes(body[:2])
        at = end + 2
        if self._has_properties:
            length, at = varint(body, at) or (0, at)
            at += length
        self._sent[int.from_bytes(body[end : end + 2])] = f"{body[2:end].decode()} {body[at:].decode()}"


def packets(heard: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Type, flags and body of each whole packet, which is taken off."""
    while found := varint(heard, 1):
        length, at = found
        if len(heard) < at + length:
            return
        head, body = heard[0], bytes(heard[at : at + length])
        del heard[: at + length]
        yield head >> 4, head & 0x0F, body


def varint(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """A variable byte integer (1.5.5) and where it ends; None while it has not all come."""
    value = 0
    for place, byte in enumerate(data[at : at + 4]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    return None


class Http:
    """A connection of a far end to the gateway; its requests are answered one after the other."""

    def __init__(self) -> None:
        self._requests, self._answers = h11.Connection(h11.SERVER), h11.Connection(h11.CLIENT)
        self._path, self._body = "", b""

    def far_end_said(self, data: bytes) -> None:
        self._requests.receive_data(data)
        for event in _events(self._requests):
            if isinstance(event, h11.Request):
                self._path, self._body = event.target.decode(), b""
                self._answers.send(event)
            elif isinstance(event, h11.Data):
                self._body += bytes(event.data)
                self._answers.send(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._answers.send(event)

    def gateway_said(self, data: bytes) -> Iterator[str]:
        self._answers.receive_data(data)
        for event in _events(self._answers):
            if isinstance(event, h11.Response):
                if 200 <= event.status_code < 300:
                    yield f"{self._path} {self._body.decode()}"
                self._requests.send(event)
            elif isinstance(event, h11.Data):
                self._requests.send(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._requests.send(event)
                if self._answers.our_state is h11.DONE and self._requests.our_state is h11.DONE:
                    self._answers.start_next_cycle()
                    self._requests.start_next_cycle()


def _events(connection: h11.Connection) -> Iterator[h11.Event]:
    while not isinstance(event := connection.next_event(), type) and not isinstance(event, h11.ConnectionClosed):
        yield event
