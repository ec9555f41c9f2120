"""librdkafka's producer for one connection of the Kafka uplink: how it is made, what it notes, how it is let go.

Its own threads do the I/O; nothing is told to us but in `poll`, which `step` calls: Python is given no descriptor for
it. It calls brokers that are away again by itself, once a second at most, and sends again what had no answer, without a
duplicate: that is what makes its producer idempotent, and ends with it.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error by librdkafka's name for it."""

    name: str
    text: str
    fatal: bool = False


@dataclass(slots=True)
class Heard:
    """What the callbacks noted. (No reference to the uplink: a closed one must not keep payloads.)"""

    reports: list[tuple[int, Trouble | None]] = field(default_factory=list)
    errors: list[Trouble] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the brokers describe it: how many these are, its partitions, the fewest replicas of one."""

    brokers: int
    partitions: int
    replicas: int


def trouble(error: KafkaError) -> Trouble:
    """An error as data."""
    return Trouble(error.name(), error.str(), error.fatal())


def new_producer(told: Mapping[str, Any], heard: Heard) -> Producer:
    """It begins to connect. Raises KafkaException for what it is told and cannot use: a certificate, a key."""
    return Producer({**told, "error_cb": lambda error: heard.errors.append(trouble(error))})


def described(producer: Producer, topic: str, timeout_s: float) -> Topic:
    """Ask for a topic; blocks. Raises ConnectionError whose text is an error's name, a line's end, and its text."""
    try:
        found = producer.list_topics(topic, timeout_s)
    except KafkaException as wrong:
        raise ConnectionError(_as_lines(wrong.args[0])) from wrong
    known = found.topics[topic]
    if known.error is not None:
        raise ConnectionError(_as_lines(known.error))
    replicas = [len(partition.replicas) for partition in known.partitions.values()]
    return Topic(len(found.brokers), len(replicas), min(replicas, default=0))


def send(producer: Producer, heard: Heard, ticket: int, topic: str, message: Mapping[str, Any]) -> None:
    """Hand one message over; its report will be in `heard`. Raises KafkaException, and BufferError when it is full."""

    def report(error: KafkaError | None, _message: Message) -> None:
        heard.reports.append((ticket, trouble(error) if error else None))

    producer.produce(topic, on_delivery=report, **message)


def let_go(producer: Producer) -> None:
    """Forget what it has and end it, in a thread: its end waits for name servers and sockets."""
    with suppress(KafkaException):
        producer.purge(blocking=False)
    threading.Thread(target=_ended, args=([producer],), name="kafka ending", daemon=True).start()


def _ended(last: list[Producer]) -> None:
    last.pop().poll(0)  # and with the last reference it is destroyed


def _as_lines(error: KafkaError) -> str:
    return f"{error.name()}\n{error.str()}"
