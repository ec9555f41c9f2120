"""Samples a second into windows of 1 s: from the read of a simulated device to the arrival of the windows, QoS 1.

One `sim` device at a period of 250 us, which offers 4,000,000/s, 10 scans of 100 float64 a read; one aggregate sums
each tag up (count, min, max, mean, last), and the windows go on in `json_columns`. Each sample passes device, spool and
aggregator; each window spool, uplink, Mosquitto and subscriber; all share this machine.

A value is the samples that the window of one second stands for (the sum of its `count`), divided by the time from the
arrival of the window before to its own arrival; the first window, at the start, is not one. The age is that of a
window's end at its arrival: when it grows, the device offered more than the gateway sums up, and what is shown is what
it does sum up.
"""

import json
from itertools import pairwise

from tests.bench.report import Values
from tests.bench.rig import Arrivals, Bench, Counter, gateway, sim_devices, uplink
from tests.peers.mosquitto import Mosquitto

NAMES = ("aggregated_samples_per_s",)
PERIOD, SCANS, TAGS = "250us", 10, 100
AGGREGATE = '\n[aggregate.windows]\nfrom = ["sim*"]\nwindow = "1s"\n'


def measure(bench: Bench) -> Values:
    """Quick: five windows. Thorough: twenty."""
    wanted = round(bench.either(5, 20)) + 1
    room = bench.room()
    config = sim_devices(1, PERIOD, SCANS, TAGS) + AGGREGATE
    with (
        Mosquitto(room) as broker,
        Counter(broker, room, keep=True) as counter,
        gateway(bench, config + uplink(broker.port, "json_columns")),
    ):
        counter.wait(wanted, within_s=60)
        windows = _windows(counter.arrivals())
    ages_ms = [(arrival_ns - begin_ns) / 1e6 - 1000 for begin_ns, arrival_ns, _ in windows]
    bench.say(f"age at arrival {ages_ms[1]:.1f} -> {ages_ms[-1]:.1f} ms")
    return {NAMES[0]: [samples / (then - before) * 1e9 for (_, before, _), (_, then, samples) in pairwise(windows)]}


def _windows(arrivals: Arrivals) -> list[tuple[int, int, int]]:
    """The begin of each window, when it came, and for how many samples it stands; in the order of arrival."""
    windows = []
    for payload, arrival_ns in zip(arrivals.payloads, arrivals["arrival_ns"].tolist(), strict=True):
        record = json.loads(payload)
        assert "gap" not in record, record
        counts = [at for at, tag in enumerate(record["tags"]) if tag.endswith(".count")]
        for begin_ns, row in zip(record["times"], record["values"], strict=True):
            windows.append((begin_ns, arrival_ns, sum(row[at] for at in counts)))
    return windows
