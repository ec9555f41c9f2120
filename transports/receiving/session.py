"""A session with the broker that records come by: it is kept while we are away, and acknowledged by hand.

The broker holds every message that it was not sent a PUBACK for and sends it again, at the latest when we are back; it
sends at most Receive Maximum ahead (MQTT 5, section 3.1.2.11.3; with 3.1.1 its own limit). paho is driven from the
caller's own loop: `turn` does the I/O that is possible, and nothing happens in between.
"""

import math
import select
import struct
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from paho.mqtt.client import MQTTMessage, error_string
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from transports.clock import Clock
from transports.connecting import why_not
from transports.errors import LinkDown, SettingsError
from transports.mqtt.broker import BrokerSettings
from transports.mqtt.client import connect_options, new_client, words
from transports.tls import client_context

UNCONFIRMED_MOST = 10_000  # confirmations that the broker does not acknowledge
_READS_A_TURN = 256
_FAREWELL_S = 1.0
# what paho raises on bytes that are no MQTT
_NOT_MQTT = (ValueError, LookupError, TypeError, AttributeError, struct.error)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came; a topic that is no text is "". `reply`: its Response Topic, "" where it has none."""

    topic: str
    payload: bytes
    received_ns: int
    mid: int
    qos: int
    reply: str = ""


@dataclass(slots=True)
class _Heard:
    """What paho's callbacks noted."""

    greetings: list[ReasonCode] = field(default_factory=list)
    granted: list[Sequence[ReasonCode]] = field(default_factory=list)
    messages: deque[Message] = field(default_factory=deque)
    refused: list[str] = field(default_factory=list)
    outstanding: set[int] = field(default_factory=set)
    ended: str = ""


class Session:
    """One connection. Every method raises LinkDown when it is over; then only `take` and `close`."""

    def __init__(self, settings: BrokerSettings, topics: Sequence[str], clock: Clock) -> None:
        self._settings, self._topics, self._clock = settings, topics, clock
        self._server = f"{settings.host}:{settings.tcp_port}"
        self._client, self._heard = new_client(settings), _Heard()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def open(self) -> None:
        """Connect and subscribe, in `timeout_s` each at most."""
        self._attach()
        self._dial()
        self._await(lambda: bool(self._heard.greetings), "a greeting; is it an MQTT broker, and not hung?")
        (greeting,) = self._heard.greetings
        if greeting.is_failure:
            raise self._down(words(greeting))
        self._subscribe()

    def turn(self, most_s: float) -> None:
        """Wait for the broker for at most so long, and do the I/O that is possible."""
        if self._has_bytes(most_s):
            self._read()
        self._judge(self._client.loop_misc())
        self._write()

    def take(self) -> list[Message]:
        """What has come, oldest first."""
        messages = list(self._heard.messages)
        self._heard.messages.clear()
        return messages

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Let the broker forget these."""
        for message in messages:
            self._client.ack(message.mid, message.qos)
        self._write()

    def confirm(self, topic: str, payload: bytes) -> None:
        """Publish a confirmation with QoS 1, unless `topic` is none. One that is lost is asked for again."""
        if len(self._heard.outstanding) >= UNCONFIRMED_MOST:
            raise self._down(f"it lives, but leaves {UNCONFIRMED_MOST} confirmations unacknowledged")
        try:
            sent = self._client.publish(topic, payload, qos=1)
        except ValueError as wrong:  # a Response Topic with wildcards, or none at all
            self._heard.refused.append(f"no confirmation can be sent under {topic!r:.80}: {wrong}")
            return
        self._judge(sent.rc)
        self._heard.outstanding.add(sent.mid)

    def refused(self) -> list[str]:
        """Confirmations that the broker did not take, since the last call, and the cure."""
        refused = list(dict.fromkeys(self._heard.refused))
        self._heard.refused.clear()
        return refused

    def close(self) -> None:
        """Say goodbye; the broker keeps the session. Never raises, may be called twice."""
        with suppress(LinkDown, OSError):
            if self._client.is_connected():
                self._client.disconnect()
                ends = self._clock.now() + _FAREWELL_S
                while self._client.socket() and self._client.want_write() and self._clock.now() < ends:
                    self._client.loop_write()
        if (sock := self._client.socket()) is not None:
            sock.close()

    # --- opening -----------------------------------------------------------------------------------------------------

    def _attach(self) -> None:
        client, heard = self._client, self._heard
        client.on_connect = lambda _client, _data, _flags, reason, _properties: heard.greetings.append(reason)
        client.on_subscribe = lambda _client, _data, _mid, codes, _properties: heard.granted.append(codes)
        client.on_disconnect = lambda _client, _data, _flags, reason, _properties: self._note_end(reason)
        client.on_publish = lambda _client, _data, mid, reason, _properties: self._note_confirmed(mid, reason)
        client.on_message = lambda _client, _data, message: self._note(message)
        client.on_socket_register_write = lambda _client, _data, _socket: None  # `turn` alone writes
        client.max_inflight_messages_set(0)

    def _dial(self) -> None:
        settings, client = self._settings, self._client
        try:
            if settings.user:
                client.username_pw_set(settings.user, settings.password.reveal() if settings.password else None)
            if settings.tls:
                client.tls_set_context(client_context(settings.tls))
            client.connect_timeout = settings.timeout_s
            keepalive_s = math.ceil(settings.keepalive_s)
            result = client.connect(settings.host, settings.tcp_port, keepalive_s, **connect_options(settings))
        except SettingsError as missing:
            raise LinkDown(f"{self._server}: {missing}") from missing
        except (OSError, ValueError) as wrong:
            raise LinkDown(why_not(wrong, self._server)) from wrong
        self._judge(result)

    def _subscribe(self) -> None:
        modern = self._settings.protocol == "5"
        # noLocal: our own confirmations are not for us (MQTT 5, section 3.8.3.1)
        wanted: Any = [(topic, SubscribeOptions(1, noLocal=True) if modern else 1) for topic in self._topics]
        self._judge(self._client.subscribe(wanted)[0])
        self._await(lambda: bool(self._heard.granted), "the answer to our subscription")
        for topic, code in zip(self._topics, self._heard.granted[0], strict=False):
            if code.is_failure:
                raise self._down(f"it refuses the subscription to {topic} ({code}); see the broker's access list")

    def _await(self, came: Any, what: str) -> None:
        ends = self._clock.now() + self._settings.timeout_s
        while not came():
            left_s = ends - self._clock.now()
            if left_s <= 0:
                raise self._down(f"no answer within {self._settings.timeout_s:g} s: {what}")
            self.turn(left_s)

    # --- what paho tells ---------------------------------------------------------------------------------------------

    def _note(self, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        reply = getattr(message.properties, "ResponseTopic", "") if message.properties else ""
        now_ns, payload = self._clock.utc_ns(), bytes(message.payload)
        self._heard.messages.append(Message(topic, payload, now_ns, message.mid, message.qos, reply))

    def _note_confirmed(self, mid: int, reason: ReasonCode) -> None:
        self._heard.outstanding.discard(mid)
        if reason.is_failure:
            cure = "let this user write there, in the broker's access list"
            self._heard.refused.append(f"the broker refuses our confirmations ({reason}); {cure}")

    def _note_end(self, reason: Any) -> None:
        self._heard.ended = self._heard.ended or words(reason)

    # --- I/O ---------------------------------------------------------------------------------------------------------

    def _has_bytes(self, most_s: float) -> bool:
        sock = self._client.socket()
        if sock is None:
            raise self._down(self._heard.ended or "the connection ended")
        if getattr(sock, "pending", int)():  # what TLS has decrypted already does not wake a poll
            return True
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        found = poll.poll(max(0.0, most_s) * 1000)
        return any(events & ~select.POLLOUT for _, events in found)

    def _read(self) -> None:
        for _ in range(_READS_A_TURN):
            try:
                self._judge(self._client.loop_read())
            except _NOT_MQTT as wrong:
                raise self._down(f"what came is not MQTT ({type(wrong).__name__}: {wrong})") from wrong
            if not self._has_bytes(0.0):
                return

    def _write(self) -> None:
        if self._client.want_write():
            self._judge(self._client.loop_write())

    def _judge(self, result: MQTTErrorCode) -> None:
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._down(self._heard.ended or error_string(result))

    def _down(self, why: str) -> LinkDown:
        return LinkDown(f"{self._server}: {why}")
