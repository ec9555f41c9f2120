"""What benchmarks are built from: a broker, a counting subscriber and a gateway, each in processes of their own."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from tests.bench.counter import COLUMNS
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto

HOUSE = Path(__file__).parents[2]
WITHIN_S = 30.0
TOPIC = "bench/{device}"


@dataclass(frozen=True)
class Bench:
    """How a benchmark is run: quick or thorough, where it may write, and where it says what is not in the table."""

    quick: bool
    directory: Path
    say: Callable[[str], None]

    def either(self, quick: float, thorough: float) -> float:
        """The first in a quick run, else the second."""
        return quick if self.quick else thorough

    def room(self) -> Path:
        """A fresh directory."""
        return Path(tempfile.mkdtemp(dir=self.directory))


@dataclass(frozen=True)
class Arrivals:
    """What a counter noted, a row for each distinct record in the order of arrival; columns as counter.py has them."""

    columns: dict[str, NDArray[np.int64]]
    repeated: int
    gaps: int
    payloads: Sequence[bytes]

    def __getitem__(self, name: str) -> NDArray[np.int64]:
        return self.columns[name]

    def within(self, begin_ns: int, end_ns: int) -> NDArray[np.bool_]:
        """Which records arrived in that span of time."""
        return (self["arrival_ns"] >= begin_ns) & (self["arrival_ns"] < end_ns)

    def rate(self, begin_ns: int, end_ns: int) -> float:
        """Records a second between the first and the last arrival in the span."""
        came = self["arrival_ns"][self.within(begin_ns, end_ns)]
        assert came.size > 0, "no record came"
        assert came[-1] > came[0], f"{came.size} records came in a span of {end_ns - begin_ns} ns"
        return (
            int((came > came[0]).sum()) / int(came[-1] - came[0]) * 1e9
        )  # those that came with the first began before

    def ages_ms(self, begin_ns: int, end_ns: int) -> NDArray[np.float64]:
        """Arrival minus source timestamp of the readings that arrived in the span."""
        chosen = self.within(begin_ns, end_ns) & (self["source_ns"] > 0)
        return (self["arrival_ns"] - self["source_ns"])[chosen] / 1e6


class Counter:
    """A running counter.py that has subscribed to everything under `bench/`; ends with the block."""

    def __init__(self, broker: Mosquitto, directory: Path, keep: bool = False) -> None:
        self._file = directory / "counter.msgpack"
        command = [
            sys.executable,
            "-m",
            "tests.bench.counter",
            str(broker.port),
            "bench/#",
            "counter",
            str(os.getpid()),
        ]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen([*command, *(["--keep"] if keep else [])], cwd=HOUSE, **pipes)
        assert self._line() == "subscribed"

    def __enter__(self) -> "Counter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def count(self) -> int:
        """Distinct records so far."""
        return int(self._asked("count").split()[0])

    def wait(self, records: int, within_s: float = WITHIN_S) -> None:
        """Return when so many records have come."""
        deadline = time.monotonic() + within_s
        while (count := self.count()) < records:
            assert time.monotonic() < deadline, f"{count} of {records} records came within {within_s:g} s"
            time.sleep(0.01)  # polls a condition; arrival times are the counter's

    def arrivals(self) -> Arrivals:
        """Everything that came so far."""
        assert self._asked(f"dump {self._file}") == "ok"
        noted = msgpack.unpackb(self._file.read_bytes())
        columns = {name: np.frombuffer(noted[name], np.int64) for name in COLUMNS}
        return Arrivals(columns, noted["repeated"], noted["gaps"], noted["payloads"])

    def _asked(self, order: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line: str = self._process.stdout.readline()
        return line.strip()


def uplink(port: int, payload: str = "json", more: str = "") -> str:
    """The table of an uplink to the broker on that port."""
    return f"""
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {port}
topic = "{TOPIC}"
status_topic = "status/bench"
payload = "{payload}"
{more}
"""


def sim_devices(count: int, period: str, scans: int, tags: int) -> str:
    """The tables of `sim` devices `sim0`, `sim1`, ... that read so many scans of so many sines at a time."""
    return "".join(
        f"""
[device.sim{at}]
driver = "sim"
period = "{period}"
batch = {scans}
[device.sim{at}.tags]
t = {{ wave = "sine", count = {tags} }}
"""
        for at in range(count)
    )


@contextmanager
def gateway(bench: Bench, config: str, prepare: Callable[[Gateway], None] = lambda _: None) -> Iterator[Gateway]:
    """A gateway of that configuration, all of whose children run; killed at the end. `prepare` sees it before.

    `config` begins with whatever else [gateway] says."""
    made = Gateway(bench.room(), '[gateway]\nname = "bench"\n' + config)
    try:
        prepare(made)
        with made:
            yield made
    finally:  # also when it did not start
        made.kill()
        shutil.rmtree(made.home, ignore_errors=True)


def let_pass(seconds: float) -> None:
    """Let time pass while the others work: the warm-up, the span that is measured. No time if it is negative."""
    time.sleep(max(0.0, seconds))


def spans(count: int, span_s: float) -> list[tuple[int, int]]:
    """So many spans of time, one after the other, that have now passed: begin and end, ns UTC."""
    edges = [time.time_ns()]
    for _ in range(count):
        let_pass(span_s)
        edges.append(time.time_ns())
    return list(pairwise(edges))
