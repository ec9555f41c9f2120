"""Looks for the sign by which a program shows that it is ready; what counts as ready is decided in readiness.py."""

import re
from collections.abc import Callable
from pathlib import Path

from actors.program_settings import Settings
from actors.programs.port import Port
from actors.programs.readiness import Readiness, Sign, awaiting, passed, saw
from transports.clock import Clock
from transports.errors import Problem, SettingsError
from transports.mailbox import Mailbox

# Between looks for a sign that does not come by itself: a quarter of the time that it has taken so far, within these
LOOK_S, LOOK_CEILING_S = 0.01, 0.25


class Watch:
    """Over one program: `begin` before it is started, `started`, and each line that it has `printed`.

    `ready` is called once, when the sign was seen before `close`.
    """

    def __init__(self, settings: Settings, mailbox: Mailbox, clock: Clock, ready: Callable[[], None]) -> None:
        self._mailbox, self._clock, self._ready = mailbox, clock, ready
        self._port: Port | None = None
        self._file: Path | None = None
        self._pattern: re.Pattern[str] | None = None
        self._file_before: tuple[int, ...] | None = None
        self._started_at = 0.0
        self._closed = False
        self.readiness = self._awaited(settings)

    def begin(self, path: str) -> None:
        """Note what is there before the program: that is no sign of it. Raises SettingsError when its port is taken.

        `path` is where the settings stand in the configuration.
        """
        self._file_before = self._file_now()
        if self._port is not None and self._port.is_taken():
            cure = "another program listens there; end that one, or let them have different ports"
            raise SettingsError(Problem(f"{path}.ready.port", repr(self._port.name), cure))

    def started(self) -> None:
        """It runs now."""
        self._started_at = self._clock.now()
        if self.readiness.awaited is Sign.TIME:
            self.readiness = awaiting(Sign.TIME, self.readiness.what, self._started_at)
        self._look()

    def printed(self, line: str) -> None:
        """It has printed this."""
        if self.reads and self._pattern is not None and self._pattern.search(line):
            self._saw(Sign.LINE)

    @property
    def reads(self) -> bool:
        """Whether every line that it prints has to be `printed` to here."""
        return self._pattern is not None and not self.readiness.seen

    def close(self) -> None:
        """Whatever it shows from now on, it is not wanted ready any more."""
        self._closed = True
        if self._port is not None:
            self._port.close()

    def _awaited(self, settings: Settings) -> Readiness:
        now, ready = self._clock.now(), settings.ready
        if ready is None:
            return awaiting(Sign.TIME, settings.settle_s, now)
        if ready.address is not None:
            self._port = Port(ready.address, self._mailbox, self._clock)
            return awaiting(Sign.PORT, self._port.name, now)
        if ready.file is not None:
            self._file = (settings.directory or Path()) / ready.file
            return awaiting(Sign.FILE, str(self._file), now)
        assert ready.line is not None
        self._pattern = re.compile(ready.line)
        return awaiting(Sign.LINE, ready.line, now)

    def _look(self) -> None:
        """Look for the awaited sign, until it is there; a line comes by itself."""
        if self._closed or self.readiness.seen or self._pattern is not None:
            return
        now = self._clock.now()
        if self._port is not None:
            self._port.knock(lambda: self._saw(Sign.PORT))
        elif self._file is not None and self._file_now() not in (None, self._file_before):
            self._saw(Sign.FILE)
        else:
            self._now_is(passed(self.readiness, now))
        pause_s = min(LOOK_CEILING_S, max(LOOK_S, (now - self._started_at) / 4))
        self._mailbox.at(max(now + pause_s, self.readiness.settled_at), self._look)

    def _saw(self, sign: Sign) -> None:
        self._now_is(saw(self.readiness, sign))

    def _now_is(self, readiness: Readiness) -> None:
        before, self.readiness = self.readiness, readiness
        if readiness.seen and not before.seen and not self._closed:
            self._ready()

    def _file_now(self) -> tuple[int, ...] | None:
        """Which file is there now: one that an earlier run left says nothing of this one."""
        if self._file is None:
            return None
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns
