"""The two journals of a device: one for what must outlive a power cut, one that no disk can hold up.

    lasting   DATA_DIR/commands/NAME.journal   an operator's commands; begun only when that is on the disk
    passing   RUN_DIR/NAME.commands            those of rules, which live in memory and for one boot, as this does

A key is looked up in both. One of them that cannot be read or written holds up its own commands alone, and is tried
again.
"""

from collections.abc import Iterator
from math import inf
from pathlib import Path

from actors.commanding.checks import Ending
from actors.commanding.entries import Entry, begun, ended
from actors.commanding.journal import LASTING, PASSING, Journal
from transports.clock import Clock
from transports.messages import Command

AGAIN_S = 5.0  # a disk that fails may take its time over each refusal


class Journals:
    """See the module's note. Nothing is read before `recovered`."""

    def __init__(self, clock: Clock, lasting: Path, passing: Path) -> None:
        self._clock = clock
        self._of = {True: Journal(lasting, LASTING), False: Journal(passing, PASSING)}
        self._look_s = -inf

    def recovered(self) -> Iterator[Command]:
        """Read what could not be read yet, now and then: the commands over which a former process ended."""
        if all(journal.loaded for journal in self._of.values()) or self._clock.now() < self._look_s:
            return
        self._look_s = self._clock.now() + AGAIN_S
        for lasting, journal in self._of.items():
            for entry in journal.load() if not journal.loaded else ():
                yield entry.command(lasting)

    def unreadable(self, command: Command) -> str:
        """Why it is not known whether such a command was executed before, "" when it is."""
        journal = self._of[command.lasting]
        return "" if journal.loaded else journal.trouble

    def find(self, key: str) -> Entry | None:
        """What is known of a key, None if it was never begun."""
        return self._of[True].find(key) or self._of[False].find(key)

    def begin(self, command: Command) -> None:
        """The device is about to hear of it. Raises HoldfastError when that cannot be written: then it must not."""
        self._of[command.lasting].begin(begun(command, self._clock.utc_ns()))

    def end(self, command: Command, ending: Ending, detail: str) -> None:
        """What became of it."""
        self._of[command.lasting].end(ended(command, self._clock.utc_ns(), ending, detail))

    def close(self) -> None:
        """Give the files back."""
        for journal in self._of.values():
            journal.close()
