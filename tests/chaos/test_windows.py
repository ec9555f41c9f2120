"""Windows count each reading exactly once, whatever is killed while they are open."""

import json
import os
import random
import signal
import time
from pathlib import Path

from tests.peers.gateway import Gateway

CONFIG = """
[gateway]
name = "windows"
[supervision]
intensity = 1000
backoff_first = "20ms"
backoff_ceiling = "100ms"
[device.meter]
driver = "sim"
period = "10ms"
tags = {{ n = {{ wave = "counter" }} }}
[aggregate.half]
from = ["meter"]
window = "500ms"
statistics = ["count", "min", "max"]
keep = true
[uplink.file]
type = "file"
path = "{output}"
"""


def test_the_counts_of_all_windows_add_up_to_the_readings_across_kills_and_restarts(tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    dice = random.Random(7)
    with Gateway(tmp_path, CONFIG.format(output=output)) as gateway:
        for round_ in range(12):
            folded = gateway.child("meter")["state"].get("scans", 0)
            gateway.wait(lambda _, n=folded: gateway.child("meter")["state"].get("scans", 0) > n + dice.randrange(40))
            if round_ == 6:
                assert gateway.stop() == 0  # an orderly restart with windows open
                gateway.start()
                continue
            pid = gateway.pids().get(dice.choice(["half", "spooler", "half", "file"]))
            if pid:
                os.kill(pid, signal.SIGKILL)
        gateway.operate("stop", "meter")
        _settled(output)
        assert gateway.child("half")["state"]["late"] == 0
        assert gateway.stop() == 0
    readings, windows = _told(output)
    assert sum(windows.values()) == len(readings), "each reading is in exactly one window"
    assert len(readings) > 200


def _settled(output: Path, within_s: float = 30.0) -> None:
    """Until the last window has been closed by silence."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        readings, windows = _told(output)
        if sum(windows.values()) >= len(readings):
            return
        time.sleep(0.1)  # polls a condition


def _told(output: Path) -> tuple[set[tuple[int, int, float]], dict[tuple[int, int, int], int]]:
    """The distinct readings, and the count of each distinct window, by record id."""
    readings, windows = set(), {}
    for line in output.read_text().splitlines():
        record = json.loads(line)
        for reading in record.get("readings", ()):
            key = record["epoch"], record["seq"], reading["time"]
            if reading["tag"] == "n":
                readings.add(key)
            elif reading["tag"] == "n.count":
                windows[key] = reading["value"]
    return readings, windows
