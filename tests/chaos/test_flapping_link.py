"""A link that flaps hundreds of times, in every way that a link has: nothing is missing, little comes twice, no storm.

The gateway reaches a real Mosquitto through a bad link (tests/peers/flaky_proxy.py); the reader is connected to the
broker itself. Each connection is bad in a way of its own, chosen by a seed that the test prints: cut in the middle of a
packet, stalled without FIN, never answered, closed after CONNECT, acknowledgements swallowed, late, refused.

HOLDFAST_FLAPS says how many times the long campaign flaps.
"""

import os
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.chaos.ledger import Arrived, arrived, served
from tests.peers.flaky_link import Connected, FlakyLink, start_flaky_link
from tests.peers.gateway import Gateway
from tests.peers.link_faults import Fault
from tests.peers.mosquitto import Mosquitto
from tests.peers.processes import start_modbus_server
from tests.peers.subscriber import Subscriber

FEW, MANY = 40, int(os.environ.get("HOLDFAST_FLAPS", "500"))
A_FLAP_S = 4.0  # more than the worst one takes: the longest patience, a refusal, the longest back-off
WINDOW, RETRY_S, JITTER = 20, 0.2, 0.2
CONFIG = """
[gateway]
name = "flapping"
[device.plc]
driver = "modbus"
host = "127.0.0.1"
port = {plc}
period = "5ms"
tags = {{ r = {{ address = 0, type = "uint16", count = 4 }} }}
[device.fast]
driver = "sim"
period = "20ms"
batch = 10
tags = {{ n = {{ wave = "counter" }} }}
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {link}
topic = "holdfast/flapping/{{device}}"
window_messages = {window}
keepalive = "1s"
connect_timeout = "1s"
ack_timeout = "1s"
retry_first = "{retry}s"
retry_ceiling = "800ms"
live_within = "500ms"
"""


class Campaign:
    """What a flapping link did, and what came of it."""

    def __init__(self, served_at: dict[int, int], devices: dict[str, Arrived], connections: list[Connected]) -> None:
        self.served_at, self.devices, self.connections = served_at, devices, connections

    @property
    def bad(self) -> list[Connected]:
        """The connections with a fault that struck."""
        return [each for each in self.connections if each.struck]


def _flap(tmp_path: Path, flaps: int, seed: int) -> Campaign:
    log = tmp_path / "plc.log"
    print(f"seed {seed}")
    with (
        start_modbus_server("--log", str(log)) as plc,
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.port, "holdfast/flapping/#") as cloud,
        start_flaky_link(tmp_path, broker.port) as link,
    ):
        link.flap(flaps, seed, most=150)
        config = CONFIG.format(plc=plc.port, link=link.port, window=WINDOW, retry=RETRY_S)
        with Gateway(tmp_path, config) as gateway:
            _wait_for_good_times(link, flaps * A_FLAP_S + 30)
            gateway.operate("stop", "plc")
            gateway.operate("stop", "fast")
            gateway.wait(lambda _: _is_drained(gateway), within_s=60)
        return Campaign(served(log), arrived(cloud.payloads()), link.connections())


def _wait_for_good_times(link: FlakyLink, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not any(each.fault is Fault.WELL for each in link.connections()):
        assert time.monotonic() < deadline, f"stuck after {len(link.connections())}: {link.connections()[-1:]}"
        time.sleep(0.2)  # polls a condition


def _is_drained(gateway: Gateway) -> bool:
    stopped = all(gateway.child(name)["phase"] == "stopped" for name in ("plc", "fast"))
    return stopped and gateway.child("spooler")["state"]["topics"]["out"]["waiting"]["cloud"] == 0


def _assert_kept(end: Campaign, flaps: int) -> None:
    plc, fast = end.devices["plc"], end.devices["fast"]
    assert len(end.bad) >= 0.9 * flaps, "nearly every connection was bad, and struck"
    assert sorted(plc.values) == sorted(end.served_at), "each value that was read arrived, once"
    assert sorted(fast.values) == list(range(1, max(fast.values) + 1))
    assert plc.gaps == fast.gaps == []
    for name, device in end.devices.items():
        for lane in (device.live, device.historical):
            assert lane == sorted(lane), f"{name}: out of order within a lane"
    repeated = sum(device.repeated for device in end.devices.values())
    historical = sum(len(device.historical) for device in end.devices.values())
    print(f"{len(end.bad)} flaps, {repeated} records repeated, {historical} came as history")
    assert repeated <= WINDOW * len(end.bad)


def _assert_no_storm(connections: Sequence[Connected]) -> None:
    accepted = [each.accepted_at for each in connections]
    closest_s = min(after - before for before, after in pairwise(accepted))
    assert closest_s >= RETRY_S * (1 - JITTER), "each connection waits for its turn"
    waits_s = [
        after.accepted_at - before.closed_at
        for before, after in pairwise(connections)
        if before.closed_at and before.fault in (Fault.CUT_RST, Fault.CUT_FIN, Fault.DELAY)
    ]
    spread_s = max(waits_s) - min(waits_s)
    print(f"{len(waits_s)} waits after a cut: from {min(waits_s):.3f} to {max(waits_s):.3f} s")
    assert spread_s > RETRY_S * JITTER / 2, "the waits after a cut are jittered, not all alike"


def _campaign(tmp_path: Path, flaps: int) -> None:
    end = _flap(tmp_path, flaps, seed=int(time.time()))
    _assert_kept(end, flaps)
    _assert_no_storm(end.connections)
    for each in end.bad:
        assert each.closed_at is not None, f"a connection that is {each.fault.value} was not given up"


@pytest.mark.timeout(FEW * A_FLAP_S + 150)
def test_a_link_that_flaps_a_few_times_loses_nothing(tmp_path: Path) -> None:
    _campaign(tmp_path, FEW)


@pytest.mark.slow
@pytest.mark.timeout(MANY * A_FLAP_S + 300)
def test_a_link_that_flaps_hundreds_of_times_loses_nothing(tmp_path: Path) -> None:
    _campaign(tmp_path, MANY)
