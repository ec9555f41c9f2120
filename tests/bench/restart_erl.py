"""Milliseconds from SIGKILL to ready of the same kind of process, kept by Erlang/OTP: for comparison with restart_ms.

30 processes under OTP's own supervisor (restart.escript), each a Python that imports what a device needs, makes its
ZeroMQ context and says that it is ready. OTP starts a command anew, where Holdfast's root has a fork of its zygote.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.report import Values, percentile
from tests.bench.rig import Bench

NAMES = ("restart_erl_ms_p50", "restart_erl_ms_p99")
SCRIPT = Path(__file__).with_name("restart.escript")
PROCESSES, RUNS = 30, 5
CHILD = "import sys, zmq, actors.device; zmq.Context().socket(zmq.DEALER); print('ready', flush=True); sys.stdin.read()"


def measure(bench: Bench) -> Values:
    """Five runs of kills, one after the other."""
    if shutil.which("escript") is None:
        bench.say("no Erlang here: apt-get install erlang-base")
        return {name: [] for name in NAMES}
    command = ["escript", str(SCRIPT), str(PROCESSES), sys.executable, "-c", CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as erl:
        try:
            pids = dict(_ready(erl) for _ in range(PROCESSES))
            runs = [_killed_one_by_one(erl, pids) for _ in range(RUNS)]
        finally:
            erl.kill()
    return {name: [percentile(run, percent) for run in runs] for name, percent in zip(NAMES, (50, 99), strict=True)}


def _ready(erl: "subprocess.Popen[str]") -> tuple[int, int]:
    """Who is ready next: its number and its pid."""
    assert erl.stdout is not None
    _, number, pid = erl.stdout.readline().split()
    return int(number), int(pid)


def _killed_one_by_one(erl: "subprocess.Popen[str]", pids: dict[int, int]) -> list[float]:
    took_ms = []
    for number in list(pids):
        begun = time.monotonic()
        os.kill(pids[number], signal.SIGKILL)
        back, pid = _ready(erl)
        assert back == number
        pids[number] = pid
        took_ms.append((time.monotonic() - begun) * 1000)
    return took_ms
