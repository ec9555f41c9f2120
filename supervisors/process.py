"""Processes, as the root sees them: asked from the zygote, watched by pidfd, signalled, reaped.

A pidfd is readable when its process has ended and never means another process, as a pid may. All children are the
root's own (see zygote.py), so only the root reaps them, and only those it knows; whatever else it finds among its
children was left by a zygote or a child that died, and is ended.

What needs a descriptor or memory here may be refused (EMFILE, ENFILE, ENOMEM, EAGAIN): then it raises OSError, and
leaves nothing half made.
"""

import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgpack

LAST_END = 600  # characters, of how a child ended: a request has 4096 bytes at most
WITHIN_MS = 100  # for a process to go after SIGKILL; it takes one, unless it hangs in the kernel


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

    def reap(self) -> "Exit":
        """How it ended; call once, after its pidfd became readable."""
        result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)
        assert result is not None
        return Exit(result.si_status) if result.si_code == os.CLD_EXITED else Exit(None, result.si_status)


@dataclass(frozen=True, slots=True)
class Exit:
    """An exit code, or the signal that ended it."""

    code: int | None
    signal: int = 0

    def __str__(self) -> str:
        if self.code is not None:
            return f"exit code {self.code}"
        try:
            return f"killed by {signal.Signals(self.signal).name}"
        except ValueError:
            return f"killed by signal {self.signal}"


def watched(pid: int) -> Process:
    """A handle on a child of this process. Raises OSError: ProcessLookupError when there is no such process."""
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

    def ask(self, token: int, name: str, last_end: str) -> bool:
        """Request a process; the answer comes as Born. False when the zygote is gone or too far behind."""
        try:
            self._requests.send(msgpack.packb([token, name, last_end[:LAST_END]]), socket.MSG_DONTWAIT)
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
            except OSError:  # the system is short of memory; it is still readable, so this is asked again
                return born
            if not answer:
                return born
            born.append(Born(*msgpack.unpackb(answer)))

    def close(self) -> None:
        """Let it end by itself: it sees the end of its requests."""
        self._requests.close()


def start_zygote(run_dir: Path, modules: Sequence[str]) -> Zygote:
    """Start a zygote by exec; it answers Born(0, ...) when it can fork. Raises OSError when the system has no process
    or no descriptor for it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with theirs:
            return Zygote(_executed(theirs, run_dir, modules), ours)
    except OSError:
        ours.close()
        raise


def _executed(theirs: socket.socket, run_dir: Path, modules: Sequence[str]) -> Process:
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
    started = subprocess.Popen(
        command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env={**os.environ, **quiet}
    )
    return adopted(started)


def adopted(started: subprocess.Popen[bytes]) -> Process:
    """A process that was just started, watched. Raises OSError when it cannot be watched; it has been ended then."""
    try:
        process = watched(started.pid)
    except OSError:
        started.kill()
        started.wait()
        raise
    started.returncode = 0  # reaped here through the pidfd; keeps subprocess from waiting for it too
    return process


def strangers(known: set[int]) -> set[int]:
    """Children of this process that nobody here knows: left by a zygote or a child that died. Raises OSError when the
    list of them cannot be had."""
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        try:
            found |= _children(task)
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has just ended, or the kernel was built without this file
    return found - known


def newest_strangers(known: set[int]) -> set[int]:
    """Those of them that are the main thread's, as all are that the kernel hands over, in a fraction of the time.
    Raises OSError like `strangers`."""
    try:
        return _children(str(os.getpid())) - known
    except FileNotFoundError:
        return set()


def _children(task: str) -> set[int]:
    descriptor = os.open(f"/proc/self/task/{task}/children", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = b""
        while part := os.read(descriptor, 1 << 16):
            text += part
        return {int(pid) for pid in text.split()}
    finally:
        os.close(descriptor)


def end_strangers(known: set[int]) -> list[int]:
    """End and reap all strangers, also those that a stranger was just about to make. Raises OSError like `strangers`.

    One that SIGKILL does not end at once (it waits for a disk or a driver) is left for the next time.
    """
    ended: list[int] = []
    left: set[int] = set()
    while aliens := strangers(known) - left:
        left |= end(aliens)
        ended += aliens - left
    return sorted(ended)


def end(pids: Iterable[int]) -> set[int]:
    """Kill and reap children of this process; those of them that are still there WITHIN_MS later."""
    left = set(pids)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for _ in range(WITHIN_MS):
        left = {pid for pid in left if not reaped(pid)}
        if not left:
            break
        select.select([], [], [], 0.001)
    return left


def reaped(pid: int) -> bool:
    """Whether this child has ended, and then takes it from the system's list; never waits."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # it is reaped already, or was never ours
        return True


def group_of(pid: int) -> int:
    """The process group that a process is in; 0 when it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def open_the_limit() -> int:
    """Let this process, and those it starts, have as many descriptors as the system grants; how many that is.

    The usual soft limit of 1024 (RLIMIT_NOFILE) is there for programs that use select(2); the root of 500 children
    needs more.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
