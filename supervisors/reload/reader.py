"""Having a configuration read by another process, watched in the root's loop: it may print, hang or die.

The answer comes in a memory file, so nothing has to be drained while it is written; the process's pidfd tells when.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from supervisors.process import Process, adopted
from supervisors.reload.reading import command
from supervisors.reload.texts import Source
from supervisors.reload.wire import Reading, Unread, unpack
from transports.clock import Clock
from transports.errors import NotUnderstood
from transports.mailbox import Mailbox, Timer

WITHIN_S = 60.0  # a stranger's module has 10 s to be imported (trial.py), and there may be several
MAX_BYTES = 64 * 2**20  # far beyond any gateway; what is longer is no configuration

Then = Callable[[Reading | Unread], None]


@dataclass(slots=True)
class _Running:
    process: Process
    answer: int
    deadline: Timer
    then: Then
    overdue: bool = False


class Reader:
    """Reads one at a time. `scratch` is a directory for the text while it is looked at."""

    def __init__(self, source: Source, scratch: Path, clock: Clock, mailbox: Mailbox) -> None:
        self._source, self._scratch, self._clock, self._mailbox = source, scratch, clock, mailbox
        self._running: _Running | None = None

    def pids(self) -> set[int]:
        """Of the process that reads now: it is the root's child, and no stranger."""
        return {self._running.process.pid} if self._running is not None else set()

    def read(self, text_file: Path, then: Then, within_s: float = WITHIN_S) -> None:
        """Read that text as a new CONFIG; `then` is called in the loop, once. Raises OSError if it cannot begin."""
        assert self._running is None
        answer = os.memfd_create("configuration")
        try:
            process = self._started(text_file, answer)
        except OSError:
            os.close(answer)
            raise
        deadline = self._mailbox.at(self._clock.now() + within_s, self._overdue)
        self._running = _Running(process, answer, deadline, then)
        self._mailbox.when_readable(process.pidfd, self._ended)

    def end(self) -> None:
        """Nobody wants the answer any more: end it, if it runs."""
        if self._running is not None:
            self._running.process.send(signal.SIGKILL)
            self._over(self._running)

    def _started(self, text_file: Path, answer: int) -> Process:
        started = subprocess.Popen(
            command(sys.executable, text_file, self._source, self._scratch, answer),
            pass_fds=[answer],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        return adopted(started)

    def _overdue(self) -> None:
        if self._running is not None:
            self._running.overdue = True
            self._running.process.send(signal.SIGKILL)

    def _ended(self) -> None:
        running = self._running
        assert running is not None
        told = _answer(running.answer)
        how = self._over(running)
        if running.overdue:
            told = Unread(why="reading the configuration takes too long; a driver's module may hang when imported")
        running.then(told or Unread(why=f"the process that reads the configuration ended without an answer ({how})"))

    def _over(self, running: _Running) -> str:
        self._running = None
        running.deadline.cancel()
        self._mailbox.forget(running.process.pidfd)
        os.close(running.answer)
        return str(running.process.reap())


def _answer(descriptor: int) -> Reading | Unread | None:
    size = os.fstat(descriptor).st_size
    if not 0 < size <= MAX_BYTES:
        return None
    try:
        return unpack(os.pread(descriptor, size, 0))
    except NotUnderstood:
        return None
