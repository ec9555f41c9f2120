"""Killing any process on the way loses nothing: a real Modbus server, a real Mosquitto, SIGKILL at random."""

import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.ledger import Arrived, arrived, served
from tests.chaos.outcome import Outcome, wait_until
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.processes import start_modbus_server
from tests.peers.subscriber import Subscriber

CHAOS_S = float(os.environ.get("HOLDFAST_CHAOS_S", "60"))
SETTLE_S = 60.0

CONFIG = """
[gateway]
name = "chaos"
[supervision]
intensity = 1000
backoff_first = "50ms"
backoff_ceiling = "500ms"
[device.straight]
driver = "modbus"
host = "127.0.0.1"
port = {straight}
period = "20ms"
tags = {{ r = {{ address = 0, type = "uint16", count = 4 }} }}
[device.through]
driver = "modbus"
host = "127.0.0.1"
port = {through}
period = "20ms"
tags = {{ r = {{ address = 0, type = "uint16", count = 4 }} }}
[aggregate.passing]
from = ["through"]
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {broker}
topic = "holdfast/chaos/{{device}}"
keepalive = "5s"
retry_first = "100ms"
retry_ceiling = "1s"
"""


class Chaos:
    """Ends processes by name and, now and then, the broker, until a time is over."""

    def __init__(self, gateway: Gateway, broker: Mosquitto, victims: Sequence[str], seed: int) -> None:
        self._gateway, self._broker, self._victims = gateway, broker, victims
        self._dice = random.Random(seed)
        self.kills: dict[str, int] = {}

    def rage(self, duration_s: float) -> None:
        end = time.monotonic() + duration_s
        while time.monotonic() < end:
            time.sleep(self._dice.uniform(0.5, 2.0))  # the campaign's own rhythm, not a wait for anything
            if self._dice.random() < 0.1:
                self._restart_broker()
            else:
                self._kill(self._dice.choice(self._victims))

    def _kill(self, name: str) -> None:
        pid = self._gateway.pids().get(name)
        if pid:
            os.kill(pid, signal.SIGKILL)
            self.kills[name] = self.kills.get(name, 0) + 1

    def _restart_broker(self) -> None:
        self._broker.stop()
        time.sleep(self._dice.uniform(0.2, 2.0))
        self._broker.start()
        self.kills["broker"] = self.kills.get("broker", 0) + 1


def _campaign(tmp_path: Path, victims: Sequence[str], duration_s: float, seed: int) -> dict[str, Outcome]:
    logs = {name: tmp_path / f"{name}.log" for name in ("straight", "through")}
    with (
        start_modbus_server("--log", str(logs["straight"])) as straight,
        start_modbus_server("--log", str(logs["through"])) as through,
        Mosquitto(tmp_path, persistence=True) as broker,
        Subscriber(broker.port, "holdfast/chaos/#") as cloud,
    ):
        config = CONFIG.format(straight=straight.port, through=through.port, broker=broker.port)
        with Gateway(tmp_path, config) as gateway:
            chaos = Chaos(gateway, broker, victims, seed)
            chaos.rage(duration_s)
            _stop_reading(gateway)
            print(f"seed {seed}, killed {chaos.kills}")

            def outcome() -> dict[str, Outcome]:
                got = arrived(cloud.payloads())
                return {name: Outcome(served(log), got.get(name, Arrived())) for name, log in logs.items()}

            wait_until(lambda: all(each.settled for each in outcome().values()), SETTLE_S)
            return outcome()


def _stop_reading(gateway: Gateway) -> None:
    names = ("straight", "through")
    wait_until(lambda: all(gateway.child(name)["phase"] == "running" for name in names), SETTLE_S)
    for name in names:
        gateway.operate("stop", name)
    wait_until(lambda: all(gateway.child(name)["phase"] == "stopped" for name in names), SETTLE_S)


def _assert_all_once_in_order(outcomes: dict[str, Outcome]) -> None:
    for name, outcome in outcomes.items():
        values = outcome.got.values
        assert outcome.missing == [], f"{name}: {len(outcome.missing)} of {len(outcome.served_at)} values are missing"
        assert len(values) == len(set(values)), f"{name}: values came under two ids"
        assert values == sorted(values), f"{name}: out of order"
        assert set(values) <= set(outcome.served_at), f"{name}: values that were never served"


@pytest.mark.timeout(CHAOS_S + 180)
def test_killing_anything_but_devices_loses_nothing(tmp_path: Path) -> None:
    victims = ("passing", "spooler", "cloud", "zygote")
    outcomes = _campaign(tmp_path, victims, CHAOS_S, seed=int(time.time()))
    _assert_all_once_in_order(outcomes)


@pytest.mark.timeout(CHAOS_S + 180)
def test_killing_devices_too_loses_only_what_a_gap_announces(tmp_path: Path) -> None:
    victims = ("passing", "spooler", "cloud", "zygote", "straight", "through")
    outcomes = _campaign(tmp_path, victims, CHAOS_S, seed=int(time.time()))
    for name, outcome in outcomes.items():
        values = outcome.got.values
        assert outcome.unexplained == [], f"{name}: missing without a gap: {outcome.unexplained}"
        assert len(values) == len(set(values)), f"{name}: values came under two ids"
        assert values == sorted(values), f"{name}: out of order"
