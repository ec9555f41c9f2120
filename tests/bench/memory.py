"""MiB of memory a device at 200 devices: the PSS of the 200 device processes, divided by 200.

200 `sim` devices with 10 tags at a period of 1 s, each a process of its own, with an uplink to Mosquitto. PSS counts a
page that n processes share as 1/n for each (/proc/PID/smaps_rollup), over all processes of the machine: root, zygote,
spooler and uplink have their share beside it and are not counted. Values are readings of one gateway, some time apart,
after each device has read.
"""

from tests.bench.machine import pss_mib
from tests.bench.report import Values
from tests.bench.rig import Bench, gateway, let_pass, sim_devices, uplink
from tests.peers.mosquitto import Mosquitto

NAMES = ("pss_mib_per_device",)
DEVICES = 200
READINGS = 5


def measure(bench: Bench) -> Values:
    """Quick: five readings in a second. Thorough: five, ten seconds apart."""
    with (
        Mosquitto(bench.room()) as broker,
        gateway(bench, sim_devices(DEVICES, "1s", 1, 10) + uplink(broker.port)) as running,
    ):
        status = running.wait(
            lambda status: all(c["state"].get("scans", 0) > 0 for c in status["children"] if c["kind"] == "device")
        )
        pids = [child["pid"] for child in status["children"] if child["kind"] == "device"]
        assert len(pids) == DEVICES
        values = []
        for _ in range(READINGS):
            let_pass(bench.either(0.2, 10.0))
            values.append(pss_mib(pids) / DEVICES)
        bench.say(
            f"the others: {pss_mib(set(running.pids().values()) - set(pids)):.1f} MiB (root, zygote, spooler, uplink)"
        )
    return {NAMES[0]: values}
