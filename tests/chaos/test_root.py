"""The root killed with SIGKILL leaves nobody, and what it had goes on where it was."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.peers.gateway import Gateway

CONFIG = """
[gateway]
name = "root"
[device.a]
driver = "sim"
period = "20ms"
tags = {{ n = {{ wave = "counter" }} }}
[device.b]
driver = "sim"
period = "20ms"
faults = "{faults}"
tags = {{ n = {{ wave = "counter" }} }}
[aggregate.sums]
from = ["a"]
window = "1s"
statistics = ["count"]
keep = true
[uplink.file]
type = "file"
path = "{output}"
"""


def _alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def _gone(pids: list[int], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while _alive(pids) and time.monotonic() < deadline:
        time.sleep(0.01)  # polls a condition
    return not _alive(pids)


def test_no_process_outlives_a_killed_root_not_even_one_that_hangs(tmp_path: Path) -> None:
    faults = tmp_path / "faults"
    with Gateway(tmp_path, CONFIG.format(output=tmp_path / "out.ndjson", faults=faults)) as gateway:
        gateway.wait(lambda _: gateway.child("b")["state"].get("scans", 0) > 0)
        faults.write_text("hang")
        pids = list(gateway.pids().values())
        assert len(pids) == 7
        gateway.kill()
        assert _gone(pids, within_s=2.0), f"still there: {_alive(pids)}"


def test_a_killed_gateway_continues_where_it_was_and_says_what_is_missing(tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    with Gateway(tmp_path, CONFIG.format(output=output, faults=tmp_path / "faults")) as gateway:
        for _ in range(3):
            gateway.wait(lambda _: gateway.child("file")["state"].get("records", 0) > 50)
            gateway.kill()
            gateway.start()
        gateway.wait(lambda _: gateway.child("file")["state"].get("records", 0) > 50)
        assert gateway.stop() == 0
    records = [json.loads(line) for line in output.read_text().splitlines()]
    distinct = {(r["topic"], r["epoch"], r["seq"]): r for r in records}
    seqs = [seq for _, _, seq in distinct]
    assert seqs == sorted(set(seqs)), "a sequence number came twice or out of order"
    gaps = [r for r in distinct.values() if r["device"] == "a" and "gap" in r]
    assert len(gaps) >= 3, "each death of a device is announced"


def test_a_second_run_beside_a_live_one_is_refused_with_its_pid(tmp_path: Path) -> None:
    with Gateway(tmp_path, CONFIG.format(output=tmp_path / "out.ndjson", faults=tmp_path / "faults")) as gateway:
        command = [sys.executable, "-m", "supervisors.cli", "run", str(gateway.config)]
        for where in (
            ["--data-dir", str(gateway.data_dir), "--run-dir", str(gateway.run_dir)],
            ["--data-dir", str(gateway.data_dir), "--run-dir", f"{gateway.run_dir}2"],
        ):
            second = subprocess.run([*command, *where], capture_output=True, text=True, timeout=60)
            assert second.returncode == 1
            assert len(second.stderr.splitlines()) == 1
            assert str(gateway.pid) in second.stderr
        assert gateway.child("a")["restarts"] == 0


@pytest.mark.parametrize("name", ["spooler", "file", "sums", "a", "zygote"])
def test_a_killed_process_comes_back_alone(tmp_path: Path, name: str) -> None:
    with Gateway(tmp_path, CONFIG.format(output=tmp_path / "out.ndjson", faults=tmp_path / "faults")) as gateway:
        before = gateway.pids()
        os.kill(before[name], 9)
        gateway.wait(lambda _: gateway.pids().get(name) not in (None, before[name]))
        gateway.wait(lambda status: status["zygote"]["ready"])
        after = gateway.pids()
        assert {other for other in before if after[other] != before[other]} == {name}
