"""Whether a tag reads what a command wrote to it: looked at again and again for seconds, as a valve takes its time.

A polled device is read out of turn at each look, however long its period is; one that talks by itself is listened to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.commanding.checks import Ending, reads_as
from transports.clock import Clock
from transports.mailbox import Mailbox, Timer
from transports.messages import Command
from transports.samples import Batch, Value

WITHIN_S = 5.0  # what has not moved by then has not obeyed
LOOKS_S = (0.0, 0.2, 0.5, 1.0, 2.0, 4.75)  # after the writing; the last one leaves a slow device time to answer

Answered = Callable[[Command, Ending, str], None]


@dataclass(slots=True)
class _Awaited:
    """A command that was written, what the tag must read, and what it last read (None: Bad, or never)."""

    command: Command
    value: Value
    timers: Sequence[Timer]
    read: Value | None = None


class ReadingBack:
    """One command at a time; `answered` is told how it ended. `read_soon` queues a reading of a polled link."""

    def __init__(self, mailbox: Mailbox, clock: Clock, read_soon: Callable[[], None], answered: Answered) -> None:
        self._mailbox, self._clock = mailbox, clock
        self._read_soon, self._answered = read_soon, answered
        self._awaited: _Awaited | None = None

    @property
    def busy(self) -> bool:
        return self._awaited is not None

    def begin(self, command: Command, value: Value) -> None:
        """It was written just now."""
        now = self._clock.now()
        looks = [self._mailbox.at(now + after_s, self._read_soon) for after_s in LOOKS_S]
        self._awaited = _Awaited(command, value, [*looks, self._mailbox.at(now + WITHIN_S, self._over)])

    def saw(self, batches: Sequence[Batch]) -> None:
        """Something was read: perhaps what was written."""
        awaited = self._awaited
        if awaited is None:
            return
        for value in _readings(batches, awaited.command.tag):
            awaited.read = value
            if value is not None and reads_as(awaited.value, value):
                self._end(Ending.DONE, f"reads {value!r:.60}")
                return

    def give_up(self, why: str) -> None:
        """Nothing more will be read."""
        if self._awaited is not None:
            self._end(Ending.UNKNOWN, f"written, but {why}")

    def _over(self) -> None:
        assert self._awaited is not None
        read = self._awaited.read
        if read is None:
            self._end(Ending.UNKNOWN, f"written, but it was not read within {WITHIN_S:g} s")
        else:
            self._end(Ending.REJECTED, f"written, but {WITHIN_S:g} s later it reads {read!r:.60}")

    def _end(self, ending: Ending, detail: str) -> None:
        awaited, self._awaited = self._awaited, None
        assert awaited is not None
        for timer in awaited.timers:
            timer.cancel()
        self._answered(awaited.command, ending, detail)


def _readings(batches: Sequence[Batch], tag: str) -> list[Value | None]:
    """What these say of one tag, oldest first; None where it is Bad."""
    found = []
    for batch in batches:
        at = next((at for at, each in enumerate(batch.tags) if each.name == tag), None)
        if at is not None:
            found += [values[at] for _, values, _ in batch.rows()]
    return found
