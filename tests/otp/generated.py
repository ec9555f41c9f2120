"""Scenarios as Hypothesis draws them, and N of them by a seed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from supervisors.spec import AutoShutdown, Exhausted, Restart, Strategy
from tests.otp.scenarios import (
    BRUTAL_KILL,
    CRASHED,
    DEAF,
    DIES,
    ERROR,
    IGNORE,
    LONG_S,
    NORMAL,
    OBEDIENT,
    OK,
    SHORT_S,
    SHUTDOWN,
    UNTIDY,
    Act,
    Add,
    Crash,
    End,
    Node,
    RemoveIt,
    Scenario,
    StartIt,
    StopIt,
    Sup,
    Wait,
    Worker,
    below,
)

DEPTH = 3
WIDEST = 4


@dataclass(frozen=True, slots=True)
class Flavour:
    """What a whole scenario has; most have nothing that is different on purpose, so they are compared to the end."""

    waits: bool = False
    asks: bool = False
    quarantines: bool = False
    backs_off: bool = False
    breaks: bool = False


T = TypeVar("T")


def _often(usual: T, *others: T) -> st.SearchStrategy[T]:
    return st.sampled_from([usual] * 6 + list(others))


FLAVOURS = st.sampled_from(
    [Flavour()] * 16
    + [Flavour(asks=True)] * 12
    + [Flavour(waits=True), Flavour(quarantines=True), Flavour(backs_off=True), Flavour(breaks=True)]
)
RESTARTS = st.sampled_from([Restart.PERMANENT] * 3 + [Restart.TRANSIENT] * 2 + [Restart.TEMPORARY])
AUTO = st.sampled_from([AutoShutdown.NEVER] * 3 + [AutoShutdown.ANY, AutoShutdown.ALL])
MANNERS = _often((OBEDIENT, 5000), (UNTIDY, 5000), (DEAF, 4), (OBEDIENT, BRUTAL_KILL))


def _starts(first: list[str], later: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    several = st.builds(lambda each: (OK, *each), st.lists(st.sampled_from(later), max_size=3))
    return st.one_of(st.just(()), st.just(()), several, st.builds(lambda each: (each,), st.sampled_from(first)))


# by (whether starts fail, whether children die as soon as they are up)
STARTS = {
    (True, False): _starts([OK, IGNORE, ERROR], [OK, ERROR, ERROR, IGNORE]),
    (True, True): _starts([OK, ERROR, DIES], [OK, ERROR, DIES]),
    (False, False): _starts([OK, IGNORE], [OK, IGNORE]),
    (False, True): _starts([OK, IGNORE, DIES], [OK, IGNORE, DIES, DIES]),
}


class Draw:
    """Draws one scenario; names are a, b, c... in the order of drawing.

    Under one_for_all and rest_for_one, a start that fails and the death of another child never meet: which of the
    two OTP's supervisor hears of first decides what it does, and here that would be for the test to say.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.flavour = draw(FLAVOURS)
        self.named = 0
        self.backoff_s = 60.0 if self.flavour.backs_off else 0.0
        self.fails, self.dies = draw(st.booleans()), False

    def scenario(self) -> Scenario:
        root = replace(self.sup("root", 1), restart=Restart.PERMANENT, significant=False)
        acts = self.acts(root)
        if self.draw(st.integers(0, 9)):
            acts.append(End())
        return Scenario("generated", root, tuple(acts))

    def name(self) -> str:
        self.named += 1
        number = self.named - 1
        return chr(ord("a") + number % 26) + (str(number // 26) if number >= 26 else "")

    def sup(self, name: str, depth: int) -> Sup:
        strategy = self.draw(st.sampled_from(Strategy))
        if depth == 1:
            self.dies = not self.fails or strategy is Strategy.ONE_FOR_ONE
        auto, quarantines = self.draw(AUTO), self.flavour.quarantines and self.draw(st.booleans())
        children = [self.node(depth, auto) for _ in range(self.draw(st.integers(0 if depth > 1 else 1, WIDEST)))]
        return Sup(
            name,
            tuple(children),
            strategy=strategy,
            intensity=self.draw(st.integers(0, 3)),
            period_s=SHORT_S if self.flavour.waits else LONG_S,
            auto_shutdown=auto,
            exhausted=Exhausted.QUARANTINE if quarantines else Exhausted.ESCALATE,
            backoff_s=self.backoff_s,
        )

    def node(self, depth: int, above: AutoShutdown) -> Node:
        name, restart = self.name(), self.draw(RESTARTS)
        may = above is not AutoShutdown.NEVER and restart is not Restart.PERMANENT
        significant = may and self.draw(st.booleans())
        if depth < DEPTH and self.draw(st.integers(0, 3)) == 0:
            return replace(self.sup(name, depth + 1), restart=restart, significant=significant)
        return replace(self.worker(name, depth), restart=restart, significant=significant)

    def worker(self, name: str, depth: int) -> Worker:
        """Who dies at once does so under the root only: below, others would go on starting meanwhile."""
        manner, grace_ms = self.draw(MANNERS)
        starts = self.draw(STARTS[self.fails, self.dies and depth == 1])
        broken = self.flavour.breaks and self.draw(st.integers(0, 4)) == 0
        return Worker(name, grace_ms=grace_ms, manner=manner, starts=starts, broken=broken, backoff_s=self.backoff_s)

    # --- what happens ---------------------------------------------------------------------------------------------

    def acts(self, root: Sup) -> list[Act]:
        acts: list[Act] = []
        nodes = dict(_nodes(root))
        for _ in range(self.draw(st.integers(1, 6))):
            acts += self.act(nodes)
            if isinstance(acts[-1], Add):
                nodes.update(_nodes(acts[-1].node, acts[-1].parent))
        return acts

    def act(self, nodes: dict[str, tuple[Node, str]]) -> list[Act]:
        kinds = [self.crash] * 3
        if self.flavour.asks:
            kinds += [self.stop, self.stop_and_start, self.start, self.remove, self.add]
        if self.flavour.waits:
            kinds.append(self.wait)
        return self.draw(st.sampled_from(kinds))(nodes)

    def crash(self, nodes: dict[str, tuple[Node, str]]) -> list[Act]:
        crowds: dict[str, list[str]] = {}
        for name, (node, above) in nodes.items():
            if isinstance(node, Worker):
                crowds.setdefault(above, []).append(name)
        if not crowds:
            return [End()]
        above, crowd = self.draw(st.sampled_from(sorted(crowds.items())))
        sup = nodes[above][0]
        assert isinstance(sup, Sup)
        alone = self.fails and sup.strategy is not Strategy.ONE_FOR_ONE
        number = 1 if alone else self.draw(st.sampled_from([1, 1, 1, 2, 3]))
        names = self.draw(st.permutations(crowd))[:number]
        return [Crash(tuple(names), self.draw(_often(CRASHED, NORMAL, SHUTDOWN)))]

    def one(self, nodes: dict[str, tuple[Node, str]]) -> str:
        return self.draw(st.sampled_from([name for name in nodes if name != "root"] or ["root"]))

    def stop(self, nodes: dict[str, tuple[Node, str]]) -> list[Act]:
        return [StopIt(self.one(nodes))]

    def start(self, nodes: dict[str, tuple[Node, str]]) -> list[Act]:
        return [StartIt(self.one(nodes))]

    def stop_and_start(self, nodes: dict[str, tuple[Node, str]]) -> list[Act]:
        name = self.one(nodes)
        return [StopIt(name), StartIt(name)]

    def remove(self, nodes: dict[str, tuple[Node, str]]) -> list[Act]:
        name = self.one(nodes)
        return [StopIt(name), RemoveIt(name)]

    def add(self, nodes: dict[str, tuple[Node, str]]) -> list[Act]:
        parent = self.draw(st.sampled_from([name for name, (node, _) in nodes.items() if isinstance(node, Sup)]))
        sup = nodes[parent][0]
        assert isinstance(sup, Sup)
        deep = DEPTH if parent != "root" else DEPTH - 1
        return [Add(parent, self.node(deep, sup.auto_shutdown))]

    def wait(self, nodes: dict[str, tuple[Node, str]]) -> list[Act]:
        return [Wait()]


def _nodes(node: Node, parent: str = "") -> dict[str, tuple[Node, str]]:
    return {each.name: (each, up) for each, up in below(node, parent)}


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Any scenario."""
    return Draw(draw).scenario()


def drawn(number: int, seed_: int) -> Sequence[Scenario]:
    """No two are the same; they are the same ones for the same seed."""
    if not number:
        return ()
    found: dict[Scenario, None] = {}
    many = settings(
        max_examples=2 * number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @seed(seed_)
    @many
    @given(scenarios())
    def collect(scenario: Scenario) -> None:
        if len(found) < number:
            found.setdefault(scenario)

    collect()
    return [replace(each, name=f"generated {place} of seed {seed_}") for place, each in enumerate(found, 1)]
