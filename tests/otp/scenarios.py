"""What a scenario is: a tree of children, how their starts go, and what happens to it, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from supervisors.spec import AutoShutdown, ChildSpec, Exhausted, Restart, Rules, Strategy
from transports.backoff import Backoff

LONG_S = 3600  # no scenario lasts as long: a restart in it is never forgotten
SHORT_S = 3  # of scenarios with a `Wait`: forgotten after it, never before
WAIT_S = 4.2  # more than SHORT_S + 1: also by OTP's clock, which counts whole seconds

OK, ERROR, IGNORE, DIES, HALTED = "ok", "error", "ignore", "dies", "halted"  # see `Worker.starts`
OBEDIENT, UNTIDY, DEAF = "obedient", "untidy", "deaf"  # see `Worker.manner`
CRASHED, NORMAL, SHUTDOWN = "crashed", "normal", "shutdown"  # how a child ends by itself
BRUTAL_KILL = 0


@dataclass(frozen=True, slots=True)
class Worker:
    """A child that is a process.

    `starts` is what its 1st, 2nd... start comes to, `ok` after the last: `error`, `ignore`, `dies` (it comes up and
    is dead before its supervisor does anything else), `halted` (an error, and the operator's stop arrives before the
    next attempt). Told to stop, an `obedient` one ends as asked, an `untidy` one with an error, and a `deaf` one is
    killed when its `grace_ms` is over.
    """

    name: str
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    grace_ms: int = 5000
    manner: str = OBEDIENT
    starts: tuple[str, ...] = ()
    broken: bool = False  # it cannot be built: for OTP, every start is an error
    backoff_s: float = 0.0

    def __str__(self) -> str:
        return _shown(self)


@dataclass(frozen=True, slots=True)
class Sup:
    """A supervisor and its children, in start order."""

    name: str
    children: tuple["Worker | Sup", ...] = ()
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 1
    period_s: int = LONG_S
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    exhausted: Exhausted = Exhausted.ESCALATE
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    backoff_s: float = 0.0

    def __str__(self) -> str:
        return _shown(self)


def _shown(node: "Worker | Sup") -> str:
    """What is not as usual, on one line."""
    told = [each for each in fields(node) if each.name != "name" and getattr(node, each.name) != each.default]
    values = {each.name: getattr(node, each.name) for each in told}
    words = [f"{name}={' '.join(map(str, v)) if isinstance(v, tuple) else v}" for name, v in values.items()]
    return f"{node.name}({', '.join(words)})"


Node = Worker | Sup


@dataclass(frozen=True, slots=True)
class Crash:
    """Children of one supervisor end by themselves, in this order, before it hears of the first."""

    names: tuple[str, ...]
    how: str = CRASHED


@dataclass(frozen=True, slots=True)
class StopIt:
    """The operator's `stop`, terminate_child."""

    name: str


@dataclass(frozen=True, slots=True)
class StartIt:
    """The operator's `start`, restart_child."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveIt:
    """delete_child."""

    name: str


@dataclass(frozen=True, slots=True)
class Add:
    """A dynamic child, start_child."""

    parent: str
    node: Node


@dataclass(frozen=True, slots=True)
class Wait:
    """Restarts are forgotten meanwhile, where the period is short."""

    seconds: float = WAIT_S


@dataclass(frozen=True, slots=True)
class Align:
    """Until `after_s` past the beginning of a whole second."""

    after_s: float


@dataclass(frozen=True, slots=True)
class End:
    """The whole tree is told to stop."""


Act = Crash | StopIt | StartIt | RemoveIt | Add | Wait | Align | End


@dataclass(frozen=True, slots=True)
class Scenario:
    """`name` is a promise (of a written one). The root is called "root".

    `meets` is the documented difference that it must meet; "": none, to the end; None: any or none will do.
    """

    name: str
    root: Sup
    acts: tuple[Act, ...] = (End(),)
    meets: str | None = None

    def nodes(self) -> Iterator[tuple[Node, str]]:
        """All nodes there ever are, those added last, with the name of their supervisor ("" of the root)."""
        yield from below(self.root, "")
        for act in self.acts:
            if isinstance(act, Add):
                yield from below(act.node, act.parent)

    def parents(self) -> dict[str, str]:
        return {node.name: parent for node, parent in self.nodes()}

    def sups(self) -> dict[str, Sup]:
        return {node.name: node for node, _ in self.nodes() if isinstance(node, Sup)}

    def workers(self) -> dict[str, Worker]:
        return {node.name: node for node, _ in self.nodes() if isinstance(node, Worker)}


def below(node: Node, parent: str) -> Iterator[tuple[Node, str]]:
    """The node and everybody under it, each with its supervisor."""
    yield node, parent
    if isinstance(node, Sup):
        for child in node.children:
            yield from below(child, node.name)


def spec(node: Node) -> ChildSpec:
    """The same as the plan wants it."""
    if isinstance(node, Sup):
        rules = Rules(
            strategy=node.strategy,
            intensity=node.intensity,
            period_s=node.period_s,
            on_exhausted=node.exhausted,
            auto_shutdown=node.auto_shutdown,
        )
        children = tuple(spec(child) for child in node.children)
        plain = ChildSpec(node.name, "supervisor", rules=rules, children=children)
    else:
        broken = "it cannot be built" if node.broken else ""
        plain = ChildSpec(node.name, "worker", grace_s=node.grace_ms / 1000, broken=broken)
    backoff = Backoff(first_s=node.backoff_s, jitter=0.0)
    return replace(plain, restart=node.restart, significant=node.significant, backoff=backoff)
