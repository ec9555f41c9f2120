"""A paho client as a device's session needs it, and the broker's reasons in words.

paho 2.2 takes the properties of a message apart in a time that grows with their square: 64 KiB take a third of a
second, a MiB a minute. Whoever may publish what we read could stop us with one message, so of one with more than a few
KiB of them none is read.
"""

import math
from collections.abc import Mapping
from typing import Any

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from transports.mqtt.broker import BrokerSettings

PROPERTIES_MOST_BYTES = 8 * 1024
_REFUSALS = {
    "Bad user name or password": "it refuses the user name or the password; see user and password",
    "Not authorized": "it refuses the user name or the password, or client_id may not connect (not authorized)",
    "Client identifier not valid": "it refuses client_id",
    "Unsupported protocol version": 'it does not speak this version of MQTT; write protocol = "3.1.1"',
    "Session taken over": "another client connected with our client_id; no two clients may have the same",
    "Packet too large": "a message is larger than max_message; raise it, or have the device send less",
}


def new_client(settings: BrokerSettings) -> Client:
    """A client that has never connected; messages are acknowledged by hand, and the broker keeps the session."""
    modern = settings.protocol == "5"
    return _Client(
        CallbackAPIVersion.VERSION2,
        settings.client_id,
        clean_session=None if modern else False,
        protocol=MQTTv5 if modern else MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )


class _Client(Client):
    """See the module's note."""

    def _handle_publish(self) -> MQTTErrorCode:
        if self._protocol == MQTTv5:
            packet = self._in_packet
            packet["packet"] = bytearray(with_few_properties(bytes(packet["packet"]), packet["command"] >> 1 & 3))
        return super()._handle_publish()


def with_few_properties(body: bytes, qos: int) -> bytes:
    """The body of an MQTT 5 PUBLISH, without properties if it has more than PROPERTIES_MOST_BYTES of them
    (3.3.2: topic, packet id unless QoS 0, length of the properties, properties, payload)."""
    begins = 2 + int.from_bytes(body[:2], "big") + (2 if qos else 0)
    length, shift, at = 0, 0, begins
    while at < len(body) and shift <= 21:
        length |= (body[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if body[at - 1] < 0x80:
            return body if length <= PROPERTIES_MOST_BYTES else body[:begins] + b"\0" + body[at + length :]
    return body  # malformed: paho says so


def connect_options(settings: BrokerSettings) -> Mapping[str, Any]:
    """What MQTT 5 lets us say besides in CONNECT: how long, how much and how large."""
    if settings.protocol != "5":
        return {}
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = math.ceil(settings.session_expiry_s)
    properties.ReceiveMaximum = settings.in_flight
    properties.MaximumPacketSize = settings.max_message_bytes + 65_536 + 1024  # with a topic and properties
    return {"clean_start": False, "properties": properties}


def words(reason: Any) -> str:
    """What a broker's reason code means to an operator."""
    text = str(reason)
    if text in _REFUSALS:
        return _REFUSALS[text]
    if text in ("Unspecified error", "Normal disconnection", "Success"):
        return "it closed the connection; was it stopped, or is there another client of the same client_id?"
    return f"the connection ended: {text}"
