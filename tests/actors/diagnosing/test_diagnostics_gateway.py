"""A whole gateway tells of itself: what happens in it arrives at the cloud as records of the device `diagnostics`."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisors.configuration.config import load
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Subscriber
from transports.errors import SettingsError

CONFIG = """
[gateway]
name = "plant-7"
[diagnostics]
watch_period = "200ms"
host_period = "1s"
period = "2s"
[device.press-1]
driver = "sim"
tags = {{ level = {{ wave = "sine" }} }}
[device.away]
driver = "tcp"
host = "127.0.0.1"
port = 1
pattern = 'x=(?P<x>\\d+)'
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {port}
"""


class Cloud:
    """What arrives of the gateway's own voice, the newest of each tag."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self._subscriber.payloads("holdfast/plant-7/diagnostics")]

    def picture(self) -> dict[str, Any]:
        return {each["tag"]: each["value"] for record in self.records() for each in record.get("readings", ())}

    def wait(self, tag: str, *values: Any) -> None:
        """Wait until the tag is there, with one of these values if there are any."""
        self.until(lambda now: tag in now and (not values or now[tag] in values))

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the picture is as it should be."""
        self._subscriber.wait(lambda _: condition(self.picture()))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Cloud]]:
    directory = tmp_path_factory.mktemp("diagnosed")
    with (
        Mosquitto(directory) as broker,
        Subscriber(broker.port, "holdfast/#") as subscriber,
        Gateway(directory, CONFIG.format(port=broker.port)) as gateway,
    ):
        yield gateway, Cloud(subscriber)


def test_who_listens_has_the_whole_picture(running: tuple[Gateway, Cloud]) -> None:
    _, cloud = running
    for name in ("spooler", "diagnostics", "cloud", "press-1", "away"):
        cloud.wait(f"tree/{name}/phase", "running")
    cloud.wait("tree/cloud/connected", True)
    cloud.wait("tree/away/connected", False)
    cloud.until(lambda now: "refused" in now["tree/away/reason"])
    cloud.wait("ledger/out/press-1/cloud/read")
    cloud.wait("ledger/adds_up", True)
    cloud.wait("host/cpu_percent")
    assert cloud.picture()["host/data_free"] > 0


def test_a_child_that_is_killed_is_told_of_within_seconds(running: tuple[Gateway, Cloud]) -> None:
    gateway, cloud = running
    cloud.wait("tree/press-1/restarts", 0)
    os.kill(gateway.child("press-1")["pid"], signal.SIGKILL)
    cloud.wait("tree/press-1/restarts", 1)
    cloud.wait("crash/press-1")
    crash = json.loads(cloud.picture()["crash/press-1"])
    assert (crash["name"], crash["restart"]) == ("press-1", 1)
    assert "SIGKILL" in crash["how"]
    assert crash["uptime_s"] > 0
    cloud.wait("tree/press-1/phase", "running")
    assert "SIGKILL" in cloud.picture()["tree/press-1/reason"]


def test_its_own_death_is_told_by_the_next_one(running: tuple[Gateway, Cloud]) -> None:
    gateway, cloud = running
    cloud.wait("tree/diagnostics/phase")
    os.kill(gateway.child("diagnostics")["pid"], signal.SIGKILL)
    cloud.wait("crash/diagnostics")
    gaps = [record["gap"] for record in cloud.records() if "gap" in record]
    assert [gap["reason"] for gap in gaps] == ["process ended: killed by SIGKILL"]


def test_who_is_held_by_an_operator_is_told(running: tuple[Gateway, Cloud]) -> None:
    gateway, cloud = running
    cloud.wait("tree/away/held", False)
    gateway.operate("stop", "away")
    cloud.wait("tree/away/held", True)
    cloud.wait("tree/away/phase", "stopped")


def test_its_records_are_in_the_ledger_like_any_devices(running: tuple[Gateway, Cloud]) -> None:
    _, cloud = running
    cloud.wait("ledger/out/diagnostics/cloud/read")
    cloud.wait("ledger/adds_up", True)


DEVICE = 'driver = "sim"\ntags = { x = { wave = "sine" } }\n'


def loaded(directory: Path, text: str) -> Any:
    (directory / "plant.toml").write_text(text)
    return load(directory / "plant.toml")


def test_without_the_table_there_is_no_such_process(tmp_path: Path) -> None:
    for table, wanted in (("", False), ("[diagnostics]", True), ("[diagnostics]\nenabled = false", False)):
        assert bool(loaded(tmp_path, f"{table}\n[device.a]\n{DEVICE}").diagnostics) is wanted


def test_no_device_may_have_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="which the gateway uses"):
        loaded(tmp_path, f"[device.diagnostics]\n{DEVICE}")


def test_a_mistake_in_the_table_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"diagnostics\.perod.*did you mean 'period'"):
        loaded(tmp_path, f'[diagnostics]\nperod = "1h"\n[device.a]\n{DEVICE}')
