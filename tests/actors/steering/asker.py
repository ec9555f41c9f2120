"""Somebody above, on a real broker: publishes requests, and notes the answers by their id."""

import json
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

WITHIN_S = 30.0


class Asker:
    """Publishes to `requests`; hears what comes to `answers`."""

    def __init__(self, port: int, requests: str, answers: str) -> None:
        self._requests, self._answers = requests, answers
        self._heard = threading.Condition()
        self._subscribed = threading.Event()
        self.answers: list[dict[str, Any]] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(answers, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._note
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def __enter__(self) -> "Asker":
        assert self._subscribed.wait(WITHIN_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, body: bytes) -> None:
        self._client.publish(self._requests, body, qos=1)

    def ask(self, body: bytes, within_s: float = WITHIN_S) -> dict[str, Any] | None:
        """The next answer to the request in `body`; None when none comes."""
        id_ = id_of(body)
        with self._heard:
            before = self._of(id_)
            self.say(body)
            self._heard.wait_for(lambda: self._of(id_) > before, within_s)
            found = [answer for answer in self.answers if answer["id"] == id_][before:]
        return found[0] if found else None

    def _of(self, id_: str) -> int:
        return sum(answer["id"] == id_ for answer in self.answers)

    def _note(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        with self._heard:
            self.answers.append(json.loads(message.payload))
            self._heard.notify_all()


def id_of(body: bytes) -> str:
    """How a request, signed or not, is called."""
    said: dict[str, Any] = json.loads(body)
    with suppress(KeyError):
        said = json.loads(said["signed"])
    return str(said["id"])
