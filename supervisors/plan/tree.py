"""The tree as a value: each child's standing, who keeps whom, and what a machine can be ordered to do."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Any

from supervisors.spec import ChildSpec, Rules, Strategy


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


LIVE = frozenset({Phase.STARTING, Phase.RUNNING, Phase.STOPPING, Phase.DYING})
UNSETTLED = frozenset({Phase.PENDING, Phase.STARTING})
UP = frozenset({Phase.STARTING, Phase.RUNNING})  # a supervisor in one of these looks after its children
GOING = frozenset({Phase.STOPPING, Phase.DYING})


class End(StrEnum):
    """How a child ended: exit code 0, after our own request, anything else, or "leave me out" before it was ready."""

    NORMAL = "normal"
    SHUTDOWN = "shutdown"
    ABNORMAL = "abnormal"
    IGNORED = "ignored"


class Then(StrEnum):
    """What follows the end of a child that was told to stop."""

    RESTART = "restart"  # the operator wants a new one
    GROUP = "group"  # its turn comes again in the restart of its group
    HOLD = "hold"
    END = "end"
    LEAVE = "leave"  # it is taken out of the tree


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


@dataclass(frozen=True, slots=True)
class Report:
    """Tell people that this incarnation does not even end by SIGKILL; no other is started beside it."""

    name: str
    token: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Tell people that this supervisor ends its children, because restarts did not help."""

    name: str
    why: str


Order = Start | Stop | Kill | Report | GiveUp


@dataclass(frozen=True, slots=True)
class At:
    """A moment: monotonic seconds, and a number in [0, 1) for the jitter."""

    now: float
    luck: float = 0.5


@dataclass(frozen=True, slots=True)
class Child:
    """One child's standing. `due` is when the next thing happens by itself in this phase (inf: nothing)."""

    spec: ChildSpec
    phase: Phase = Phase.PENDING
    token: int = 0
    due: float = inf
    since: float = 0.0
    ready: bool = False  # this incarnation has been
    recent: tuple[float, ...] = ()  # its restarts within the period
    failures: int = 0  # in a row, until it has been healthy
    restarts: int = 0  # ever
    on_probation: bool = False  # has been quarantined and not been healthy since
    probing: bool = False  # this incarnation was started out of a quarantine
    killed: bool = False
    then: Then = Then.RESTART
    reason: str = ""
    unheard: End | None = None  # how it ended, while its supervisor has no time for it
    successor: ChildSpec | None = None  # what it is from its next incarnation on
    # of a supervisor:
    restarted: tuple[float, ...] = ()  # restarts of its children within the period, where these escalate
    group: tuple[str, ...] = ()  # who is being stopped now, to be started again in order
    fate: End = End.SHUTDOWN  # how it will have ended, when it goes down by itself


@dataclass(frozen=True, slots=True)
class Tree:
    """All children; `members` are those of each supervisor, in start order."""

    root: str
    children: Mapping[str, Child]
    members: Mapping[str, tuple[str, ...]]
    parents: Mapping[str, str]
    next_token: int = 1

    @property
    def ending(self) -> bool:
        """Whether everything ends, because it was asked to or because the root gave up."""
        return self.children[self.root].phase in (Phase.STOPPING, Phase.DYING, Phase.ENDED)

    @property
    def over(self) -> bool:
        """Whether that is complete: no process of the tree lives."""
        return self.children[self.root].phase is Phase.ENDED

    @property
    def gave_up(self) -> str:
        """Why the root ended by itself; "" when it did not."""
        root = self.children[self.root]
        return root.reason if root.phase in (Phase.DYING, Phase.ENDED) else ""

    def rules(self, name: str) -> Rules:
        """The rules of a supervisor."""
        rules = self.children[name].spec.rules
        assert rules is not None
        return rules

    def keepers(self) -> Iterator[str]:
        """Every supervisor, deepest first."""
        return reversed(list(self.members))

    def below(self, name: str) -> Iterator[str]:
        """Everybody under a supervisor, in start order, sub-supervisors before their own children."""
        for member in self.members.get(name, ()):
            yield member
            yield from self.below(member)

    def walk(self) -> Iterator[tuple[str, int]]:
        """Everybody but the root in start order, with the depth (0: a child of the root)."""
        depths = {self.root: -1}
        for name in self.below(self.root):
            depths[name] = depths[self.parents[name]] + 1
            yield name, depths[name]

    def together(self, name: str) -> bool:
        """Whether the children of this supervisor are restarted in groups."""
        return self.rules(name).strategy is not Strategy.ONE_FOR_ONE


Step = tuple[Tree, Sequence[Order]]


def change(tree: Tree, name: str, **changes: Any) -> Tree:
    """The tree with one child's standing changed."""
    child = replace(tree.children[name], **changes)
    return replace(tree, children={**tree.children, name: child})


def forgiven(tree: Tree, name: str) -> Tree:
    """Earlier failures count no more."""
    return change(tree, name, recent=(), failures=0, on_probation=False)


def grown(tree: Tree, parent: str, spec: ChildSpec, now: float, held: Collection[str] = ()) -> Tree:
    """The tree with a child more, at the end of its supervisor's, not started; a supervisor brings its own."""
    child = Child(spec, _first_phase(spec, held, tree.children[parent].phase), since=now, reason=spec.broken)
    tree = replace(
        tree,
        children={**tree.children, spec.name: child},
        members={**tree.members, parent: (*tree.members[parent], spec.name)},
        parents={**tree.parents, spec.name: parent},
    )
    return _furnished(tree, spec, now, held)


def _first_phase(spec: ChildSpec, held: Collection[str], above: Phase) -> Phase:
    if spec.name in held:
        return Phase.HELD
    if spec.broken:
        return Phase.BROKEN
    return Phase.PENDING if above in UNSETTLED or above is Phase.RUNNING else Phase.ENDED


def planted(root: ChildSpec, held: Collection[str], now: float) -> Tree:
    """A tree of children yet to be started; those in `held` wait for the operator."""
    return _furnished(Tree(root.name, {root.name: Child(root, since=now)}, {}, {}), root, now, held)


def _furnished(tree: Tree, spec: ChildSpec, now: float, held: Collection[str]) -> Tree:
    if spec.rules is not None:
        tree = replace(tree, members={**tree.members, spec.name: ()})
    for each in spec.children:
        tree = grown(tree, spec.name, each, now, held)
    return tree


def without(tree: Tree, name: str) -> Tree:
    """The tree without a child, and without everybody under it."""
    gone = {name, *tree.below(name)}
    parent = tree.parents[name]
    members = {keeper: names for keeper, names in tree.members.items() if keeper not in gone}
    tree = change(tree, parent, group=tuple(each for each in tree.children[parent].group if each != name))
    return replace(
        tree,
        children={each: child for each, child in tree.children.items() if each not in gone},
        members={**members, parent: tuple(each for each in members[parent] if each != name)},
        parents={each: above for each, above in tree.parents.items() if each not in gone},
    )
