"""To an MQTT broker, QoS 1: a message counts as delivered when its PUBACK has come.

    opening ──TCP, TLS──> greeting ──CONNACK──> online ──────> gone
       └──────────────────────┴── refused, too late, lost, silent, close ──┘

Status: `status_topic` holds a retained {"state": "online" | "offline", "gateway", "uplink", "since"}. Offline is said
at a farewell, or by the broker itself as our Last Will; then `since` is null, for nobody can know.

The session is clean and each connection has a paho client of its own: the spool is the only buffer, and what was not
acknowledged is sent again from there. paho's loop thread is not used; `step` does its work. A broker that is silent for
1.5 x keepalive is given up, as it would give us up (MQTT 3.1.1, section 3.1.2.10). So is one that lives but leaves our
oldest message without a PUBACK for `ack_timeout`, counted from when it became the oldest: a slow line that brings one
PUBACK after the other is kept, and one lost PUBACK among many is noticed. Therefore both must be longer than the
largest message takes on a slow line.
"""

import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from typing import cast

from paho.mqtt.client import Client, error_string
from paho.mqtt.enums import MQTTErrorCode

from transports.clock import Clock, MachineClock
from transports.errors import SettingsError, UplinkDown, UplinkRefused
from transports.uplinks import Identity, Outgoing, _topics
from transports.uplinks._mqtt_client import Heard, hang_up, identity_fields, new_client, status
from transports.uplinks._mqtt_settings import PACKET_MAX_BYTES, Settings
from transports.uplinks._opening import Opening
from transports.uplinks._reasons import alert, connecting, refused

__all__ = ["MqttUplink", "Settings", "connect"]

FAREWELL_S = 1.0
_READS_A_STEP = 64


def connect(settings: Settings, identity: Identity) -> "MqttUplink":
    """An uplink whose connection is under way. Raises UplinkDown when its secrets or certificates cannot be read."""
    heard = Heard()
    clock = MachineClock()
    try:
        client = new_client(settings, identity, heard)
    except (OSError, SettingsError) as wrong:
        raise UplinkDown(f"what the connection needs cannot be read: {wrong}") from wrong
    return MqttUplink(settings, identity, client, heard, clock)


class _State(Enum):
    OPENING = "opening"
    GREETING = "greeting"
    ONLINE = "online"
    GONE = "gone"


class MqttUplink:
    """One connection to one broker; an Uplink (transports/uplinks). `taken` may still be asked when it has ended."""

    def __init__(self, settings: Settings, identity: Identity, client: Client, heard: Heard, clock: Clock) -> None:
        self._settings, self._identity, self._clock = settings, identity, clock
        self._client, self._heard = client, heard
        self._server = f"{settings.host}:{settings.tcp_port}"
        self._state = _State.OPENING
        self._reason = ""
        self._tickets: dict[int, int] = {}
        self._taken: list[int] = []
        self._now = self._heard_at = self._oldest_since = clock.now()
        self._connect_ends = self._now + settings.connect_timeout_s
        self._opening = Opening(identity.uplink, self._dial, hang_up)

    def fileno(self) -> int:
        """The socket, or while it is being made a descriptor that becomes readable when it stands."""
        if self._state is _State.OPENING:
            return self._opening.fileno()
        return sock.fileno() if (sock := self._client.socket()) else -1

    def wants_write(self) -> bool:
        """Whether bytes wait for the broker to read."""
        return self._state in (_State.GREETING, _State.ONLINE) and self._client.want_write()

    def ready(self) -> bool:
        """Whether the broker has let us in."""
        return self._state is _State.ONLINE

    def step(self, now: float) -> None:
        """All I/O that is possible now, and the limits of patience."""
        self._now = now
        if self._state is _State.GONE:
            raise UplinkDown(self._reason)
        if self._state is _State.OPENING and self._opening.done():
            self._meet(now)
        if self._state is not _State.OPENING:
            self._exchange(now)
        if now >= self._patience_ends():
            raise self._end(self._what_was_awaited(now))

    def send(self, message: Outgoing) -> None:
        """Hand one message to the socket. Raises UplinkRefused when MQTT, or `max_message`, can never carry it."""
        if not self.ready():
            raise UplinkDown(self._reason or f"{self._server}: not connected yet")
        fields = identity_fields(self._identity) | message.fields
        topic = _topics.filled(self._settings.topic, fields)
        self._refuse_unsendable(topic, message.payload)
        sent = self._client.publish(topic, message.payload, qos=1, retain=self._settings.retain)
        self._judge(sent.rc)
        self._judge(self._client.loop_write())
        if not self._tickets:
            self._oldest_since = self._now
        self._tickets[sent.mid] = message.ticket

    def taken(self) -> Sequence[int]:
        """The tickets whose PUBACK has come, in the order in which it came."""
        taken, self._taken = self._taken, []
        return taken

    def next_step(self, now: float) -> float:
        """A ping that may be due (late by an eighth of keepalive at most; brokers grant a half), or patience's end."""
        ends = self._patience_ends()
        return min(now + self._settings.keepalive / 8, ends) if self._state is _State.ONLINE else ends

    def close(self, farewell: bool = True) -> None:
        """End it. Without a farewell the broker publishes our Last Will; with one it takes FAREWELL_S at most."""
        if farewell and self.ready():
            with suppress(UplinkDown, OSError):
                self._bid_farewell(self._clock.now() + FAREWELL_S)
        self._end(self._reason or "closed")

    def _dial(self) -> Client:
        """In the helper thread: resolve, connect, shake hands, queue CONNECT."""
        settings = self._settings
        result = self._client.connect(settings.host, settings.tcp_port, settings.keepalive)
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionError(error_string(result))
        # Without it the kernel holds a small message back until the one before it is acknowledged (Nagle).
        cast(socket.socket, self._client.socket()).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._client

    def _meet(self, now: float) -> None:
        try:
            self._opening.result()
        except (OSError, ValueError) as wrong:
            raise self._end(connecting(wrong, self._server)) from wrong
        self._state, self._heard_at = _State.GREETING, now

    def _exchange(self, now: float) -> None:
        for _ in range(_READS_A_STEP):
            if not self._has_bytes():
                break
            self._heard_at = now
            self._judge(self._client.loop_read())
        if self._heard.greetings and self._state is _State.GREETING:
            self._enter(now)
        if self._state is _State.ONLINE:
            self._judge(self._client.loop_misc())
        if self._client.want_write():
            self._judge(self._client.loop_write())
        self._count_acks(now)

    def _has_bytes(self) -> bool:
        sock = cast(socket.socket, self._client.socket())
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        # What TLS has decrypted already does not wake a poll.
        return bool(getattr(sock, "pending", int)() or poll.poll(0))

    def _enter(self, now: float) -> None:
        self._state = _State.ONLINE
        self._say("online", self._clock.utc_ns())

    def _say(self, state: str, since_ns: int) -> int:
        said = self._client.publish(
            _topics.filled(self._settings.status_topic, identity_fields(self._identity)),
            status(state, self._identity, since_ns),
            qos=1,
            retain=True,
        )
        self._judge(said.rc)
        return said.mid

    def _count_acks(self, now: float) -> None:
        oldest = next(iter(self._tickets), None)
        acked = [self._tickets.pop(mid) for mid in self._heard.acked if mid in self._tickets]
        self._heard.acked.clear()
        self._taken += acked
        if oldest not in self._tickets:
            self._oldest_since = now

    def _patience_ends(self) -> float:
        if self._state is not _State.ONLINE:
            return self._connect_ends
        silent_until = self._heard_at + 1.5 * self._settings.keepalive
        return min(silent_until, self._oldest_since + self._settings.ack_timeout_s) if self._tickets else silent_until

    def _what_was_awaited(self, now: float) -> str:
        if self._state is _State.OPENING:
            return f"{self._server}: no connection within {self._settings.connect_timeout_s:g} s"
        if self._state is _State.GREETING:
            return f"{self._server}: accepts connections but does not answer; is it an MQTT broker, and not hung?"
        if now - self._heard_at >= 1.5 * self._settings.keepalive:
            return f"{self._server}: silent for {now - self._heard_at:.1f} s; the broker hangs or the line is dead"
        return f"{self._server}: lives, but a message is unacknowledged for {now - self._oldest_since:.1f} s"

    def _judge(self, result: MQTTErrorCode) -> None:
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or self._client.socket() is None:
            self._count_acks(self._now)
            raise self._end(f"{self._server}: {self._why(result)}")

    def _why(self, result: MQTTErrorCode) -> str:
        refusal = next((str(reason) for reason in self._heard.greetings if reason.is_failure), "")
        if refusal:
            return refused(refusal)
        error = next(iter(self._heard.last_error), "")
        if known := alert(error):
            return known
        if result == MQTTErrorCode.MQTT_ERR_PROTOCOL:
            return "what came is not MQTT 3.1.1"
        if self._state is _State.GREETING:
            return (
                "it hung up instead of a greeting; does it expect TLS or a client certificate, or is it no MQTT broker?"
            )
        return error or "it closed the connection; was it stopped, or is there another client of the same client_id?"

    def _refuse_unsendable(self, topic: str, payload: bytes) -> None:
        topic_bytes = len(topic.encode())
        if topic_bytes > _topics.TOPIC_MAX_BYTES:
            raise UplinkRefused(f"a topic of {topic_bytes} bytes; MQTT carries {_topics.TOPIC_MAX_BYTES}")
        most = min(
            self._settings.max_message_bytes, PACKET_MAX_BYTES - topic_bytes - 4
        )  # two lengths' bytes, packet id
        if len(payload) > most:
            raise UplinkRefused(f"a message of {len(payload)} bytes; this uplink carries {most}")

    def _bid_farewell(self, deadline: float) -> None:
        # Its PUBACK is awaited: closing on unread bytes resets the connection, and what was last sent may be lost.
        mid = self._say("offline", self._clock.utc_ns())
        while mid not in self._heard.acked and self._wait(deadline):
            if self._has_bytes():
                self._judge(self._client.loop_read())
            self._judge(self._client.loop_write())
        self._count_acks(self._now)
        self._client.disconnect()
        while self._client.socket() and self._client.want_write() and self._wait(deadline):
            self._client.loop_write()

    def _wait(self, deadline: float) -> bool:
        """Wait for the socket; False when the deadline has passed."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        left_s = deadline - self._clock.now()
        return left_s > 0 and bool(poll.poll(left_s * 1000))

    def _end(self, reason: str) -> UplinkDown:
        """Close whatever is open; the error to raise, if it is one."""
        if self._state is _State.OPENING:
            self._opening.abandon()
        elif self._state is not _State.GONE:
            hang_up(self._client)
        self._state, self._reason = _State.GONE, reason
        return UplinkDown(reason)
