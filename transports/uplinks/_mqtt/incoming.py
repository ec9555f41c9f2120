"""What comes in from an MQTT server: octets to packets, and a PUBLISH to a message. Nothing in here does I/O.

paho asks the kernel three times for each packet, and takes a second for the properties of 100 KiB, a minute for those
of a MiB (it copies the rest for each of them): anybody who may write a topic that we read could stop us with that.

    1 byte    kind and flags        1-4 bytes    length of the body (2.2.3)        the body
"""

from struct import unpack_from
from typing import NamedTuple

from paho.mqtt.exception import MalformedPacket

from transports.uplinks._mqtt.entrance import Arrived, Told
from transports.uplinks._mqtt.properties import told

PUBLISH = 0x30
OTHERS_MOST_BYTES = 64 * 1024  # of a packet that carries no payload
_LENGTH_BYTES_MOST = 4


class TooLarge(Exception):
    """A packet of more bytes than are taken."""


class Packet(NamedTuple):
    """`command` is the kind and the flags."""

    command: int
    body: bytes


class Incoming:
    """Octets of one connection, as they came; of a message `most_bytes` are taken."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._octets = bytearray()
        self._at = 0

    def feed(self, octets: bytes) -> None:
        """These came next."""
        if self._at:
            del self._octets[: self._at]
            self._at = 0
        self._octets += octets

    @property
    def has_packet(self) -> bool:
        """Whether there is a whole one. Raises MalformedPacket and TooLarge."""
        begins, length = self._next()
        return 0 < begins <= len(self._octets) - length

    def take(self) -> Packet | None:
        """The next packet, None when it is not whole yet. Raises MalformedPacket and TooLarge."""
        begins, length = self._next()
        if not 0 < begins <= len(self._octets) - length:
            return None
        command, self._at = self._octets[self._at], begins + length
        return Packet(command, bytes(self._octets[begins : self._at]))

    def _next(self) -> tuple[int, int]:
        """Where the body of the next packet begins, and its length; 0, 0 while that is not known."""
        octets, at = self._octets, self._at
        length, shift = 0, 0
        for begins in range(at + 2, min(at + 2 + _LENGTH_BYTES_MOST, len(octets) + 1)):
            byte = octets[begins - 1]
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                self._judge(octets[at], length)
                return begins, length
            shift += 7
        if len(octets) - at > _LENGTH_BYTES_MOST:
            raise MalformedPacket("a length of more than four bytes")
        return 0, 0

    def _judge(self, command: int, length: int) -> None:
        most = self._most_bytes if command & 0xF0 == PUBLISH else OTHERS_MOST_BYTES
        if length > most:
            raise TooLarge(f"it sends a message of {length} bytes, more than we take")


def published(packet: Packet, is_5: bool) -> tuple[int, Arrived]:
    """The packet id (0 of QoS 0) and the message of a PUBLISH; its topic is "" when that is no text.

    We subscribe with QoS 1 at most, so one of QoS 2 breaks the protocol: what came so would have to be kept until it is
    released, as much of it as the server likes. Raises MalformedPacket.
    """
    body, qos = packet.body, packet.command >> 1 & 3
    if qos > 1 or len(body) < 2:
        raise MalformedPacket("a message of QoS 2, or none at all")
    (size,) = unpack_from("!H", body)
    ids_at = 2 + size
    at = ids_at + 2 * qos
    if len(body) < at:
        raise MalformedPacket("a message without its topic or its id")
    mid = unpack_from("!H", body, ids_at)[0] if qos else 0
    properties: Told | None = None
    if is_5:
        properties, at = told(body, at)
    try:
        topic = body[2:ids_at].decode()
    except UnicodeDecodeError:
        topic = ""
    return mid, Arrived(topic, body[at:], qos, bool(packet.command & 1), properties)
