"""A serial line with many slaves: owns the port, and gives each slave's device process its turn.

    members ──ask──> turns ──whose request is next──> wire ──answer, or why there is none──> member
                       ▲                                │
                       └────────── silence ─────────────┘

It stays alive without its port, since its members have to hear why nothing comes (LinkDown). See
actors/lines/__init__.py for the parts and the invariants.
"""

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from actors.actor import Actor, Fate, Place
from actors.lines import turns as turn
from actors.lines.members import Guest, Members
from actors.lines.settings import Settings
from actors.lines.standing import MISSES, Ended, Standing
from actors.lines.tally import Tally
from actors.lines.turns import Ask, Turns
from actors.lines.wire import Over, Wire
from transports.building import build
from transports.line_answers import find_by
from transports.line_messages import Outcome, Reply, Request
from transports.lines import QUEUE_S, line_path
from transports.mailbox import Timer

log = logging.getLogger("holdfast.line")
LEAVE_WITHIN_S = 3.0  # how long a stop waits for the turn that runs; shorter than the default grace
CALM_S = 60.0  # without an overload: the next one is told again
_LEAVING = "the line is being stopped"
_OUTCOMES = {Ended.ANSWERED: Outcome.ANSWER, Ended.SENT: Outcome.ANSWER, Ended.MISSED: Outcome.SILENT}


@dataclass(frozen=True, slots=True)
class Work:
    """What a line's process is told: the table of its configuration."""

    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to ask on the line."""

    guest: Guest
    request: Request

    def reply(self, outcome: Outcome, body: str | bytes = b"") -> None:
        """Tell what became of it."""
        self.guest.say(Reply(self.request.number, outcome, body if isinstance(body, bytes) else body.encode()))


class Line(Actor):
    """See the module's note."""

    def __init__(self, place: Place, fate: Fate, work: Work) -> None:
        super().__init__(place, fate)
        self._settings = build(Settings, work.settings, f"line.{place.name}")
        self._wire = Wire(self._settings, self.mailbox, place.clock, self._over, self._lost)
        self._turns, self._tally = Turns(place.clock.now()), Tally()
        self._wishes: dict[str, Wish] = {}  # of those who wait
        self._running: Wish | None = None
        self._look: Timer | None = None
        self._overloaded_at = -inf
        self._leaving = False

    # --- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        path = line_path(self.place.run_dir, self.place.name)
        self._members = Members(path, self.mailbox, self._welcome, self._ask, self._left)
        self._wire.open()

    def leave(self) -> None:
        """Ask nothing more, and go when the turn that runs is over."""
        self._leaving = True
        self._turn_away(_LEAVING)
        if self._running is None:
            self.stop()
        else:
            self.mailbox.at(self.place.clock.now() + LEAVE_WITHIN_S, self.stop)

    def end(self) -> None:
        self._members.close()
        self._wire.close()

    def state(self) -> Mapping[str, Any]:
        wire = self._wire
        return {
            "connected": wire.is_open,
            "port": self._settings.port,
            "last_error": wire.last_error,
            "opened": wire.opened,
            "garbage_bytes": wire.garbage_bytes,
            **self._tally.told(self._turns, self.place.clock.now()),
        }

    # --- what members want -------------------------------------------------------------------------------------------

    def _welcome(self, name: str) -> str:
        """Why the member cannot be one now, "" when it can."""
        if not self._wire.is_open or self._leaving:
            return _LEAVING if self._leaving else self._wire.last_error
        return self._on_probation(name) if turn.is_refused(self._turns, name, self.place.clock.now()) else ""

    def _ask(self, guest: Guest, request: Request) -> None:
        wish, name, now = Wish(guest, request), guest.name, self.place.clock.now()
        try:
            find_by(request.rule, request.frame)
        except ValueError as never:
            wish.reply(Outcome.REFUSED, str(never))
            return
        if not self._wire.is_open or self._leaving:
            wish.reply(Outcome.DOWN, self._welcome(name))
        elif turn.is_refused(self._turns, name, now):
            self._tally.of(name, self._turns).refused += 1
            wish.reply(Outcome.SILENT, self._on_probation(name))
        else:
            self._turns = turn.asked(self._turns, name, now, request.urgent)
            self._wishes[name] = wish
            self._next()

    def _left(self, guest: Guest) -> None:
        """Its process is gone, or came again; what it waits for is given up. A turn that has begun goes on."""
        self._turns = turn.withdrawn(self._turns, guest.name)
        self._wishes.pop(guest.name, None)

    def _turn_away(self, why: str) -> None:
        wishes, self._wishes = self._wishes, {}
        for name, wish in wishes.items():
            self._turns = turn.withdrawn(self._turns, name)
            wish.reply(Outcome.DOWN, why)

    def _on_probation(self, name: str) -> str:
        """In words that change with the interval only, so that who logs a change logs little."""
        line, every_s = self.place.name, self._turns.member(name).probed_every_s
        return (
            f"{name} is on probation on the line {line}: it did not answer {MISSES} times in a row, "
            f"and is asked again every {every_s:g} s; see holdfast status {line}"
        )

    # --- turns -------------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Give the line to whoever is next, or look again when that may change."""
        now, wire = self.place.clock.now(), self._wire
        self._drop_overdue(now)
        if self._turns.waiting and wire.is_open and self._running is None:
            if now < wire.free_at:
                self._look_at(wire.free_at)
                return
            self._turns = turn.begun(self._turns, now)
            if self._turns.running is not None:
                self._begin_turn(self._turns.running)
        self._look_at(turn.look_at(self._turns, now, QUEUE_S))

    def _begin_turn(self, ask: Ask) -> None:
        self._running = self._wishes.pop(ask.member)
        self._tally.asked(ask.member, self._turns)
        self._wire.start(self._running.request)

    def _over(self, over: Over) -> None:
        wish, self._running = self._running, None
        if wish is None:
            return
        name, line, now = wish.guest.name, self.place.name, self.place.clock.now()
        silent = f"{name} on the line {line}: no answer within {over.patience_s:g} s{over.heard}"
        wish.reply(_OUTCOMES[over.how], silent if over.how is Ended.MISSED else over.answer)
        self._tally.over(name, self._turns, over, now)
        before = self._turns.member(name).standing
        self._turns = turn.ended(self._turns, over.how, now, over.cost_s, random.random())
        self._tell_change(name, before, self._turns.member(name).standing)
        self._go_on()

    def _lost(self, why: str) -> None:
        """The port is gone: whoever waits hears it."""
        wish, self._running = self._running, None
        if wish is not None:
            wish.reply(Outcome.DOWN, why)
        self._turn_away(why)
        self._turns = turn.cleared(self._turns)
        self._go_on()

    def _go_on(self) -> None:
        if self._leaving:
            self.stop()
        else:
            self._next()

    def _tell_change(self, name: str, before: Standing, after: Standing) -> None:
        if before is after:
            return
        if after is Standing.PROBATION:
            log.warning("%s", self._on_probation(name))
        elif before is Standing.PROBATION:
            log.warning("%s answers again", name)

    def _drop_overdue(self, now: float) -> None:
        self._turns, late = turn.overdue(self._turns, now - QUEUE_S)
        for ask in late:
            self._tally.overdue(ask.member, self._turns)
            text = (
                f"the turn of {ask.member} on the line {self.place.name} did not come within {QUEUE_S:g} s: overloaded"
            )
            self._wishes.pop(ask.member).reply(Outcome.SILENT, text)
            if now - self._overloaded_at > CALM_S:
                log.warning("%s; ask for less, less often, or with a shorter timeout", text)
            self._overloaded_at = now

    def _look_at(self, when: float) -> None:
        if when == inf or (self._look is not None and self._look.what is not None and self._look.at <= when):
            return
        if self._look is not None:
            self._look.cancel()
        self._look = self.mailbox.at(when, self._next)
