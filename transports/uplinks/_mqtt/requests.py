"""Commands from above over MQTT: taken from a topic, answered to where the request says.

On MQTT 5 the way back is its Response Topic, with its Correlation Data; else it is `response_topic`. A retained request
is none: it would be asked again with every connection.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from transports.uplinks import Asked
from transports.uplinks._mqtt import properties
from transports.uplinks._mqtt.entrance import Arrived, Said, Told

WAITING_MOST = 64
WAITING_MOST_BYTES = 4 * 1024 * 1024


class Back(NamedTuple):
    """The way back of an answer."""

    topic: str
    correlation: bytes | None


class Requests:
    """Of one connection. `dropped`: how many came while too many waited."""

    def __init__(self, response_topic: str) -> None:
        self._response_topic = response_topic
        self._waiting: deque[Asked] = deque()
        self._bytes = 0
        self.dropped = 0

    def came(self, message: Arrived) -> None:
        """A message to the topic of requests."""
        if message.retain:
            return
        if len(self._waiting) >= WAITING_MOST or self._bytes + len(message.payload) > WAITING_MOST_BYTES:
            self.dropped += 1
            return
        topic, correlation = message.properties or Told()
        back = Back(topic if _can_be_sent_to(topic) else self._response_topic, correlation)
        self._waiting.append(Asked(message.payload, back))
        self._bytes += len(message.payload)

    def asked(self) -> Sequence[Asked]:
        """What has come since the last call, in its order."""
        asked = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return asked


def answer(asked: Asked, body: bytes, is_5: bool) -> Said:
    """What is to be published."""
    back: Back = asked.reply
    packed = None
    if is_5 and back.correlation is not None:
        packed = properties.Packed(properties.correlation(back.correlation))
    return Said(back.topic, body, 1, False, packed)


def _can_be_sent_to(topic: str) -> bool:
    """Whether it is a topic; one that begins with $ belongs to the server."""
    return bool(topic) and not set(topic) & {"+", "#", "\0"} and not topic.startswith("$")
