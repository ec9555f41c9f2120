"""Processes, as the root sees them: asked from the zygote, watched by pidfd, signalled, reaped.

A pidfd is readable when its process has ended and never means another process, as a pid may. All children are the
root's own (see zygote.py), so only the root reaps them, and only those it knows; whatever else it finds among its
children was left by a zygote or a child that died, and is ended.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgpack


@dataclass(frozen=True, slots=True)
class Process:
    """A running process: its pid, and the descriptor that becomes readable at its end."""

    pid: int
    pidfd: int

    def send(self, number: int) -> None:
        """Signal it, if it still lives."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return

    def reap(self) -> "End":
        """How it ended; call once, after its pidfd became readable."""
        result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)
        assert result is not None
        return End(result.si_status) if result.si_code == os.CLD_EXITED else End(None, result.si_status)


@dataclass(frozen=True, slots=True)
class End:
    """An exit code, or the signal that ended it."""

    code: int | None
    signal: int = 0

    @property
    def normal(self) -> bool:
        return self.code == 0

    def __str__(self) -> str:
        if self.code is not None:
            return f"exit code {self.code}"
        try:
            return f"killed by {signal.Signals(self.signal).name}"
        except ValueError:
            return f"killed by signal {self.signal}"


def watched(pid: int) -> Process:
    """A handle on a child of this process."""
    return Process(pid, os.pidfd_open(pid))


@dataclass(frozen=True, slots=True)
class Born:
    """The zygote's answer: the process of `token`, or why there is none (`pid` 0)."""

    token: int
    pid: int
    error: str


class Zygote:
    """A running zygote and the socket to it."""

    def __init__(self, process: Process, requests: socket.socket) -> None:
        self.process, self._requests = process, requests

    def fileno(self) -> int:
        return self._requests.fileno()

    def ask(self, token: int, name: str) -> bool:
        """Request a process; the answer comes as Born. False when the zygote is gone or too far behind."""
        try:
            self._requests.send(msgpack.packb([token, name]), socket.MSG_DONTWAIT)
        except OSError:  # its queue is full, it is gone, or the system is short of memory
            return False
        return True

    def answers(self) -> list[Born]:
        """Everything it has answered: drained, because a zygote that blocks on writing would fork no more."""
        born: list[Born] = []
        while True:
            try:
                answer = self._requests.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return born
            except ConnectionResetError:
                continue  # said once, when it died with requests unread; what it had answered is still there
            if not answer:
                return born
            born.append(Born(*msgpack.unpackb(answer)))

    def close(self) -> None:
        """Let it end by itself: it sees the end of its requests."""
        self._requests.close()


def start_zygote(run_dir: Path, modules: Sequence[str]) -> Zygote:
    """Start a zygote by exec; it answers Born(0, ...) when it can fork."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [
        sys.executable,
        "-P",  # a folder `actors` where the gateway was started is not ours
        "-m",
        "supervisors.zygote",
        str(theirs.fileno()),
        str(run_dir),
        str(os.getpid()),
        *modules,
    ]
    quiet = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # one thread, or no fork
    with theirs:
        started = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env={**os.environ, **quiet}
        )
    process = watched(started.pid)
    started.returncode = 0  # reaped here through the pidfd; keeps subprocess from waiting for it too
    return Zygote(process, ours)


def strangers(known: set[int]) -> list[int]:
    """Children of this process that nobody here knows: left by a zygote or a child that died."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.update(map(int, (task / "children").read_text().split()))
        except OSError:
            continue  # the thread has just ended, or the kernel was built without this file
    return sorted(found - known)


def end_strangers(known: set[int]) -> list[int]:
    """End and reap all strangers, also those that a stranger was just about to make."""
    ended: list[int] = []
    while alien := strangers(known):
        end(alien)
        ended += alien
    return ended


def end(pids: Iterable[int]) -> None:
    """Kill and reap children of this process."""
    for pid in pids:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def group_of(pid: int) -> int:
    """The process group that a process is in; 0 when it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
