"""A program as its actor has it: the keeper's process, the line to it, and the pipe with what the program prints."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from actors.programs import keeper
from actors.programs.launch import Launch

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Started:
    """It runs, in a session and process group of its own."""

    pid: int


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be started: what was tried last, and what the system said."""

    step: str
    errno: int


@dataclass(frozen=True, slots=True)
class Ended:
    """It and everything that it had started is gone; `left` processes had outlived it."""

    code: int | None
    signal: int = 0
    left: int = 0

    def __str__(self) -> str:
        if self.code is not None:
            return f"exit code {self.code}"
        try:
            return f"killed by {signal.Signals(self.signal).name}"
        except ValueError:
            return f"killed by signal {self.signal}"


@dataclass(frozen=True, slots=True)
class Lost:
    """The keeper is gone without a word; the program is being killed."""


News = Started | Failed | Ended | Lost


class Kept:
    """Starts it. Raises OSError when the system has no process or descriptor to give."""

    def __init__(self, launch: Launch) -> None:
        self.pid = 0
        self._over = False
        with ExitStack() as ours, ExitStack() as theirs:
            self.output, output = os.pipe()
            ours.callback(os.close, self.output)
            theirs.callback(os.close, output)
            self._line, line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.callback(self._line.close)
            theirs.callback(line.close)
            self._keeper = _keeper(launch, line.fileno(), output)
            ours.pop_all()
        os.set_blocking(self.output, False)
        self._line.setblocking(False)

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._line.fileno()

    def news(self) -> News | None:
        """The next thing that the keeper has said."""
        try:
            words = self._line.recv(keeper.LINE_BYTES).decode().split()
        except BlockingIOError:
            return None
        except ConnectionResetError:
            words = []
        match words:
            case ["started", pid]:
                self.pid = int(pid)
                return Started(self.pid)
            case ["failed", step, errno]:
                self._over = True
                return Failed(step, int(errno))
            case ["ended", status, left]:
                self._over = True
                return _ended(int(status), int(left))
        return None if self._over else self._lost()

    def printed(self) -> bytes | None:
        """Some of what it printed; b"" at the end of it, None when there is nothing at the moment."""
        try:
            return os.read(self.output, CHUNK_BYTES)
        except BlockingIOError:
            return None

    def stop(self, number: int) -> None:
        """Ask the program and its process group to end."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._line.send(b"stop %d" % number)

    def processes(self) -> set[int]:
        """Everything below the keeper: the program and all that it started."""
        found: set[int] = set()
        # Who loses its parent meanwhile becomes the keeper's own child, and is seen in the next round.
        while new := keeper.children(self._keeper.pid) - found:
            while new:
                found |= new
                new = set[int]().union(*map(keeper.children, new)) - found
        return found

    def close(self) -> None:
        """Let go of it; what still runs is killed."""
        self._line.close()
        self._keeper.wait()  # it kills and goes
        os.close(self.output)

    def _lost(self) -> Lost:
        """Somebody killed the keeper. Its last signal has killed the program, unless that has changed its user."""
        if self.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return Lost()


def _ended(status: int, left: int) -> Ended:
    if os.WIFSIGNALED(status):
        return Ended(None, os.WTERMSIG(status), left)
    return Ended(os.WEXITSTATUS(status), 0, left)


def _keeper(launch: Launch, line: int, output: int) -> "subprocess.Popen[bytes]":
    who = launch.account
    ids = (str(who.user), str(who.group), ",".join(map(str, who.groups))) if who else ("", "", "")
    return subprocess.Popen(
        # no imports of the house: it is there in 15 ms and knows nothing that could break it
        [sys.executable, "-I", "-S", keeper.__file__, str(line), *ids, launch.directory, *launch.command],
        env=dict(launch.environment),
        pass_fds=[line],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,  # Ctrl-C is for the root alone
    )
