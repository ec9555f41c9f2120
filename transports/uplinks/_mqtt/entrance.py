"""How a connection to an MQTT server begins, as plain values: which server, who we are, what it says when we die.

And what the server answers: what it can do (CONNACK), and what comes of it later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from transports.settings import Secret
from transports.tls import Tls

PACKET_MAX_BYTES = 268_435_455  # the largest "remaining length", MQTT 3.1.1 section 2.2.3


class Packable(Protocol):
    """Properties of MQTT 5, ready to be written: paho's Properties, or `_mqtt_properties.Packed`."""

    def pack(self) -> bytes:
        """Their length, and they themselves, as they stand in a packet (MQTT 5, section 2.2.2)."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """Where one server listens."""

    host: str
    port: int

    @property
    def place(self) -> str:
        """For messages and logs."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Entrance:
    """Who we are and how we speak.

    `keepalive` is in whole seconds, as CONNECT carries them; `path` and `headers` are of WebSockets. At most
    `in_flight` messages of QoS 1 and 2 are unanswered at a time. `interface` is the network interface to be bound to,
    "" for any. Of what others send us `inbox_bytes` are taken at a time; a message larger than `message_bytes` ends the
    connection (MQTT 5: the server drops it).
    """

    client_id: str
    user: str = ""
    password: Secret | None = None
    keepalive: int = 30
    connect_timeout_s: float = 10.0
    version: str = "3.1.1"
    tls: Tls | None = None
    transport: str = "tcp"
    path: str = "/mqtt"
    headers: Mapping[str, str] = field(default_factory=dict)
    in_flight: int = 65_535
    interface: str = ""
    inbox_bytes: int = 1 << 20
    message_bytes: int = 1 << 20

    @property
    def is_5(self) -> bool:
        """Whether this is MQTT 5."""
        return self.version == "5"


class Said(NamedTuple):
    """One message to be published: of the last words at a farewell, or the Will."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    properties: Packable | None = None


Will = Said


class Ack(NamedTuple):
    """The end of one PUBLISH, SUBSCRIBE or UNSUBSCRIBE: its id, the reason code (None: MQTT 3.1.1 has none here), and
    what the server says of it in words ("" mostly)."""

    mid: int
    code: int | None
    said: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether it was refused. 0x10, nobody has subscribed, is none."""
        return self.code is not None and self.code >= 0x80


class Told(NamedTuple):
    """What is used of the properties of a message that came; "" and None for what it does not say."""

    response_topic: str = ""
    correlation: bytes | None = None


class Arrived(NamedTuple):
    """A message that came. `properties` are of MQTT 5, None on 3.1.1."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: Told | None = None


@dataclass(frozen=True, slots=True)
class Offers:
    """What the server can do, by its CONNACK (MQTT 5, section 3.2.2.3); on 3.1.1 nothing is known. `keepalive` is the
    one in force (s)."""

    keepalive: int
    receive_maximum: int = 65_535
    max_packet_bytes: int = PACKET_MAX_BYTES + 5
    max_qos: int = 2
    retain: bool = True
    alias_maximum: int = 0
    client_id: str = ""


_IN_CONNACK = {
    "receive_maximum": "ReceiveMaximum",
    "max_packet_bytes": "MaximumPacketSize",
    "max_qos": "MaximumQoS",
    "alias_maximum": "TopicAliasMaximum",
    "client_id": "AssignedClientIdentifier",
}


def offers_in(said: Any, keepalive: int) -> Offers:
    """What a CONNACK says; `said` are its properties, as paho gives them. What it leaves out is as the specification
    has it. A longer Server Keep Alive than ours, or none at all (0), does not keep us from asking oftener."""
    told = {field: getattr(said, name) for field, name in _IN_CONNACK.items() if hasattr(said, name)}
    in_force = min(keepalive, getattr(said, "ServerKeepAlive", 0) or keepalive)
    return Offers(in_force, retain=bool(getattr(said, "RetainAvailable", 1)), **told)
