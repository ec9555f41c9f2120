"""What the kernel says about processes and the machine: processor time, memory, load, room on the disk."""

import os
import platform
import shutil
import time
from collections.abc import Iterable
from pathlib import Path


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time that these processes have used, all threads of theirs, the ended ones included.

    From their CPU-time clocks: nanoseconds, where /proc/PID/stat counts the same time in ticks of 10 ms.
    """
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)  # clock_getcpuclockid(3): the clock's id of a pid


def pss_mib(pids: Iterable[int]) -> float:
    """Proportional set size of these processes together: a page that n of them share counts 1/n for each."""
    return sum(_pss_kib(pid) for pid in pids) / 1024


def facts() -> str:
    """The machine in one line, for whoever compares two tables."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    cpus = len(os.sched_getaffinity(0))
    system = f"{platform.machine()}, {cpus} CPUs, Linux {platform.release()}, Python {platform.python_version()}"
    return f"{system}, load average {load}"


def free_bytes(directory: Path) -> int:
    """Room on the disk of that directory."""
    return shutil.disk_usage(directory).free


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"the kernel does not tell the PSS of {pid}")
