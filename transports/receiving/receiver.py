"""The receiver at work: it takes messages in small batches, stores each batch, then acknowledges and confirms it.

    session ──until LINGER_S, MOST, or a moment of quiet──> batch ──commit──> PUBACKs ──> confirmations

Whatever fails, the broker or the disk, ends the session without acknowledging; all begins again after a while.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from transports.backoff import Backoff
from transports.clock import Clock
from transports.errors import LinkDown, SpoolError
from transports.mqtt.broker import BrokerSettings
from transports.receiving.confirming import confirmations
from transports.receiving.reading import understood
from transports.receiving.rows import RecordId
from transports.receiving.session import Message, Session
from transports.receiving.store import Arrival, Kept, Store

LINGER_S = 0.05  # the longest that a message waits for company before it is stored
QUIET_S = 0.005  # nothing more came for so long: more is not to be expected
MOST = 500  # messages in a transaction
IDLE_S = 1.0
TOLD_EVERY_S = 60.0
BACKOFF = Backoff(0.5, ceiling_s=15.0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is received, and how it is confirmed.

    `confirms`: None where a message has a Response Topic, True also where it has none, under `confirm_topic`, False
    nowhere. `{gateway}` in `confirm_topic` is the record's gateway.
    """

    broker: BrokerSettings
    topics: Sequence[str]
    database: Path
    confirms: bool | None = None
    confirm_topic: str = "holdfast/{gateway}/cloud/confirm"


class Receiver:
    """Runs until it is interrupted. `say` is told in a sentence what changed, `rest` waits for so many seconds."""

    def __init__(
        self, wanted: Wanted, clock: Clock, say: Callable[[str], object], rest: Callable[[float], object]
    ) -> None:
        self._wanted, self._clock, self._say, self._rest = wanted, clock, say, rest
        self._trouble = ""
        self._failures = 0
        self._sum, self._told, self._told_at = Kept(), Kept(), clock.now()

    def run(self) -> None:
        """Receive for ever. Raises SettingsError where the database is none of ours; KeyboardInterrupt passes through,
        and what was not acknowledged then comes again."""
        try:
            while True:
                try:
                    self._tour()
                except (LinkDown, SpoolError) as failed:
                    self._failed(str(failed))
        finally:
            self._tell_sum()

    def _tour(self) -> None:
        """From opening the database to the first failure."""
        wanted = self._wanted
        store = Store(wanted.database)
        try:
            with Session(wanted.broker, wanted.topics, self._clock) as session:
                session.open()
                self._say(f"connected to {wanted.broker.host}:{wanted.broker.tcp_port}")
                self._trouble = ""
                while True:
                    self._batch(session, store)
        finally:
            store.close()

    def _batch(self, session: Session, store: Store) -> None:
        batch: list[Message] = []
        try:
            self._collect(session, batch)
        except LinkDown:
            # a broker that lost its memory does not send them again
            batch += session.take()
            self._keep(store, batch)
            raise
        if batch:
            taken = self._keep(store, batch)
            session.acknowledge(batch)
            for topic, payload in confirmations(taken):
                session.confirm(topic, payload)
        self._failures = 0
        for refused in session.refused():
            self._say_once(refused)
        if self._clock.now() - self._told_at >= TOLD_EVERY_S:
            self._tell_sum()

    def _collect(self, session: Session, batch: list[Message]) -> None:
        """Fill the batch; empty when nothing came within IDLE_S."""
        batch += session.take()
        ends = self._clock.now() + LINGER_S
        while len(batch) < MOST:
            before = len(batch)
            session.turn(QUIET_S if batch else IDLE_S)
            batch += session.take()
            now = self._clock.now()
            if not before:
                ends = now + LINGER_S
            if len(batch) == before or now >= ends:
                return

    def _keep(self, store: Store, batch: Sequence[Message]) -> list[tuple[str, RecordId]]:
        """Store a batch; what is durable now, and where that is awaited."""
        arrivals = [Arrival(each.topic, each.payload, each.received_ns, understood(each.payload)) for each in batch]
        kept = store.keep(arrivals)
        if kept.unreadable and not self._sum.unreadable:
            self._say("a message is not understood, or contradicts one that is stored: see the table unreadable")
        self._sum += kept
        return [
            (self._awaited(message, name), name)
            for message, arrival in zip(batch, arrivals, strict=True)
            for name in (*(each.id for each in arrival.said.records), *(w.id for w in arrival.said.wrong if w.id))
        ]

    def _awaited(self, message: Message, name: RecordId) -> str:
        """The topic under which somebody waits for the confirmation; "" for nobody."""
        wanted = self._wanted
        if wanted.confirms is False:
            return ""
        if message.reply or not wanted.confirms:
            return message.reply
        return wanted.confirm_topic.replace("{gateway}", name.gateway)

    def _failed(self, why: str) -> None:
        self._say_once(why)
        delay_s = BACKOFF.delay_s(self._failures, random.random())
        self._failures += 1
        self._rest(delay_s)

    def _say_once(self, why: str) -> None:
        if why != self._trouble:
            self._say(f"{why}; trying again")
        self._trouble = why

    def _tell_sum(self) -> None:
        self._told_at = self._clock.now()
        if self._sum != self._told:
            kept = self._told = self._sum
            self._say(f"{kept.records} records stored, {kept.repeated} came again, {kept.unreadable} unreadable")
