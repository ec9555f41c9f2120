"""A program of another maker as a child: started, seen to be ready, its output in the log, its end told.

    begin ──> keeper ──started──> waits for its sign ──> ready ──> ended: code 0 ──> stops
                └──failed──> dies                          └─────> ended otherwise ──> dies

The actor is what the root supervises; the program lives and dies with it (see programs/__init__.py). Asked to leave, it
passes on `stop_signal` and waits for the end; how long that may take is the root's to say. A program that ends with
exit code 0 has ended as it meant to, which is a normal end; any other is the actor's death, with the last line that
the program printed.
"""

import logging
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from actors.actor import Actor, Fate, Place
from actors.program_settings import Settings
from actors.programs.kept import Ended, Failed, Kept, Lost, Started
from actors.programs.launch import looked_up, refusal
from actors.programs.output import Flow, Lines
from actors.programs.readiness import Sign
from actors.programs.watch import Watch
from transports.building import build
from transports.errors import HoldfastError

log = logging.getLogger("holdfast.program")
TELL_S = 1.0  # how long a hole in the log grows before it is told
PIPE_CHUNKS = 16  # the largest pipe that a program may make of its output (1 MiB, pipe(7)), in reads
QUOTE_LETTERS = 200  # of the program's last line, in the reason of its death


@dataclass(frozen=True, slots=True)
class Work:
    """What a program's process is told: the table of its configuration."""

    settings: Mapping[str, Any]


class Program(Actor):
    """See the module's note."""

    ready_at_once = False

    def __init__(self, place: Place, fate: Fate, work: Work) -> None:
        super().__init__(place, fate)
        self._path = f"program.{place.name}"
        self._settings = build(Settings, work.settings, self._path)
        self._kept: Kept | None = None
        self._watch = Watch(self._settings, self.mailbox, place.clock, self.ready)
        self._lines, self._flow = Lines(), Flow(place.clock.now())
        self._printed, self._last_line = 0, ""
        self._leaving = False

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        launch = looked_up(self._settings, self._path, os.environ, os.geteuid())
        self._watch.begin(self._path)
        self._kept = Kept(launch)
        self.mailbox.when_readable(self._kept.fileno(), self._hear)

    def leave(self) -> None:
        self._leaving = True
        self._watch.close()
        if self._kept is not None:
            self._kept.stop(signal.Signals[self._settings.stop_signal])

    def end(self) -> None:
        if self._kept is not None:
            self._let_go(self._kept)

    def state(self) -> Mapping[str, Any]:
        kept = self._kept
        processes = kept.processes() if kept is not None else set()
        return {
            "program_pid": kept.pid if kept is not None else 0,
            "processes": len(processes),
            "rss_bytes": sum(map(_rss_bytes, processes)),
            "lines": self._printed,
            "left_out": self._flow.left_out,
        }

    def _let_go(self, kept: Kept) -> None:
        self._kept = None
        self._watch.close()
        self.mailbox.forget(kept.fileno())
        self.mailbox.forget(kept.output)
        kept.close()

    # --- what becomes of it ------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        kept = self._kept
        news = kept.news() if kept is not None else None
        if kept is None or news is None:
            return
        if isinstance(news, Started):
            self._started(kept)
            return
        self._read_all(kept)
        self._let_go(kept)
        match news:
            case Failed(step, errno):
                raise refusal(self._settings, self._path, step, errno)
            case Ended():
                self._ended(news)
            case Lost():
                raise HoldfastError(f"{self.place.name}: the keeper of the program was killed, and the program with it")

    def _started(self, kept: Kept) -> None:
        program = self._settings.command[0]
        log.info("started %s as process %d; to be ready it must %s", program, kept.pid, self._watch.readiness)
        self.mailbox.when_readable(kept.output, self._read)
        self._watch.started()

    def _ended(self, how: Ended) -> None:
        if self._leaving:
            log.info("the program has ended: %s", how)
            self.stop()
        elif (why := self._abnormal(how)) is not None:
            quote = f"; it printed last: {self._last_line[:QUOTE_LETTERS]}" if self._last_line else ""
            raise HoldfastError(f"{self.place.name}: {how}{why}{quote}")
        else:
            if not self._watch.readiness.seen:
                self.ready()  # it did what it was for, more quickly than it could settle
            log.info("the program has ended by itself: %s%s", how, _left(how))
            self.stop()

    def _abnormal(self, how: Ended) -> str | None:
        """What is wrong with this end, to stand behind its exit code; None when nothing is."""
        awaited = self._watch.readiness
        if how.code == 0 and not awaited.seen and how.left:
            return f"{_left(how)}: it must stay in the foreground"
        if how.code == 0 and (awaited.seen or awaited.awaited is Sign.TIME):
            return None
        if awaited.seen or awaited.awaited is Sign.TIME:
            return _left(how)
        return f"{_left(how)} before it was ready: it {awaited.missing()}"

    # --- what it prints ----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        kept = self._kept
        if kept is None:
            return
        chunk = kept.printed()
        if chunk == b"":
            self.mailbox.forget(kept.output)
        elif chunk is not None:
            self._take(chunk)

    def _read_all(self, kept: Kept) -> None:
        """What it had printed before its end; nobody is left who could add to it."""
        for _ in range(PIPE_CHUNKS):  # at most: one that could not be ended may still print
            self._take(kept.printed() or b"")
        for line in self._lines.end():
            self._line(line)
        self._tell_hole()

    def _take(self, chunk: bytes) -> None:
        if self._flow.untold and not self._watch.reads:
            count, last = self._lines.skip(chunk)
            self._flow.leave_out(count)
            self._printed += count
            self._last_line = last or self._last_line
            return
        for line in self._lines.feed(chunk):
            self._line(line)

    def _line(self, line: str) -> None:
        self._printed += 1
        self._last_line = line
        whole = not self._flow.untold
        if self._flow.admits(line, self.place.clock.now()):
            log.info("%s", line)
        elif whole:
            self.mailbox.at(self.place.clock.now() + TELL_S, self._tell_hole)
        self._watch.printed(line)

    def _tell_hole(self) -> None:
        if count := self._flow.told():
            log.warning("%d lines of its output are left out: it prints more than the log takes", count)


def _left(how: Ended) -> str:
    return f"; {how.left} of its processes ran on in the background and were ended" if how.left else ""


def _rss_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
