"""The root's one loop: it tells the plan what happened and carries out what the plan orders.

    pidfds, births, mailbox, signals, timers ──what happened──> plan (pure) ──orders──> births, signals

It owns no decision but one: when the last sign of life is too old. Every restart is a fork request of a few bytes; the
loop never waits for one child. How a child comes is in births.py, who is told of its death in deaths.py, what the
operator sees in snapshot.py, and asks for in wishes.py.
"""

import os
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from supervisors import crashes, plan
from supervisors.births import Births, Parent
from supervisors.deaths import Death, Deaths, cause
from supervisors.events import ChildHung, ChildReady, ChildStopped, say
from supervisors.held import Held
from supervisors.host import Home, crash_path, write_home
from supervisors.life import Life
from supervisors.logs import LOG_BYTES, bound, log_path
from supervisors.obituary import Obituary
from supervisors.plan import Kill, Order, Phase, Start, Step, Stop
from supervisors.process import Process, start_zygote
from supervisors.snapshot import Root, snapshot
from supervisors.spec import Budget, ChildSpec
from supervisors.wishes import Wishes
from transports.clock import Clock
from transports.mailbox import Call, Letter, Mailbox, Timer
from transports.messages import Beat, Message, Operate, Ready, Status

TEND_S = 30.0
LOOK_S = 1.0  # how often signs of life are looked over
STALL_S = 0.5  # a look that comes this late was not late by chance: the loop itself stood still
ZYGOTE_WITHIN_S = 30.0  # to import everything, also on a slow disk, or to answer a request


@dataclass(frozen=True, slots=True)
class House:
    """What the root needs to know beside the children: where it is and what it is called."""

    gateway: str
    run_dir: Path
    data_dir: Path
    heartbeat_s: float = 1.0
    log_level: str = "INFO"
    preload: Sequence[str] = ()


class Supervisor:
    """Keeps the children of one gateway alive until it is told to end."""

    def __init__(
        self, house: House, specs: Sequence[ChildSpec], budget: Budget, clock: Clock, mailbox: Mailbox
    ) -> None:
        self._house, self._clock, self._mailbox = house, clock, mailbox
        log_path(house.data_dir, "any").parent.mkdir(parents=True, exist_ok=True)
        held = Held(house.data_dir / "held.json")
        self._specs = {spec.name: spec for spec in specs}
        self._tree = plan.planted(specs, budget, held.names, clock.now())
        self._lives: dict[str, Life] = {}
        self._last_end: dict[str, str] = {}
        self._excused = False  # the last look came too late to blame anybody
        self._started = clock.now()
        self._obituary = Obituary(mailbox, clock)
        self._deaths = Deaths(house.data_dir, self._obituary, clock, mailbox)
        start = partial(start_zygote, house.run_dir, house.preload)
        self._births = Births(start, ZYGOTE_WITHIN_S, clock, mailbox, self._parent())
        self._wishes = Wishes(held, lambda: self._tree, self._decide, lambda now: mailbox.at(now, self.end))
        self._look_s = min([LOOK_S, *(spec.hang_after_s / 4 for spec in specs)])
        self._next_look = Timer(inf, 0, None)

    def _parent(self) -> Parent:
        return Parent(
            born=self._born,
            refused=self._refused,
            withdrawn=self._withdrawn,
            unwanted=lambda name: self._tree.children[name].phase in _UNWANTED,
            pids=lambda: {life.process.pid for life in self._lives.values()},
            over=lambda: self._tree.over,
        )

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start everything and keep it; returns when all have ended after `end`."""
        self._births.begin()
        self._look()
        self._tend_logs()
        while not self._tree.over:
            envelope = self._mailbox.get()
            if envelope.reply_to is None:
                self._handle(envelope.message)
            else:
                envelope.reply_to.set(self._handle(envelope.message))
        self._births.farewell()

    def end(self) -> None:
        """Stop all children in reverse order."""
        if not self._tree.ending:
            self._decide(plan.asked_shutdown(self._tree, self._clock.now()))

    def end_now(self) -> None:
        """Somebody has lost patience with `end`: kill what still lives."""
        for life in self._lives.values():
            life.process.send(signal.SIGKILL)

    def _handle(self, what: Any) -> Any:
        match what:
            case Call():
                return what.what()
            case Letter(sender=name, message=message):
                return self._heard(name, message)
        return None

    def _heard(self, name: str, message: Message) -> Any:
        match message:
            case Beat():
                self._beat(name, message)
            case Ready():
                self._ready(name, message)
            case Status():
                return self.status()
            case Operate():
                return self._wishes.grant(message, self._clock.now())
            case _:
                self._obituary.hear(message)
        return None

    # --- deciding and acting -----------------------------------------------------------------------------------------

    def _decide(self, step: Step) -> None:
        self._tree, orders = step
        for order in orders:
            self._carry_out(order)
        if plan.next_due(self._tree) < self._next_look.at:
            self._look_at(plan.next_due(self._tree))

    def _look_at(self, when: float) -> None:
        self._next_look.cancel()
        self._next_look = self._mailbox.at(when, self._look)

    def _carry_out(self, order: Order) -> None:
        match order:
            case Start(name, token):
                self._start(name, token)
            case Stop(name, token):
                self._signal(name, token, signal.SIGTERM)
            case Kill(name, token, stacks):
                self._signal(name, token, signal.SIGABRT if stacks else signal.SIGKILL)

    def _start(self, name: str, token: int) -> None:
        spec, house = self._specs[name], self._house
        last_end = self._last_end.get(name, "")
        home = Home(
            spec.kind, spec.table, house.gateway, str(house.data_dir), house.heartbeat_s, last_end, house.log_level
        )
        try:
            write_home(house.run_dir, name, home)
        except (OSError, TypeError, ValueError, OverflowError) as refused:  # no room, or a value without a form
            how = f"its spec cannot be written: {refused}"
            self._mailbox.at(self._clock.now(), lambda: self._refused(name, token, how))
            return
        self._births.ask(name, token)

    def _signal(self, name: str, token: int, number: int) -> None:
        life = self._lives.get(name)
        if life is not None and life.token == token:
            if number == signal.SIGABRT:
                say(ChildHung(name, life.process.pid))
            life.process.send(number)
        else:
            self._births.withdraw(token)

    # --- births and deaths -------------------------------------------------------------------------------------------

    def _born(self, name: str, token: int, process: Process) -> None:
        now = self._clock.now()
        self._lives[name] = Life(token, process, now, now)
        self._mailbox.when_readable(process.pidfd, lambda: self._ended(name, token, process))
        if self._tree.children[name].phase in _UNWANTED:
            process.send(signal.SIGKILL)  # it has done nothing yet that could be lost

    def _refused(self, name: str, token: int, why: str) -> None:
        self._gone(name, token, why, normal=False)

    def _withdrawn(self, name: str, token: int) -> None:
        self._gone(name, token, "ended before it had a process", normal=True)

    def _ended(self, name: str, token: int, process: Process) -> None:
        self._mailbox.forget(process.pidfd)
        how = process.reap()
        self._births.end_orphans()
        self._gone(name, token, str(how), how.normal)

    def _gone(self, name: str, token: int, how: str, normal: bool) -> None:
        """A process ended. What follows is ordered first; telling people about it can wait for that."""
        now = self._clock.now()
        before = self._tree.children[name]
        trace = crashes.collected(crash_path(self._house.run_dir, name))
        how = before.reason if before.phase is Phase.DYING else cause(how, trace)
        self._last_end[name] = how
        self._decide(plan.died(self._tree, name, token, how, normal, now, random.random()))
        life, child = self._lives.pop(name, None), self._tree.children[name]
        if before.phase is Phase.STOPPING or (normal and child.phase is Phase.ENDED):
            say(ChildStopped(name, how))
        else:
            self._deaths.announce(Death(child, life, how, trace, now))

    # --- what children say -------------------------------------------------------------------------------------------

    def _ready(self, name: str, ready: Ready) -> None:
        self._births.spoke(ready.token)
        life = self._lives.get(name)
        if life is None or life.token != ready.token:
            return
        now = self._clock.now()
        life.ready, life.last_beat = True, now
        say(ChildReady(name, ready.pid, now - self._tree.children[name].since))
        self._decide(plan.became_ready(self._tree, name, ready.token, now))

    def _beat(self, name: str, beat: Beat) -> None:
        life = self._lives.get(name)
        if life is not None and life.token == beat.token:
            life.last_beat, life.progress, life.state = self._clock.now(), beat.progress, beat.state

    def _look(self) -> None:
        """Look over the signs of life and let the plan know that time has passed; then again a little later."""
        now = self._clock.now()
        stalled_s = now - self._next_look.at
        self._excused = stalled_s > STALL_S and not self._excused
        if self._excused:  # nobody's silence: what the children said meanwhile is still unread
            for life in self._lives.values():
                life.last_beat = min(now, life.last_beat + stalled_s)
            self._look_at(now + self._look_s)
            return
        self._look_at(now + self._look_s)
        self._decide(plan.passed(self._tree, now))
        for name, life in list(self._lives.items()):
            if life.ready and now - life.last_beat > self._specs[name].hang_after_s:
                self._decide(plan.hung(self._tree, name, life.token, now))
        self._births.look(now)

    def _tend_logs(self) -> None:
        """Children write to their logs for years; the root keeps those bounded."""
        for name in self._tree.children:
            bound(log_path(self._house.data_dir, name), LOG_BYTES)
        self._mailbox.at(self._clock.now() + TEND_S, self._tend_logs)

    # --- what the operator sees --------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The tree as plain data, in start order."""
        now = self._clock.now()
        root = Root(
            gateway=self._house.gateway,
            pid=os.getpid(),
            uptime_s=now - self._started,
            heartbeat_s=self._house.heartbeat_s,
            zygote_pid=self._births.zygote_pid,
            zygote_ready=self._births.zygote_ready,
        )
        return snapshot(root, self._tree, self._lives, self._last_end, now)


_UNWANTED = (Phase.STOPPING, Phase.DYING)
