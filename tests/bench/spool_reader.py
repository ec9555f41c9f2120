"""A process that opens a spool, fetches from it, and says what that took. It imports nothing but the spool.

    python -m tests.bench.spool_reader open DIRECTORY             {"open_s", "rss_bytes", "waiting"} as JSON
    python -m tests.bench.spool_reader fetch DIRECTORY DIRECTORY  [s, s]: the median time of a fetch from each

The resident memory is that after one fetch, its records still held. Fetches of the second kind take turns, each from
the head of its backlog, where it looks up the first segment, opens it and reads.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median

from transports.spool import Settings, Spool

OUT, CONSUMER = "out", "cloud"
CONSUMERS = {"raw": (), OUT: (CONSUMER,)}
FETCH_BYTES = 1024 * 1024
TURNS = 200


def opened(directory: Path) -> Spool:
    """With room for any backlog, segments of the default size."""
    return Spool.open(str(directory), Settings(out_bytes=1 << 40), CONSUMERS, time.time_ns())


def main_open(directory: Path) -> None:
    begun = time.monotonic()
    spool = opened(directory)
    open_s = time.monotonic() - begun
    fetched = spool.fetch(OUT, CONSUMER, FETCH_BYTES)
    told = {"open_s": open_s, "rss_bytes": _rss_bytes(), "waiting": spool.waiting(OUT, CONSUMER)}
    assert bool(fetched.records) == bool(told["waiting"])
    spool.close()
    print(json.dumps(told))


def main_fetch(directories: list[Path]) -> None:
    spools = [opened(directory) for directory in directories]
    took_s: list[list[float]] = [[] for _ in spools]
    for _ in range(TURNS):
        for spool, times_s in zip(spools, took_s, strict=True):
            times_s.append(_fetch_s(spool))
    for spool in spools:
        spool.close()
    print(json.dumps([median(times_s) for times_s in took_s]))


def _fetch_s(spool: Spool) -> float:
    spool.rewind(OUT, CONSUMER)
    begun = time.perf_counter()
    fetched = spool.fetch(OUT, CONSUMER, FETCH_BYTES)
    took_s = time.perf_counter() - begun
    assert fetched.records[0].pseq == 1
    return took_s


def _rss_bytes() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():  # exact, where status counts in batches
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("the kernel does not tell the resident memory")


if __name__ == "__main__":
    if sys.argv[1] == "open":
        main_open(Path(sys.argv[2]))
    else:
        main_fetch([Path(name) for name in sys.argv[2:]])
