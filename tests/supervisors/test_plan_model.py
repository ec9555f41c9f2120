"""Random lives of a tree: children start, get ready, hang, die, obey or do not, while operators ask for things.

The test plays the machine: it has the processes that were ordered and lets them do as they like. Whatever happens, the
orders must make sense to a machine, nobody is forgotten, and a shutdown ends.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisors import plan
from supervisors.plan import LIVE, UNSETTLED, Kill, Order, Phase, Start, Step, Stop
from supervisors.spec import Budget, ChildSpec, Restart
from transports.backoff import Backoff

SECONDS = st.floats(0.001, 50.0)
BUDGETS = st.builds(Budget, st.integers(0, 3), st.floats(1.0, 60.0), st.floats(1.0, 120.0))
LUCK = st.floats(0, 1, exclude_max=True)


@st.composite
def specs(draw: st.DrawFn) -> list[ChildSpec]:
    """One to five children of every kind."""
    made = st.builds(
        ChildSpec,
        name=st.just(""),
        kind=st.just("device"),
        restart=st.sampled_from([Restart.PERMANENT, Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY]),
        waits=st.booleans(),
        start_within_s=SECONDS,
        grace_s=SECONDS,
        backoff=st.builds(Backoff, st.floats(0.01, 1.0), ceiling_s=st.floats(1.0, 20.0)),
        broken=st.sampled_from(["", "", "", "cannot be built"]),
    )
    return [replace(each, name=f"c{n}") for n, each in enumerate(draw(st.lists(made, min_size=1, max_size=5)))]


class Machine(RuleBasedStateMachine):
    """`processes` are the live incarnations by token; `killed` those of them that are about to be gone."""

    @initialize(specs=specs(), budget=BUDGETS, data=st.data())
    def begin(self, specs: list[ChildSpec], budget: Budget, data: st.DataObject) -> None:
        self.now, self.specs = 100.0, {spec.name: spec for spec in specs}
        self.held = set(data.draw(st.sets(st.sampled_from(list(self.specs)))))
        self.held -= {spec.name for spec in specs if spec.broken}
        self.processes: dict[int, str] = {}
        self.killed: set[int] = set()
        self.tokens: set[int] = set()
        self.tree = plan.planted(specs, budget, sorted(self.held), self.now)
        self.pass_time()

    # --- carrying out ------------------------------------------------------------------------------------------------

    def take(self, step: Step, asked: bool = False) -> None:
        self.tree, orders = step
        for order in orders:
            self.obey(order, asked)

    def obey(self, order: Order, asked: bool) -> None:
        match order:
            case Start(name, token):
                assert name not in self.processes.values(), "two live incarnations of one name"
                assert name not in self.held, "a held child was started"
                assert not self.specs[name].broken
                assert not self.tree.ending, "started during the shutdown"
                assert token not in self.tokens, "an incarnation has a number of its own"
                self.tokens.add(token)
                self.processes[token] = name
            case Stop(name, token):
                assert self.processes.get(token) == name, "an order for a child that is not there"
                assert asked or not self.specs[name].waits or not self._alive_after(name), "out of order"
            case Kill(name, token, stacks):
                assert self.processes.get(token) == name, "an order for a child that is not there"
                if not stacks:
                    assert token not in self.killed, "killed twice"
                    self.killed.add(token)

    def _alive_after(self, name: str) -> bool:
        names = list(self.specs)
        later = names[names.index(name) + 1 :]
        return any(each in later for each in self.processes.values())

    def pass_time(self) -> None:
        self.take(plan.passed(self.tree, self.now))
        tree, orders = plan.passed(self.tree, self.now)
        assert (tree, list(orders)) == (self.tree, []), "time has passed already"
        assert plan.next_due(self.tree) > self.now, "a busy loop"

    # --- what children do --------------------------------------------------------------------------------------------

    def some(self, data: st.DataObject, *phases: Phase) -> int | None:
        """The token of a process whose child is in one of these phases."""
        found = [token for token, name in self.processes.items() if self.tree.children[name].phase in phases]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(data=st.data())
    def gets_ready(self, data: st.DataObject) -> None:
        token = self.some(data, Phase.STARTING)
        if token is not None:
            name = self.processes[token]
            self.take(plan.became_ready(self.tree, name, token, self.now))
            assert self.tree.children[name].phase is Phase.RUNNING

    @rule(data=st.data(), normal=st.booleans(), luck=LUCK)
    def dies(self, data: st.DataObject, normal: bool, luck: float) -> None:
        token = self.some(data, *LIVE)
        if token is not None:
            self.end(token, normal, luck)

    @rule(data=st.data(), luck=LUCK)
    def obeys(self, data: st.DataObject, luck: float) -> None:
        token = self.some(data, Phase.STOPPING)
        if token is not None:
            self.end(token, True, luck)

    def end(self, token: int, normal: bool, luck: float) -> None:
        name = self.processes.pop(token)
        self.killed.discard(token)
        self.take(plan.died(self.tree, name, token, "its end", normal, self.now, luck))

    @rule(data=st.data())
    def hangs(self, data: st.DataObject) -> None:
        token = self.some(data, *LIVE)
        if token is not None:
            self.take(plan.hung(self.tree, self.processes[token], token, self.now))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), luck=LUCK)
    def old_news_arrives(self, data: st.DataObject, luck: float) -> None:
        token = data.draw(st.sampled_from(sorted(self.tokens)))
        name = data.draw(st.sampled_from(list(self.specs)))
        if token not in self.processes:
            assert plan.died(self.tree, name, token, "", False, self.now, luck) == (self.tree, ())
            assert plan.became_ready(self.tree, name, token, self.now) == (self.tree, ())
            assert plan.hung(self.tree, name, token, self.now) == (self.tree, ())

    # --- what time and operators do ----------------------------------------------------------------------------------

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.pass_time()

    @rule()
    def time_passes_until_something_is_due(self) -> None:
        self.now = max(self.now, min(plan.next_due(self.tree), self.now + 1e6))
        self.pass_time()

    @rule(data=st.data())
    def operator_stops(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(list(self.specs)))
        if not self.specs[name].broken:
            self.held.add(name)
        self.take(plan.asked_stop(self.tree, name, self.now), asked=True)

    @rule(data=st.data(), verb=st.sampled_from([plan.asked_start, plan.asked_restart]))
    def operator_starts(self, data: st.DataObject, verb: Callable[[plan.Tree, str, float], Step]) -> None:
        name = data.draw(st.sampled_from(list(self.specs)))
        self.held.discard(name)
        self.take(verb(self.tree, name, self.now), asked=True)
        if not self.tree.ending and not self.specs[name].broken:
            assert self.tree.children[name].phase in LIVE

    @precondition(lambda self: len(self.tokens) > 2)
    @rule()
    def shutdown_begins(self) -> None:
        self.take(plan.asked_shutdown(self.tree, self.now))

    # --- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def live_children_are_those_with_a_process(self) -> None:
        live = {child.token: name for name, child in self.tree.children.items() if child.phase in LIVE}
        assert live == self.processes
        assert self.tree.over == (self.tree.ending and not self.processes)

    @invariant()
    def nobody_is_forgotten(self) -> None:
        self.pass_time()
        for name, child in self.tree.children.items():
            if child.phase in LIVE - {Phase.RUNNING}:
                assert child.due < inf or child.token in self.killed
            elif child.phase is Phase.PENDING:
                assert self._is_waited_for(name)
            elif child.spec.restart is Restart.PERMANENT and not self._may_rest(name):
                assert child.phase is Phase.RUNNING or child.due < inf

    def _may_rest(self, name: str) -> bool:
        return name in self.held or bool(self.specs[name].broken) or self.tree.ending

    def _is_waited_for(self, name: str) -> bool:
        names = list(self.specs)
        before = [self.tree.children[other] for other in names[: names.index(name)]]
        return any(child.spec.waits and child.phase in UNSETTLED for child in before)

    @invariant()
    def the_held_are_down_or_going_down(self) -> None:
        phases = {self.tree.children[name].phase for name in self.held}
        assert phases <= {Phase.HELD, Phase.STOPPING, Phase.ENDED}

    @invariant()
    def memory_is_bounded(self) -> None:
        assert all(len(child.recent) <= self.tree.budget.intensity + 1 for child in self.tree.children.values())

    def teardown(self) -> None:
        """A shutdown ends, even when nobody obeys and only SIGKILL helps."""
        if not hasattr(self, "tree"):
            return
        self.take(plan.asked_shutdown(self.tree, self.now))
        for _ in range(6 * len(self.specs)):
            for token in sorted(self.killed):
                self.end(token, False, 0.5)
            self.now = max(self.now, min(plan.next_due(self.tree), self.now + 1e6))
            self.pass_time()
        assert self.tree.over
        assert not self.processes


TestMachine = Machine.TestCase
