"""Births: what the root asks of its zygotes, one after another, and who came of it.

    ask ──> unsent ──its queue has room──> asked ──its answer──> born | refused
              │  ^                           │
              │  └───────zygote died─────────┘
              └──withdraw──> withdrawn

What is asked is kept until it is answered, so a zygote may die or hang at any time: another is started, and is asked
again. No decision about a child is made here; `Parent` is told what happened, in the loop's own thread.

Where the system refuses something (EMFILE, ENOMEM, EAGAIN), it is a refused birth, or is tried again later. A child
that was born but cannot be watched is ended, and refused only when it is gone: nobody is in its successor's way.
"""

import os
import random
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf

from supervisors.process import (
    Born,
    Process,
    Zygote,
    end,
    end_strangers,
    group_of,
    newest_strangers,
    reaped,
    strangers,
    watched,
)
from supervisors.records.events import ZygoteDied, say
from supervisors.watchdog import Line
from transports.backoff import Backoff
from transports.clock import Clock
from transports.mailbox import Mailbox

ZYGOTE_BACKOFF = Backoff(ceiling_s=30.0)  # between zygotes that never became ready
REAP_AGAIN_S = 0.01  # until a child that cannot be watched is gone


@dataclass(frozen=True, slots=True)
class Parent:
    """Who wants the children: what it is told (name, token, ...), and what it can be asked."""

    born: Callable[[str, int, Process], None]
    refused: Callable[[str, int, str], None]  # and why
    withdrawn: Callable[[str, int], None]  # before anybody was asked to make it
    unwanted: Callable[[str], bool]  # whether that child would be ended as soon as it is there
    pids: Callable[[], set[int]]  # of its children
    over: Callable[[], bool]  # whether it needs no zygote any more


class Births:
    """The zygote of the moment, and the requests that wait for it.

    `start` makes a zygote, or raises OSError. One that is silent for `within_s` while something is expected of it
    hangs, and is ended.
    """

    def __init__(
        self, start: Callable[[], Zygote], within_s: float, clock: Clock, mailbox: Mailbox, parent: Parent
    ) -> None:
        self._start, self._within_s, self._clock = start, within_s, clock
        self._mailbox, self._parent = mailbox, parent
        self._asked: dict[int, str] = {}  # token -> name: to be made by the zygote, no answer yet
        self._last_ends: dict[int, str] = {}  # token -> how the one before it ended
        self._unsent: deque[int] = deque()  # those of them that it has not been told of
        self._zygote: Zygote | None = None
        self._ready = False
        self._deadline = inf
        self._failures = 0
        self._answered_at = clock.now()
        self._unburied: set[int] = set()  # killed and not gone yet
        self._look_for_strangers = False  # there may be some

    @property
    def zygote_pid(self) -> int:
        return self._zygote.process.pid if self._zygote is not None else 0

    @property
    def zygote_ready(self) -> bool:
        return self._ready

    @property
    def line(self) -> Line:
        """For the watchdog: the zygote, asked whether it still answers."""
        return Line(self._ping, lambda: self._answered_at, lambda: not self._ready)

    def _ping(self) -> None:
        if self._ready and self._zygote is not None and self._zygote.ask(0, "", ""):
            self._deadline = min(self._deadline, self._clock.now() + self._within_s)

    # --- asking ------------------------------------------------------------------------------------------------------

    def ask(self, name: str, token: int, last_end: str) -> None:
        """Have a process made for this incarnation, told how the one before it ended; its spec is written (host.py)."""
        self._asked[token], self._last_ends[token] = name, last_end
        self._unsent.append(token)
        self._request()

    def _request(self) -> None:
        """Pass on requests until the zygote's queue is full; its next answer makes room."""
        while self._unsent and self._ready and self._zygote is not None:
            token = self._unsent[0]
            if not self._zygote.ask(token, self._asked[token], self._last_ends[token]):
                return
            self._unsent.popleft()
            self._deadline = self._clock.now() + self._within_s

    def withdraw(self, token: int) -> None:
        """Ask for it no more, if nobody was asked to make it; what is being made is ended when it is there."""
        if token in self._unsent:
            self._unsent.remove(token)
            del self._last_ends[token]
            self._parent.withdrawn(self._asked.pop(token), token)

    def look(self, now: float) -> None:
        """Time has passed: end a zygote that hangs, and try again what it had no room for."""
        if now > self._deadline and self._zygote is not None:
            self._zygote.process.send(signal.SIGKILL)
        if self._look_for_strangers or self._unburied:
            self.end_orphans(strangers)
        self._request()

    # --- its answers -------------------------------------------------------------------------------------------------

    def spoke(self, token: int) -> None:
        """A child speaks already: it may be quicker than the zygote's news of it."""
        if token in self._asked:
            self._answered()

    def _answered(self) -> None:
        zygote = self._zygote
        for born in zygote.answers() if zygote is not None else ():
            self._answered_at = self._clock.now()
            if born.token == 0:
                self._ready, self._failures = True, 0
            else:
                self._born(born)
            waits = len(self._asked) > len(self._unsent)
            self._deadline = self._clock.now() + self._within_s if waits else inf
        self._request()

    def _born(self, born: Born) -> None:
        name, _ = self._asked.pop(born.token), self._last_ends.pop(born.token)
        if born.pid == 0:
            self._parent.refused(name, born.token, born.error)
            return
        try:
            process = watched(born.pid)
        except ProcessLookupError:  # a spare that was ended with its dead zygote's strangers
            self._parent.refused(name, born.token, "its process ended before it began")
            return
        except OSError as blind:
            why = f"the system refused to watch its process: {blind.strerror}"
            self._give_up(born.pid, lambda: self._parent.refused(name, born.token, why))
            return
        self._parent.born(name, born.token, process)

    def _give_up(self, pid: int, then: Callable[[], None]) -> None:
        """End a child that there is no descriptor for; `then`, when it is gone."""
        self._unburied.add(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

        def look() -> None:
            self._bury()
            if pid in self._unburied:
                self._mailbox.at(self._clock.now() + REAP_AGAIN_S, look)
            else:
                then()

        look()

    def _bury(self) -> None:
        self._unburied = {pid for pid in self._unburied if not reaped(pid)}

    # --- one zygote after another ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a zygote; what is asked before it is ready waits."""
        self._ready, self._deadline = False, self._clock.now() + self._within_s
        try:
            self._zygote = zygote = self._start()
        except (OSError, MemoryError) as refused:  # no process, no descriptors: there may be some later
            say(ZygoteDied(f"it cannot be started: {refused or 'no memory'}"))
            self._begin_again()
            return
        self._mailbox.when_readable(zygote.fileno(), self._answered)
        self._mailbox.when_readable(zygote.process.pidfd, self._zygote_died)

    def _begin_again(self) -> None:
        """At once after one that worked; with a back-off when it would probably fail again."""
        delay_s = ZYGOTE_BACKOFF.delay_s(self._failures - 1, random.random()) if self._failures else 0.0
        self._failures += 1
        self._mailbox.at(self._clock.now() + delay_s, self.begin)

    def _zygote_died(self) -> None:
        if self._zygote is None:
            return
        self._answered()  # what it said before it died still counts
        how = self._part_with(self._zygote)
        if self._parent.over():
            return
        say(ZygoteDied(how))
        self._end_strangers()
        self._unsent = deque(self._asked)
        for token, name in list(self._asked.items()):
            if self._parent.unwanted(name):
                self.withdraw(token)
        self._begin_again()

    def _part_with(self, zygote: Zygote) -> str:
        """Reap it, and how it ended."""
        self._mailbox.forget(zygote.process.pidfd)
        self._mailbox.forget(zygote.fileno())
        how = str(zygote.process.reap())
        zygote.close()
        self._zygote = None
        return how

    def farewell(self) -> None:
        """No more births: end the zygote, its spares, and whatever else was left here."""
        if self._zygote is not None:
            self._zygote.process.send(signal.SIGKILL)
            self._part_with(self._zygote)
        self._end_strangers()

    # --- who is not the parent's -------------------------------------------------------------------------------------

    def end_orphans(self, find: Callable[[set[int]], set[int]] = newest_strangers) -> None:
        """What a dead child had started by itself is the root's now. It may still hold the name of that child."""
        self._bury()
        try:
            while suspects := self._orphans(find):  # whoever one of them leaves behind is there only when it is gone
                self._answered()  # the zygote answers before it lets a child go: who was born is known from here on
                self._unburied |= end(suspects - self._known())
        except OSError:  # no descriptor to look by
            self._look_for_strangers = True
            return
        self._look_for_strangers = False

    def _orphans(self, find: Callable[[set[int]], set[int]]) -> set[int]:
        nest = self.zygote_pid  # spares are in the zygote's group
        return {pid for pid in find(self._known()) if group_of(pid) != nest}

    def _end_strangers(self) -> None:
        self._look_for_strangers = True  # once more with the next look: there may be one that did not go at once
        with suppress(OSError):
            end_strangers(self._known())

    def _known(self) -> set[int]:
        known = self._parent.pids() | self._unburied
        return known | {self._zygote.process.pid} if self._zygote is not None else known
