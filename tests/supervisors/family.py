"""A real root over puppets, as a test sees it: asked by its status, killed by its pids."""

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from supervisors.control import ask
from tests.peers.processes import start_peer
from transports.errors import NotRunning
from transports.messages import Operate, Status, pack
from transports.names import endpoint, mailbox_path

WITHIN_S = 30.0  # generous: a slow machine is no bug


class Family:
    """`home` has `run`, `data` and `root.log`."""

    def __init__(self, home: Path, root: int) -> None:
        self.home, self.root = home, root

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    @property
    def log(self) -> str:
        return (self.home / "root.log").read_text()

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = ask(self.run_dir, Status(), timeout_s=WITHIN_S)
        return answer

    def child(self, name: str) -> dict[str, Any]:
        return next(child for child in self.status()["children"] if child["name"] == name)

    def pids(self) -> dict[str, int]:
        """Of every child that has a process, and of the zygote."""
        status = self.status()
        pids = {child["name"]: child["pid"] for child in status["children"] if child["pid"]}
        return {**pids, "zygote": status["zygote"]["pid"]}

    def operate(self, verb: str, name: str = "") -> dict[str, str]:
        answer: dict[str, str] = ask(self.run_dir, Operate(verb, name, "a test"), timeout_s=WITHIN_S)
        return answer

    def tell(self, name: str, mood: str) -> None:
        """A puppet's new mood, into its mailbox."""
        import zmq

        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, round(WITHIN_S * 1000))
            socket.connect(endpoint(mailbox_path(self.run_dir, name)))
            socket.send_multipart(pack(Operate(mood)))

    def wait(self, until: Callable[[], Any]) -> None:
        """Ask until it is as it should be; an AssertionError shows how it was instead."""
        deadline = time.monotonic() + WITHIN_S
        while not until():
            assert time.monotonic() < deadline, f"it did not happen; {self._last_words()}"
            time.sleep(0.02)  # polls a condition; nothing is assumed to have happened after it

    def running(self, *names: str) -> dict[str, int]:
        """Wait until these (by default all) children run; the pids."""
        self.wait(
            lambda: all(c["phase"] == "running" for c in self.status()["children"] if c["name"] in names or not names)
        )
        return self.pids()

    def crashes(self) -> list[dict[str, Any]]:
        """The crash reports, oldest first."""
        return [json.loads(path.read_text()) for path in sorted((self.home / "data" / "crashes").glob("*.json"))]

    def _last_words(self) -> str:
        try:
            return f"{self.status()}\n{self.log[-3000:]}"
        except NotRunning:
            return self.log[-3000:]


def alive(pids: Sequence[int]) -> list[int]:
    """Those of the processes that live; a zombie does not."""
    return [pid for pid in pids if psutil.pid_exists(pid) and _status(pid) != psutil.STATUS_ZOMBIE]


def _status(pid: int) -> str:
    try:
        return str(psutil.Process(pid).status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)


def gone(pids: Sequence[int], within_s: float = WITHIN_S) -> bool:
    """Whether all of them ended in time."""
    deadline = time.monotonic() + within_s
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.01)  # polls a condition
    return not alive(pids)


@contextmanager
def new_home() -> Iterator[Path]:
    """Short: the path of a socket has 107 bytes at most."""
    home = Path(tempfile.mkdtemp(prefix="hf-"))
    (home / "run").mkdir()
    (home / "data").mkdir()
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def a_root(
    home: Path, *children: dict[str, Any], zygote_within_s: float = WITHIN_S, rules: Mapping[str, Any] | None = None
) -> Iterator[Family]:
    """A root over these children (with `rules` and `children` of its own one is a supervisor); it and they end with the
    block. `rules` are the root's: {"strategy": "rest_for_one", "intensity": 3, ...}."""
    options = ("--home", str(home), "--children", json.dumps(children), "--zygote-within", str(zygote_within_s))
    options += ("--rules", json.dumps(rules or {}))
    with start_peer("root_peer.py", *options) as peer:
        yield Family(home, peer.process.pid)


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)
