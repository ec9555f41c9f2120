"""The root's one loop: it tells the plan what happened and carries out what the plan orders.

    pidfds, births, mailbox, signals, timers ──what happened──> plan (pure) ──orders──> births, signals

It owns no decision. Every restart is a fork request of a few bytes; the loop never waits for one child. How a child
comes is in births.py, whether it still lives in vigil.py, what it uses in meter.py, who is told of its death in
deaths.py, what the operator sees in snapshot.py, and asks for in wishes.py and reload/.
"""

import os
import random
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

from supervisors import plan
from supervisors.births import Births, Parent
from supervisors.changing import Changing
from supervisors.deaths import Death, Deaths, cause
from supervisors.errands import Errands
from supervisors.held import Held
from supervisors.host import LEFT_OUT, crash_path
from supervisors.house import House
from supervisors.life import Life
from supervisors.meter import Meter
from supervisors.obituary import Obituary
from supervisors.plan import Child, End, Phase, Step, Tree
from supervisors.process import Exit, Process, start_zygote
from supervisors.records import crashes
from supervisors.records.audit import AUDIT, Audit
from supervisors.records.events import (
    ChildReady,
    ChildStopped,
    Noticed,
    Warned,
    say,
)
from supervisors.records.logs import LOG_BYTES, bound, log_path
from supervisors.snapshot import Root, snapshot
from supervisors.spec import ChildSpec
from supervisors.vigil import Vigil, Watch
from supervisors.volume import Volume
from supervisors.watchdog import Line
from supervisors.wishes import Wishes
from transports.clock import Clock
from transports.mailbox import Call, Letter, Mailbox
from transports.messages import Beat, Deed, Level, Message, Notice, Operate, Ready, Reload, Requested, Status

TEND_S = 30.0
LOOK_S = 1.0  # how often signs of life are looked over
ZYGOTE_WITHIN_S = 30.0  # to import everything, also on a slow disk, or to answer a request


def _nobody(_: Any) -> None:
    """Nobody waits for an answer."""


class Supervisor:
    """Keeps the children of one gateway alive until it is told to end."""

    def __init__(self, house: House, root: ChildSpec, clock: Clock, mailbox: Mailbox) -> None:
        self._house, self._clock, self._mailbox = house, clock, mailbox
        log_path(house.data_dir, "any").parent.mkdir(parents=True, exist_ok=True)
        self._held, audit = Held(house.data_dir / "held.json"), Audit(house.data_dir / AUDIT, clock)
        self._tree = plan.planted(root, self._held.names, clock.now())
        self._lives: dict[str, Life] = {}
        self._last_ends: dict[str, str] = {}
        self._started = clock.now()
        self._when_started: Callable[[], None] | None = None
        self._obituary = Obituary(mailbox, clock)
        self._deaths = Deaths(house.data_dir, self._obituary, clock, mailbox)
        self.changing = Changing(house, self._held, audit, clock, self._now, self._changed, self._reaches)
        start = partial(start_zygote, house.run_dir, self.changing.modules)
        self._births = Births(start, ZYGOTE_WITHIN_S, clock, mailbox, self._parent())
        self._wishes = Wishes(self._held, audit, self._now, self._decide, lambda now: mailbox.at(now, self.end))
        self._volume = Volume(house.log_level, audit, self._now, mailbox)
        self._meter = Meter(clock, mailbox, lambda name: self._child(name).spec.limits, self._below, self._overran)
        self._vigil = Vigil(clock, mailbox, self._lives, LOOK_S, self._watch())
        self._watch_closely()
        self._errands = Errands(
            house, self._births, self._volume, self._lives, self._last_ends, self._child, self._refused_later
        )

    def _now(self) -> Tree:
        return self._tree

    def _child(self, name: str) -> Child:
        return self._tree.children[name]

    def _watch(self) -> Watch:
        return Watch(
            patience_s=lambda name: self._child(name).spec.hang_after_s,
            looked=self._looked,
            hung=lambda name, token, now: self._decide(plan.hung(self._tree, name, token, now)),
        )

    def _watch_closely(self) -> None:
        """As often as the shortest patience with a child asks for."""
        self._vigil.no_slower_than(min(child.spec.hang_after_s / 4 for child in self._tree.children.values()))

    def _parent(self) -> Parent:
        return Parent(
            born=self._born,
            refused=self._refused,
            withdrawn=self._withdrawn,
            unwanted=self._unwanted,
            pids=self._pids,
            over=lambda: self._tree.over,
        )

    def _pids(self) -> set[int]:
        return {life.process.pid for life in self._lives.values()} | self.changing.pids()

    def _unwanted(self, name: str) -> bool:
        """Whether it is to end, or has left the tree meanwhile."""
        child = self._tree.children.get(name)
        return child is None or child.phase in _UNWANTED

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Start everything and keep it; returns when all have ended after `end`, or because the root's own rules said
        so: then why."""
        self._births.begin()
        self._vigil.begin()
        self._meter.watch(self._tree.root, os.getpid())
        self._meter.begin()
        self._tend_logs()
        while not self._tree.over:
            envelope = self._mailbox.get()
            self._handle(envelope.message, _nobody if envelope.reply_to is None else envelope.reply_to.set)
        self._births.farewell()
        self._deaths.close()
        return self._tree.gave_up

    def end(self) -> None:
        """Stop all children in reverse order."""
        if not self._tree.ending:
            self._decide(plan.asked_shutdown(self._tree, self._clock.now()))

    def end_now(self) -> None:
        """Somebody has lost patience with `end`: kill what still lives."""
        for life in self._lives.values():
            life.process.send(signal.SIGKILL)

    def _handle(self, what: Any, answer: Callable[[Any], None]) -> None:
        match what:
            case Call():
                what.what()
            case Letter(message=Reload() as wish):
                self.changing.ask(wish, answer)
            case Letter(sender=name, message=message):
                answer(self._heard(name, message))

    def _heard(self, name: str, message: Message) -> Any:
        match message:
            case Beat():
                self._vigil.heard(name, message)
            case Ready():
                self._ready(name, message)
            case Status():
                return self.status()
            case Operate():
                return self._wishes.grant(message, self._clock.now())
            case Level():
                return self._volume.grant(message)
            case Deed():
                self._wishes.done(message)
            case Requested(who, verb, names, why, result):
                self._wishes.audited(who, verb, names, why, result)
            case Notice():
                say((Warned if message.is_bad else Noticed)(name, message.text))
            case _:
                self._obituary.hear(message)
        return None

    # --- deciding and acting -----------------------------------------------------------------------------------------

    def _decide(self, step: Step) -> None:
        self._tree, orders = step
        for order in orders:
            self._errands.run(order)
        self._vigil.not_after(plan.next_due(self._tree))
        if self._when_started is not None and self._tree.children[self._tree.root].phase is Phase.RUNNING:
            then, self._when_started = self._when_started, None
            then()

    def _changed(self, step: Step) -> None:
        """The tree has other children, or they have other rules."""
        self._decide(step)
        self._watch_closely()

    # --- births and deaths -------------------------------------------------------------------------------------------

    def _born(self, name: str, token: int, process: Process) -> None:
        now = self._clock.now()
        self._lives[name] = Life(token, process, now, now)
        self._meter.watch(name, process.pid)
        self._mailbox.when_readable(process.pidfd, lambda: self._ended(name, token, process))
        if self._unwanted(name):
            process.send(signal.SIGKILL)  # it has done nothing yet that could be lost

    def _refused(self, name: str, token: int, why: str) -> None:
        self._gone(name, token, why, End.ABNORMAL)

    def _refused_later(self, name: str, token: int, why: str) -> None:
        """The plan is still being carried out; it hears of it when that is done."""
        self._mailbox.at(self._clock.now(), lambda: self._refused(name, token, why))

    def _withdrawn(self, name: str, token: int) -> None:
        self._gone(name, token, "ended before it had a process", End.SHUTDOWN)

    def _ended(self, name: str, token: int, process: Process) -> None:
        self._mailbox.forget(process.pidfd)
        how = process.reap()
        self._births.end_orphans()
        self._gone(name, token, str(how), _end(how))

    def _gone(self, name: str, token: int, how: str, end: End) -> None:
        """A process ended. What follows is ordered first; telling people about it can wait for that."""
        now = self._clock.now()
        before = self._child(name)
        trace = crashes.collected(crash_path(self._house.run_dir, name))
        how = before.reason if before.phase is Phase.DYING else cause(how, trace)
        self._last_ends[name] = how
        self._decide(plan.died(self._tree, name, token, how, end, now, random.random()))
        child = self._tree.children.get(name)
        life = self._lives.pop(name, None)
        self._meter.forget(name, for_good=child is None)
        if child is None:
            self._forget(name)
        if child is None or before.phase is Phase.STOPPING or (end is End.NORMAL and child.phase is Phase.ENDED):
            say(ChildStopped(name, how))
        else:
            self._deaths.announce(Death(child, life, how, trace, now))

    def _forget(self, name: str) -> None:
        """It has left the tree."""
        self._last_ends.pop(name, None)
        self._volume.forget(name)
        self._errands.forget(name)

    # --- what children say -------------------------------------------------------------------------------------------

    def _ready(self, name: str, ready: Ready) -> None:
        self._births.spoke(ready.token)
        life = self._lives.get(name)
        if life is None or life.token != ready.token:
            return
        now = self._clock.now()
        life.ready, life.last_beat = True, now
        say(ChildReady(name, ready.pid, now - self._child(name).since))
        self._decide(plan.became_ready(self._tree, name, ready.token, now))

    def _looked(self, now: float) -> None:
        self._decide(plan.passed(self._tree, now, random.random()))
        self._births.look(now)
        self._deaths.look(now)

    def _below(self, name: str) -> int:
        """The memory of processes that a child has of its own, as it says itself."""
        return int(self._lives[name].state.get("rss_bytes", 0)) if name in self._lives else 0

    def _overran(self, name: str, reason: str) -> None:
        self._decide(plan.overran(self._tree, name, self._lives[name].token, reason, self._clock.now()))

    def _tend_logs(self) -> None:
        """Children write to their logs for years; the root keeps those bounded."""
        for name in self._tree.children:
            bound(log_path(self._house.data_dir, name), LOG_BYTES)
        self._mailbox.at(self._clock.now() + TEND_S, self._tend_logs)

    # --- what others need to know -------------------------------------------------------------------------------------

    def when_started(self, then: Callable[[], None]) -> None:
        """Call `then` once everybody who is waited for at the start has been."""
        self._when_started = then

    @property
    def zygote_line(self) -> Line:
        """For the watchdog: the zygote of the moment."""
        return self._births.line

    def _reaches(self, name: str) -> bool:
        """Whether an uplink says that it has its far end."""
        return name in self._lives and bool(self._lives[name].state.get("connected"))

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
            data_dir=str(self._house.data_dir),
            **self.changing.status(),
        )
        usages, over = self._meter.usages, self._meter.alarms
        return snapshot(root, self._tree, self._lives, self._last_ends, now, usages, over)


def _end(exit: Exit) -> End:
    """What an exit means to the plan; whether it was asked for is known there."""
    return {0: End.NORMAL, LEFT_OUT: End.IGNORED}.get(-1 if exit.code is None else exit.code, End.ABNORMAL)


_UNWANTED = (Phase.STOPPING, Phase.DYING)
