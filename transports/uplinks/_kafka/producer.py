"""librdkafka's producer for one connection of the Kafka uplink: how it is made, what it notes, how it is let go.

Its own threads do the I/O; nothing is told to us but in `poll`, which `step` calls: Python is given no descriptor for
it. It calls brokers that are away again by itself, once a second at most, and sends again what had no answer, without a
duplicate: that is what makes its producer idempotent, and ends with it.

It ends, and calls nobody any more, with the last reference to it. So it is held in one list of one, which `let_go`
empties; nobody keeps it in a variable of his own, for an error's traceback would keep that, too. Who asks it for a
topic holds it while he waits: he asks in slices.
"""

import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

Held = list[Producer]

_SLICE_S = 0.5
_NO_BROKER, _NO_ANSWER = "_TRANSPORT", "_TIMED_OUT"
# Librdkafka's own clock and count, different in each error: it would be news each time
_CIRCUMSTANCES = re.compile(r" \(after \d+ms in state [^()]*(?:\(s\)[^()]*)?\)")


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
    return Trouble(error.name(), _CIRCUMSTANCES.sub("", error.str()), error.fatal())


def new_producer(told: Mapping[str, Any], heard: Heard) -> Held:
    """It begins to connect. Raises KafkaException for what it is told and cannot use: a certificate, a key."""
    return [Producer({**told, "error_cb": lambda error: heard.errors.append(trouble(error))})]


def described(held: Held, topic: str, timeout_s: float) -> Topic:
    """Ask for a topic until there is an answer, or the producer is let go; blocks.

    Raises ConnectionError whose text is an error's name, a line's end, and its text.
    """
    found = _asked(held, topic, timeout_s)
    error = found.topics[topic].error
    if error is not None:
        raise ConnectionError(_as_lines(error))
    replicas = [len(partition.replicas) for partition in found.topics[topic].partitions.values()]
    return Topic(len(found.brokers), len(replicas), min(replicas, default=0))


def _asked(held: Held, topic: str, left_s: float) -> Any:
    slice_s = _SLICE_S
    while True:
        try:
            return held[0].list_topics(topic, min(slice_s, left_s))
        except IndexError:
            raise ConnectionError("_DESTROY\nit was let go") from None
        except KafkaException as wrong:
            left_s, name = left_s - slice_s, wrong.args[0].name()
            if left_s <= 0 or name not in (_NO_BROKER, _NO_ANSWER):
                raise ConnectionError(_as_lines(wrong.args[0])) from wrong
            if name == _NO_ANSWER:  # a broker is there, and far away: each call asks anew
                slice_s *= 2


def send(held: Held, heard: Heard, ticket: int, topic: str, message: Mapping[str, Any]) -> None:
    """Hand one message over; its report will be in `heard`. Raises KafkaException, and BufferError when it is full."""

    def report(error: KafkaError | None, _message: Message) -> None:
        heard.reports.append((ticket, trouble(error) if error else None))

    held[0].produce(topic, on_delivery=report, **message)


def let_go(held: Held) -> None:
    """Forget what it has and end it, in a thread: its end waits for name servers and sockets."""
    last = held[:]
    held.clear()
    if last:
        with suppress(KafkaException):
            last[0].purge(blocking=False)
        threading.Thread(target=_ended, args=(last,), name="kafka ending", daemon=True).start()


def _ended(last: Held) -> None:
    last.pop().poll(0)  # and with the last reference it is destroyed


def _as_lines(error: KafkaError) -> str:
    told = trouble(error)
    return f"{told.name}\n{told.text}"
