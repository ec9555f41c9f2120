"""`holdfast ledger` adds up to the sample after everything that a spool can suffer, and tells the truth.

Devices, the spooler and the uplink are killed; the broker goes away until the quota drops what waits; bits are flipped
in segments while the gateway is down. Then everything drains, and each row of the ledger is held against both far ends:
what the subscriber has, and what the device itself has served.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from supervisors.control import ask
from tests.chaos.ledger import Delivered, delivered, served
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.processes import start_modbus_server
from tests.peers.subscriber import Subscriber
from transports.messages import Ledger
from transports.names import SPOOLER

ROUNDS = int(os.environ.get("HOLDFAST_LEDGER_ROUNDS", "5"))
A_ROUND_S = 60.0
MUCH = 10_000  # samples that the quota drops at least, in each outage: several segments
TAGS = 4  # of each scan of the Modbus devices
CONFIG = """
[gateway]
name = "audit"
[supervision]
intensity = 1000
backoff_first = "50ms"
backoff_ceiling = "500ms"
[spool]
segment = "64KiB"
out_max = "768KiB"
reserve = "64KiB"
[device.steady]
driver = "modbus"
host = "127.0.0.1"
port = {steady}
period = "10ms"
tags = {{ r = {{ address = 0, type = "uint16", count = 4 }} }}
[device.killed]
driver = "modbus"
host = "127.0.0.1"
port = {killed}
period = "10ms"
tags = {{ r = {{ address = 0, type = "uint16", count = 4 }} }}
[device.much]
driver = "sim"
period = "20ms"
batch = 10
tags = {{ t = {{ wave = "sine", count = 20 }} }}
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {broker}
topic = "holdfast/audit/{{device}}"
keepalive = "5s"
retry_first = "100ms"
retry_ceiling = "1s"
"""
DEVICES = ("steady", "killed", "much")


class Chaos:
    """One gateway and what is done to it; `kills` counts them by name."""

    def __init__(self, gateway: Gateway, broker: Mosquitto, cloud: Subscriber, seed: int) -> None:
        self.gateway, self.broker, self.cloud = gateway, broker, cloud
        self.dice = random.Random(seed)
        self.kills: dict[str, int] = {}
        self.flipped: list[str] = []

    def suffer(self) -> None:
        """One round: kills, an outage beyond the quota with kills in it, damage while the gateway is down."""
        for victim in self._victims("spooler", "cloud", "killed"):
            self._more_arrives()
            self._kill(victim)
        self._more_arrives()
        self.broker.stop()
        gone = self._gone()
        for victim in self._victims("spooler", "killed"):
            self._kill(victim)
        self.gateway.wait(lambda _: self._gone() > gone + MUCH, within_s=A_ROUND_S)
        assert self.gateway.stop() == 0
        self._flip_bits()
        self.broker.start()
        self.gateway.start()
        self.cloud.wait_for_subscription()
        self._more_arrives()

    def settle(self) -> None:
        """The devices stop, and all that waits arrives."""
        for name in DEVICES:
            self.gateway.operate("stop", name)
        self.gateway.wait(lambda _: all(self.gateway.child(name)["phase"] == "stopped" for name in DEVICES))
        self.gateway.wait(lambda _: not any(row[5] for row in self._rows()), within_s=A_ROUND_S)

    def _victims(self, *names: str) -> list[str]:
        return self.dice.sample(names, len(names))

    def _kill(self, name: str) -> None:
        self.gateway.wait(lambda _: self.gateway.child(name)["phase"] == "running")
        pid = self.gateway.pids()[name]
        os.kill(pid, signal.SIGKILL)
        self.kills[name] = self.kills.get(name, 0) + 1
        self.gateway.wait(lambda _: self.gateway.pids().get(name, pid) != pid)

    def _more_arrives(self) -> None:
        count = len(self.cloud.messages)
        self.cloud.wait(lambda messages: len(messages) > count + 50)

    def _gone(self) -> int:
        return sum(row[6] for row in self._rows())

    def _rows(self) -> list[Any]:
        rows: list[Any] = ask(self.gateway.run_dir, Ledger(), to=SPOOLER)["rows"]
        return rows

    def _flip_bits(self) -> None:
        """One bit each in three segments that wait; not in the newest, whose end is checked in another way."""
        segments = sorted((self.gateway.data_dir / "spool" / "out").glob("*.seg"))[:-1]
        for segment in self.dice.sample(segments[len(segments) // 2 :], 3):  # the older ones may yet be dropped
            data = bytearray(segment.read_bytes())
            at = self.dice.randrange(len(data))
            data[at] ^= 1 << self.dice.randrange(8)
            segment.write_bytes(data)
            self.flipped.append(f"{segment.name} at {at} of {len(data)}")


def _ledger(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """`holdfast ledger --json`: the rows of `out` for the uplink, by producer; its exit code says that all add up."""
    command = [sys.executable, "-m", "supervisors.cli", "ledger", "--json", "--run-dir", str(gateway.run_dir)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["adds_up"]
    rows = [row for row in told["rows"] if (row["topic"], row["consumer"]) == ("out", "cloud")]
    return {row["producer"]: row for row in rows}


def _assert_true(row: dict[str, Any], got: Delivered) -> None:
    """One row against what the subscriber has."""
    device = row["producer"]
    print({name: row[name] for name in ("producer", "read", "delivered", "waiting", "gaps")}, got.told_lost_too(device))
    assert row["read"] == row["delivered"] + row["waiting"] + row["gaps"]
    assert row["waiting"] == 0
    assert row["delivered"] == got.distinct(device), f"{device}: the subscriber has others"


def _campaign(tmp_path: Path, rounds: int) -> None:
    seed = int(time.time())
    logs = {name: tmp_path / f"{name}.log" for name in ("steady", "killed")}
    with (
        start_modbus_server("--log", str(logs["steady"])) as steady,
        start_modbus_server("--log", str(logs["killed"])) as killed,
        Mosquitto(tmp_path, persistence=True) as broker,
        Subscriber(broker.port, "holdfast/audit/#") as cloud,
        Gateway(tmp_path, CONFIG.format(steady=steady.port, killed=killed.port, broker=broker.port)) as gateway,
    ):
        chaos = Chaos(gateway, broker, cloud, seed)
        for _ in range(rounds):
            chaos.suffer()
        chaos.settle()
        print(f"seed {seed}, killed {chaos.kills}, flipped {chaos.flipped}")
        rows, got = _ledger(gateway), delivered(cloud.payloads())
    for name in DEVICES:
        _assert_true(rows[name], got)
        assert rows[name]["gaps"] > 0, f"{name}: nothing was dropped, so this proves little"
    assert {"quota", "damaged"} <= got.reasons, "both kinds of loss came about"
    scans = {name: len(served(log)) for name, log in logs.items()}
    assert rows["steady"]["read"] == scans["steady"] * TAGS, (
        "every scan of a device that is not killed is in its account"
    )
    unkept = scans["killed"] - rows["killed"]["read"] / TAGS
    assert 0 <= unkept <= 100 * chaos.kills["killed"], "of a killed one all but what it held when it was killed"


@pytest.mark.timeout(A_ROUND_S * 4)
def test_the_ledger_adds_up_to_the_sample_after_kills_quota_drops_and_damage(tmp_path: Path) -> None:
    _campaign(tmp_path, 1)


@pytest.mark.slow
@pytest.mark.timeout(A_ROUND_S * 4 * ROUNDS)
def test_the_ledger_adds_up_after_many_rounds_of_them(tmp_path: Path) -> None:
    _campaign(tmp_path, ROUNDS)
