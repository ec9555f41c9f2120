"""What a large backlog costs: seconds to open it, memory, and a fetch beside one from a small backlog.

Records of 64 KiB that an uplink has yet to fetch, in segments of the default size: 10 GiB in a thorough run where the
disk has room for it, else 1 GiB, and 1 GiB in a quick run; which it was is said beside. It has just been written, so
the page cache is as warm as memory allows. Each value is that of a fresh process (spool_reader.py).
`spool_open_s`: `Spool.open` alone. `spool_open_memory_mib`: resident memory after opening it and fetching 1 MiB, less
that of a process that did the same with an empty spool. `spool_fetch_ratio`: the median time of 200 fetches of 1 MiB
from its head, over that of as many from the head of a backlog of 8 MiB, which took turns with them.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.machine import free_bytes
from tests.bench.report import Values
from tests.bench.rig import HOUSE, WITHIN_S, Bench
from tests.bench.spool_reader import OUT, opened

NAMES = ("spool_open_s", "spool_open_memory_mib", "spool_fetch_ratio")
GIB, MIB = 1 << 30, 1 << 20
LARGE_BYTES, USUAL_BYTES, SMALL_BYTES = 10 * GIB, GIB, 8 * MIB
RECORD_BYTES = 64 * 1024
RUNS = 5


def measure(bench: Bench) -> Values:
    """Five processes for each figure, one after the other."""
    large, small, empty = bench.room(), bench.room(), bench.room()
    size_bytes = _affordable(bench, large)
    if not size_bytes:
        return {}
    begun = time.monotonic()
    build(large, size_bytes)
    bench.say(f"a backlog of {size_bytes // GIB} GiB, written in {time.monotonic() - begun:.1f} s")
    build(small, SMALL_BYTES)
    full, none = zip(*[(_told("open", large), _told("open", empty)) for _ in range(RUNS)], strict=True)
    assert all(told["waiting"] * RECORD_BYTES >= size_bytes for told in full), full
    rss_bytes = zip((told["rss_bytes"] for told in full), (told["rss_bytes"] for told in none), strict=True)
    fetches = [_told("fetch", large, small) for _ in range(RUNS)]
    bench.say(f"1 MiB is fetched in {fetches[0][0] * 1e3:.2f} ms from it, in {fetches[0][1] * 1e3:.2f} ms from 8 MiB")
    return {
        NAMES[0]: [told["open_s"] for told in full],
        NAMES[1]: [(with_it - without) / MIB for with_it, without in rss_bytes],
        NAMES[2]: [from_large / from_small for from_large, from_small in fetches],
    }


def build(directory: Path, size_bytes: int) -> None:
    """Write a backlog of that size."""
    spool = opened(directory)
    payload = os.urandom(RECORD_BYTES)
    for pseq in range(1, size_bytes // RECORD_BYTES + 1):
        spool.append(OUT, "bench", pseq, [payload], time.time_ns(), counts=[1])
    spool.close()


def _affordable(bench: Bench, directory: Path) -> int:
    """The largest backlog that leaves half as much again on the disk; 0 when there is no room for any."""
    free = free_bytes(directory)
    sizes = [USUAL_BYTES] if bench.quick else [LARGE_BYTES, USUAL_BYTES]
    chosen = next((size for size in sizes if size * 3 // 2 <= free), 0)
    if not chosen:
        bench.say(f"SKIPPED: {directory} has {free // MIB} MiB free, {USUAL_BYTES * 3 // 2 // MIB} MiB are needed")
    elif chosen < sizes[0]:
        bench.say(f"{directory} has {free // MIB} MiB free, which is too little for {sizes[0] // GIB} GiB")
    return chosen


def _told(what: str, *directories: Path) -> Any:
    command = [sys.executable, "-m", "tests.bench.spool_reader", what, *map(str, directories)]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, timeout=WITHIN_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
