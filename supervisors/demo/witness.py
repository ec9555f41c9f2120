"""Who checks the delivery: an MQTT client that shares nothing with the gateway, and what happens to it as events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

TOPICS = "holdfast/demo/#"
STATUS = "holdfast/demo/status"
KEEPALIVE_S = 30


@dataclass(frozen=True, slots=True)
class Heard:
    """A message came: what the gateway delivered."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker confirmed that it passes messages on to us from now."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The broker is gone; we try again by ourselves, every second."""


Seen = Heard | Subscribed | Disconnected


class Witness:
    """Subscribes at the broker until `close`; `tell` is called with each event, in a thread of its own."""

    def __init__(self, port: int, tell: Callable[[Seen], None]) -> None:
        self._tell = tell
        self._client = Client(CallbackAPIVersion.VERSION2, "holdfast-demo-witness")
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: tell(Subscribed())
        self._client.on_disconnect = lambda *_: tell(Disconnected())
        self._client.on_message = self._heard
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", port, KEEPALIVE_S)
        self._client.loop_start()

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Client, *_: Any) -> None:
        client.subscribe(TOPICS, qos=1)

    def _heard(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        if message.topic != STATUS:
            self._tell(Heard(bytes(message.payload)))
