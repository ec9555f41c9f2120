"""A paho client for one connection: how it is set up, what it notes, how it is hung up.

What paho 2.2 would do on its own and may not do here: run a loop thread, connect again, keep a session. It queues only
what the server's Receive Maximum holds back, at most the actor's window. What it does not do, and is done here: heed
the code of a PUBREC (MQTT 5, section 4.3.3), and of a PUBACK that the specification does not name; bind its socket.
"""

import select
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from transports.interfaces.dialing import bound_connection
from transports.tls import client_context
from transports.uplinks import Identity
from transports.uplinks._mqtt_entrance import Ack, Arrived, Entrance, Will
from transports.uplinks._mqtt_properties import acknowledgement
from transports.uplinks._mqtt_reasons import words

_TAKEN = ReasonCode(PacketTypes.PUBACK)
_NOTHING = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]
INBOX_MOST = 4096


@dataclass(slots=True)
class Heard:
    """What paho's callbacks noted. They only note: an exception in one would leave paho half way."""

    greetings: list[tuple[ReasonCode, Any]] = field(default_factory=list)
    endings: list[tuple[ReasonCode, Any]] = field(default_factory=list)
    acks: list[Ack] = field(default_factory=list)
    messages: list[Arrived] = field(default_factory=list)
    messages_bytes: int = 0
    overflow: int = 0
    last_error: str = ""

    def attach(self, client: Client) -> None:
        """Let the client note its events here. (No reference to the uplink: a closed one must not keep payloads.)"""
        client.on_connect = lambda _client, _data, _flags, reason, properties: self.greetings.append(
            (reason, properties)
        )
        client.on_disconnect = lambda _client, _data, flags, reason, properties: (
            self.endings.append((reason, properties)) if flags.is_disconnect_packet_from_server else None
        )
        client.on_subscribe = lambda _client, _data, mid, codes, properties: self._answered(mid, codes, properties)
        client.on_unsubscribe = lambda _client, _data, mid, codes, properties: self._answered(mid, codes, properties)
        client.on_message = lambda _client, _data, message: self._came(message)
        # With an outer loop announced, paho writes in loop_write alone, so that `step` reads first: the TLS alert that
        # says why the broker hangs up is lost once a write has failed.
        client.on_socket_register_write = lambda _client, _data, _socket: None

    def last_code(self) -> int | None:
        """The code with which the server refused us, or ended the connection; None when it gave none."""
        said = [reason.value for reason, _ in (*self.greetings, *self.endings)]
        return next((code for code in reversed(said) if code), None)

    def last_said(self) -> str:
        """The same in words; "" when it gave none."""
        for reason, said in (*self.endings, *(greeting for greeting in self.greetings if greeting[0].is_failure)):
            return words(reason.value, getattr(said, "ReasonString", ""), getattr(said, "ServerReference", ""))
        return ""

    def _answered(self, mid: int, codes: Any, properties: Any) -> None:
        code = max((code.value for code in codes), default=None)
        self.acks.append(Ack(mid, code, getattr(properties, "ReasonString", "")))

    def _came(self, message: MQTTMessage) -> None:
        if len(self.messages) >= INBOX_MOST or self.messages_bytes > 1 << 24:
            self.overflow += 1
            return
        topic = ""
        with suppress(UnicodeDecodeError):
            topic = message.topic
        payload = bytes(message.payload)
        self.messages.append(Arrived(topic, payload, message.qos, bool(message.retain), message.properties))
        self.messages_bytes += len(payload) + len(topic)


class PahoClient(Client):
    """A client that has never connected. Raises OSError or SettingsError when a file or a secret cannot be read.

    `peer_certificate` is the server's (DER), b"" without TLS; `below` the socket under WebSockets.
    """

    def __init__(self, entrance: Entrance, will: Will | None, heard: Heard) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            entrance.client_id,
            clean_session=None if entrance.is_5 else True,
            protocol=MQTTv5 if entrance.is_5 else MQTTv311,
            transport="websockets" if entrance.transport == "websockets" else "tcp",
            reconnect_on_failure=False,  # else it answers some refusals with a blocking connect of its own
        )
        self._entrance, self._heard = entrance, heard
        self.peer_certificate = b""
        self.below: socket.socket | None = None
        heard.attach(self)
        self.connect_timeout = entrance.connect_timeout_s
        self.max_inflight_messages_set(0)  # no limit until the server names one
        if will:
            self.will_set(will.topic, will.payload, will.qos, will.retain)
            self._will_properties = will.properties  # type: ignore[assignment]  # asked for nothing but pack()
        if entrance.user:
            self.username_pw_set(entrance.user, entrance.password.reveal() if entrance.password else None)
        if entrance.tls:
            self.tls_set_context(client_context(entrance.tls))
        if entrance.transport == "websockets":
            self.ws_set_options(entrance.path, dict(entrance.headers))

    @property
    def incoming_bytes(self) -> int:
        """How large the packet is that is coming in."""
        return self._in_packet["remaining_length"]

    def dial(self, host: str, port: int) -> MQTTErrorCode:
        """Resolve, connect, shake hands, queue CONNECT. Blocks. Raises OSError and ValueError."""
        keepalive = self._entrance.keepalive
        if not self._entrance.is_5:
            return self.connect(host, port, keepalive)
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = self._entrance.message_bytes
        return self.connect(host, port, keepalive, clean_start=True, properties=properties)

    def limit(self, receive_maximum: int, keepalive: int) -> None:
        """What the server's CONNACK allows: paho lets these be set only while there is no connection."""
        self._max_inflight_messages = receive_maximum if receive_maximum < 65_535 else 0
        self._keepalive = keepalive

    def has_bytes(self) -> bool:
        """Whether there is something to read now. Not without a socket."""
        sock: Any = self.socket()
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        # What TLS has decrypted already does not wake a poll.
        return bool(getattr(sock, "pending", int)() or poll.poll(0))

    def wait(self, seconds: float) -> bool:
        """Wait for the socket, to read and for what is to be written; False when time is over."""
        sock: Any = self.socket()
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if self.want_write() else 0))
        return seconds > 0 and bool(getattr(sock, "pending", int)() or poll.poll(seconds * 1000))

    def cut(self) -> None:
        """Let whoever waits for the socket go on: with an error. May be called at any time."""
        if self.below is not None:
            with suppress(OSError):
                self.below.shutdown(socket.SHUT_RDWR)

    def _create_socket_connection(self) -> socket.socket:
        entrance = self._entrance
        self.below = bound_connection(self._host, self._port, entrance.connect_timeout_s, entrance.interface)
        # Without it the kernel holds a small message back until the one before it is acknowledged (Nagle).
        self.below.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.below

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        self.below = secured = super()._ssl_wrap_socket(tcp_sock)
        self.peer_certificate = secured.getpeercert(binary_form=True) or b""
        return secured

    def _handle_publish(self) -> MQTTErrorCode:
        if self.incoming_bytes > self._entrance.message_bytes:
            self._heard.last_error = f"it sends a message of {self.incoming_bytes} bytes, more than we take"
            return MQTTErrorCode.MQTT_ERR_PAYLOAD_SIZE
        return super()._handle_publish()

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        return self._acknowledged(acknowledgement(self._in_packet["packet"]))

    def _handle_pubrec(self) -> MQTTErrorCode:
        ack = acknowledgement(self._in_packet["packet"])
        return self._acknowledged(ack) if ack.is_failure else super()._handle_pubrec()

    def _acknowledged(self, ack: Ack) -> MQTTErrorCode:
        with self._out_message_mutex:
            if ack.mid not in self._out_messages:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            self._heard.acks.append(ack)
            return self._do_on_publish(ack.mid, _TAKEN, _NOTHING)

    def _easy_log(self, level: LogLevel, fmt: str, *args: Any) -> None:
        # It would make a line of text of each packet.
        if level == LogLevel.MQTT_LOG_ERR:
            self._heard.last_error = (fmt % args).partition(": ")[2]


def identity_fields(identity: Identity) -> dict[str, str]:
    """What fills a template that has no device in it."""
    return {"gateway": identity.gateway, "uplink": identity.uplink}


def status(state: str, identity: Identity, since_ns: int | None) -> bytes:
    """The payload of the status topic; `since` is ns UTC."""
    return orjson.dumps({"state": state, **identity_fields(identity), "since": since_ns})


def hang_up(client: Client) -> None:
    """Close the socket without a DISCONNECT: paho has no word for it."""
    sock = client.socket()
    if sock is not None:
        sock.close()
