"""Four devices at a broker that runs already: a Zigbee2MQTT lamp, a Tasmota plug, a Shelly 1 and a Shelly Plus 1.

    holdfast simulate mqtt port=1883

    [device.hall]
    driver = "mqtt"
    host = "127.0.0.1"
    client_id = "hall"
    [device.hall.messages.zigbee]
    topic = "zigbee2mqtt/{thing}"
    [device.hall.messages.zigbee.tags]
    temperature = { path = "$.temperature", unit = "Cel" }
    state = { path = "$.state", type = "bool", map = { ON = true, OFF = false } }
    [device.hall.writes."{thing}.state"]
    topic = "zigbee2mqtt/{thing}/set"
    payload = '{"state": "{value}"}'

    topics published                                           what sets them
    zigbee2mqtt/lamp, zigbee2mqtt/lamp/availability            zigbee2mqtt/lamp/set  {"state": "ON"}
    tele/plug/SENSOR, stat/plug/RESULT, tele/plug/LWT          cmnd/plug/POWER       ON
    shellies/shelly1-a1/temperature, .../relay/0, .../online   shellies/shelly1-a1/relay/0/command  on
    shellyplus1-b2/events/rpc, shellyplus1-b2/online           shellyplus1-b2/rpc    {"params": {"on": true}}

When it ends, the broker says of the plug that it is offline (a connection has one last will only).
"""

import math
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from transports.clock import MachineClock
from transports.connecting import why_not
from transports.errors import LinkDown
from transports.settings import Secret, duration, setting
from transports.simulators import Announce

_WAVE_S = 60
_SET = ("zigbee2mqtt/lamp/set", "cmnd/plug/POWER", "shellies/shelly1-a1/relay/0/command", "shellyplus1-b2/rpc")
_ONLINE = {
    "zigbee2mqtt/lamp/availability": b'{"state":"online"}',
    "tele/plug/LWT": b"Online",
    "shellies/shelly1-a1/online": b"true",
    "shellyplus1-b2/online": b"true",
}


@dataclass(frozen=True)
class Settings:
    """The broker, and how often they speak."""

    host: str = setting("127.0.0.1", help="name or address of the broker")
    port: int = setting(1883, ge=1, le=65535, help="its TCP port")
    user: str = setting("", help="user name, if the broker asks for one")
    password: Secret | None = setting(None, help="the user's password")
    every_s: float = duration("1s", help="how often each device speaks")
    qos: int = setting(1, choices=(0, 1), help="quality of service of what is published")


class Devices:
    """The four of them: what they show by the clock, and which are switched on."""

    def __init__(self) -> None:
        self._clock = MachineClock()
        self._on = dict.fromkeys(("lamp", "plug", "shelly", "plus"), False)

    def say(self) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of everything that is published now."""
        now_ns = self._clock.utc_ns()
        heat = round(21.5 + 2 * math.sin(2 * math.pi * (now_ns / 1e9) / _WAVE_S), 2)
        yield "zigbee2mqtt/lamp", orjson.dumps({"state": _word(self._on["lamp"]), "temperature": heat, "battery": 93})
        yield "tele/plug/SENSOR", orjson.dumps(_tasmota(now_ns, 4.2 * self._on["plug"]))
        yield "shellies/shelly1-a1/temperature", f"{heat:.2f}".encode()
        yield "shellies/shelly1-a1/relay/0", _word(self._on["shelly"]).lower().encode()
        yield "shellyplus1-b2/events/rpc", orjson.dumps(_notify(now_ns, heat, self._on["plus"]))

    def heard(self, topic: str, payload: bytes) -> Iterator[tuple[str, bytes]]:
        """Do what is asked; what is said to it."""
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            match topic:
                case "zigbee2mqtt/lamp/set":
                    self._on["lamp"] = orjson.loads(payload)["state"] == "ON"
                case "cmnd/plug/POWER":
                    self._on["plug"] = payload.upper() == b"ON"
                    yield "stat/plug/RESULT", orjson.dumps({"POWER": _word(self._on["plug"])})
                case "shellies/shelly1-a1/relay/0/command":
                    self._on["shelly"] = payload.lower() == b"on"
                case "shellyplus1-b2/rpc":
                    self._on["plus"] = orjson.loads(payload)["params"]["on"] is True
        yield from self.say()


def serve(settings: Settings, announce: Announce) -> None:
    """Until SIGTERM or Ctrl-C. Raises LinkDown when there is no broker."""
    client, devices, met = Client(CallbackAPIVersion.VERSION2), Devices(), threading.Event()
    client.will_set("tele/plug/LWT", b"Offline", qos=1, retain=True)
    if settings.user:
        client.username_pw_set(settings.user, settings.password.reveal() if settings.password else None)

    def greeted(_client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe([(topic, 1) for topic in _SET])
            for topic, payload in _ONLINE.items():
                client.publish(topic, payload, qos=1, retain=True)

    def commanded(_client: Client, _data: Any, message: MQTTMessage) -> None:
        for topic, payload in devices.heard(message.topic, bytes(message.payload)):
            client.publish(topic, payload, settings.qos)

    client.on_connect, client.on_message = greeted, commanded
    client.on_subscribe = lambda *_: met.set()
    try:
        client.connect(settings.host, settings.port, keepalive=30)
    except OSError as wrong:
        raise LinkDown(why_not(wrong, f"{settings.host}:{settings.port}")) from wrong
    client.loop_start()
    if not met.wait(10.0):
        raise LinkDown(f"{settings.host}:{settings.port}: the broker does not let us in; look at user and password")
    announce(f"publishing to {settings.host}:{settings.port}")
    with suppress(KeyboardInterrupt):
        while True:
            for topic, payload in devices.say() if client.is_connected() else ():
                client.publish(topic, payload, settings.qos)
            threading.Event().wait(settings.every_s)


def _word(on: bool) -> str:
    return "ON" if on else "OFF"


def _tasmota(now_ns: int, power: float) -> dict[str, object]:
    when = datetime.fromtimestamp(now_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"Time": when, "ENERGY": {"Total": 3.185, "Power": power, "Voltage": 231}}


def _notify(now_ns: int, heat: float, on: bool) -> dict[str, object]:
    switch = {"id": 0, "output": on, "apower": 12.5 * on, "temperature": {"tC": heat, "tF": round(heat * 1.8 + 32, 2)}}
    params = {"ts": now_ns // 10**6 / 1000, "switch:0": switch}
    return {"src": "shellyplus1-b2", "dst": "shellyplus1-b2/events", "method": "NotifyStatus", "params": params}
