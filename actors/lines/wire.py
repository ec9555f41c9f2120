"""The wire: the open port with its silences, and the one exchange that runs on it.

    LOST ──open──> SILENT ──start──> RUNNING ──answer, or its time is over──> not silent yet ──free_at──> SILENT
      ▲                │                │
      └── unplugged, or the port takes no bytes; opened again after a back-off

A request is sent after a silence, when nothing more lies in the port. After a time-out the silence is longer, and a
late answer that comes in it is heard to its end, unless that is longer than any frame.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from actors.lines.port import Port, opened
from actors.lines.settings import Settings
from actors.lines.standing import Ended
from transports.backoff import Backoff
from transports.clock import Clock
from transports.errors import LinkDown
from transports.line_answers import Awaited
from transports.line_messages import Request
from transports.mailbox import Mailbox, Timer

log = logging.getLogger("holdfast.line")
REOPEN = Backoff(first_s=0.5, ceiling_s=5.0)  # to look for a missing port costs nothing
SETTLED_CHARACTERS = 300  # more than the longest frame: who talks on after that is not awaited
_DRAINED_CHUNKS = 16  # more than the kernel holds; a line that babbles must not keep the owner


@dataclass(frozen=True, slots=True)
class Exchange:
    """What runs, since when and until when (monotonic). `patience_s` is how long after the request it may take."""

    request: Request
    awaited: Awaited
    begun_at: float
    patience_s: float


@dataclass(frozen=True, slots=True)
class Over:
    """How an exchange ended: the answer, or what else was heard, in words. `cost_s` is with the silence after it."""

    how: Ended
    answer: bytes
    heard: str
    patience_s: float
    round_trip_s: float
    cost_s: float
    noise_bytes: int


class Wire:
    """`over` and `lost` are told what happens; within them the next exchange may be started."""

    def __init__(
        self,
        settings: Settings,
        mailbox: Mailbox,
        clock: Clock,
        over: Callable[[Over], None],
        lost: Callable[[str], None],
    ) -> None:
        self._settings, self._mailbox, self._clock = settings, mailbox, clock
        self._tell_over, self._tell_lost = over, lost
        self._port: Port | None = None
        self._running: Exchange | None = None
        self._until: Timer | None = None  # the time of what runs is over
        self._settled_by = 0.0
        self._attempts = 0
        self._closed = False
        self.free_at = 0.0
        self.garbage_bytes, self.opened = 0, 0
        self.last_error = ""

    @property
    def is_open(self) -> bool:
        return self._port is not None

    @property
    def is_running(self) -> bool:
        return self._running is not None

    # --- the port ----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the port, now or as soon as there is one."""
        if self._closed:
            return
        try:
            self._port = opened(self._settings)
        except LinkDown as down:
            self._lose(str(down))
            return
        if self.last_error:
            log.warning("%s is open again", self._settings.port)
        self.last_error, self._attempts = "", 0
        self.opened += 1
        self.free_at = self._clock.now() + self._settings.silence_s
        self._mailbox.when_readable(self._port.fileno(), self._hear)

    def close(self) -> None:
        """Give the port back, for good."""
        self._closed = True
        self._let_go()

    def _lose(self, why: str) -> None:
        if why != self.last_error:
            log.warning("%s", why)
        self.last_error = why
        self._let_go()
        self._mailbox.at(self._clock.now() + REOPEN.delay_s(self._attempts, random.random()), self.open)
        self._attempts += 1
        self._tell_lost(why)

    def _let_go(self) -> None:
        port, self._port, self._running = self._port, None, None
        if self._until is not None:
            self._until.cancel()
        if port is not None:
            self._mailbox.forget(port.fileno())
            port.close()

    # --- the exchange that runs --------------------------------------------------------------------------------------

    def start(self, request: Request) -> None:
        """Send a request on the line, which is open and free.

        The driver takes it at once, but the line does not: the wait for the answer begins when the last character is
        out. Of a broadcast nothing is awaited but the silence after it.
        """
        port, settings = self._port, self._settings
        assert port is not None
        try:
            self._drain(port)
            now = self._clock.now()
            port.send(request.frame)
        except LinkDown as gone:
            self._lose(str(gone))
            return
        awaited = Awaited(request.frame, request.rule, settings.echo)
        patience_s = min(request.timeout_s, settings.timeout_s) if awaited.expected else 0.0
        self._running = Exchange(request, awaited, now, patience_s)
        sent_at = now + len(request.frame) * settings.character_s
        self._until = self._mailbox.at(sent_at + patience_s, self._time_is_over)

    def _drain(self, port: Port) -> None:
        """What lies in the port though nobody had asked for it: a late answer, or noise."""
        for _ in range(_DRAINED_CHUNKS):
            chunk = port.read()
            if not chunk:
                return
            self.garbage_bytes += len(chunk)

    def _hear(self) -> None:
        if self._port is None:
            return
        try:
            chunk = self._port.read()
        except LinkDown as gone:
            self._lose(str(gone))
            return
        if self._running is None:
            self._hear_unasked(chunk)
        elif (answer := self._running.awaited.feed(chunk)) is not None:
            self._end(Ended.ANSWERED, self._settings.silence_s, answer)

    def _hear_unasked(self, chunk: bytes) -> None:
        """Somebody talks out of turn, such as a slave that is late: the line is not silent yet."""
        if chunk:
            self.garbage_bytes += len(chunk)
            self.free_at = max(self.free_at, min(self._clock.now() + self._settings.silence_s, self._settled_by))

    def _time_is_over(self) -> None:
        running, settings = self._running, self._settings
        if running is None:
            return
        if running.awaited.expected:
            self._end(Ended.MISSED, settings.silence_s + settings.late_s, heard=running.awaited.gave_up())
        else:
            self._end(Ended.SENT, settings.silence_s)

    def _end(self, how: Ended, silence_s: float, answer: bytes = b"", heard: str = "") -> None:
        running, self._running = self._running, None
        if running is None:
            return
        if self._until is not None:
            self._until.cancel()
        now = self._clock.now()
        self.free_at = now + silence_s
        self._settled_by = self.free_at + SETTLED_CHARACTERS * self._settings.character_s
        noise, begun_at = running.awaited.noise_bytes, running.begun_at
        self.garbage_bytes += noise
        self._tell_over(Over(how, answer, heard, running.patience_s, now - begun_at, self.free_at - begun_at, noise))
