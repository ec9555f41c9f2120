"""A real gateway in processes of its own (`holdfast run`), that never outlives the test."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from supervisors.control import ask
from transports.errors import NotRunning
from transports.messages import Operate, Status

WITHIN_S = 30.0
_LIBC = ctypes.CDLL(None)


class Gateway:
    """`config` is TOML text. Data and sockets lie in a short temporary directory (a socket's path has 107 bytes)."""

    def __init__(self, directory: Path, config: str, environment: dict[str, str] | None = None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="hf-"))
        self.data_dir, self.run_dir = self.home / "data", self.home / "run"
        self.config = directory / "gateway.toml"
        self.config.write_text(config)
        self.output = directory / "gateway.log"
        self.environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Gateway":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The root's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until all children that are waited for are running."""
        command = [sys.executable, "-m", "supervisors.cli", "run", str(self.config)]
        command += ["--data-dir", str(self.data_dir), "--run-dir", str(self.run_dir)]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **self.environment},
                preexec_fn=lambda: _LIBC.prctl(1, signal.SIGKILL),
            )
        self.wait(lambda status: not any(child["phase"] in ("pending", "starting") for child in status["children"]))

    def kill(self) -> None:
        """SIGKILL the root; its children follow."""
        self._end(signal.SIGKILL)

    def stop(self, within_s: float = WITHIN_S) -> int:
        """SIGTERM, as an operator or systemd does; its exit code."""
        return self._end(signal.SIGTERM, within_s)

    def status(self) -> dict[str, Any]:
        """What `holdfast status --json` prints."""
        answer: dict[str, Any] = ask(self.run_dir, Status())
        return answer

    def child(self, name: str) -> dict[str, Any]:
        """One child of the status."""
        return next(child for child in self.status()["children"] if child["name"] == name)

    def operate(self, verb: str, name: str) -> dict[str, str]:
        """`holdfast restart|stop|start NAME`."""
        answer: dict[str, str] = ask(self.run_dir, Operate(verb, name, "a test"))
        return answer

    def wait(self, until: Callable[[dict[str, Any]], Any], within_s: float = WITHIN_S) -> dict[str, Any]:
        """Ask for the status until it is as it should be; an AssertionError shows the last one."""
        deadline, status = time.monotonic() + within_s, {}
        while time.monotonic() < deadline:
            try:
                status = self.status()
                if until(status):
                    return status
            except NotRunning:
                assert self._process is None or self._process.poll() is None, self.output.read_text()[-3000:]
            time.sleep(0.02)  # polls a condition; nothing is assumed to have happened after it
        raise AssertionError(f"not within {within_s} s; {status}\n{self.output.read_text()[-3000:]}")

    def pids(self) -> dict[str, int]:
        """Every process by name, `root` and `zygote` included; children without a process are left out."""
        status = self.status()
        children = {child["name"]: child["pid"] for child in status["children"] if child["pid"]}
        return {"root": status["pid"], "zygote": status["zygote"]["pid"], **children}

    def _end(self, number: int, within_s: float = WITHIN_S) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
