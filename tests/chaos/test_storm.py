"""200 devices, of which 65 misbehave in all the ways there are: the others miss no period, nobody runs twice or on.

    50  crash at each start          5  hang in a C call that keeps the interpreter's lock
     5  are stopped with SIGSTOP     5  take memory until they pass their limit

The storm lasts HOLDFAST_STORM_S seconds (300 for `make chaos`). Then the faulty ones are cured, and come back by
themselves. The machine's own view is taken from /proc ten times a second.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.peers.gateway import Gateway

STRANGERS = Path(__file__).parents[1] / "peers" / "strangers"
PERIOD_S = 1.0
CEILING_S = 8.0  # the longest wait between two probes
CRASHING, HANGING, STOPPED, EATING, STEADY = 50, 5, 5, 5, 135
MOODS = {"crash": "connect-raise", "hang": "hang-c", "eat": "eat"}
HEAD = """
[gateway]
name = "storm"
[supervision]
intensity = 2
backoff_first = "500ms"
backoff_ceiling = "{ceiling_s}s"
heartbeat = "500ms"
hang_after = "3s"
memory_hard = "150MiB"
[uplink.file]
type = "file"
path = "{output}"
batch_records = 100
batch_wait = "1s"
"""
SIM = """
[device.{name}]
driver = "sim"
period = "1s"
tags = {{ n = {{ wave = "counter" }} }}
"""
MOODY = """
[device.{name}]
driver = "moody"
period = "1s"
mood_file = "{mood_file}"
"""


def storm_s() -> float:
    return float(os.environ.get("HOLDFAST_STORM_S", "20"))


def names(kind: str, count: int) -> list[str]:
    return [f"{kind}-{number}" for number in range(count)]


def config(directory: Path, output: Path) -> str:
    text = HEAD.format(output=output, ceiling_s=CEILING_S)
    for kind, count in (("crash", CRASHING), ("hang", HANGING), ("eat", EATING)):
        (directory / kind).write_text("well")
        text += "".join(MOODY.format(name=name, mood_file=directory / kind) for name in names(kind, count))
    return text + "".join(SIM.format(name=name) for name in (*names("stop", STOPPED), *names("steady", STEADY)))


class Owners(threading.Thread):
    """Who writes to which device's log, ten times a second: a device has one process, which is the root's child."""

    def __init__(self, root: int, logs: Path) -> None:
        super().__init__(daemon=True)
        self._root, self._logs, self._over = root, logs, threading.Event()
        self.samples, self.twice, self.orphans = 0, list[str](), list[str]()

    def run(self) -> None:
        while not self._over.wait(0.1):
            self._look()
            self.samples += 1

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _look(self) -> None:
        owner: dict[str, int] = {}
        for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
            try:
                log = os.readlink(f"/proc/{pid}/fd/1")
                state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[:2]
            except OSError:
                continue
            if Path(log).parent != self._logs or state in "ZX":
                continue
            if log in owner:
                self.twice.append(f"{log}: {owner[log]} and {pid}")
            if int(parent) != self._root:
                self.orphans.append(f"{log}: {pid} is a child of {parent}")
            owner[log] = pid


@contextmanager
def watched(gateway: Gateway) -> Iterator[Owners]:
    owners = Owners(gateway.pid, gateway.data_dir / "logs")
    owners.start()
    try:
        yield owners
    finally:
        owners.stop()


def standing(gateway: Gateway) -> dict[str, dict[str, Any]]:
    return {child["name"]: child for child in gateway.status()["children"]}


def stop_them(children: dict[str, dict[str, Any]], stopped: dict[str, int]) -> None:
    """SIGSTOP each of them, and each successor once."""
    for name in names("stop", STOPPED):
        pid = children[name]["pid"]
        if children[name]["phase"] == "running" and stopped.get(name) != pid:
            os.kill(pid, signal.SIGSTOP)
            stopped[name] = pid


@pytest.mark.timeout(900)
def test_a_storm_of_faulty_devices_disturbs_nobody_else(tmp_path: Path) -> None:
    output, faulty = (
        tmp_path / "out.ndjson",
        [*names("crash", CRASHING), *names("hang", HANGING), *names("eat", EATING)],
    )
    environment = {"PYTHONPATH": f"{STRANGERS}:{Path.cwd()}"}
    with Gateway(tmp_path, config(tmp_path, output), environment) as gateway:
        gateway.wait(lambda s: all(child["phase"] == "running" for child in s["children"]), within_s=60)
        with watched(gateway) as owners:
            for kind, mood in MOODS.items():
                (tmp_path / kind).write_text(mood)
            _rage(gateway, [*faulty, *names("stop", STOPPED)])
            _check_the_faulty(gateway, [*faulty, *names("stop", STOPPED)])
            for kind in MOODS:
                (tmp_path / kind).write_text("well")
            gateway.wait(lambda s: all(child["phase"] == "running" for child in s["children"]), within_s=6 * CEILING_S)
        children = standing(gateway)
        assert gateway.stop() == 0
    assert owners.samples > storm_s()
    assert not owners.twice
    assert not owners.orphans
    for name in names("steady", STEADY):
        assert (children[name]["restarts"], children[name]["state"]["overruns"]) == (0, 0), children[name]
    _check_the_steady(output)


def _rage(gateway: Gateway, faulty: list[str]) -> None:
    """Let the storm go on for its time, and until each of the faulty has failed too often."""
    over, stopped = time.monotonic() + storm_s(), dict[str, int]()
    for child in standing(gateway).values():
        if child["name"] in names("crash", CRASHING):
            os.kill(child["pid"], signal.SIGKILL)

    def is_over(status: dict[str, Any]) -> bool:
        children = {child["name"]: child for child in status["children"]}
        stop_them(children, stopped)
        return time.monotonic() > over and all(children[name]["on_probation"] for name in faulty)

    gateway.wait(is_over, within_s=storm_s() + 120)


def _check_the_faulty(gateway: Gateway, faulty: list[str]) -> None:
    """Each has the state of one that fails again and again, and its reports say why."""
    children = standing(gateway)
    for name in faulty:
        assert children[name]["on_probation"], children[name]
    reasons: dict[str, set[str]] = {name: set() for name in faulty}
    for path in (gateway.data_dir / "crashes").glob("*.json"):
        report = json.loads(path.read_text())
        reasons.setdefault(report["name"], set()).add(report["how"])
    for kind, words in {"crash": "a driver's bug", "hang": "hung", "stop": "hung", "eat": "over its limit"}.items():
        for name in (name for name in faulty if name.startswith(kind)):
            assert any(words in reason for reason in reasons[name]), (name, reasons[name])


def _check_the_steady(output: Path) -> None:
    """No period is missing: the counters are whole, and so are the times between the readings."""
    readings: dict[str, list[tuple[int, float]]] = {}
    with output.open() as lines:
        for line in lines:
            for record in json.loads(line):
                for reading in record.get("readings", ()):
                    readings.setdefault(record["device"], []).append((reading["time"], reading["value"]))
    for name in names("steady", STEADY):
        found = sorted(readings[name])
        assert [value for _, value in found] == list(range(1, len(found) + 1)), name
        late = [b - a for (a, _), (b, _) in pairwise(found) if b - a > 1.9 * PERIOD_S * 1e9]
        assert not late, (name, late)
