"""The supervisor's decisions: (tree, what happened) -> (tree, orders). Pure: no I/O, no clock, no dice.

    PENDING ──> STARTING ──ready──> RUNNING ──asked──> STOPPING ──died──> HELD | WAITING (restart) | ENDED (shutdown)
                   │ late              │ hung                │ grace is over
                   └──────> DYING <────┴─────────────────────┘
                              │ died
    any ──died on its own──> WAITING ──due──> STARTING        the first restart at once, then with back-off
                         └─> QUARANTINED ──due──> STARTING    the budget is spent: siblings live, probes never end
    BROKEN                                                    cannot be built; shown with its reason

Where Erlang/OTP defines the behaviour (one_for_one, intensity and period, order of start and stop), it is the same.
On purpose different: a spent budget quarantines the one child instead of ending its siblings, and counts that child's
restarts alone; restarts after the first wait; a child held by an operator is not started by anything but `start`.

`luck` is a number in [0, 1) for the jitter. Times are monotonic seconds. A `token` numbers the incarnations of all
children: news of an older incarnation is no news.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf

from supervisors.spec import Budget, ChildSpec, Restart


class Phase(StrEnum):
    """Where a child stands; the words are what an operator reads in `holdfast status`."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    DYING = "dying"
    WAITING = "restarting"
    QUARANTINED = "quarantined"
    HELD = "stopped"
    ENDED = "ended"
    BROKEN = "broken"


STACKS_WITHIN_S = 1.0  # how long a hung process has to write its stacks after SIGABRT; then SIGKILL
LIVE = frozenset({Phase.STARTING, Phase.RUNNING, Phase.STOPPING, Phase.DYING})
UNSETTLED = frozenset({Phase.PENDING, Phase.STARTING})


class Then(StrEnum):
    """What follows the death of a child that was told to stop."""

    RESTART = "restart"
    HOLD = "hold"
    END = "end"


@dataclass(frozen=True, slots=True)
class Start:
    """Make a process for this child."""

    name: str
    token: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask this incarnation to end (SIGTERM)."""

    name: str
    token: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End this incarnation now (SIGKILL); with `stacks`, have it write where it hangs first (SIGABRT)."""

    name: str
    token: int
    stacks: bool = False


Order = Start | Stop | Kill


@dataclass(frozen=True, slots=True)
class Child:
    """One child's standing. `due` is when the next thing happens by itself in this phase (inf: nothing)."""

    spec: ChildSpec
    phase: Phase = Phase.PENDING
    token: int = 0
    due: float = inf
    since: float = 0.0
    recent: tuple[float, ...] = ()  # restarts within the period
    failures: int = 0  # in a row, until it has been healthy
    restarts: int = 0  # ever
    on_probation: bool = False  # has been quarantined and not been healthy since
    then: Then = Then.RESTART
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """All children of one supervisor, in start order."""

    children: Mapping[str, Child]
    budget: Budget = field(default_factory=Budget)
    next_token: int = 1
    ending: bool = False

    @property
    def over(self) -> bool:
        """Whether a shutdown is complete: no process of the tree lives."""
        return self.ending and not any(child.phase in LIVE for child in self.children.values())


Step = tuple[Tree, Sequence[Order]]


# --- what can happen ------------------------------------------------------------------------------------------------


def planted(specs: Sequence[ChildSpec], budget: Budget, held: Sequence[str], now: float) -> Tree:
    """A tree of children yet to be started; those in `held` wait for the operator."""

    def standing(spec: ChildSpec) -> Child:
        if spec.broken:
            return Child(spec, Phase.BROKEN, since=now, reason=spec.broken)
        return Child(spec, Phase.HELD if spec.name in held else Phase.PENDING, since=now)

    return Tree({spec.name: standing(spec) for spec in specs}, budget)


def passed(tree: Tree, now: float) -> Step:
    """Time has passed: start whose turn it is, and do what is due."""
    tree, orders = _start_in_turn(tree, now)
    for name, child in tree.children.items():
        if child.due <= now:
            tree, more = _DUE[child.phase](tree, name, now)
            orders = (*orders, *more)
    tree, more = _start_in_turn(tree, now)  # again, because who was late holds up the others no longer
    return tree, (*orders, *more)


def became_ready(tree: Tree, name: str, token: int, now: float) -> Step:
    """A child does its work: it counts as running from now."""
    child = tree.children[name]
    if child.token != token or child.phase is not Phase.STARTING:
        return tree, ()
    well_s = tree.budget.healthy_after_s if child.on_probation else tree.budget.period_s
    return passed(_with(tree, name, phase=Phase.RUNNING, since=now, due=now + well_s, reason=""), now)


def hung(tree: Tree, name: str, token: int, now: float) -> Step:
    """A running child shows no sign of life: hang is death."""
    child = tree.children[name]
    if child.token != token or child.phase is not Phase.RUNNING:
        return tree, ()
    reason = f"hung: no sign of life for {child.spec.hang_after_s:g} s"
    return _doomed(tree, name, reason, now)


def died(tree: Tree, name: str, token: int, how: str, normal: bool, now: float, luck: float) -> Step:
    """A process is gone, or could not be made. `how` is for people, `normal` means exit code 0."""
    child = tree.children[name]
    if child.token != token or child.phase not in LIVE:
        return tree, ()
    if child.phase is Phase.STOPPING:
        return _obeyed(tree, name, now)
    if child.phase is Phase.DYING:  # whatever it did with its last breath: it was being ended
        normal, how = False, child.reason
    if tree.ending:
        return _next_end(_with(tree, name, phase=Phase.ENDED, since=now, due=inf, reason=how), now)
    if not _comes_back(child.spec.restart, normal):
        return passed(_with(tree, name, phase=Phase.ENDED, since=now, due=inf, reason=how), now)
    return _failed(tree, name, how, now, luck)


def asked_stop(tree: Tree, name: str, now: float) -> Step:
    """The operator holds a child: it stays stopped until `asked_start`."""
    child = tree.children[name]
    if child.phase is Phase.BROKEN:
        return tree, ()
    if child.phase in LIVE:
        tree, orders = _stop(tree, name, Then.HOLD, now)
    else:
        tree, orders = _with(tree, name, phase=Phase.HELD, since=now, due=inf, reason="held by the operator"), ()
    tree, more = passed(tree, now)  # those that waited for it wait no longer
    return tree, (*orders, *more)


def asked_start(tree: Tree, name: str, now: float) -> Step:
    """The operator lets a child run: at once, and with a clean record."""
    child = tree.children[name]
    if child.phase is Phase.BROKEN or tree.ending:
        return tree, ()
    if child.phase is Phase.STOPPING and child.then is Then.HOLD:
        return _with(_forgiven(tree, name), name, then=Then.RESTART), ()
    if child.phase in LIVE:
        return tree, ()
    return _start(_forgiven(tree, name), name, now)


def asked_restart(tree: Tree, name: str, now: float) -> Step:
    """The operator wants a new process: stop, then start; it does not count against the budget."""
    child = tree.children[name]
    if child.phase in LIVE and not tree.ending:
        return _stop(_forgiven(tree, name), name, Then.RESTART, now)
    return asked_start(tree, name, now)


def asked_shutdown(tree: Tree, now: float) -> Step:
    """Everything ends, in the reverse of the order in which it was started."""
    return _next_end(replace(tree, ending=True), now)


def next_due(tree: Tree) -> float:
    """The time at which `passed` has something to do (inf: only an event will)."""
    return min((child.due for child in tree.children.values()), default=inf)


# --- what follows ---------------------------------------------------------------------------------------------------


def _turn(tree: Tree) -> list[str]:
    """The pending children whose turn it is: all up to the first unsettled one that the others wait for."""
    turn: list[str] = []
    if tree.ending:
        return turn
    for name, child in tree.children.items():
        if child.phase is Phase.PENDING:
            turn.append(name)
        if child.spec.waits and child.phase in UNSETTLED:
            break
    return turn


def _start_in_turn(tree: Tree, now: float) -> Step:
    orders: list[Order] = []
    for name in _turn(tree):
        tree, more = _start(tree, name, now)
        orders += more
    return tree, orders


def _start(tree: Tree, name: str, now: float) -> Step:
    token = tree.next_token
    due = now + tree.children[name].spec.start_within_s
    tree = _with(tree, name, phase=Phase.STARTING, token=token, since=now, due=due, then=Then.RESTART)
    return replace(tree, next_token=token + 1), (Start(name, token),)


def _stop(tree: Tree, name: str, then: Then, now: float) -> Step:
    child = tree.children[name]
    if child.phase in (Phase.STOPPING, Phase.DYING):
        return _with(tree, name, then=then, phase=Phase.STOPPING), ()
    tree = _with(tree, name, phase=Phase.STOPPING, since=now, due=now + child.spec.grace_s, then=then, reason="")
    return tree, (Stop(name, child.token),)


def _obeyed(tree: Tree, name: str, now: float) -> Step:
    match tree.children[name].then:
        case Then.RESTART if not tree.ending:
            child = tree.children[name]
            return _start(_with(tree, name, restarts=child.restarts + 1), name, now)
        case Then.HOLD:
            tree = _with(tree, name, phase=Phase.HELD, since=now, due=inf, reason="held by the operator")
        case _:
            tree = _with(tree, name, phase=Phase.ENDED, since=now, due=inf)
    return _next_end(tree, now) if tree.ending else (tree, ())


def _failed(tree: Tree, name: str, reason: str, now: float, luck: float) -> Step:
    """A restart is owed: at once the first time, later with back-off, in quarantine when the budget is spent."""
    child, budget = tree.children[name], tree.budget
    recent = (*(t for t in child.recent if now - t <= budget.period_s), now)[-budget.intensity - 1 :]
    spent = child.on_probation or len(recent) > budget.intensity
    delay_s = child.spec.backoff.delay_s(max(0, child.failures - 1), luck) if child.failures or spent else 0.0
    tree = _with(
        tree,
        name,
        phase=Phase.QUARANTINED if spent else Phase.WAITING,
        since=now,
        due=now + delay_s,
        recent=recent,
        failures=child.failures + 1,
        restarts=child.restarts + 1,
        on_probation=spent,
        reason=reason,
    )
    return passed(tree, now)


def _late(tree: Tree, name: str, now: float) -> Step:
    child = tree.children[name]
    return _doomed(tree, name, f"not ready within {child.spec.start_within_s:g} s", now)


def _doomed(tree: Tree, name: str, reason: str, now: float) -> Step:
    tree = _with(tree, name, phase=Phase.DYING, since=now, due=now + STACKS_WITHIN_S, reason=reason)
    return tree, (Kill(name, tree.children[name].token, stacks=True),)


def _out_of_grace(tree: Tree, name: str, now: float) -> Step:
    return _with(tree, name, due=inf), (Kill(name, tree.children[name].token),)


def _well(tree: Tree, name: str, now: float) -> Step:
    return _with(_forgiven(tree, name), name, due=inf), ()


# what to do with a child whose `due` has come, by phase
_DUE: Mapping[Phase, Callable[[Tree, str, float], Step]] = {
    Phase.WAITING: _start,
    Phase.QUARANTINED: _start,
    Phase.STARTING: _late,
    Phase.STOPPING: _out_of_grace,
    Phase.DYING: _out_of_grace,
    Phase.RUNNING: _well,
}


def _next_end(tree: Tree, now: float) -> Step:
    """Stop the last child that still lives and was not told to; the one before it follows when it is gone.

    Children that nothing waits for end together with their neighbours of that kind.
    """
    orders: list[Order] = []
    for name, child in tree.children.items():  # at once: none of them may come back while it is not its turn to stop
        if child.phase in (Phase.PENDING, Phase.WAITING, Phase.QUARANTINED):
            tree = _with(tree, name, phase=Phase.ENDED, since=now, due=inf)
    for name in reversed(list(tree.children)):
        child = tree.children[name]
        if child.phase not in LIVE:
            continue
        if child.spec.waits and any(other.phase in LIVE for other in _after(tree, name)):
            break
        tree, more = _stop(tree, name, Then.END, now)
        orders += more
    return tree, orders


def _after(tree: Tree, name: str) -> list[Child]:
    names = list(tree.children)
    return [tree.children[other] for other in names[names.index(name) + 1 :]]


def _comes_back(restart: Restart, normal: bool) -> bool:
    return restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and not normal)


def _forgiven(tree: Tree, name: str) -> Tree:
    return _with(tree, name, recent=(), failures=0, on_probation=False)


def _with(tree: Tree, name: str, **changes: object) -> Tree:
    child = replace(tree.children[name], **changes)  # type: ignore[arg-type]
    return replace(tree, children={**tree.children, name: child})
