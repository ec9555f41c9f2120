"""Milliseconds from the read of a device to the arrival of its message at a subscriber, at 50 readings a second.

One `sim` device with one tag and a period of 20 ms, a message for each reading (`json`), through spool, uplink and
Mosquitto (QoS 1). From the source timestamp, which the driver takes before it makes up the value, to the moment when
the subscriber's `recv` returned; both by this machine's real-time clock. Values are the percentiles of each run.
"""

from tests.bench.report import Values, percentile
from tests.bench.rig import Bench, Counter, gateway, let_pass, sim_devices, spans, uplink
from tests.peers.mosquitto import Mosquitto

NAMES = ("latency_ms_p50", "latency_ms_p99")
RUNS = 5


def measure(bench: Bench) -> Values:
    """Quick: five runs of 30 readings (their p99 is the slowest). Thorough: five of 500."""
    room = bench.room()
    with (
        Mosquitto(room) as broker,
        Counter(broker, room) as counter,
        gateway(bench, sim_devices(1, "20ms", 1, 1) + uplink(broker.port)),
    ):
        let_pass(0.3)
        edges = spans(RUNS, bench.either(0.6, 10.0))
        let_pass(0.1)
        arrivals = counter.arrivals()
    runs = [arrivals.ages_ms(*edge).tolist() for edge in edges]
    worst = max(max(run) for run in runs)
    bench.say(f"{sum(map(len, runs))} readings, the slowest {worst:.1f} ms, gaps {arrivals.gaps}")
    return {name: [percentile(run, percent) for run in runs] for name, percent in zip(NAMES, (50, 99), strict=True)}
