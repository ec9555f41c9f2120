"""Far ends that can be killed and started again at the same address, each made of one or several parts.

    DOWN ──start──> STARTING (its parts one after the other, each when the one before is ready) ──> UP ──kill──> DOWN

Nothing here waits: `look` is called again and again from one thread, which has to live as long as the far ends (the
kernel kills them when the thread that started them ends).
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.field.periods import Span
from tests.peers.mosquitto import Mosquitto

HOUSE = Path(__file__).parents[2]
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
LEAST_DEAD_S = 1.0


class Part(Protocol):
    """One thing that a far end is made of."""

    def start(self) -> None: ...

    def ready(self) -> bool:
        """Whether a driver can connect. Raises RuntimeError when it never will."""
        ...

    def kill(self) -> None:
        """At once, without a farewell. May be called twice."""
        ...


class Process:
    """A process that prints a line when it is ready. `words` follow the interpreter; it inherits `descriptors`.

    `link` names its terminal, and goes with it, as udev has it: the number of a terminal that is gone is given to the
    next one that anybody opens, and a link that stayed would name that.
    """

    def __init__(self, log: Path, *words: str, descriptors: Sequence[int] = (), link: Path | None = None) -> None:
        self._log, self._words, self._descriptors, self._link = log, words, descriptors, link
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._words],
                cwd=HOUSE,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self._descriptors,
                start_new_session=True,
                preexec_fn=lambda: _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
            )

    def ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{' '.join(self._words)} ended with {self._process.returncode}: {self.said()[-500:]}")
        return "\n" in self.said()

    def said(self) -> str:
        """All that it has printed since it was started."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if self._link is not None:
                self._link.unlink(missing_ok=True)
            process.kill()
            process.wait()


def simulator(log: Path, name: str, link: Path | None = None, **settings: str | int) -> Process:
    """`holdfast simulate NAME KEY=VALUE ...`, one of which is the link, if it has one."""
    words = [f"{key}={value}" for key, value in ({"link": link, **settings} if link else settings).items()]
    return Process(log, "-m", "supervisors.cli", "simulate", name, *words, link=link)


class Broker:
    """A Mosquitto; `start` waits for it, which takes a tenth of a second."""

    def __init__(self, mosquitto: Mosquitto) -> None:
        self._mosquitto = mosquitto

    def start(self) -> None:
        self._mosquitto.start()

    def ready(self) -> bool:
        return True

    def kill(self) -> None:
        self._mosquitto.kill()


class Fault:
    """A simulated device inside of the gateway, by its control file: being dead is the fault `down`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def start(self) -> None:
        self._file.write_text("")

    def ready(self) -> bool:
        return True

    def kill(self) -> None:
        self._file.write_text("down")


class Program:
    """A program that the gateway itself starts: dead, it is not there to be started either."""

    def __init__(self, path: Path, pid_file: Path, *words: str) -> None:
        self._path, self._pid_file = path, pid_file
        self._text = f'#!/bin/sh\ncd "{HOUSE}" && exec "{sys.executable}" {" ".join(words)}\n'

    def start(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(self._text)
        fresh.chmod(0o755)
        fresh.replace(self._path)

    def ready(self) -> bool:
        return True

    def kill(self) -> None:
        self._path.unlink(missing_ok=True)
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(self._pid_file.read_text()), signal.SIGKILL)
            self._pid_file.unlink()


class FarEnd:
    """See the module's note. `outages` are those that are over; the one at the very beginning is none of them."""

    def __init__(self, name: str, *parts: Part, least_dead_s: float = LEAST_DEAD_S) -> None:
        self.name, self._parts, self.least_dead_s = name, parts, least_dead_s
        self.is_up, self._started = False, 0
        self._start_at_s: float | None = time.monotonic()
        self._dead_since_ns = 0
        self.outages: list[Span] = []

    @property
    def outage(self) -> Span | None:
        """The present one, until now; None while it is up."""
        return None if self.is_up else Span(self._dead_since_ns, time.time_ns())

    def kill(self, dead_s: float) -> None:
        """SIGKILL, and have `look` start it again in so many seconds."""
        self._dead_since_ns = time.time_ns()
        self._end_parts()
        self._start_at_s = time.monotonic() + dead_s

    def look(self) -> None:
        """Go on with starting, as far as it gets without waiting. Raises RuntimeError when a part has ended."""
        if self.is_up or self._start_at_s is None or time.monotonic() < self._start_at_s:
            return
        while not self._started or self._parts[self._started - 1].ready():
            if self._started == len(self._parts):
                self.is_up = True
                self.outages += [Span(self._dead_since_ns, time.time_ns())] if self._dead_since_ns else []
                return
            self._parts[self._started].start()
            self._started += 1

    def end(self) -> None:
        """Kill it for good."""
        self._end_parts()
        self._start_at_s = None

    def _end_parts(self) -> None:
        for part in reversed(self._parts):
            part.kill()
        self.is_up, self._started = False, 0
