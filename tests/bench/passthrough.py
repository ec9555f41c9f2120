"""Samples a second, durable on the way: from the read of a simulated device to the arrival at a subscriber, QoS 1.

One `sim` device at a period of 250 us, which offers 4,000,000/s; each read is 10 scans of 100 float64 (sines): a record
of 1,000 samples, and one message in `json_columns`. Each passes device, spool (group commit), uplink, Mosquitto and
subscriber; all share this machine. The rate is that between the first and the last arrival of each span, after a
warm-up.

Only distinct records count, by their id (epoch, seq), and only if the device's scans follow each other without a hole:
what was dropped would show there, and as gaps, and is said beside. So is the age of the newest arrivals: when it grows,
the device offered more than the gateway delivers, and what is shown is what it delivers.
"""

import json

import numpy as np

from tests.bench.machine import cpu_s
from tests.bench.report import Values
from tests.bench.rig import Arrivals, Bench, Counter, gateway, let_pass, sim_devices, spans, uplink
from tests.peers.mosquitto import Mosquitto

NAMES = ("passthrough_samples_per_s",)
PERIOD, SCANS, TAGS = "250us", 10, 100
RUNS = 5


def measure(bench: Bench) -> Values:
    """Quick: five spans of one gateway. Thorough: five gateways, a longer span each."""
    if bench.quick:
        return {NAMES[0]: _rates(bench, RUNS, 0.6)}
    return {NAMES[0]: [rate for _ in range(RUNS) for rate in _rates(bench, 1, 4.0)]}


def _rates(bench: Bench, count: int, span_s: float) -> list[float]:
    room = bench.room()
    devices = sim_devices(1, PERIOD, SCANS, TAGS)
    with (
        Mosquitto(room) as broker,
        Counter(broker, room) as counter,
        gateway(bench, devices + uplink(broker.port, "json_columns")) as running,
    ):
        pids = running.pids().values()
        let_pass(0.7)
        before = cpu_s(pids)
        edges = spans(count, span_s)
        used = cpu_s(pids) - before
        arrivals = counter.arrivals()
    rates = [arrivals.rate(*edge) * SCANS * TAGS for edge in edges]
    _check(arrivals)
    million = sum(rates) * span_s / 1e6
    age_ms = [np.median(arrivals.ages_ms(*edge)) for edge in edges]
    bench.say(f"{used / million:.2f} CPU-s per million samples, all processes of the gateway")
    bench.say(
        f"gaps {arrivals.gaps}, repeated {arrivals.repeated}, age at arrival {age_ms[0]:.1f} -> {age_ms[-1]:.1f} ms"
    )
    return rates


def _check(arrivals: Arrivals) -> None:
    """Each record has as many scans as are counted for it: that is its distance to the next one of its device."""
    for device in np.unique(arrivals["device"]):
        first_scans = arrivals["source_seq"][arrivals["device"] == device]
        steps = np.diff(first_scans[first_scans > 0])
        assert arrivals.gaps or (steps == SCANS).all(), f"scans are missing: {steps[steps != SCANS]}"
    sample = json.loads(arrivals.payloads[-1])
    assert [len(row) for row in sample["values"]] == [TAGS] * SCANS
