"""One connection to one MQTT server, driven without blocking from its owner's loop.

    opening ──TCP, TLS, WebSocket──> greeting ──CONNACK──> online ──────> gone
       └─────────────────────────────────┴── refused, lost, silent, close ──┘

The session is clean and each connection has a paho client of its own; paho's loop thread is not used, `step` does its
work. A server that is silent for 1.5 x keepalive is given up, as it would give us up (MQTT 3.1.1, section 3.1.2.10).

What is handed to `publish`, `subscribe`, `unsubscribe` and `ask` gets an id (mid), and later an Ack in `acked`, in the
order in which the server answered. QoS 0 has no Ack: an Ack of `ask` that was called later says that the server was
alive and had read so far. The owner must take `messages` after each step: a full inbox is not read into.

What a server of MQTT 5 allows is kept to: its Receive Maximum (what is more waits here), Maximum QoS, Retain Available,
Maximum Packet Size, Server Keep Alive.
"""

from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from typing import cast

from paho.mqtt.client import error_string
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from transports.clock import Clock
from transports.errors import SettingsError, UplinkDown, UplinkRefused
from transports.uplinks._mqtt.client import Heard, PahoClient, hang_up
from transports.uplinks._mqtt.entrance import (
    PACKET_MAX_BYTES,
    Ack,
    Arrived,
    Entrance,
    Offers,
    Packable,
    Said,
    Server,
    Will,
    offers_in,
)
from transports.uplinks._mqtt.reasons import ended
from transports.uplinks._opening import Opening
from transports.uplinks._reasons import connecting

FAREWELL_S = 1.0
_READS_A_STEP = 64
_QUEUED_MOST_BYTES = 16 * 1024
_NEVER_SUBSCRIBED = "holdfast/nothing"
_WITH_WILL = ReasonCode(PacketTypes.DISCONNECT, identifier=0x04)


class _State(Enum):
    OPENING = "opening"
    GREETING = "greeting"
    ONLINE = "online"
    GONE = "gone"


class Line:
    """See the module's note. Begins to connect at once. Raises UplinkDown when a secret or certificate cannot be read.

    Any method but the closing ones may raise UplinkDown, with the reason in an operator's words; `acked` and `messages`
    may still be asked then. `offers` is what the server can do, None before its greeting.
    """

    def __init__(self, server: Server, entrance: Entrance, will: Will | None, clock: Clock) -> None:
        self.server, self.entrance, self._clock = server, entrance, clock
        self.offers: Offers | None = None
        self._heard = Heard()
        try:
            self._client = PahoClient(entrance, will, self._heard)
        except (OSError, SettingsError) as wrong:
            raise UplinkDown(f"what the connection needs cannot be read: {wrong}") from wrong
        self._state, self._reason = _State.OPENING, ""
        self._keepalive = entrance.keepalive
        self._acks: list[Ack] = []
        self._now = self._heard_at = clock.now()
        self._connect_ends = self._now + entrance.connect_timeout_s
        self._opening = Opening(entrance.client_id, self._dial, hang_up)

    @property
    def ready(self) -> bool:
        """Whether the server has let us in."""
        return self._state is _State.ONLINE

    @property
    def reason(self) -> str:
        """Why it has ended; "" while it has not."""
        return self._reason

    @property
    def code(self) -> int | None:
        """The reason code with which the server refused us, or ended the connection; None when it gave none."""
        return self._heard.last_code()

    @property
    def peer_certificate(self) -> bytes:
        """The server's certificate (DER); b"" without TLS, or before there is one."""
        return self._client.peer_certificate

    def fileno(self) -> int:
        """The socket, or while it is being made a descriptor that becomes readable when it stands; -1 when gone."""
        if self._state is _State.OPENING:
            return self._opening.fileno()
        return sock.fileno() if (sock := self._client.socket()) else -1

    def wants_write(self) -> bool:
        """Whether bytes wait for the server to read."""
        return self._state in (_State.GREETING, _State.ONLINE) and self._client.want_write()

    def step(self, now: float) -> None:
        """All I/O that is possible now, and the limits of patience. Raises UplinkDown."""
        self._now = now
        if self._state is _State.GONE:
            raise UplinkDown(self._reason)
        if self._state is _State.OPENING and self._opening.done():
            self._meet(now)
        if self._state is not _State.OPENING:
            self._exchange(now)
        if now >= self._patience_ends():
            raise self.lost(self._what_was_awaited(now))

    def next_step(self, now: float) -> float:
        """A ping that may be due (late by an eighth of keepalive at most; servers grant a half), or patience's end."""
        ends = self._patience_ends()
        if self._state is not _State.ONLINE:
            return ends
        return now if self._client.has_packet else min(now + self._keepalive / 8, ends)

    def publish(
        self, topic: str, payload: bytes, qos: int = 1, retain: bool = False, properties: Packable | None = None
    ) -> int:
        """Its id. Raises UplinkRefused for what MQTT, or this server, can never carry."""
        self.must_fit(topic, payload, properties)
        mid = self.put(Said(topic, payload, qos, retain, properties))
        self.flush()
        return mid

    def put(self, said: Said) -> int:
        """The same of what `must_fit`; it leaves with the next `flush` or `step`, together with others."""
        offers = self._online()
        if said.qos > offers.max_qos == 0:
            raise self.lost(f"{self.server.place}: it carries QoS 0 at most; set qos = 0")
        if said.qos > offers.max_qos or (said.retain and not offers.retain):
            said = said._replace(qos=min(said.qos, offers.max_qos), retain=said.retain and offers.retain)
        if self._client.queued_bytes > _QUEUED_MOST_BYTES:
            self.flush()
        return self._client.put(said)

    def flush(self) -> None:
        """Write what can be written."""
        if self._client.want_write():
            self._judge(self._client.loop_write())

    def must_fit(self, topic: str, payload: bytes, properties: Packable | None = None, more_bytes: int = 0) -> None:
        """Raises UplinkRefused for a message that is too large, with `more_bytes` of properties, for MQTT or this
        server."""
        offers = self._online()
        around = 2 + len(topic.encode()) + 2 + (len(properties.pack()) if properties else 1)  # lengths, id
        most = min(PACKET_MAX_BYTES, offers.max_packet_bytes - 5) - around - more_bytes  # 5: the fixed header at most
        if len(payload) > most:
            raise UplinkRefused(f"a message of {len(payload)} bytes; {self.server.place} carries {max(most, 0)}")

    def subscribe(self, topic: str, qos: int = 1) -> int:
        """Its id; its Ack has the QoS that was granted, or why not."""
        self._online()
        return self._sent(self._client.subscribe(topic, qos))

    def unsubscribe(self, topic: str) -> int:
        """Its id."""
        self._online()
        return self._sent(self._client.unsubscribe(topic))

    def ask(self) -> int:
        """A question that every server answers and nobody else hears of: the end of a subscription that never was
        (MQTT 3.1.1, section 3.10.4). Its id; when its Ack is there, all that was published before has been read."""
        return self.unsubscribe(_NEVER_SUBSCRIBED)

    def acked(self) -> list[Ack]:
        """What the server has answered since the last call, in its order."""
        self._collect()
        acks, self._acks = self._acks, []
        return acks

    def messages(self) -> list[Arrived]:
        """What has come since the last call, oldest first."""
        messages, self._heard.messages = self._heard.messages, []
        self._heard.messages_bytes = 0
        return messages

    def overflowed(self) -> int:
        """How many messages were dropped since the last call, because nobody took those before them."""
        count, self._heard.overflow = self._heard.overflow, 0
        return count

    def lost(self, reason: str) -> UplinkDown:
        """End it for this reason, without a DISCONNECT; the error to raise."""
        if self._state is _State.OPENING:
            self._opening.abandon()
            self._client.cut()
        elif self._state is not _State.GONE:
            hang_up(self._client)
        self._state, self._reason = _State.GONE, self._reason or reason
        return UplinkDown(self._reason)

    def hang_up(self) -> None:
        """End it without a DISCONNECT: the server then publishes the Will. May be called twice."""
        self.lost("closed")

    def close(self, farewell: Sequence[Said] = (), with_will: bool = False) -> None:
        """Say the last words, wait until everything is answered, say goodbye: FAREWELL_S at most. Never raises.

        `with_will`: the server shall publish the Will all the same (MQTT 5: DISCONNECT 0x04; on 3.1.1 by hanging up).
        """
        if self.ready:
            with suppress(UplinkDown, UplinkRefused, OSError):
                self._bid_farewell(farewell, with_will, self._clock.now() + FAREWELL_S)
            self._collect()
        self.lost("closed")

    def _online(self) -> Offers:
        if self._state is not _State.ONLINE or self.offers is None:
            raise UplinkDown(self._reason or f"{self.server.place}: not connected yet")
        return self.offers

    def _sent(self, sent: tuple[MQTTErrorCode, int | None]) -> int:
        result, mid = sent
        self._judge(result)
        self._heard.subscribing.add(cast(int, mid))
        self.flush()
        return cast(int, mid)

    def _dial(self) -> PahoClient:
        """In the helper thread."""
        result = self._client.dial(self.server.host, self.server.port)
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionError(error_string(result))
        return self._client

    def _meet(self, now: float) -> None:
        try:
            self._opening.result()
        except (OSError, ValueError) as wrong:
            raise self.lost(connecting(wrong, self.server.place)) from wrong
        self._state, self._heard_at = _State.GREETING, now

    def _exchange(self, now: float) -> None:
        for _ in range(_READS_A_STEP):
            if self._heard.messages_bytes >= self.entrance.inbox_bytes or not self._client.has_bytes():
                break
            self._heard_at = now
            self._judge(self._client.loop_read())
        if self._heard.greetings and self._state is _State.GREETING:
            self._enter()
        if self._state is _State.ONLINE:
            self._judge(self._client.loop_misc())
        if self._client.want_write():
            self._judge(self._client.loop_write())
        self._collect()

    def _enter(self) -> None:
        _, said = self._heard.greetings[0]
        self.offers = offers = offers_in(said, self.entrance.keepalive)
        self._keepalive = offers.keepalive
        self._client.limit(min(offers.receive_maximum, self.entrance.in_flight), offers.keepalive)
        self._state = _State.ONLINE

    def _collect(self) -> None:
        if self._heard.acks:
            self._acks += self._heard.acks
            self._heard.acks.clear()

    @property
    def _is_owed(self) -> bool:
        return bool(self._client.unanswered or self._heard.subscribing)

    def _patience_ends(self) -> float:
        if self._state is not _State.ONLINE:
            return self._connect_ends
        return self._heard_at + 1.5 * self._keepalive

    def _what_was_awaited(self, now: float) -> str:
        place = self.server.place
        if self._state is _State.OPENING:
            return f"{place}: no connection within {self.entrance.connect_timeout_s:g} s"
        if self._state is _State.GREETING:
            return f"{place}: accepts connections but does not answer; is it an MQTT broker, and not hung?"
        return f"{place}: silent for {now - self._heard_at:.1f} s; the broker hangs or the line is dead"

    def _judge(self, result: MQTTErrorCode) -> None:
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or self._client.socket() is None:
            self._collect()
            heard, in_greeting = self._heard, self._state is _State.GREETING
            why = heard.last_said() or ended(result, heard.last_error, in_greeting, self.entrance.version)
            raise self.lost(f"{self.server.place}: {why}")

    def _bid_farewell(self, farewell: Sequence[Said], with_will: bool, deadline: float) -> None:
        # The answers are awaited: closing on unread bytes resets the connection, and what was last sent may be lost.
        self._client.inbox_bytes = float("inf")  # nobody takes what comes, and answers come behind it
        for last in farewell:
            self.publish(*last)
        while self._is_owed and self._client.wait(deadline - self._clock.now()):
            if self._client.has_bytes():
                self._judge(self._client.loop_read())
            self._judge(self._client.loop_write())
            self._collect()
        if with_will and not self.entrance.is_5:
            return
        self._client.disconnect(_WITH_WILL if with_will else None)
        while self._client.socket() and self._client.want_write() and self._client.wait(deadline - self._clock.now()):
            self._client.loop_write()
