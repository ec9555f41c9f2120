"""Properties of MQTT 5 as bytes: made once and sent with every message, and read from acknowledgements.

Layout of a property (MQTT 5, section 2.2.2): its number, then its value.

    0x02  four bytes   Message Expiry Interval, s      0x09  binary   Correlation Data
    0x03  text         Content Type                    0x23  two bytes  Topic Alias
    0x08  text         Response Topic                  0x26  two texts  User Property
    0x1F  text         Reason String

A text or binary is its length in two bytes and its bytes.
"""

import struct
from collections.abc import Sequence

from paho.mqtt.exception import MalformedPacket

from transports.uplinks._mqtt_entrance import Ack

_REASON_STRING, _USER_PROPERTY = 0x1F, 0x26


class Packed:
    """Properties that are bytes already; stands where paho wants its own."""

    __slots__ = ("_packed", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets, self._packed = octets, _length(len(octets)) + octets

    def __len__(self) -> int:
        return len(self._packed)

    def pack(self) -> bytes:
        """Their length, and they themselves."""
        return self._packed


def expiry(seconds: int) -> bytes:
    """After so long the server need not deliver a message any more."""
    return b"\x02" + struct.pack("!I", seconds)


def content_type(text: str) -> bytes:
    """What the payload is."""
    return b"\x03" + _text(text)


def response_topic(topic: str) -> bytes:
    """Where an answer is awaited."""
    return b"\x08" + _text(topic)


def correlation(data: bytes) -> bytes:
    """What an answer is known by."""
    return b"\x09" + _binary(data)


def alias(number: int) -> bytes:
    """A number in place of the topic."""
    return b"\x23" + struct.pack("!H", number)


def user_properties(pairs: Sequence[tuple[str, str]]) -> bytes:
    """Names and values of one's own."""
    return b"".join(b"\x26" + _text(name) + _text(value) for name, value in pairs)


def acknowledgement(packet: bytes | bytearray) -> Ack:
    """What a PUBACK, PUBREC or PUBCOMP says (MQTT 5, section 3.4; of 3.1.1 it is two bytes). Raises MalformedPacket."""
    if len(packet) < 2:
        raise MalformedPacket("an acknowledgement of less than two bytes")
    mid = packet[0] << 8 | packet[1]
    if len(packet) == 2:
        return Ack(mid, None)
    return Ack(mid, packet[2], _reason_string(bytes(packet[3:])))


def _reason_string(octets: bytes) -> str:
    """The one text in there; "" when there is none, or it cannot be read: the code is what counts."""
    at = next((at for at, byte in enumerate(octets) if not byte & 0x80), len(octets)) + 1  # behind the length
    try:
        while at < len(octets):
            number, (size,) = octets[at], struct.unpack_from("!H", octets, at + 1)
            at += 3 + size
            if number == _REASON_STRING:
                return octets[at - size : at].decode("utf-8", "replace")
            if number != _USER_PROPERTY:
                return ""
            (size,) = struct.unpack_from("!H", octets, at)
            at += 2 + size
    except struct.error:
        pass
    return ""


def _length(number: int) -> bytes:
    """A variable byte integer (section 1.5.5)."""
    octets = bytearray()
    while True:
        number, digit = number >> 7, number & 0x7F
        octets.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(octets)


def _text(text: str) -> bytes:
    return _binary(text.encode("utf-8", "replace"))


def _binary(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data
