"""Properties of MQTT 5 as bytes: made once and sent with every message, and read from what comes.

Layout of a property (MQTT 5, section 2.2.2): its number, then its value.

    0x01  one byte     Payload Format                  0x0B  1-4 bytes  Subscription Identifier
    0x02  four bytes   Message Expiry Interval, s      0x1F  text       Reason String
    0x03  text         Content Type                    0x23  two bytes  Topic Alias
    0x08  text         Response Topic                  0x26  two texts  User Property
    0x09  binary       Correlation Data

A text or binary is its length in two bytes and its bytes.
"""

import struct
from collections.abc import Sequence

from paho.mqtt.exception import MalformedPacket

from transports.uplinks._mqtt.entrance import Ack, Told

_REASON_STRING, _USER_PROPERTY = 0x1F, 0x26
_RESPONSE_TOPIC, _CORRELATION, _SUBSCRIPTION = 0x08, 0x09, 0x0B
_FIXED = {0x01: 1, 0x02: 4, 0x23: 2}
_TEXTS = {0x03: 1, _RESPONSE_TOPIC: 1, _CORRELATION: 1, _USER_PROPERTY: 2}


class Packed:
    """Properties that are bytes already; stands where paho wants its own."""

    __slots__ = ("_packed", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets, self._packed = octets, length_of(len(octets)) + octets

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


def told(octets: bytes, at: int) -> tuple[Told, int]:
    """Of the properties of a PUBLISH that begin there (section 3.3.2.3), and where they end. In one pass, however many
    there are. Raises MalformedPacket."""
    size, at = _number(octets, at)
    ends, found = at + size, dict[int, bytes]()
    if ends > len(octets):
        raise MalformedPacket("properties that are longer than their packet")
    while at < ends:
        kind, at = octets[at], at + 1
        if kind in _FIXED:
            at += _FIXED[kind]
        elif kind == _SUBSCRIPTION:
            _, at = _number(octets, at)
        else:
            for _ in range(_TEXTS.get(kind, 0)):
                at = _behind(octets, begins := at)
                found[kind] = octets[begins + 2 : at]
            if kind not in _TEXTS:
                raise MalformedPacket(f"a property 0x{kind:02x} in a message")
    if at != ends:
        raise MalformedPacket("properties that do not end where they say")
    topic = found.get(_RESPONSE_TOPIC, b"").decode("utf-8", "replace")
    return Told(topic, found.get(_CORRELATION)), at


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


def _number(octets: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer that begins there, and where it ends."""
    number = 0
    for shift, byte in zip((0, 7, 14, 21), octets[at : at + 4], strict=False):
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at + shift // 7 + 1
    raise MalformedPacket("a number of more than four bytes")


def _behind(octets: bytes, at: int) -> int:
    """Where a text or binary that begins there ends."""
    ends = at + 2
    if ends <= len(octets):
        ends += octets[at] << 8 | octets[at + 1]
    if ends > len(octets):
        raise MalformedPacket("a text that is longer than its packet")
    return ends


def length_of(number: int) -> bytes:
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
