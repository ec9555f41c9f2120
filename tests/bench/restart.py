"""Milliseconds from SIGKILL of a device's process to its successor being ready: 30 kills a run, among 30 devices.

From just before `kill` to the moment when the root's own line "NAME is running (pid ...)" is read from its log, a pipe:
the root writes it on the first message of the new process, which that sends when it is ready to work. So it includes
noticing the death, whatever the root does then, the start of the actor, its message, and the way of the line. Each
device is killed once a run, with its record clean (`supervision.period` is 200 ms): the first restart is at once.
"""

import os
import re
import select
import signal
import time
from pathlib import Path

from tests.bench.report import Values, percentile
from tests.bench.rig import Bench, gateway, let_pass, sim_devices, uplink
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto

NAMES = ("restart_ms_p50", "restart_ms_p99")
DEVICES, RUNS = 30, 5
LEVEL = 'log_level = "debug"\n'  # every event has its line then; otherwise those of one kind are summed up
RULES = '\n[supervision]\nperiod = "200ms"\n'
READY = re.compile(rb" (\S+) is running \(pid (\d+)")
WITHIN_S = 10.0


class Log:
    """The gateway's output as a pipe, read here as it is written."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._path = path
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    def replace_output(self, gateway: Gateway) -> None:
        """Let a gateway that has not started write here."""
        gateway.output = self._path

    def drain(self) -> None:
        """Forget what was written so far."""
        while select.select([self._pipe], [], [], 0)[0]:
            os.read(self._pipe, 1 << 16)
        self._rest = b""

    def until_ready(self, name: str) -> tuple[int, float]:
        """The pid of that child's next incarnation, and the monotonic time at which the line that says so was read."""
        deadline = time.monotonic() + WITHIN_S
        while select.select([self._pipe], [], [], deadline - time.monotonic())[0]:
            text = os.read(self._pipe, 1 << 16)
            read_at = time.monotonic()
            *lines, self._rest = (self._rest + text).split(b"\n")
            for found in filter(None, map(READY.search, lines)):
                if found[1].decode() == name:
                    return int(found[2]), read_at
        raise AssertionError(f"{name} did not come back within {WITHIN_S:g} s")


def measure(bench: Bench) -> Values:
    """Five runs, quick or not; thorough ones leave more time between kills."""
    log = Log(bench.room() / "log")
    with (
        Mosquitto(bench.room()) as broker,
        gateway(
            bench, LEVEL + RULES + sim_devices(DEVICES, "1s", 1, 10) + uplink(broker.port), log.replace_output
        ) as running,
    ):
        let_pass(0.5)
        pids = {name: pid for name, pid in running.pids().items() if name.startswith("sim")}
        assert len(pids) == DEVICES
        runs = [_killed_one_by_one(pids, log, bench.either(0.02, 0.1)) for _ in range(RUNS)]
    bench.say(f"{RUNS * DEVICES} kills, the slowest {max(map(max, runs)):.1f} ms")
    return {name: [percentile(run, percent) for run in runs] for name, percent in zip(NAMES, (50, 99), strict=True)}


def config(port: int) -> str:
    return LEVEL + RULES + sim_devices(DEVICES, "1s", 1, 10) + uplink(port)


def _killed_one_by_one(pids: dict[str, int], log: Log, pause_s: float) -> list[float]:
    took_ms = []
    for name, pid in pids.items():
        log.drain()
        killed_at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        pids[name], ready_at = log.until_ready(name)
        took_ms.append((ready_at - killed_at) * 1000)
        let_pass(pause_s)
    return took_ms
