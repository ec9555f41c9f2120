"""To a topic of Apache Kafka: a message counts as delivered when all replicas in sync have it.

    [uplink.cloud]
    type = "kafka"
    servers = ["kafka-1.example.com:9093", "kafka-2.example.com:9093"]
    topic = "holdfast"
    user = "plant"
    password = { file = "/etc/holdfast/kafka.password" }
    tls = { ca = "/etc/holdfast/kafka-ca.pem" }

    waiting ──pause over──> opening ──topic is there──> online ──> gone
       │                       ├── a certificate may be why: examining ──┤
       └───────────────────────┴── not let in, no topic, all away, too late, fatal, close ──┘

The key is the device's name, so that its messages are in one partition, in their order. Headers: `holdfast-gateway`,
`holdfast-id` (topic/epoch/seq of the first record, and of the last if there are several), `content-type`,
`content-encoding`, `holdfast-historical`.

The producer is idempotent: what it sends again by itself, after a short outage or the change of a leader, is in the
topic once. A message without an acknowledgement for `ack_timeout` ends the producer, and so does a restart: then what
was on its way comes again from the spool and may be in the topic twice, up to a window of it, known by its id.

librdkafka does the network's work. It cannot be bound to a network interface, so this uplink takes no `links`.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any

from confluent_kafka import KafkaException, Producer

from transports.clock import Clock, MachineClock
from transports.errors import SettingsError, UplinkDown, UplinkRefused
from transports.uplinks import Identity, Outgoing
from transports.uplinks._kafka.certificate import Examination, examination
from transports.uplinks._kafka.message import headers, key
from transports.uplinks._kafka.producer import Heard, Topic, Trouble, described, let_go, new_producer, send, trouble
from transports.uplinks._kafka.settings import Settings, configuration, topic_of
from transports.uplinks._kafka.words import ALL_AWAY, PASSING, in_words, refusal
from transports.uplinks._opening import Opening

__all__ = ["EXTRA", "KafkaUplink", "Settings", "connect"]

EXTRA = "kafka"
FAREWELL_S = 1.0
TICK_S = 0.005  # while something is on its way or awaited: librdkafka wakes nobody
IDLE_S = 1.0
_SLACK_S = 5.0
_UNVERIFIED = "tls.verify is false: whoever answers is believed"


def connect(settings: Settings, identity: Identity) -> "KafkaUplink":
    """An uplink that begins to connect with its first step. Raises UplinkDown where it must use one interface."""
    if identity.interface:
        raise UplinkDown(
            f"kafka: it cannot be bound to {identity.interface}, librdkafka has no way for it; leave links out for this"
            " uplink, and let the machine's routes decide"
        )
    return KafkaUplink(settings, identity, MachineClock())


class _State(Enum):
    WAITING = "waiting"
    OPENING = "opening"
    EXAMINING = "examining"
    ONLINE = "online"
    GONE = "gone"


_AWAITED = (_State.OPENING, _State.EXAMINING)


class KafkaUplink:
    """One producer; an Uplink and Telling (transports/uplinks). `taken` may still be asked when it has ended."""

    def __init__(self, settings: Settings, identity: Identity, clock: Clock) -> None:
        self._settings, self._identity, self._clock = settings, identity, clock
        self._past, self._topic = settings.past, topic_of(settings, identity)
        self._where = f"{', '.join(settings.servers)}, topic {self._topic}"
        self._heard = Heard()
        self._producer: list[Producer] = []
        self._opening: Opening[Topic] | None = None
        self._examining: Examination | None = None
        self._described: Topic | None = None
        self._state, self._reason = _State.WAITING, ""
        self._flying: dict[int, bytes] = {}
        self._taken: list[int] = []
        self._stirred_at = clock.now()
        self._last_trouble: Trouble | None = None
        self._all_away = False
        self._told = 0

    def fileno(self) -> int:
        """While it connects, a descriptor that becomes readable when the topic is described; else -1."""
        awaited = self._opening or self._examining
        return awaited.fileno() if awaited is not None else -1

    def wants_write(self) -> bool:
        """Never: librdkafka writes."""
        return False

    def ready(self) -> bool:
        """Whether the topic is there."""
        return self._state is _State.ONLINE

    def step(self, now: float) -> None:
        """Hear what librdkafka has to say."""
        if self._state is _State.GONE:
            raise UplinkDown(self._reason)
        if self._state is _State.WAITING and now >= self._past.not_before:
            self._open(now)
        if self._producer:
            self._producer[0].poll(0)
            self._hear(now)
        if self._opening is not None and self._opening.done():
            self._meet()
        if self._examining is not None and self._examining.done():
            raise self._end(_placed(self._examining.finding(), self._where))
        if now >= self._patience_ends():
            raise self._end(self._last_words("no answer in time; are the brokers up, and no firewall in between?"))

    def send(self, message: Outgoing) -> None:
        """Hand one message over. Raises UplinkRefused when it is too large."""
        if self._state is not _State.ONLINE or not self._producer:
            raise UplinkDown(self._reason or f"{self._where}: not connected yet")
        digest = hashlib.sha256(message.payload).digest()
        if digest in self._past.refused:
            raise UplinkRefused(self._past.refused[digest])
        made = {"key": key(message), "value": message.payload, "headers": headers(message, self._identity.gateway)}
        try:
            send(self._producer, self._heard, message.ticket, self._topic, made)
        except KafkaException as wrong:
            error = trouble(wrong.args[0])
            why = refusal(error.name, error.text)
            if why:
                raise UplinkRefused(f"{self._where}: {why}") from wrong
            raise self._end(in_words(error.name, error.text, self._where)) from wrong
        except BufferError as full:
            raise self._end(f"{self._where}: librdkafka has no room for more ({full})") from full
        if not self._flying:
            self._stirred_at = self._clock.now()
        self._flying[message.ticket] = digest

    def taken(self) -> Sequence[int]:
        """The tickets that the brokers have acknowledged, in the order of the reports."""
        taken, self._taken = self._taken, []
        return taken

    def next_step(self, now: float) -> float:
        """A tick while something is awaited; librdkafka's errors are asked for once a second."""
        if self._state is _State.WAITING:
            return self._past.not_before
        return now + (TICK_S if self._flying or self._state in _AWAITED else IDLE_S)

    def close(self, farewell: bool = True) -> None:
        """End it. With a farewell what is on its way is awaited, FAREWELL_S at most."""
        if farewell and self._state is _State.ONLINE and self._producer:
            self._producer[0].flush(FAREWELL_S)
            with suppress(UplinkDown):
                self._hear(self._clock.now())
        self._hang_up()
        self._state, self._reason = _State.GONE, self._reason or "closed"

    def standing(self) -> Mapping[str, Any]:
        """Which brokers and topic, as they were when the connection began, and what an operator should know."""
        told: dict[str, Any] = {"servers": list(self._settings.servers), "topic": self._topic}
        if self._described is not None:
            found = self._described
            told |= {"brokers": found.brokers, "partitions": found.partitions, "replicas": found.replicas}
        return {**told, "warnings": self._warnings()}

    def notices(self) -> Sequence[str]:
        """Warnings since the last call."""
        warnings = self._warnings()
        news, self._told = warnings[self._told :], len(warnings)
        return news

    def _warnings(self) -> list[str]:
        warnings = [_UNVERIFIED] if self._settings.tls and not self._settings.tls.verify else []
        if self._described and self._described.replicas == 1 and self._described.brokers > 1:
            warnings.append("the topic has one replica: what one broker loses is lost")
        if self._all_away and self._state is _State.ONLINE:
            warnings.append(self._last_words("all brokers are away"))
        return warnings

    def _open(self, now: float) -> None:
        self._past.begun(now)
        try:
            held = self._producer = new_producer(configuration(self._settings, self._identity), self._heard)
        except SettingsError as wrong:
            raise self._end(f"what the connection needs cannot be read: {wrong}") from wrong
        except KafkaException as wrong:
            raise self._end(in_words("", f"librdkafka cannot use what it is told: {wrong}", self._where)) from wrong
        topic, timeout_s = self._topic, self._settings.connect_timeout_s
        self._opening = Opening(self._identity.uplink, lambda: described(held, topic, timeout_s), lambda _: None)
        self._state, self._stirred_at = _State.OPENING, now

    def _meet(self) -> None:
        opening, self._opening = self._opening, None
        assert opening is not None
        try:
            self._described = opening.result()
        except (OSError, ValueError) as wrong:
            name, _, text = str(wrong).partition("\n")
            said = in_words(name, text, self._where)
            raise self._end(self._last_words(said) if name in PASSING else said) from wrong
        self._state, self._last_trouble = _State.ONLINE, None

    def _unreached(self, now: float, reason: str) -> None:
        """End it; at once, unless it may be due to a certificate: that takes a look."""
        last, settings = self._last_trouble, self._settings
        if last and self._state is _State.OPENING:
            found = examination(last.text, settings.tls, settings.connect_timeout_s, reason)
            if found is not None:
                self._hang_up()
                self._past.examined(now)
                self._examining, self._state, self._stirred_at = found, _State.EXAMINING, now
                return
        raise self._end(reason)

    def _hear(self, now: float) -> None:
        reports, self._heard.reports = self._heard.reports, []
        errors, self._heard.errors = self._heard.errors, []
        worst: Trouble | None = None
        for ticket, error in reports:
            digest = self._flying.pop(ticket, b"")
            self._stirred_at = now
            if error is None:
                self._taken.append(ticket)
                self._past.succeeded()
                self._all_away = False
                continue
            if why := refusal(error.name, error.text):
                self._past.refused.refuse(digest, f"{self._where}: {why}")
            worst = worst or error
        for error in errors:
            if error.name in PASSING:
                self._last_trouble = self._more_telling(error)
            elif error.name == ALL_AWAY:
                self._all_away = True
            else:
                worst = worst or error
        if worst is not None:
            raise self._end(self._last_words(in_words(worst.name, worst.text, self._where)))
        if self._all_away and not self._flying:
            self._unreached(now, self._last_words("all brokers are away"))

    def _more_telling(self, error: Trouble) -> Trouble:
        """The newest; before any broker has answered, one that is not believed rather than one that is away."""
        last = self._last_trouble
        return last if last and last.name == "_SSL" and self._state is _State.OPENING else error

    def _last_words(self, otherwise: str) -> str:
        """Why no broker could be reached, if that was the last that was heard; else what is known otherwise."""
        last, none_yet = self._last_trouble, self._state is not _State.ONLINE
        if last and (self._all_away or none_yet):
            return in_words(last.name, last.text, self._where)
        return _placed(otherwise, self._where)

    def _patience_ends(self) -> float:
        if self._state in _AWAITED:
            return self._stirred_at + self._settings.connect_timeout_s + _SLACK_S
        return self._stirred_at + self._settings.ack_timeout_s + _SLACK_S if self._flying else float("inf")

    def _end(self, reason: str) -> UplinkDown:
        """Close everything; the error to raise."""
        self._past.failed(self._clock.now(), random.random())
        self._hang_up()
        self._state, self._reason = _State.GONE, reason
        return UplinkDown(reason)

    def _hang_up(self) -> None:
        let_go(self._producer)
        for awaited in (self._opening, self._examining):
            if awaited is not None:
                awaited.abandon()
        self._opening = self._examining = None
        self._flying.clear()


def _placed(text: str, where: str) -> str:
    return text if text.startswith(where) else f"{where}: {text}"
