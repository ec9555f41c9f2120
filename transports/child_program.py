"""A program as a device: started in a process group of its own, heard on its pipes, and never left behind.

    stdout ──lines──> frames           stderr ──> the last line, for the error       stdin <── commands, if it takes any

It dies with us (program_guard.py), with its whole group when we close it. Its output is always read while somebody
reads this: lines longer than `max_line_bytes` are thrown away and counted, of stderr only the end is kept.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from transports.clock import Clock
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.framing import Delimited

_GUARD = Path(__file__).with_name("program_guard.py")
_CHUNK_BYTES = 65_536  # what a pipe holds
_ATOMIC_BYTES = select.PIPE_BUF  # so much is written to a pipe whole or not at all
_KILLED_WITHIN_S = 2.0
# By these systemd talks to holdfast itself: a program that answers in its name would be believed.
_SYSTEMD = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@dataclass(frozen=True, slots=True)
class Start:
    """What to start. `environment` is added to our own; "" is our own directory; `takes_input`: stdin is a pipe."""

    command: Sequence[str]
    environment: Mapping[str, str]
    directory: str
    max_line_bytes: int
    takes_input: bool


class ChildProgram:
    """A running program. Raises LinkDown when the system refuses to start it."""

    def __init__(self, start: Start, clock: Clock) -> None:
        self._clock, self._name = clock, start.command[0]
        self._lines = Delimited(b"\n", start.max_line_bytes)
        self._errors = Delimited(b"\n", 512)
        self.last_error = ""
        self._code: int | None = None
        self._process = _started(start)
        self._end = os.pidfd_open(self._process.pid)  # readable once it has ended
        self._poll = select.epoll()
        self._poll.register(self._end, select.EPOLLIN)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._poll.register(pipe.fileno(), select.EPOLLIN)
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
        self._silent = self._heard = False

    @property
    def lost(self) -> int:
        """Lines thrown away because they were too long."""
        return self._lines.lost

    def fileno(self) -> int:
        """Readable when it has said something or ended; -1 once closed."""
        return -1 if self._poll.closed else self._poll.fileno()

    def said(self, wait_s: float = 0.0) -> list[bytes]:
        """The lines that have become complete; those of stderr are noted. Waits for something at most `wait_s`."""
        lines: list[bytes] = []
        self._heard = False
        for descriptor, _ in self._poll.poll(wait_s):
            if self._process.stdout is not None and descriptor == self._process.stdout.fileno():
                chunk = _read(descriptor)
                self._heard = bool(chunk)
                self._silent = chunk == b""
                lines += self._lines.feed(b"\n" if self._silent else chunk or b"")  # the end also ends the last line
            elif descriptor != self._end:
                self._note(descriptor)
        return [line for line in lines if line.strip()]

    @property
    def over(self) -> bool:
        """Whether nothing more will come: it has closed its output, or ended and all that it said is read."""
        return self._silent or (not self._heard and self.ended(0.0) is not None)

    def ended(self, within_s: float) -> int | None:
        """Its exit code, negative for a signal; None when it still runs after that time.

        It is not reaped before `close`: until then nobody else can have its number, or its group's.
        """
        if self._code is None and select.select([self._end], [], [], within_s)[0]:
            end = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            if end is not None:
                self._code = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
        return self._code

    def how(self, code: int | None) -> str:
        """How it ended, with its last words."""
        if code is None:
            ended = "closed its output, but runs on"
        elif code < 0:
            ended = f"was ended by {_signal_name(-code)}"
        else:
            ended = f"ended with exit code {code}"
        return f"{self._name} {ended}{f': {self.last_error}' if self.last_error else ''}"

    def tell(self, line: bytes, within_s: float) -> None:
        """Write one line to its input. Raises LinkRefused, LinkTimeout, LinkDown."""
        pipe = self._process.stdin
        if pipe is None or len(line) > _ATOMIC_BYTES:
            raise LinkRefused(f"{self._name}: a command has at most {_ATOMIC_BYTES} bytes")
        try:
            if not select.select([], [pipe], [], within_s)[1]:
                raise LinkTimeout(f"{self._name}: it does not read its input (within {within_s:g} s)")
            os.write(pipe.fileno(), line)
        except BlockingIOError as full:
            raise LinkTimeout(f"{self._name}: it does not read its input") from full
        except (OSError, ValueError) as gone:
            raise LinkDown(f"{self.how(self.ended(0.0))}") from gone

    def close(self, grace_s: float) -> None:
        """SIGTERM to its group, after `grace_s` SIGKILL to what is left of it. May be called twice; never raises."""
        if self._poll.closed:
            return
        self._signal(signal.SIGTERM)
        self.ended(grace_s)
        self._signal(signal.SIGKILL)
        self.ended(_KILLED_WITHIN_S)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILLED_WITHIN_S)
        self._poll.close()
        os.close(self._end)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _note(self, descriptor: int) -> None:
        chunk = _read(descriptor)
        if chunk == b"":
            self._poll.unregister(descriptor)
        for line in self._errors.feed(chunk or b"\n"):
            text = line.decode("utf-8", errors="replace").strip()
            self.last_error = "".join(letter for letter in text if letter.isprintable())[:300] or self.last_error


def _read(descriptor: int) -> bytes | None:
    """What is there now, b"" at the end, None when nothing is there yet."""
    try:
        return os.read(descriptor, _CHUNK_BYTES)
    except BlockingIOError:
        return None


def _started(start: Start) -> "subprocess.Popen[bytes]":
    kept = {name: value for name, value in os.environ.items() if name not in _SYSTEMD}
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), start.directory, *start.command],
            stdin=subprocess.PIPE if start.takes_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**kept, **start.environment},
            bufsize=0,
            process_group=0,
        )
    except (OSError, ValueError) as refused:
        raise LinkDown(f"{start.command[0]}: the system refused to start it: {refused}") from refused


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
