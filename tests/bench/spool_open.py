"""Seconds that the spool takes to open with a backlog of 1 GiB: `Spool.open` alone, in a fresh process each time.

`python -m tests.bench.spool_open DIRECTORY` times it. The backlog is 16,384 records of 64 KiB that an uplink has yet to
fetch, in segments of the default size; it has just been written, so the page cache is as warm as memory allows.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.machine import free_bytes
from tests.bench.report import Values
from tests.bench.rig import HOUSE, WITHIN_S, Bench
from transports.spool import Settings, Spool

NAMES = ("spool_open_s",)
BACKLOG_BYTES, RECORD_BYTES = 1 << 30, 64 * 1024
NEEDED_BYTES = BACKLOG_BYTES * 3 // 2
CONSUMERS = {"raw": (), "out": ("cloud",)}
RUNS = 5


def measure(bench: Bench) -> Values:
    """Five processes, one after the other."""
    directory = bench.room()
    if free_bytes(directory) < NEEDED_BYTES:
        bench.say(
            f"SKIPPED: {directory} has {free_bytes(directory) >> 20} MiB free, {NEEDED_BYTES >> 20} MiB are needed"
        )
        return {}
    begun = time.monotonic()
    build(directory)
    bench.say(f"1 GiB was written in {time.monotonic() - begun:.1f} s")
    command = [sys.executable, "-m", "tests.bench.spool_open", str(directory)]
    runs = [subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, timeout=WITHIN_S) for _ in range(RUNS)]
    assert all(run.returncode == 0 for run in runs), runs[-1].stderr
    return {NAMES[0]: [float(run.stdout) for run in runs]}


def build(directory: Path) -> None:
    """Write the backlog."""
    spool = Spool.open(str(directory), Settings(), CONSUMERS, time.time_ns())
    payload = os.urandom(RECORD_BYTES)
    for pseq in range(1, BACKLOG_BYTES // RECORD_BYTES + 1):
        spool.append("out", "bench", pseq, [payload], time.time_ns())
    spool.close()


def main(directory: Path) -> None:
    begun = time.monotonic()
    spool = Spool.open(str(directory), Settings(), CONSUMERS, time.time_ns())
    took_s = time.monotonic() - begun
    assert spool.waiting("out", "cloud") * RECORD_BYTES >= BACKLOG_BYTES
    spool.close()
    print(took_s)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
