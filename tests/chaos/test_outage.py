"""The broker away for minutes, and the gateway killed meanwhile: all that was read arrives in order, memory is flat."""

import os
import time
from pathlib import Path

import psutil
import pytest

from tests.chaos.ledger import Arrived, arrived, served
from tests.chaos.outcome import Outcome, wait_until
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.processes import start_modbus_server
from tests.peers.subscriber import Subscriber

LONG_S = float(os.environ.get("HOLDFAST_OUTAGE_S", "300"))
SHORT_S = 12.0
FLAT_BYTES = 24 * 1024 * 1024  # of what a process may grow while waiting: caches and fragments, not a backlog
CONFIG = """
[gateway]
name = "outage"
[device.plc]
driver = "modbus"
host = "127.0.0.1"
port = {plc}
period = "5ms"
tags = {{ r = {{ address = 0, type = "uint16", count = 4 }} }}
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {broker}
topic = "holdfast/outage/{{device}}"
keepalive = "5s"
retry_ceiling = "2s"
live_first = false
"""


def _rss(gateway: Gateway) -> dict[str, int]:
    return {name: psutil.Process(pid).memory_info().rss for name, pid in gateway.pids().items()}


def _rest(seconds: float) -> None:
    time.sleep(seconds)  # the outage itself


def _outage(tmp_path: Path, outage_s: float) -> None:
    log = tmp_path / "plc.log"
    with (
        start_modbus_server("--log", str(log)) as plc,
        Mosquitto(tmp_path, persistence=True) as broker,
        Subscriber(broker.port, "holdfast/outage/#") as cloud,
        Gateway(tmp_path, CONFIG.format(plc=plc.port, broker=broker.port)) as gateway,
    ):
        cloud.wait(lambda messages: len(messages) > 100)
        broker.stop()
        _rest(outage_s / 2)
        gateway.kill()
        gateway.start()
        gateway.wait(lambda _: gateway.child("plc")["state"].get("scans", 0) > 100)
        before = _rss(gateway)
        _rest(outage_s / 2)
        after = _rss(gateway)
        broker.start()
        gateway.wait(lambda _: gateway.child("cloud")["state"].get("connected"))
        gateway.operate("stop", "plc")

        def outcome() -> Outcome:
            return Outcome(served(log), arrived(cloud.payloads()).get("plc", Arrived()))

        wait_until(lambda: outcome().settled, within_s=60 + outage_s)
        end = outcome()
    values = end.got.values
    assert end.unexplained == [], f"{len(end.unexplained)} values are missing without a gap"
    assert len(end.missing) < 20, "only what was read in the moment of the kill may be missing"
    assert values == sorted(values)
    assert len(values) == len(set(values))
    assert max(end.served_at) == values[-1], "the newest has arrived, too"
    for name, size in after.items():
        assert size - before[name] < FLAT_BYTES, f"{name} grew from {before[name]} to {size} bytes"


@pytest.mark.timeout(SHORT_S * 2 + 180)
def test_a_short_outage_with_a_killed_gateway_loses_nothing(tmp_path: Path) -> None:
    _outage(tmp_path, SHORT_S)


@pytest.mark.slow
@pytest.mark.timeout(LONG_S * 2 + 300)
def test_a_long_outage_with_a_killed_gateway_loses_nothing(tmp_path: Path) -> None:
    _outage(tmp_path, LONG_S)
