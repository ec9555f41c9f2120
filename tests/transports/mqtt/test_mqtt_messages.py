"""What real devices publish, as the example gateway reads it: Zigbee2MQTT, Tasmota, Shelly of both generations."""

import random
import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest

from transports.building import build
from transports.mqtt.messages import MessageReader, MessageSettings
from transports.mqtt.session import Received
from transports.samples import Quality, Scan, batch_of

NOW_NS = 1_790_000_000_000_000_000
EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "mqtt-devices.toml"


def reader(most_things: int = 100, **messages: Any) -> MessageReader:
    tables = messages or tomllib.loads(EXAMPLE.read_text())["device"]["hall"]["messages"]
    kinds = {name: build(MessageSettings, table, f"messages.{name}") for name, table in tables.items()}
    return MessageReader(kinds, most_things, 4096)


def said(scans: list[Scan]) -> dict[str, Any]:
    return {tag.name: value for scan in scans for tag, value in zip(scan.tags, scan.values, strict=True)}


def came(topic: str, payload: object, retained: bool = False) -> Received:
    return Received(topic, payload if isinstance(payload, bytes) else orjson.dumps(payload), NOW_NS, 1, 1, retained)


DEVICES = [
    (
        "zigbee2mqtt/lamp",
        {"state": "ON", "brightness": 254, "color_temp": 370, "linkquality": 120, "update": {"state": "idle"}},
        {"lamp.state": True},
    ),
    (
        "zigbee2mqtt/cellar sensor",
        {"battery": 97, "humidity": 45.52, "linkquality": 98, "temperature": 21.37, "voltage": 2990},
        {"cellar sensor.temperature": 21.37, "cellar sensor.humidity": 45.52, "cellar sensor.battery": 97},
    ),
    (
        "zigbee2mqtt/door",
        {"battery": 100, "contact": False, "linkquality": 70},
        {"door.contact": False, "door.battery": 100},
    ),
    (
        "tele/plug/SENSOR",
        {
            "Time": "2026-05-28T20:26:40",
            "ENERGY": {"TotalStartTime": "2020-01-01T00:00:00", "Total": 3.185, "Power": 42, "Voltage": 231},
        },
        {"plug.power": 42.0, "plug.energy": 3.185, "plug.voltage": 231.0},
    ),
    ("stat/plug/RESULT", {"POWER": "OFF"}, {"plug.on": False}),
    ("shellies/shelly1-a1/temperature", b"41.25", {"shelly1-a1.device_temperature": 41.25}),
    ("shellies/shelly1-a1/relay/0", b"on", {"shelly1-a1.relay": True}),
    (
        "shellyplus1-b2/events/rpc",
        {
            "src": "shellyplus1-b2",
            "dst": "shellyplus1-b2/events",
            "method": "NotifyStatus",
            "params": {"ts": 1780000000.25, "switch:0": {"id": 0, "output": True, "apower": 8.9, "source": "MQTT"}},
        },
        {"shellyplus1-b2.output": True, "shellyplus1-b2.active_power": 8.9},
    ),
]


@pytest.mark.parametrize(("topic", "payload", "tags"), DEVICES, ids=lambda part: part if isinstance(part, str) else "")
def test_what_a_device_publishes_becomes_its_tags(topic: str, payload: object, tags: dict[str, Any]) -> None:
    read = reader()
    scans = read.scans(came(topic, payload))
    assert said(scans) == tags
    assert set(tags) <= {tag.name for tag in read.things.tags}
    assert all(scan.quality == 0 for scan in scans)


def test_the_time_of_a_device_is_the_time_of_its_scan() -> None:
    (shelly,) = reader().scans(came(*DEVICES[-1][:2]))
    (tasmota,) = reader().scans(came(*DEVICES[3][:2]))
    assert shelly.time_ns == 1_780_000_000_250_000_000
    assert tasmota.time_ns == 1_780_000_000 * 10**9


@pytest.mark.parametrize(
    ("topic", "payload", "tag"),
    [
        ("zigbee2mqtt/lamp/availability", b'{"state":"offline"}', "lamp.temperature"),
        ("zigbee2mqtt/lamp/availability", b"offline", "lamp.state"),
        ("tele/plug/LWT", b"Offline", "plug.power"),
        ("shellies/shelly1-a1/online", b"false", "shelly1-a1.device_temperature"),
        ("shellyplus1-b2/online", b"false", "shellyplus1-b2.output"),
    ],
)
def test_a_thing_that_is_offline_is_bad_also_when_that_was_retained(topic: str, payload: bytes, tag: str) -> None:
    (scan,) = reader().scans(came(topic, payload, retained=True))
    assert scan.quality == Quality.BAD_NO_COMMUNICATION
    assert tag in said([scan])
    assert set(said([scan]).values()) == {None}
    assert batch_of("d", 0, [scan]).samples == len(scan.tags)


@pytest.mark.parametrize("topic", ["zigbee2mqtt/lamp/availability", "tele/plug/LWT", "shellies/s/online"])
def test_a_thing_that_is_online_says_nothing_and_an_unknown_word_is_counted(topic: str) -> None:
    read = reader()
    for word in (b"online", b"Online", b"true"):
        assert read.scans(came(topic, word)) == []
    assert read.counts.rejected == 2
    assert "neither online nor offline" in read.counts.last_rejected


SENSOR = {"topic": "s/{thing}", "tags": {"t": {"path": "$.t"}}, "time": {"path": "$.ts", "unit": "s"}}


@pytest.mark.parametrize(
    ("setting", "payload", "quality"),
    [
        ("uncertain", {"t": 1}, Quality.UNCERTAIN_LAST_USABLE),
        ("uncertain", {"t": 1, "ts": 1_780_000_000}, Quality.GOOD),
        ("trust", {"t": 1}, Quality.GOOD),
        ("ignore", {"t": 1}, None),
    ],
)
def test_a_retained_value_is_never_passed_off_as_fresh(setting: str, payload: object, quality: int | None) -> None:
    read = reader(sensor={**SENSOR, "retained": setting})
    scans = read.scans(came("s/a", payload, retained=True))
    assert [scan.quality for scan in scans] == ([] if quality is None else [quality])
    assert said(read.scans(came("s/a", payload))) == {"a.t": 1.0}


def test_more_things_than_allowed_are_passed_over_and_counted() -> None:
    read = reader(most_things=3, sensor=SENSOR)
    scans = [scan for n in range(1000) for scan in read.scans(came(f"s/{n}", {"t": n}))]
    assert len(scans) == 3
    assert read.things.strangers == 997
    assert [tag.name for tag in read.things.tags] == ["0.t", "1.t", "2.t"]
    assert said(read.scans(came("s/1", {"t": 5}))) == {"1.t": 5.0}


def test_things_named_in_the_settings_are_known_before_they_speak() -> None:
    assert [tag.name for tag in reader(sensor={**SENSOR, "things": ["a", "b"]}).things.tags] == ["a.t", "b.t"]


@pytest.mark.parametrize("payload", [b"{", b"\xff\xfe", b'{"t":1}' + b" " * 5000])
def test_what_is_no_json_or_too_long_is_counted_and_shown(payload: bytes) -> None:
    read = reader(sensor=SENSOR)
    assert read.scans(came("s/a", payload)) == []
    assert read.counts.rejected == 1
    assert read.counts.last_rejected.startswith("s/a: ")
    assert len(read.counts.last_rejected) < 200


def test_an_empty_payload_takes_a_retained_message_back_and_is_no_mistake() -> None:
    read = reader(sensor=SENSOR)
    assert read.scans(came("s/a", b"")) == []
    assert read.counts.rejected == 0


def test_ten_thousand_damaged_messages_give_scans_that_can_be_kept_or_nothing() -> None:
    dice, read, kept = random.Random(5), reader(most_things=50), 0
    for _ in range(10_000):
        topic, payload, _ = dice.choice(DEVICES)
        damaged = bytearray(payload if isinstance(payload, bytes) else orjson.dumps(payload))
        for _ in range(dice.randint(0, 3)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        name = "".join(chr(dice.choice((dice.randrange(32, 127), dice.randrange(0xD7FF)))) for _ in range(3))
        where = topic if dice.random() < 0.7 else topic.replace("plug", name).replace("lamp", name)
        for scan in read.scans(came(where, bytes(damaged[: dice.randint(1, len(damaged) * 4)]), dice.random() < 0.5)):
            kept += batch_of("d", 0, [scan]).samples
    assert kept > 3000
    assert read.counts.rejected > 1000
    assert len(read.things.tags) < 1000
