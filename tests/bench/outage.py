"""A broker's outage in which the gateway is killed: readings that never arrive, and seconds until readings flow again.

A counting Modbus device is read 50 times a second; a subscriber with a persistent session gets each reading. Then
Mosquitto is stopped (SIGTERM, with persistence), half way through the outage the gateway's root is killed (SIGKILL, its
processes go with it) and started again at once, and at the end Mosquitto is started. Quick: 2.5 s. Thorough: 60 s.

`outage_lost`: readings that the device's server logged as served, from the first to the end of the outage, and that no
message brought. That is strict: a reading that was on its way to the spool at the moment of the kill counts as lost, in
a gap or not. `first_delivery_after_outage_s`: from the broker listening again to the arrival of the first reading that
was taken during the outage. All settings that bear on it are the product's defaults. Five such gateways, each with a
broker, a server and a subscriber of its own, suffer at the same time; a value is that of one of them.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.bench.report import Values
from tests.bench.rig import WITHIN_S, Arrivals, Bench, Counter, gateway, let_pass, uplink
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.processes import start_modbus_server

NAMES = ("outage_lost", "first_delivery_after_outage_s")
RUNS = 5
AFTER_NS = 500_000_000  # readings of this long after the outage must have come before the account is made
NEAR_NS = 100_000_000  # so long before the kill a lost reading may have been on its way
DEVICE = """
[device.press]
driver = "modbus"
host = "127.0.0.1"
port = {port}
period = "20ms"
[device.press.tags]
r = {{ address = 0, count = 4 }}
"""


@dataclass(frozen=True)
class Outage:
    """What happened when, UTC ns, and what the server and the subscriber say about it."""

    stopped_ns: int
    killed_ns: int
    back_ns: int
    served: dict[int, int]  # a reading's number: when the server answered
    arrivals: Arrivals

    def lost(self) -> list[int]:
        """Numbers of the readings that were served before the broker came back and never arrived."""
        came = {number for number, _ in self.readings()}
        return [number for number, at_ns in self.served.items() if at_ns < self.back_ns and number not in came]

    def first_delivery_s(self) -> float:
        """From the broker's return to the first reading of the outage."""
        later = (
            arrival_ns
            for arrival_ns, source_ns in zip(self.arrivals["arrival_ns"], self.arrivals["source_ns"], strict=True)
            if arrival_ns > self.back_ns and source_ns > self.stopped_ns
        )
        return float(next(later) - self.back_ns) / 1e9

    def readings(self) -> Iterator[tuple[int, int]]:
        """(number, source time) of each reading that arrived with a value."""
        for record in map(json.loads, self.arrivals.payloads):
            for time_ns, row in zip(record.get("times", ()), record.get("values", ()), strict=True):
                if None not in row:
                    yield row[0] + (row[1] << 16), time_ns

    def __str__(self) -> str:
        lost = self.lost()
        near = sum(self.killed_ns - NEAR_NS < self.served[number] < self.killed_ns + NEAR_NS for number in lost)
        gaps = [record["gap"]["reason"] for record in map(json.loads, self.arrivals.payloads) if "gap" in record]
        told = f"{len(self.served)} served, {len(lost)} lost ({near} at the kill), repeated {self.arrivals.repeated}"
        return f"{told}, first after {self.first_delivery_s():.2f} s, gaps: {', '.join(gaps) or 'none'}"


def measure(bench: Bench) -> Values:
    """Five outages at the same time."""
    outage_s = bench.either(2.5, 60.0)
    with ThreadPoolExecutor(RUNS) as threads:
        runs = list(threads.map(lambda _: _suffer(bench, outage_s), range(RUNS)))
    for run in runs:
        bench.say(str(run))
    return {NAMES[0]: [float(len(run.lost())) for run in runs], NAMES[1]: [run.first_delivery_s() for run in runs]}


def _suffer(bench: Bench, outage_s: float) -> Outage:
    room = bench.room()
    log = room / "served"
    with (
        Mosquitto(room, persistence=True) as broker,
        Counter(broker, room, keep=True) as counter,
        start_modbus_server("--log", str(log)) as server,
        gateway(bench, DEVICE.format(port=server.port) + uplink(broker.port, "json_columns")) as running,
    ):
        counter.wait(50)
        stopped_ns = time.time_ns()
        broker.stop()
        let_pass(outage_s / 2)
        killed_ns = _kill_and_start(running)
        let_pass((stopped_ns + outage_s * 1e9 - time.time_ns()) / 1e9)
        broker.start()
        back_ns = time.time_ns()
        arrivals = _after(counter, back_ns + AFTER_NS)
    return Outage(stopped_ns, killed_ns, back_ns, _served(log), arrivals)


def _kill_and_start(running: Gateway) -> int:
    killed_ns = time.time_ns()
    running.kill()
    running.start()
    return killed_ns


def _after(counter: Counter, moment_ns: int) -> Arrivals:
    """What has arrived when the first reading of a later moment has: one source's readings arrive in order."""
    deadline = time.monotonic() + WITHIN_S
    while (arrivals := counter.arrivals())["source_ns"].max() < moment_ns:
        assert time.monotonic() < deadline, f"no reading came within {WITHIN_S:g} s after the outage"
        let_pass(0.1)
    return arrivals


def _served(log: Path) -> dict[int, int]:
    """Number of each reading that the server answered: when (UTC ns)."""
    lines = (line.split() for line in log.read_text().splitlines())
    return {int(number): int(at_ns) for number, at_ns in lines}
