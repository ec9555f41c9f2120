"""The root's one loop: it tells the plan what happened and carries out what the plan orders.

    pidfds, zygote, mailbox, signals, timers ──what happened──> plan (pure) ──orders──> zygote, signals

It owns no decision but one: when the last sign of life is too old. Every restart is a fork request of a few bytes; the
loop never waits for one child.
"""

import os
import random
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from supervisors import crashes, plan
from supervisors.crashes import Crash
from supervisors.events import ChildDied, ChildHung, ChildReady, ChildStopped, Operated, ZygoteDied, say
from supervisors.held import Held
from supervisors.host import Home, crash_path, write_home
from supervisors.logs import LOG_BYTES, bound, log_path
from supervisors.obituary import Obituary
from supervisors.plan import Kill, Order, Phase, Start, Step, Stop, Tree
from supervisors.process import Born, Process, Zygote, end, end_strangers, group_of, start_zygote, strangers, watched
from supervisors.spec import Budget, ChildSpec
from transports.backoff import Backoff
from transports.clock import Clock
from transports.mailbox import Call, Letter, Mailbox, Timer
from transports.messages import Beat, Message, Operate, Ready, Status
from transports.settings import nearest

TEND_S = 30.0
REPORT_AFTER_S = 0.1
LOOK_S = 1.0  # how often signs of life are looked over
STALL_S = 0.5  # a look that comes this late was not late by chance: the loop itself stood still
ZYGOTE_WITHIN_S = 30.0  # to import everything, also on a slow disk, or to answer a request
ZYGOTE_BACKOFF = Backoff(ceiling_s=30.0)  # between zygotes that never became ready


@dataclass(frozen=True, slots=True)
class House:
    """What the root needs to know beside the children: where it is and what it is called."""

    gateway: str
    run_dir: Path
    data_dir: Path
    heartbeat_s: float = 1.0
    log_level: str = "INFO"
    preload: Sequence[str] = ()


@dataclass(slots=True)
class Life:
    """The running process of a child, and what it last told of itself."""

    token: int
    process: Process
    started: float
    last_beat: float
    ready: bool = False
    progress: int = 0
    state: Mapping[str, Any] = field(default_factory=dict)


class Supervisor:
    """Keeps the children of one gateway alive until it is told to end."""

    def __init__(
        self, house: House, specs: Sequence[ChildSpec], budget: Budget, clock: Clock, mailbox: Mailbox
    ) -> None:
        self._house, self._clock, self._mailbox = house, clock, mailbox
        log_path(house.data_dir, "any").parent.mkdir(parents=True, exist_ok=True)
        self._held = Held(house.data_dir / "held.json")
        self._specs = {spec.name: spec for spec in specs}
        self._tree = plan.planted(specs, budget, self._held.names, clock.now())
        self._lives: dict[str, Life] = {}
        self._asked: dict[int, str] = {}  # token -> name: to be made by the zygote, no answer yet
        self._unsent: deque[int] = deque()  # those of them that it has not been told of
        self._last_end: dict[str, str] = {}
        self._zygote: Zygote | None = None
        self._zygote_ready = False
        self._zygote_deadline = inf
        self._zygote_failures = 0
        self._excused = False  # the last look came too late to blame anybody
        self._started = clock.now()
        self._obituary = Obituary(mailbox, clock)
        self._look_s = min([LOOK_S, *(spec.hang_after_s / 4 for spec in specs)])
        self._next_look = Timer(inf, 0, None)

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start everything and keep it; returns when all have ended after `end`."""
        self._new_zygote()
        self._look()
        self._tend_logs()
        while not self._tree.over:
            envelope = self._mailbox.get()
            if envelope.reply_to is None:
                self._handle(envelope.message)
            else:
                envelope.reply_to.set(self._handle(envelope.message))
        self._farewell()

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
                return self._operate(message)
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
            self._mailbox.at(self._clock.now(), lambda: self._gone(name, token, how, normal=False))
            return
        self._asked[token] = name
        self._unsent.append(token)
        self._request()

    def _request(self) -> None:
        """Pass on requests until the zygote's queue is full; its next answer makes room."""
        while self._unsent and self._zygote_ready and self._zygote is not None:
            token = self._unsent[0]
            if not self._zygote.ask(token, self._asked[token]):
                return
            self._unsent.popleft()
            self._zygote_deadline = self._clock.now() + ZYGOTE_WITHIN_S

    def _signal(self, name: str, token: int, number: int) -> None:
        life = self._lives.get(name)
        if life is not None and life.token == token:
            if number == signal.SIGABRT:
                say(ChildHung(name, life.process.pid))
            life.process.send(number)
        elif token in self._unsent:  # nobody was asked to make it; what is being made is ended when it is there
            self._unmade(name, token)

    def _unmade(self, name: str, token: int) -> None:
        self._unsent.remove(token)
        del self._asked[token]
        self._gone(name, token, "ended before it had a process", normal=True)

    def _gone(self, name: str, token: int, how: str, normal: bool) -> None:
        """A process ended. What follows is ordered first; telling people about it can wait for that."""
        now = self._clock.now()
        before = self._tree.children[name]
        trace = crashes.collected(crash_path(self._house.run_dir, name))
        how = before.reason if before.phase is Phase.DYING else f"{how}: {_last_line(trace)}" if trace else how
        self._last_end[name] = how
        self._decide(plan.died(self._tree, name, token, how, normal, now, random.random()))
        life, child = self._lives.pop(name, None), self._tree.children[name]
        if before.phase is Phase.STOPPING or (normal and child.phase is Phase.ENDED):
            say(ChildStopped(name, how))
        else:
            self._report(name, life, child, trace, now)

    def _report(self, name: str, life: Life | None, child: plan.Child, trace: str, now: float) -> None:
        pid, how = life.process.pid if life else 0, self._last_end[name]
        next_in_s = max(0.0, child.due - now) if child.phase in (Phase.WAITING, Phase.QUARANTINED) else 0.0
        say(ChildDied(name, pid, how, next_in_s, child.on_probation, child.phase is not Phase.ENDED))
        if child.spec.kind == "device" and child.phase is Phase.QUARANTINED:
            self._obituary.announce(name, how, life.state.get("last_read_ns", 0) if life else 0)
        # written a moment later: the root is needed for the restart now
        self._mailbox.at(now + REPORT_AFTER_S, lambda: self._write_report(name, life, child, trace, now))

    def _write_report(self, name: str, life: Life | None, child: plan.Child, trace: str, died_at: float) -> None:
        next_in_s = max(0.0, child.due - died_at) if child.phase in (Phase.WAITING, Phase.QUARANTINED) else 0.0
        crash = Crash(
            name=name,
            pid=life.process.pid if life else 0,
            how=child.reason,
            traceback=trace,
            log=crashes.last_lines(log_path(self._house.data_dir, name)),
            beat_age_s=died_at - life.last_beat if life else None,
            restart=child.restarts,
            next_in_s=next_in_s,
            quarantined=child.on_probation,
            state=life.state if life else {},
        )
        crashes.write(self._house.data_dir / "crashes", crash, self._clock.utc_ns())

    # --- what children say -------------------------------------------------------------------------------------------

    def _ready(self, name: str, ready: Ready) -> None:
        if ready.token in self._asked:
            self._answered()  # the child was quicker than the zygote's news of it
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
        if now > self._zygote_deadline and self._zygote is not None:
            self._zygote.process.send(signal.SIGKILL)
        self._request()

    def _tend_logs(self) -> None:
        """Children write to their logs for years; the root keeps those bounded."""
        for name in self._tree.children:
            bound(log_path(self._house.data_dir, name), LOG_BYTES)
        self._mailbox.at(self._clock.now() + TEND_S, self._tend_logs)

    # --- the zygote --------------------------------------------------------------------------------------------------

    def _new_zygote(self) -> None:
        self._zygote_ready, self._zygote_deadline = False, self._clock.now() + ZYGOTE_WITHIN_S
        try:
            self._zygote = zygote = start_zygote(self._house.run_dir, self._house.preload)
        except OSError as refused:  # no memory, no descriptors: there may be some later
            say(ZygoteDied(f"it cannot be started: {refused}"))
            self._next_zygote()
            return
        self._mailbox.when_readable(zygote.fileno(), self._answered)
        self._mailbox.when_readable(zygote.process.pidfd, self._zygote_died)

    def _next_zygote(self) -> None:
        """At once after one that worked; with a back-off when it would probably fail again."""
        delay_s = ZYGOTE_BACKOFF.delay_s(self._zygote_failures - 1, random.random()) if self._zygote_failures else 0.0
        self._zygote_failures += 1
        self._mailbox.at(self._clock.now() + delay_s, self._new_zygote)

    def _answered(self) -> None:
        zygote = self._zygote
        for born in zygote.answers() if zygote is not None else ():
            if born.token == 0:
                self._zygote_ready, self._zygote_failures = True, 0
            else:
                self._born(born)
            waits = len(self._asked) > len(self._unsent)
            self._zygote_deadline = self._clock.now() + ZYGOTE_WITHIN_S if waits else inf
        self._request()

    def _born(self, born: Born) -> None:
        name = self._asked.pop(born.token)
        if born.pid == 0:
            self._gone(name, born.token, born.error, normal=False)
            return
        try:
            process = watched(born.pid)
        except ProcessLookupError:  # a spare that was ended with its dead zygote's strangers
            self._gone(name, born.token, "its process ended before it began", normal=False)
            return
        now = self._clock.now()
        self._lives[name] = Life(born.token, process, now, now)
        self._mailbox.when_readable(process.pidfd, lambda: self._ended(name, born.token, process))
        if self._tree.children[name].phase in _UNWANTED:
            process.send(signal.SIGKILL)  # it has done nothing yet that could be lost

    def _ended(self, name: str, token: int, process: Process) -> None:
        self._mailbox.forget(process.pidfd)
        how = process.reap()
        self._end_orphans()
        self._gone(name, token, str(how), how.normal)

    def _zygote_died(self) -> None:
        zygote = self._zygote
        if zygote is None:
            return
        self._answered()  # what it said before it died still counts
        self._mailbox.forget(zygote.process.pidfd)
        self._mailbox.forget(zygote.fileno())
        how = zygote.process.reap()
        zygote.close()
        self._zygote = None
        if self._tree.over:
            return
        say(ZygoteDied(str(how)))
        end_strangers(self._known())
        self._unsent = deque(self._asked)
        for token, name in list(self._asked.items()):
            if token in self._unsent and self._tree.children[name].phase in _UNWANTED:
                self._unmade(name, token)
        self._next_zygote()

    def _end_orphans(self) -> None:
        """What a dead child had started by itself is the root's now. It may still hold the name of that child."""
        nest = self._zygote.process.pid if self._zygote is not None else 0  # spares are in the zygote's group
        suspects = {pid for pid in strangers(self._known()) if group_of(pid) != nest}
        self._answered()  # the zygote answers before it lets a child go: whoever was born is known from here on
        end(suspects - self._known())

    def _known(self) -> set[int]:
        known = {life.process.pid for life in self._lives.values()}
        return known | {self._zygote.process.pid} if self._zygote is not None else known

    def _farewell(self) -> None:
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            self._mailbox.forget(zygote.process.pidfd)
            self._mailbox.forget(zygote.fileno())
            zygote.process.send(signal.SIGKILL)
            zygote.process.reap()
            zygote.close()
        end_strangers(self._known())

    # --- the operator ------------------------------------------------------------------------------------------------

    def _operate(self, wish: Operate) -> dict[str, str]:
        now = self._clock.now()
        if wish.verb == "shutdown":
            self._mailbox.at(now, self.end)
            result = "under way"
        elif wish.verb not in _VERBS:
            return {"error": f"unknown verb {wish.verb!r}; {nearest(wish.verb, list(_VERBS))}"}
        elif wish.name not in self._tree.children:
            result = f"unknown name {wish.name!r}; {nearest(wish.name, list(self._tree.children))}"
            return {"error": result}
        elif self._tree.children[wish.name].phase is Phase.BROKEN:
            return {"error": f"{wish.name} cannot be built: {self._tree.children[wish.name].reason}"}
        else:
            result = self._carry_wish(wish, _VERBS[wish.verb], now)
        say(Operated(wish.who, wish.verb, wish.name, result))
        return {"result": result}

    def _carry_wish(self, wish: Operate, verb: Callable[[Tree, str, float], Step], now: float) -> str:
        lasting = ""
        try:
            (self._held.add if wish.verb == "stop" else self._held.remove)(wish.name)
        except OSError as refused:  # a full disk must not keep anybody from stopping a machine
            lasting = f", until the gateway is restarted: {refused}"
        self._decide(verb(self._tree, wish.name, now))
        return f"{self._tree.children[wish.name].phase}{lasting}"

    def status(self) -> dict[str, Any]:
        """The tree as plain data, in start order."""
        now = self._clock.now()
        zygote = self._zygote.process.pid if self._zygote is not None else 0
        return {
            "gateway": self._house.gateway,
            "pid": os.getpid(),
            "uptime_s": round(now - self._started, 3),
            "zygote": {"pid": zygote, "ready": self._zygote_ready},
            "ending": self._tree.ending,
            "heartbeat_s": self._house.heartbeat_s,
            "children": [self._status_of(name, child, now) for name, child in self._tree.children.items()],
        }

    def _status_of(self, name: str, child: plan.Child, now: float) -> dict[str, Any]:
        life = self._lives.get(name)
        next_in_s = round(max(0.0, child.due - now), 3) if child.phase in (Phase.WAITING, Phase.QUARANTINED) else None
        return {
            "name": name,
            "kind": child.spec.kind,
            "phase": str(child.phase),
            "pid": life.process.pid if life else None,
            "token": child.token,
            "for_s": round(now - child.since, 3),
            "restarts": child.restarts,
            "restarts_in_period": len([t for t in child.recent if now - t <= self._tree.budget.period_s]),
            "on_probation": child.on_probation,
            "reason": child.reason,
            "last_end": self._last_end.get(name, ""),
            "next_in_s": next_in_s,
            "beat_age_s": round(now - life.last_beat, 3) if life and life.ready else None,
            "progress": life.progress if life else 0,
            "state": dict(life.state) if life else {},
        }


_UNWANTED = (Phase.STOPPING, Phase.DYING)
_VERBS: Mapping[str, Callable[[Tree, str, float], Step]] = {
    "restart": plan.asked_restart,
    "stop": plan.asked_stop,
    "start": plan.asked_start,
}


def _last_line(trace: str) -> str:
    lines = trace.strip().splitlines()
    return lines[-1].strip() if lines else ""
