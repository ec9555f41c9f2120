"""The commands of one device: taken, checked, executed one at a time between two readings, and their outcomes told.

    take ──> waiting (in order, each with its time) ──next──> begun ──write──> reads as written? ──> ended

Each is executed in a turn of the actor's loop of its own, so that a burst of them holds up no reading and no sign of
life. The device says when its link comes and goes, and what was read; see the package's note for what is promised.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from actors.commanding.answers import RESTARTED, Answers
from actors.commanding.checks import Ending, fitted, refusal, type_of
from actors.commanding.form import can_be_answered, malformed
from actors.commanding.journals import Journals
from actors.commanding.reading_back import ReadingBack
from transports.clock import Clock
from transports.errors import Down, HoldfastError, LinkDown, LinkRefused, LinkTimeout
from transports.links import Commanded, Link
from transports.mailbox import Mailbox, Timer
from transports.messages import Command, Deed
from transports.names import ROOT
from transports.samples import Batch, Value

log = logging.getLogger("holdfast.commands")
WAITING_MOST = 100
TIMEOUTS_IN_A_ROW = 3  # of writes; then the connection itself is suspected, as it is of readings
LOOK_AGAIN_S = 3600.0  # the longest that one timer waits for the end of a command's time
STOPPED = "the device was stopped; it was not executed"


@dataclass(frozen=True, slots=True)
class Device:
    """What commands need of the device: its link of the moment, a reading soon, and where to say that it is lost."""

    name: str
    link: Callable[[], Link | None]
    read_soon: Callable[[], None]
    link_lost: Callable[[LinkDown], None]


class Commands:
    """See the module's note. Everything is told to whoever sent the key, and to the root for the audit."""

    def __init__(self, mailbox: Mailbox, clock: Clock, lasting: Path, passing: Path, device: Device) -> None:
        self._mailbox, self._clock, self._device = mailbox, clock, device
        self._journals = Journals(clock, lasting, passing)
        self._answers = Answers(mailbox, self._journals)
        self._reading_back = ReadingBack(mailbox, clock, device.read_soon, self._read_back)
        self._waiting: deque[Command] = deque()
        self._turn: Timer | None = None
        self._expiry: Timer | None = None
        self._timeouts_in_a_row = 0
        self._is_over = False
        self.done = self.refused = 0
        self._recover()

    @property
    def waiting(self) -> int:
        """Commands that have no outcome yet."""
        return len(self._waiting) + self._reading_back.busy

    def tally(self) -> dict[str, int]:
        """What the device tells of its commands."""
        return {"commands_done": self.done, "commands_not_done": self.refused, "commands_waiting": self.waiting}

    # --- what the device says ----------------------------------------------------------------------------------------

    def take(self, sender: str, command: Command) -> None:
        """A command came; its outcome goes to the sender, sooner or later."""
        wrong = malformed(command)
        if wrong:
            log.warning("a command of %.80s is none: %s", sender, wrong)
            if can_be_answered(command):
                self._answers.tell(sender, command.key, Ending.REJECTED, wrong)
            return
        self._recover()
        if not self._answers.is_known(sender, command):
            self._admit(command)

    def go_on(self) -> None:
        """The link came, or a command came or ended: execute the next one in a turn of its own."""
        if self._turn is None:
            self._turn = self._mailbox.at(self._clock.now(), self._next)

    def saw(self, batches: Sequence[Batch]) -> None:
        """Something was read: perhaps what was written."""
        self._reading_back.saw(batches)

    def lost(self, why: str) -> None:
        """The link is gone, and with it what was to be read back."""
        self._timeouts_in_a_row = 0
        self._reading_back.give_up(f"the connection was lost before it was read back: {why}")

    def end(self) -> None:
        """This process ends in order: what has not begun is not executed, nor what still comes."""
        self._is_over = True
        while self._waiting:
            self._close(self._waiting.popleft(), Ending.REJECTED, STOPPED)
        self._reading_back.give_up("the device was stopped before it was read back")
        self._journals.close()

    # --- whether it is to be executed --------------------------------------------------------------------------------

    def _recover(self) -> None:
        """What a former process had begun and not ended is unknown, as soon as it is known at all."""
        for command in self._journals.recovered():
            self._close(command, Ending.UNKNOWN, RESTARTED)

    def _admit(self, command: Command) -> None:
        objection = self._objection(command)
        if not objection:
            self._waiting.append(command)
            self.go_on()
            return
        self._close(command, Ending.REJECTED, objection)
        if self._is_over:
            self._journals.close()

    def _objection(self, command: Command) -> str:
        if self._is_over:
            return STOPPED
        if len(self._waiting) >= WAITING_MOST:
            return f"{WAITING_MOST} commands wait for this device already"
        unreadable = self._journals.unreadable(command)  # once it waited, nobody would look the key up again
        return f"not executed, or it might be for the second time: {unreadable}" if unreadable else ""

    # --- one command -------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        self._turn = None
        if self._waiting and not self._reading_back.busy:
            link, now = self._device.link(), self._clock.now()
            if now >= self._waiting[0].until_s:
                self._expired()
            elif link is not None:
                self._execute(link, self._waiting.popleft())
                if self._waiting:
                    self.go_on()
        self._watch_expiry()

    def _execute(self, link: Link, command: Command) -> None:
        writable = link.writable if isinstance(link, Commanded) else {}
        refused = refusal(command, writable, link.tags)
        if refused:
            self._close(command, Ending.REJECTED, refused)
            return
        asked = writable[command.tag].read_back if command.read_back is None else command.read_back
        value = fitted(command.value, type_of(command.tag, link.tags))
        try:
            self._journals.begin(command)
        except HoldfastError as unsafe:
            self._close(command, Ending.REJECTED, f"not executed, or it might be twice after a crash: {unsafe}")
            return
        if self._clock.now() >= command.until_s:  # a slow disk
            self._close(command, Ending.EXPIRED, "its time was over when the journal was written")
        elif self._written(link, command, value):
            self._close(command, Ending.DONE, "") if not asked else self._reading_back.begin(command, value)

    def _written(self, link: Link, command: Command, value: Value) -> bool:
        """Whether the device took it; if not, it has ended."""
        before, self._timeouts_in_a_row = self._timeouts_in_a_row, 0
        try:
            link.write(command.tag, value)
        except LinkRefused as refused:
            self._close(command, Ending.REJECTED, str(refused))
        except LinkTimeout as late:
            self._close(command, Ending.UNKNOWN, f"no answer from the device: {late}")
            self._timeouts_in_a_row = before + 1
            if self._timeouts_in_a_row >= TIMEOUTS_IN_A_ROW:
                self._device.link_lost(LinkDown(f"{late} ({TIMEOUTS_IN_A_ROW} commands in a row)"))
        except LinkDown as down:
            self._close(command, Ending.UNKNOWN, f"the connection was lost over it: {down}")
            self._device.link_lost(down)
        else:
            return True
        return False

    def _read_back(self, command: Command, ending: Ending, detail: str) -> None:
        self._close(command, ending, detail)
        self.go_on()

    # --- how it ended ------------------------------------------------------------------------------------------------

    def _close(self, command: Command, ending: Ending, detail: str) -> None:
        self._journals.end(command, ending, detail)
        if ending is Ending.DONE:
            self.done += 1
        else:
            self.refused += 1
            what = f"{command.tag} = {command.value!r:.60}"
            log.warning("command %.200r: %s: %s: %s", command.key, what, ending.value, detail)
        with suppress(Down):
            self._mailbox.tell(ROOT, Deed(self._device.name, astuple(command), ending.value, detail))
        self._answers.ended(command.key, ending, detail)

    def _watch_expiry(self) -> None:
        """Look again when the first of those that wait expires."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._waiting:
            first_s = min(each.until_s for each in self._waiting)
            self._expiry = self._mailbox.at(min(first_s, self._clock.now() + LOOK_AGAIN_S), self._expired)

    def _expired(self) -> None:
        """What is not executed in its time never will be."""
        now = self._clock.now()
        over = [command for command in self._waiting if command.until_s <= now]
        self._waiting = deque(command for command in self._waiting if command.until_s > now)
        why = "busy" if self._device.link() is not None else "not connected"
        for command in over:
            self._close(command, Ending.EXPIRED, f"the device was {why} until its time was over")
        if self._waiting:
            self.go_on()
