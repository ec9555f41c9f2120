"""The commands of one device: taken, checked, executed one at a time between two readings, and their outcomes told.

    take ──> waiting (in order, each with its time) ──next──> begun ──write──> awaited: reads as written? ──> ended

The device says when its link comes and goes, and what was read; see the package's note for what is promised.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from actors.commanding.checks import Ending, fitted, reads_as, refusal, type_of
from actors.commanding.journal import BEGUN, Journal
from transports.clock import Clock
from transports.errors import Down, HoldfastError, LinkDown, LinkRefused, LinkTimeout
from transports.links import Commanded, Link
from transports.mailbox import Mailbox, Timer
from transports.messages import Command, Deed, Outcome
from transports.names import ROOT
from transports.samples import Batch, Value

log = logging.getLogger("holdfast.commands")
WAITING_MOST = 100
READ_BACK_WITHIN_S = 5.0  # a valve takes seconds; what has not moved by then has not obeyed
RESTARTED = "the device's process ended over it; whether it was executed is not known"


@dataclass(frozen=True, slots=True)
class Device:
    """What commands need of the device: its link of the moment, a reading soon, and where to say that it is lost."""

    name: str
    link: Callable[[], Link | None]
    read_soon: Callable[[], None]
    link_lost: Callable[[LinkDown], None]


@dataclass(slots=True)
class _Awaited:
    """A command that was written and must be read back."""

    command: Command
    value: Value
    timer: Timer
    read: Value | None = None


class Commands:
    """See the module's note. Everything is told to whoever sent the key, and to the root for the audit."""

    def __init__(self, mailbox: Mailbox, clock: Clock, journal: Path, device: Device) -> None:
        self._mailbox, self._clock, self._device = mailbox, clock, device
        self._journal = Journal(journal)
        self._waiting: deque[Command] = deque()
        self._senders: dict[str, set[str]] = {}
        self._awaited: _Awaited | None = None
        self._expiry: Timer | None = None
        self.done = self.refused = 0
        for line in self._journal.unfinished():
            self._close(Command(line.key, "", None, 0.0), Ending.UNKNOWN, RESTARTED)

    @property
    def waiting(self) -> int:
        """Commands that have no outcome yet."""
        return len(self._waiting) + (self._awaited is not None)

    def tally(self) -> dict[str, int]:
        """What the device tells of its commands."""
        return {"commands_done": self.done, "commands_not_done": self.refused, "commands_waiting": self.waiting}

    def take(self, sender: str, command: Command) -> None:
        """A command came; its outcome goes to the sender, sooner or later."""
        line = self._journal.find(command.key)
        if line is not None and line.outcome != BEGUN:
            self._tell(sender, Outcome(command.key, line.outcome, line.detail))
            return
        already = command.key in self._senders
        self._senders.setdefault(command.key, set()).add(sender)
        if already:
            return
        if len(self._waiting) >= WAITING_MOST:
            self._close(command, Ending.REJECTED, f"{WAITING_MOST} commands wait for this device already")
            return
        self._waiting.append(command)
        self.go_on()

    def go_on(self) -> None:
        """The link came, or a command ended: execute the next one that can be."""
        while self._waiting and self._awaited is None:
            command, now = self._waiting[0], self._clock.now()
            if now < command.until_s and self._device.link() is None:
                break
            self._waiting.popleft()
            self._execute(command, now)
        self._watch_expiry()

    def saw(self, batches: Sequence[Batch]) -> None:
        """Something was read: perhaps what was written."""
        awaited = self._awaited
        if awaited is None:
            return
        for value in _readings(batches, awaited.command.tag):
            awaited.read = value
            if value is not None and reads_as(awaited.value, value):
                self._answered(Ending.DONE, f"reads {value!r:.60}")
                return

    def lost(self, why: str) -> None:
        """The link is gone, and with it what was to be read back."""
        if self._awaited is not None:
            self._answered(Ending.UNKNOWN, f"written, but the connection was lost before it was read back: {why}")

    def end(self) -> None:
        """This process ends in order: what has not begun is not executed."""
        while self._waiting:
            self._close(self._waiting.popleft(), Ending.REJECTED, "the device was stopped; it was not executed")
        if self._awaited is not None:
            self._answered(Ending.UNKNOWN, "written, but the device was stopped before it was read back")
        self._journal.close()

    # --- one command -------------------------------------------------------------------------------------------------

    def _execute(self, command: Command, now: float) -> None:
        link = self._device.link()
        if now >= command.until_s or link is None:
            why = (
                "its time was over before it was its turn"
                if link is not None
                else "the device was not connected in time"
            )
            self._close(command, Ending.EXPIRED, why)
            return
        writable = link.writable if isinstance(link, Commanded) else {}
        refused = refusal(command, writable, link.tags)
        if refused:
            self._close(command, Ending.REJECTED, refused)
            return
        try:
            self._journal.begin(command.key, self._clock.utc_ns(), command.lasting)
        except HoldfastError as unsafe:
            self._close(command, Ending.REJECTED, f"not executed, or it might be twice after a crash: {unsafe}")
            return
        self._write(link, command, fitted(command.value, type_of(command.tag, link.tags)))

    def _write(self, link: Link, command: Command, value: Value) -> None:
        if self._clock.now() >= command.until_s:  # a slow disk
            self._close(command, Ending.EXPIRED, "its time was over when the journal was written")
            return
        try:
            link.write(command.tag, value)
        except LinkRefused as refused:
            self._close(command, Ending.REJECTED, str(refused))
        except LinkTimeout as late:
            self._close(command, Ending.UNKNOWN, f"no answer from the device: {late}")
        except LinkDown as down:
            self._close(command, Ending.UNKNOWN, f"the connection was lost over it: {down}")
            self._device.link_lost(down)
        else:
            self._written(link, command, value)

    def _written(self, link: Link, command: Command, value: Value) -> None:
        assert isinstance(link, Commanded)
        asked = link.writable[command.tag].read_back if command.read_back is None else command.read_back
        if not asked:
            self._close(command, Ending.DONE, "")
            return
        timer = self._mailbox.at(self._clock.now() + READ_BACK_WITHIN_S, self._not_read_back)
        self._awaited = _Awaited(command, value, timer)
        self._device.read_soon()

    def _not_read_back(self) -> None:
        assert self._awaited is not None
        read = self._awaited.read
        told = "was not read" if read is None else f"reads {read!r:.60}"
        self._answered(Ending.REJECTED, f"written, but {READ_BACK_WITHIN_S:g} s later it {told}")

    def _answered(self, ending: Ending, detail: str) -> None:
        awaited, self._awaited = self._awaited, None
        assert awaited is not None
        awaited.timer.cancel()
        self._close(awaited.command, ending, detail)
        self._mailbox.at(self._clock.now(), self.go_on)

    # --- how it ended ------------------------------------------------------------------------------------------------

    def _close(self, command: Command, ending: Ending, detail: str) -> None:
        self._journal.end(command.key, self._clock.utc_ns(), ending, detail)
        if ending is Ending.DONE:
            self.done += 1
        else:
            self.refused += 1
            log.warning("command %s: %s = %r: %s: %s", command.key, command.tag, command.value, ending.value, detail)
        with suppress(Down):
            self._mailbox.tell(ROOT, Deed(self._device.name, astuple(command), ending.value, detail))
        for sender in self._senders.pop(command.key, ()):
            self._tell(sender, Outcome(command.key, ending.value, detail))

    def _tell(self, sender: str, outcome: Outcome) -> None:
        with suppress(Down):  # whoever is gone can ask again, under the same key
            self._mailbox.back(sender, outcome)

    def _watch_expiry(self) -> None:
        """Look again when the first of those that wait expires."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._waiting:
            self._expiry = self._mailbox.at(min(each.until_s for each in self._waiting), self._expired)

    def _expired(self) -> None:
        self._expiry = None
        now = self._clock.now()
        over = [command for command in self._waiting if command.until_s <= now]
        self._waiting = deque(command for command in self._waiting if command.until_s > now)
        for command in over:
            self._close(command, Ending.EXPIRED, "the device was not connected, or busy, until its time was over")
        self.go_on()


def _readings(batches: Sequence[Batch], tag: str) -> list[Value | None]:
    """What these say of one tag, oldest first; None where it is Bad."""
    found = []
    for batch in batches:
        at = next((at for at, each in enumerate(batch.tags) if each.name == tag), None)
        if at is not None:
            found += [values[at] for _, values, _ in batch.rows()]
    return found
