"""A session with an MQTT broker that messages come from: read in a loop thread, acknowledged when we say so.

    broker ──PUBLISH──> loop thread ──Inbox──> read ... durable ──> ack ──PUBACK──> broker

The broker keeps the session while we are away: what it sent and we did not acknowledge comes again. It may send at most
`in_flight` unacknowledged messages ahead (MQTT 5: Receive Maximum; 3.1.1: the broker's own limit), so a slow reader
makes it wait. Messages of QoS 0 cannot be made to wait: beyond `waiting` they are dropped and counted.

paho's own thread is not used: an exception in it would end it unseen. Here paho is driven by an asyncio loop, and
whatever goes wrong in there (a packet that is no MQTT, too) ends the session with its reason.
"""

import asyncio
import math
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from paho.mqtt.client import MQTTMessage, error_string
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from transports.clock import MachineClock
from transports.connecting import why_not
from transports.errors import HoldfastError, LinkDown, LinkRefused, LinkTimeout, SettingsError
from transports.loop_thread import Inbox, LoopThread
from transports.mqtt.broker import BrokerSettings
from transports.mqtt.client import connect_options, new_client, words
from transports.tls import client_context

T = TypeVar("T")
Filters = Sequence[tuple[str, int]]
"""What to subscribe to: topic filters with the highest QoS each."""
_READS_AT_ONCE = 64
_FAREWELL_S = 1.0


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came; a topic that is no text is "". `time_ns` is when (UTC)."""

    topic: str
    payload: bytes
    time_ns: int
    qos: int = 0
    mid: int = 0
    retained: bool = False


class Session:
    """One connection. Messages are in `inbox`, None among them wakes its reader; `lost` says why it is over."""

    def __init__(self, settings: BrokerSettings) -> None:
        self.inbox = Inbox[Received | None](settings.in_flight + settings.waiting + 1)
        self.lost, self.flooded = "", 0
        self._settings, self._server = settings, f"{settings.host}:{settings.tcp_port}"
        self._clock, self._thread = MachineClock(), LoopThread("mqtt")
        self._loop = self._thread.loop
        self._loop.set_exception_handler(self._failed)
        self._waits: dict[int, asyncio.Future[Any]] = {}  # by packet id; 0 is the greeting
        self._loose_in = self._loose_out = 0  # messages of QoS 0 put in and taken out, each counted by one thread
        self._client = new_client(settings)

    # --- for the thread that reads -----------------------------------------------------------------------------------

    def open(self, filters: Filters) -> None:
        """Connect and subscribe. Raises LinkDown."""
        try:
            self._run(self._begin(filters), self._settings.timeout_s)
        except LinkTimeout as late:
            self.close()
            raise LinkDown(f"{self._server}: {late}; is it an MQTT broker, and not hung?") from late
        except HoldfastError:
            self.close()
            raise

    def take(self) -> list[Received]:
        """What has come, oldest first. Raises LinkDown when nothing has and nothing will."""
        messages = [message for message in self.inbox.take() if message is not None]
        self._loose_out += sum(message.qos == 0 for message in messages)
        if self.lost and not messages:
            raise LinkDown(f"{self._server}: {self.lost}")
        if self.lost:
            self.inbox.put(None)  # the next take says so
        return messages

    def acknowledge(self, mids: Iterable[int]) -> None:
        """Let the broker forget these messages (QoS 1). After a loss they come again whatever we say."""
        with suppress(RuntimeError):  # the loop is closed
            for mid in mids:
                self._loop.call_soon_threadsafe(self._client.ack, mid, 1)

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """Send one message; with QoS 1 wait for its PUBACK. Raises LinkRefused, LinkTimeout, LinkDown."""
        self._run(self._publish(topic, payload, qos, retain), self._settings.timeout_s)

    def close(self) -> None:
        """Say goodbye; the broker keeps the session. May be called twice; never raises."""
        if not self._loop.is_closed():
            with suppress(LinkDown, LinkTimeout):
                self._run(self._bid_farewell(), _FAREWELL_S)
        self._thread.close()
        self.inbox.close()

    def _run(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        if self._loop.is_closed():
            work.close()
            raise LinkDown(f"{self._server}: {self.lost or 'the session is closed'}")
        try:
            return self._thread.run(work, timeout_s)
        except TimeoutError as late:
            raise LinkTimeout(f"no answer within {timeout_s:g} s") from late

    # --- in the loop -------------------------------------------------------------------------------------------------

    async def _begin(self, filters: Filters) -> None:
        greeting = self._waits[0] = self._loop.create_future()
        try:
            await asyncio.to_thread(self._dial)
        except SettingsError as missing:
            raise LinkDown(f"{self._server}: {missing}") from missing
        except (OSError, ValueError) as wrong:
            raise LinkDown(why_not(wrong, self._server)) from wrong
        self._attach()
        refusal: ReasonCode = await greeting
        if refusal.is_failure:
            raise LinkDown(f"{self._server}: {words(refusal)}")
        await self._subscribe(filters)
        self._keep_alive()

    def _dial(self) -> None:
        """In a helper thread: resolve, connect, shake hands, queue CONNECT."""
        settings, client = self._settings, self._client
        if settings.user:
            client.username_pw_set(settings.user, settings.password.reveal() if settings.password else None)
        if settings.tls:
            client.tls_set_context(client_context(settings.tls))
        client.on_socket_register_write = self._wants_to_write
        client.on_socket_unregister_write = self._wants_to_write  # or a socket that can take more wakes us for ever
        client.connect_timeout = settings.timeout_s
        keepalive_s = math.ceil(settings.keepalive_s)
        result = client.connect(settings.host, settings.tcp_port, keepalive_s, **connect_options(settings))
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionError(error_string(result))

    def _attach(self) -> None:
        client, sock = self._client, self._client.socket()
        if sock is None:
            raise LinkDown(f"{self._server}: it closed the connection at once")
        client.on_connect = lambda _client, _data, _flags, reason, _properties: self._answered(0, reason)
        client.on_subscribe = lambda _client, _data, mid, codes, _properties: self._answered(mid, codes)
        client.on_publish = lambda _client, _data, mid, reason, _properties: self._answered(mid, reason)
        client.on_disconnect = lambda _client, _data, _flags, reason, _properties: self._over(words(reason))
        client.on_message = lambda _client, _data, message: self._came(message)
        client.on_socket_close = lambda _client, _data, closing: self._unwatch(closing.fileno())
        self._loop.add_reader(sock.fileno(), self._readable)
        self._watch_writes()

    async def _subscribe(self, filters: Filters) -> None:
        modern = self._settings.protocol == "5"
        wanted: Any = [(topic, SubscribeOptions(qos) if modern else qos) for topic, qos in filters]
        result, mid = self._client.subscribe(wanted)
        if mid is None:
            raise LinkDown(f"{self._server}: {error_string(result)}")
        codes = await self._answer(mid)
        for (topic, _), code in zip(filters, codes, strict=False):
            if code.is_failure:
                cure = "let this user read it, in the broker's access list"
                raise LinkDown(f"{self._server}: it refuses the subscription to {topic} ({code}); {cure}")

    async def _publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        if self.lost:
            raise LinkDown(f"{self._server}: {self.lost}")
        sent = self._client.publish(topic, payload, qos, retain)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkDown(f"{self._server}: {error_string(sent.rc)}")
        reason = await self._answer(sent.mid)
        if isinstance(reason, ReasonCode) and reason.is_failure:
            raise LinkRefused(f"{self._server}: it refuses to publish under {topic} ({reason})")

    async def _answer(self, mid: int) -> Any:
        waiting = self._waits[mid] = self._loop.create_future()
        try:
            return await waiting
        finally:
            self._waits.pop(mid, None)

    async def _bid_farewell(self) -> None:
        self._over("closed")
        if self._client.is_connected():
            self._client.on_disconnect = None
            self._client.disconnect()
            while self._client.socket() is not None and self._client.want_write():
                self._client.loop_write()
                await asyncio.sleep(0)
        if (sock := self._client.socket()) is not None:
            self._unwatch(sock.fileno())
            sock.close()

    def _answered(self, mid: int, answer: Any) -> None:
        waiting = self._waits.get(mid)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _came(self, message: MQTTMessage) -> None:
        if message.qos == 0 and self._loose_in - self._loose_out >= self._settings.waiting:
            self.flooded += 1
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        payload = bytes(message.payload)
        received = Received(topic, payload, self._clock.utc_ns(), message.qos, message.mid, bool(message.retain))
        self._loose_in += message.qos == 0
        if not self.inbox.put(received):
            self._hang_up("the broker sent more unacknowledged messages than in_flight; they come again")

    def _readable(self) -> None:
        for _ in range(_READS_AT_ONCE):
            self._client.loop_read()
            sock = self._client.socket()
            pending = getattr(sock, "pending", None)  # what TLS has decrypted already wakes no selector
            if pending is None or not pending():
                return

    def _wants_to_write(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._watch_writes)

    def _watch_writes(self) -> None:
        sock = self._client.socket()
        if sock is None or sock.fileno() < 0:
            return
        if self._client.want_write():
            self._loop.add_writer(sock.fileno(), self._client.loop_write)
        else:
            self._loop.remove_writer(sock.fileno())

    def _unwatch(self, descriptor: int) -> None:
        if descriptor >= 0:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)

    def _keep_alive(self) -> None:
        if not self.lost:
            self._client.loop_misc()
            self._loop.call_later(self._settings.keepalive_s / 8, self._keep_alive)

    def _over(self, why: str) -> None:
        """The session has ended: let everybody know who waits."""
        self.lost = self.lost or why
        for waiting in self._waits.values():
            if not waiting.done():
                waiting.set_exception(LinkDown(f"{self._server}: {self.lost}"))
        self.inbox.put(None)

    def _hang_up(self, why: str) -> None:
        self._over(why)
        if (sock := self._client.socket()) is not None:
            self._unwatch(sock.fileno())
            sock.close()

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        error = context.get("exception")
        self._hang_up(f"what came is not MQTT ({type(error).__name__}: {error})" if error else str(context["message"]))
