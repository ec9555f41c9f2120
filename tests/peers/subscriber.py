"""A cloud application as the far end sees it: a subscriber with a persistent session, that loses nothing itself.

QoS 1, clean_session off, a fixed client id, reconnecting by itself; a message is acknowledged only after it has been
noted (and, with a file, written). In the test's process it is a thread:

    with Subscriber(broker.port, "holdfast/#") as cloud:
        cloud.wait(lambda messages: len(messages) == 100)

or a process of its own, for tests that kill it: `python -m tests.peers.subscriber PORT TOPIC FILE [CLIENT_ID]`; FILE
gets one payload a line, and for each of them the number of payloads so far is printed.
"""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

WAIT_S = 30.0


@dataclass(frozen=True)
class Received:
    """One message as it came."""

    topic: str
    payload: bytes
    retained: bool
    repeated: bool


class Subscriber:
    """Collects what comes under `topic`, in `messages` and, if there is one, in `file`, one payload a line."""

    def __init__(
        self,
        port: int,
        topic: str = "#",
        client_id: str = "cloud",
        file: Path | None = None,
        configure: Callable[[Client], object] | None = None,
        on_count: Callable[[int], object] = lambda _count: None,
    ) -> None:
        self.messages: list[Received] = []
        self._topic = topic
        self._news = threading.Condition()
        self._subscribed = threading.Event()
        self._told = on_count
        self._file = file.open("ab", buffering=0) if file else None
        self._client = Client(CallbackAPIVersion.VERSION2, client_id, clean_session=False, manual_ack=True)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._note
        self._client.reconnect_delay_set(1, 1)
        if configure:
            configure(self._client)
        self._client.connect_async("127.0.0.1", port, keepalive=5)
        self._client.on_disconnect = lambda *_: self._subscribed.clear()
        self._client.loop_start()
        self.wait_for_subscription()

    def __enter__(self) -> "Subscriber":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def wait_for_subscription(self) -> None:
        """Wait until the broker has (again) confirmed the subscription."""
        assert self._subscribed.wait(WAIT_S), "no broker let the subscriber in"

    def payloads(self, topic: str | None = None) -> list[bytes]:
        """The payloads in the order in which they came, of one topic or of all."""
        return [message.payload for message in list(self.messages) if topic in (None, message.topic)]

    def wait(self, until: Callable[[list[Received]], bool], within_s: float = WAIT_S) -> None:
        """Wait until the messages are as they should be; an AssertionError tells what there was instead."""
        with self._news:
            done = self._news.wait_for(lambda: until(self.messages), within_s)
        assert done, f"after {within_s} s there are {len(self.messages)} messages, the last: {self.messages[-3:]}"

    def close(self) -> None:
        """Go offline; the session stays with the broker."""
        self._client.disconnect()
        self._client.loop_stop()
        if self._file:
            self._file.close()

    def _connected(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe(self._topic, qos=1)

    def _note(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        if self._file:
            self._file.write(message.payload + b"\n")
        with self._news:
            self.messages.append(Received(message.topic, bytes(message.payload), message.retain, message.dup))
            self._news.notify_all()
        client.ack(message.mid, message.qos)
        self._told(len(self.messages))


if __name__ == "__main__":
    port, topic, file, *client_id = sys.argv[1:]
    print_now = partial(print, flush=True)
    # The constructor returns when the subscription is confirmed; what waited in the session may be counted before.
    subscriber = Subscriber(int(port), topic, *client_id, file=Path(file), on_count=print_now)
    print_now("subscribed")
    threading.Event().wait()
