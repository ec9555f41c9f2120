"""`holdfast demo`, run as a user runs it: what it promises in its last line, and that it leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from supervisors import control
from supervisors.demo import BROKER, processes
from supervisors.demo.scene import Scene, scene
from transports.errors import HoldfastError
from transports.messages import Status

WITHIN_S = 40.0
MARK = "HOLDFAST_DEMO_TEST"  # in the environment of every process that this test's demo started, however indirectly
LAST_LINE = re.compile(r"delivered (\d+) readings, lost (\d+), restarts (\d+)")
HOLDFAST = Path(sys.executable).with_name("holdfast")


class Demo:
    """A running demo, up to its hints: `port` and `run_dir` are those it told."""

    def __init__(self, *options: str, broker: str = "auto") -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [str(HOLDFAST), "demo", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, MARK: self.mark, BROKER: broker},
        )
        assert self.process.stdout is not None
        told = "".join(line for line, _ in zip(self.process.stdout, range(4), strict=False))
        found = re.search(r"status --run-dir (\S+)", told)
        assert found, f"no hints came, but {told!r}"
        self.told, self.run_dir = told, Path(found[1])

    def rest(self) -> list[str]:
        """Everything that it prints until its end."""
        out, _ = self.process.communicate(timeout=WITHIN_S)
        return out.splitlines()

    def child(self, name: str) -> dict[str, object]:
        """What `holdfast status` tells of one process."""
        children = control.ask(self.run_dir, Status())["children"]
        return next(child for child in children if child["name"] == name)

    def processes(self) -> set[int]:
        """Every living process that it started, and itself."""
        return {pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_ours(pid)}

    def _is_ours(self, pid: int) -> bool:
        try:
            return f"{MARK}={self.mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False  # it has just ended, or is somebody else's


@contextmanager
def running(*options: str, broker: str = "auto") -> Iterator[Demo]:
    """A demo that does not outlive the block: its processes end with it by themselves, which is tested here, too."""
    demo = Demo(*options, broker=broker)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.communicate()


def wait(done: Callable[[], bool], within_s: float = WITHIN_S) -> bool:
    """Look again and again whether it is done."""
    pause, deadline = threading.Event(), time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.05)
    return True


@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_a_killed_device_heals_and_nothing_is_lost(broker):
    with running("--for", "6s", broker=broker) as demo:
        assert demo.child("plant")["phase"] == "running"
        victim = demo.child("plant")["pid"]
        os.kill(victim, signal.SIGKILL)
        assert wait(lambda: demo.child("plant")["pid"] not in (None, victim))
        lines = demo.rest()
        readings, lost, restarts = map(int, LAST_LINE.fullmatch(lines[-1]).groups())
        assert (lost, demo.process.returncode) == (0, 0)
        assert readings > 100
        assert restarts >= 1
        assert not demo.processes()
        assert not demo.run_dir.exists()


def test_all_processes_killed_at_once_come_back_and_nothing_is_lost_unnamed():
    with running() as demo:
        victims = demo.processes() - {demo.process.pid}
        for pid in victims:
            with suppress(ProcessLookupError):  # killed with its root already
                os.kill(pid, signal.SIGKILL)

        def healed() -> bool:
            around = {child.pid for child in psutil.Process(demo.process.pid).children()}
            try:
                children = control.ask(demo.run_dir, Status())["children"]
            except HoldfastError:
                return False
            return len(around - victims) == 4 and all(child["phase"] == "running" for child in children)

        assert wait(healed)
        demo.process.send_signal(signal.SIGTERM)
        _, lost, restarts = map(int, LAST_LINE.fullmatch(demo.rest()[-1]).groups())
        assert (lost, restarts) == (0, 4)  # the broker, the plant, the thermometer, and the gateway with all of its own
        assert not demo.processes()


def test_ctrl_c_ends_it_in_order_with_the_same_last_line():
    with running() as demo:
        os.killpg(demo.process.pid, signal.SIGINT)
        lines = demo.rest()
        assert LAST_LINE.fullmatch(lines[-1])[2] == "0"
        assert demo.process.returncode == 0
        assert not demo.processes()


def test_a_second_ctrl_c_ends_it_at_once():
    with running(broker="mosquitto") as demo:
        (broker,) = (pid for pid in demo.processes() if b"mosquitto" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(broker, signal.SIGSTOP)  # what is read now cannot be delivered: ending in order would take its time
        demo.process.send_signal(signal.SIGINT)
        assert wait(lambda: demo.child("plant")["phase"] == "stopped")
        demo.process.send_signal(signal.SIGINT)
        demo.rest()
        assert demo.process.returncode != 0
        assert wait(lambda: not demo.processes())
        assert not demo.run_dir.exists()


def test_killed_it_leaves_no_process_and_the_next_demo_removes_its_files():
    with running() as demo:
        demo.process.kill()
        assert wait(lambda: not demo.processes())
        assert demo.run_dir.exists()
        with scene(keep=False) as another:
            assert not demo.run_dir.exists()
            with scene(keep=False):
                assert another.directory.exists()
        assert not another.directory.exists()


def test_it_says_how_to_subscribe_look_restart_and_kill():
    with running() as demo:
        assert re.search(r"holdfast/demo/#", demo.told)
        assert f"restart plant --run-dir {demo.run_dir}" in demo.told
        assert f"kill -9 {demo.child('plant')['pid']} " in demo.told
        found = subprocess.run(
            [str(HOLDFAST), "status", "--json"],
            env={**os.environ, control.ENVIRONMENT: str(demo.run_dir)},
            capture_output=True,
        )
        assert found.returncode == 0


@pytest.mark.parametrize("duration", ["soon", "0s", "-3s"])
def test_a_duration_that_is_none_is_refused_by_name(duration):
    said = subprocess.run([str(HOLDFAST), "demo", "--for", duration], capture_output=True, text=True)
    assert said.returncode == 2
    assert "--for" in said.stderr


def test_without_any_broker_it_names_the_extra_to_install(monkeypatch):
    monkeypatch.setattr(processes.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(processes, "find_spec", lambda _: None)
    with pytest.raises(HoldfastError, match=r"holdfast\[demo\]"):
        processes.chosen("auto", Scene(Path("/nowhere"), 1, 2))
