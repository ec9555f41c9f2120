"""What an operator and a log have of a gateway in which 50 of 200 devices crash at each start.

The waits between restarts are 5 s at most, so that about ten a second go on for as long as is measured (by default they
would become rare). Verbs are whole commands, `holdfast status --json` and `holdfast restart NAME` in turn, from fork to
exit. The root's CPU is its share of one core; lines are those of the gateway's own output.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.bench.report import Values, percentile
from tests.bench.rig import Bench, gateway, sim_devices
from tests.peers.gateway import Gateway

NAMES = ("flapping_verb_ms_p50", "flapping_verb_ms_max", "flapping_root_cpu", "flapping_lines_per_s")
STEADY, FLAPPING, RUNS = 150, 50, 5
STRANGERS = Path(__file__).parents[1] / "peers" / "strangers"
RULES = '\n[supervision]\nbackoff_ceiling = "5s"\n'
MOODY = '\n[device.moody-{}]\ndriver = "moody"\nmood_file = "{}"\n'


def measure(bench: Bench) -> Values:
    """Five spans of time; in each, verbs one after the other."""
    mood = bench.room() / "mood"
    mood.write_text("connect-raise")
    devices = sim_devices(STEADY, "1s", 1, 10) + "".join(MOODY.format(n, mood) for n in range(FLAPPING))
    environment = {"PYTHONPATH": f"{STRANGERS}:{Path.cwd()}"}
    values: dict[str, list[float]] = {name: [] for name in NAMES}
    with gateway(bench, RULES + devices, lambda made: made.environment.update(environment)) as running:
        running.wait(lambda s: sum(c["on_probation"] for c in s["children"]) == FLAPPING, within_s=120)
        for _ in range(RUNS):
            for name, value in zip(NAMES, _observed(running, bench.either(5.0, 20.0)), strict=True):
                values[name].append(value)
    return values


def _observed(running: Gateway, span_s: float) -> tuple[float, float, float, float]:
    root, begun = psutil.Process(running.pid), time.monotonic()
    cpu_s, size = sum(root.cpu_times()[:2]), running.output.stat().st_size
    took_ms: list[float] = []
    while time.monotonic() - begun < span_s:
        took_ms += [_verb(running, "status", "--json"), _verb(running, "restart", "sim0")]
    over_s = time.monotonic() - begun
    with running.output.open("rb") as output:
        output.seek(size)
        lines = output.read().count(b"\n")
    used_s = sum(root.cpu_times()[:2]) - cpu_s
    return percentile(took_ms, 50), max(took_ms), used_s / over_s, lines / over_s


def _verb(running: Gateway, *words: str) -> float:
    """Milliseconds."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "supervisors.cli", *words, "--run-dir", str(running.run_dir)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ})
    return (time.monotonic() - begun) * 1000
