"""A paho client for one connection: how it is set up, what it notes, how it is hung up.

What paho 2.2 would do on its own and may not do here: run a loop thread, connect again, keep a session, read packets
octet by octet (_mqtt/incoming.py), keep what was published (_mqtt/outgoing.py). What it does not do, and is done here:
heed the code of a PUBREC (MQTT 5, section 4.3.3), and of a PUBACK that the specification does not name; bind its
socket; go on with a WebSocket frame of which only a part was written.
"""

import select
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import orjson
from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from transports.interfaces.dialing import bound_connection
from transports.tls import client_context
from transports.uplinks import Identity
from transports.uplinks._mqtt.entrance import Ack, Arrived, Entrance, Said, Will
from transports.uplinks._mqtt.incoming import Incoming, Packet, TooLarge, published
from transports.uplinks._mqtt.outgoing import PUBLISH, PUBREC, Unanswered, packet_of
from transports.uplinks._mqtt.properties import acknowledgement
from transports.uplinks._mqtt.reasons import words

INBOX_MOST = 4096
_READ_BYTES = 64 * 1024
_TOGETHER_BYTES = 32 * 1024  # packets are written together up to there


@dataclass(slots=True)
class Heard:
    """What paho's callbacks noted. They only note: an exception in one would leave paho half way."""

    greetings: list[tuple[ReasonCode, Any]] = field(default_factory=list)
    endings: list[tuple[ReasonCode, Any]] = field(default_factory=list)
    acks: list[Ack] = field(default_factory=list)
    messages: list[Arrived] = field(default_factory=list)
    messages_bytes: int = 0
    overflow: int = 0
    subscribing: set[int] = field(default_factory=set)  # ids of SUBSCRIBE and UNSUBSCRIBE that are not answered
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
        if mid not in self.subscribing:
            return
        self.subscribing.discard(mid)
        code = max((code.value for code in codes), default=None)
        self.acks.append(Ack(mid, code, getattr(properties, "ReasonString", "")))

    def came(self, message: Arrived, packet_bytes: int) -> None:
        """A message was published to us."""
        if len(self.messages) >= INBOX_MOST or self.messages_bytes > 1 << 24:
            self.overflow += 1
            return
        self.messages.append(message)
        self.messages_bytes += packet_bytes


class PahoClient(Client):
    """A client that has never connected. Raises OSError or SettingsError when a file or a secret cannot be read.

    `peer_certificate` is the server's (DER), b"" without TLS; `below` the socket under WebSockets. With `inbox_bytes`
    of messages the inbox is full.
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
        self.unanswered = Unanswered()
        self.inbox_bytes: float = entrance.inbox_bytes
        self._incoming = Incoming(entrance.message_bytes)
        heard.attach(self)
        self.connect_timeout = entrance.connect_timeout_s
        if will:
            self.will_set(will.topic, will.payload, will.qos, will.retain)
            self._will_properties = will.properties  # type: ignore[assignment]  # asked for nothing but pack()
        if entrance.user:
            self.username_pw_set(entrance.user, entrance.password.reveal() if entrance.password else None)
        if entrance.tls:
            self.tls_set_context(client_context(entrance.tls))
        if entrance.transport == "websockets":
            self.ws_set_options(entrance.path, dict(entrance.headers))

    def dial(self, host: str, port: int) -> MQTTErrorCode:
        """Resolve, connect, shake hands, queue CONNECT. Blocks. Raises OSError and ValueError."""
        try:
            return self._dial(host, port, self._entrance.keepalive)
        except IndexError as wrong:  # paho reads some headers of HTTP so
            raise ConnectionError("it does not answer as a WebSocket does; see path") from wrong

    def _dial(self, host: str, port: int, keepalive: int) -> MQTTErrorCode:
        if not self._entrance.is_5:
            return self.connect(host, port, keepalive)
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = self._entrance.message_bytes
        return self.connect(host, port, keepalive, clean_start=True, properties=properties)

    def limit(self, receive_maximum: int, keepalive: int) -> None:
        """What the server's CONNACK allows: paho lets these be set only while there is no connection."""
        self.unanswered.most = receive_maximum if receive_maximum < 65_535 else 0
        self._keepalive = keepalive

    @property
    def has_packet(self) -> bool:
        """Whether what was read holds another packet, or what can be none."""
        try:
            return self._incoming.has_packet
        except (MalformedPacket, TooLarge):
            return True

    def has_bytes(self) -> bool:
        """Whether there is something to read now. Not without a socket."""
        if self.has_packet:
            return True
        sock: Any = self.socket()
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        # What TLS has decrypted already does not wake a poll.
        return bool(getattr(sock, "pending", int)() or poll.poll(0))

    def put(self, said: Said) -> int:
        """Queue a message, to be written by `loop_write`, or held back until the server may have it; its id."""
        mid = self._mid_generate()
        packet = packet_of(said, mid, self._entrance.is_5)
        if not said.qos or self.unanswered.leaves(mid, said.qos, packet):
            self._append(mid, packet)
        return mid

    @property
    def queued_bytes(self) -> int:
        """How much waits to be written with what was queued last."""
        return self._out_packet[-1]["to_process"] if self._out_packet else 0

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read once, unless what was read before holds packets still, and handle what came until the inbox is full."""
        try:
            result = self._read()
        except MalformedPacket:
            result = MQTTErrorCode.MQTT_ERR_PROTOCOL
        except TooLarge as wrong:
            self._heard.last_error = str(wrong)
            result = MQTTErrorCode.MQTT_ERR_PAYLOAD_SIZE
        return self._loop_rc_handle(result)

    def wait(self, seconds: float) -> bool:
        """Wait for the socket, to read and for what is to be written; False when time is over."""
        sock: Any = self.socket()
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if self.want_write() else 0))
        return seconds > 0 and bool(self.has_packet or getattr(sock, "pending", int)() or poll.poll(seconds * 1000))

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

    def _sock_send(self, buf: bytes | bytearray) -> int:
        # A WebSocket that has written a part of a frame says 0, and wants the same again. paho would forget the packet.
        if not (written := super()._sock_send(buf)):
            raise BlockingIOError
        return written

    def _mid_generate(self) -> int:
        while True:
            mid = super()._mid_generate()
            if mid not in self.unanswered and mid not in self._heard.subscribing:
                return mid

    def _append(self, mid: int, packet: bytes) -> None:
        """Behind what waits to be written; together with it, if that is little: each write is a call of the kernel."""
        last = self._out_packet[-1] if self._out_packet else None
        if last and last["command"] == PUBLISH and last["to_process"] + len(packet) <= _TOGETHER_BYTES:
            last["packet"] += packet
            last["to_process"] += len(packet)
        else:
            # paho looks at the QoS of what it has written, to tell a caller who waits: nobody does.
            self._packet_queue(PUBLISH, bytearray(packet), mid, 1)

    def _read(self) -> MQTTErrorCode:
        if not self.has_packet:
            try:
                octets = self._sock_recv(_READ_BYTES)
            except BlockingIOError:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            except OSError as wrong:
                self._heard.last_error = str(wrong)
                return MQTTErrorCode.MQTT_ERR_CONN_LOST
            if not octets:
                return MQTTErrorCode.MQTT_ERR_CONN_LOST
            self._last_bytes_received = monotonic()
            self._incoming.feed(octets)
        result, heard = MQTTErrorCode.MQTT_ERR_SUCCESS, self._heard
        while result == MQTTErrorCode.MQTT_ERR_SUCCESS and heard.messages_bytes < self.inbox_bytes and self.socket():
            packet = self._incoming.take()
            if packet is None:
                break
            result = self._handle(packet)
        return result

    def _handle(self, packet: Packet) -> MQTTErrorCode:
        """Raises MalformedPacket."""
        match packet.command & 0xF0:
            case 0x40 | 0x50 | 0x70 as kind:
                return self._acknowledged(kind, acknowledgement(packet.body))
            case 0x30:
                mid, message = published(packet, self._entrance.is_5)
                self._heard.came(message, len(packet.body))
                return self._send_puback(mid) if mid else MQTTErrorCode.MQTT_ERR_SUCCESS
            case 0x20 if self._heard.greetings:
                raise MalformedPacket("a second greeting")
        self._in_packet["command"], self._in_packet["packet"] = packet.command, bytearray(packet.body)
        self._in_packet["remaining_length"] = len(packet.body)
        return self._packet_handle()

    def _acknowledged(self, kind: int, ack: Ack) -> MQTTErrorCode:
        if kind == PUBREC and not ack.is_failure:
            return self._send_pubrel(ack.mid) if self.unanswered.received(ack.mid) else MQTTErrorCode.MQTT_ERR_SUCCESS
        if self.unanswered.answered(kind, ack.mid):
            self._heard.acks.append(ack)
            for mid, packet in self.unanswered.released():
                self._append(mid, packet)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

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
