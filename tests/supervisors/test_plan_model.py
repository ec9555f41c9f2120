"""Random lives of a tree: children start, get ready, hang, die, obey or do not, while operators ask for things.

The test plays the machine: it has the processes that were ordered and lets them do as they like. Whatever happens, the
orders must make sense to a machine, nobody is forgotten, a good day heals everything, and a shutdown ends.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisors import plan
from supervisors.plan import LIVE, End, GiveUp, Kill, Order, Phase, Report, Start, Step, Stop
from supervisors.spec import AutoShutdown, ChildSpec, Exhausted, Restart, Rules, Strategy
from transports.backoff import Backoff

SECONDS = st.floats(0.001, 50.0)
LUCK = st.floats(0, 1, exclude_max=True)
ENDS = st.sampled_from([End.ABNORMAL, End.ABNORMAL, End.NORMAL, End.IGNORED])
RULES = st.builds(
    Rules,
    strategy=st.sampled_from(Strategy),
    intensity=st.integers(0, 3),
    period_s=st.floats(1.0, 60.0),
    healthy_after_s=st.floats(1.0, 120.0),
    on_exhausted=st.sampled_from(Exhausted),
    auto_shutdown=st.sampled_from([AutoShutdown.NEVER, AutoShutdown.NEVER, AutoShutdown.ANY, AutoShutdown.ALL]),
)
TYPES = st.sampled_from([Restart.PERMANENT, Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY])
WORKERS = st.builds(
    ChildSpec,
    name=st.just(""),
    kind=st.just("device"),
    restart=TYPES,
    significant=st.booleans(),
    waits=st.booleans(),
    start_within_s=SECONDS,
    grace_s=st.sampled_from([0.0, 1.0, 20.0, inf]),
    backoff=st.builds(Backoff, st.floats(0.01, 1.0), ceiling_s=st.floats(1.0, 20.0)),
    broken=st.sampled_from(["", "", "", "cannot be built"]),
)


def keepers(below: st.SearchStrategy[ChildSpec]) -> st.SearchStrategy[ChildSpec]:
    return st.builds(
        lambda children, **fields: ChildSpec("", "supervisor", children=tuple(children), **fields),
        st.lists(below, min_size=1, max_size=3),
        rules=RULES,
        restart=TYPES,
        significant=st.booleans(),
        waits=st.booleans(),
        backoff=st.builds(Backoff, st.floats(0.01, 1.0), ceiling_s=st.floats(1.0, 20.0)),
    )


CHILDREN = st.lists(st.recursive(WORKERS, keepers, max_leaves=4), min_size=1, max_size=4)


def named(spec: ChildSpec, name: str) -> ChildSpec:
    children = (named(each, f"{name}.{number}") for number, each in enumerate(spec.children))
    return replace(spec, name=name, children=tuple(children))


class Machine(RuleBasedStateMachine):
    """`processes` are the live incarnations by token; `killed` those of them that are about to be gone."""

    @initialize(children=CHILDREN, rules=RULES, data=st.data())
    def begin(self, children: list[ChildSpec], rules: Rules, data: st.DataObject) -> None:
        self.now = 100.0
        self.root = named(ChildSpec("", "supervisor", rules=rules, children=tuple(children)), "c")
        bare = plan.planted(self.root, (), 0.0)
        self.held = data.draw(st.sets(st.sampled_from(sorted(bare.below("c"))), max_size=2))
        self.held = {name for name in self.held if not bare.children[name].spec.broken}
        self.processes: dict[int, str] = {}
        self.killed: set[int] = set()
        self.tokens: set[int] = set()
        self.tree = plan.planted(self.root, sorted(self.held), self.now)
        self.pass_time()

    # --- carrying out ------------------------------------------------------------------------------------------------

    def take(self, step: Step) -> None:
        self.tree, orders = step
        for order in orders:
            self.obey(order)

    def obey(self, order: Order) -> None:
        match order:
            case Start(name, token):
                assert name not in self.processes.values(), "two live incarnations of one name"
                assert name not in self.held, "a held child was started"
                going = {self.tree.children[keeper].phase for keeper in self.held & {*self.above(name)}}
                assert going <= {Phase.STOPPING}, "as in OTP, a supervisor works until its turn to stop comes"
                assert not self.tree.children[name].spec.broken
                assert token not in self.tokens, "an incarnation has a number of its own"
                self.tokens.add(token)
                self.processes[token] = name
            case Stop(name, token) | Report(name, token):
                assert self.processes.get(token) == name, "an order for a child that is not there"
            case Kill(name, token, stacks):
                assert self.processes.get(token) == name, "an order for a child that is not there"
                if not stacks:
                    assert token not in self.killed, "killed twice"
                    self.killed.add(token)
            case GiveUp(name, why):
                assert why
                assert self.tree.rules(name).on_exhausted is Exhausted.ESCALATE

    def above(self, name: str) -> list[str]:
        keepers = []
        while name != self.tree.root:
            name = self.tree.parents[name]
            keepers.append(name)
        return keepers

    def pass_time(self) -> None:
        self.take(plan.passed(self.tree, self.now))
        tree, orders = plan.passed(self.tree, self.now)
        assert (tree, list(orders)) == (self.tree, []), "time has passed already"
        assert plan.next_due(self.tree) > self.now, "a busy loop"

    def any_name(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.tree.parents)))

    # --- what children do --------------------------------------------------------------------------------------------

    def some(self, data: st.DataObject, *phases: Phase) -> int | None:
        """The token of a process whose child is in one of these phases."""
        found = [token for token, name in self.processes.items() if self.tree.children[name].phase in phases]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(data=st.data())
    def gets_ready(self, data: st.DataObject) -> None:
        token = self.some(data, Phase.STARTING)
        if token is not None:
            self.take(plan.became_ready(self.tree, self.processes[token], token, self.now))

    @rule(data=st.data(), end=ENDS, luck=LUCK)
    def dies(self, data: st.DataObject, end: End, luck: float) -> None:
        token = self.some(data, *LIVE)
        if token is not None:
            ready = self.tree.children[self.processes[token]].ready
            self.end(token, End.ABNORMAL if end is End.IGNORED and ready else end, luck)

    @rule(data=st.data(), luck=LUCK)
    def obeys(self, data: st.DataObject, luck: float) -> None:
        token = self.some(data, Phase.STOPPING)
        if token is not None:
            self.end(token, End.SHUTDOWN, luck)

    def end(self, token: int, end: End, luck: float) -> None:
        name = self.processes.pop(token)
        self.killed.discard(token)
        self.take(plan.died(self.tree, name, token, "its end", end, self.now, luck))

    @rule(data=st.data())
    def hangs(self, data: st.DataObject) -> None:
        token = self.some(data, *LIVE)
        if token is not None:
            self.take(plan.hung(self.tree, self.processes[token], token, self.now))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), luck=LUCK)
    def old_news_arrives(self, data: st.DataObject, luck: float) -> None:
        token = data.draw(st.sampled_from(sorted(self.tokens)))
        name = self.any_name(data)
        if token not in self.processes:
            assert plan.died(self.tree, name, token, "", End.ABNORMAL, self.now, luck) == (self.tree, ())
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
        name = self.any_name(data)
        if not self.tree.children[name].spec.broken:
            self.held.add(name)
        self.take(plan.asked_stop(self.tree, name, self.now))

    @rule(data=st.data(), verb=st.sampled_from([plan.asked_start, plan.asked_restart]))
    def operator_starts(self, data: st.DataObject, verb: Callable[[plan.Tree, str, float], Step]) -> None:
        name = self.any_name(data)
        self.held.discard(name)
        self.take(verb(self.tree, name, self.now))

    @rule(data=st.data())
    def a_child_is_replaced(self, data: st.DataObject) -> None:
        name = self.any_name(data)
        if self.tree.children[name].spec.rules is None and not self.tree.ending:
            broken = data.draw(st.sampled_from(["", "", "no more"]))
            spec = replace(self.tree.children[name].spec, broken=broken, table={"new": True})
            self.take(plan.asked_replace(self.tree, spec, self.now))

    @rule(data=st.data(), spec=WORKERS)
    def a_child_is_added(self, data: st.DataObject, spec: ChildSpec) -> None:
        if self.tree.ending:
            return
        keeper = data.draw(st.sampled_from(sorted(self.tree.members)))
        before = data.draw(st.sampled_from([None, *self.tree.members[keeper]]))
        spec = replace(spec, name=f"new{len(self.tokens)}-{len(self.tree.children)}-{data.draw(st.integers(0, 10**9))}")
        self.take(plan.asked_add(self.tree, keeper, spec, self.now, before))
        assert spec.name in self.tree.members[keeper]

    @rule(data=st.data())
    def a_child_is_removed(self, data: st.DataObject) -> None:
        name = self.any_name(data)
        if name != self.tree.members["c"][0]:  # somebody is always there
            self.take(plan.asked_remove(self.tree, name, self.now))
            self.held &= set(self.tree.children)

    @precondition(lambda self: len(self.tokens) > 2)
    @rule()
    def shutdown_begins(self) -> None:
        self.take(plan.asked_shutdown(self.tree, self.now))

    # --- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def live_children_are_those_with_a_process(self) -> None:
        workers = {name: child for name, child in self.tree.children.items() if child.spec.rules is None}
        assert {child.token: name for name, child in workers.items() if child.phase in LIVE} == self.processes
        assert not self.tree.over or not self.processes

    @invariant()
    def whoever_lives_has_a_supervisor_that_does(self) -> None:
        for name, keeper in self.tree.parents.items():
            if self.tree.children[name].phase in LIVE:
                assert self.tree.children[keeper].phase in LIVE

    @invariant()
    def nobody_is_forgotten(self) -> None:
        self.pass_time()
        for child in self.tree.children.values():
            if child.phase in (Phase.STARTING, Phase.STOPPING, Phase.DYING) and child.spec.rules is None:
                assert child.due < inf or child.killed or child.spec.grace_s == inf

    @invariant()
    def the_held_are_down_or_going_down(self) -> None:
        self.held &= set(self.tree.children)  # who was removed may have been going down
        phases = {self.tree.children[name].phase for name in self.held}
        assert phases <= {Phase.HELD, Phase.STOPPING, Phase.ENDED}

    @invariant()
    def memory_is_bounded(self) -> None:
        for name, child in self.tree.children.items():
            if name in self.tree.parents:
                assert len(child.recent) <= self.tree.rules(self.tree.parents[name]).intensity + 1
            if child.spec.rules is not None:
                assert len(child.restarted) <= child.spec.rules.intensity + 1

    # --- how it ends -------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """On a good day everybody comes back; then a shutdown ends, even when only SIGKILL helps."""
        if not hasattr(self, "tree"):
            return
        self._a_good_day()
        if not self.tree.ending:
            for name, child in self.tree.children.items():
                assert child.phase is Phase.RUNNING or self._may_rest(name), (name, child)
        self.take(plan.asked_shutdown(self.tree, self.now))
        self._a_good_day(obedient=False)
        assert self.tree.over
        assert not self.processes

    def _a_good_day(self, obedient: bool = True) -> None:
        for _ in range(40 * len(self.tree.children)):
            while self._all_do_as_told(obedient):
                pass
            due = plan.next_due(self.tree)
            if due < inf:
                self.now = max(self.now, due)
                self.pass_time()

    def _all_do_as_told(self, obedient: bool) -> bool:
        """Whether anybody did anything."""
        before = self.tree
        for token, name in list(self.processes.items()):
            child = self.tree.children[name]
            if child.phase is Phase.STARTING:
                self.take(plan.became_ready(self.tree, name, token, self.now))
            elif token in self.killed or (child.phase is Phase.STOPPING and (obedient or child.spec.grace_s == inf)):
                self.end(token, End.SHUTDOWN, 0.5)
        return self.tree is not before

    def _may_rest(self, name: str) -> bool:
        """Held, not buildable, ended for good, or below somebody of that kind."""
        child = self.tree.children[name]
        resting = child.phase in (Phase.HELD, Phase.BROKEN, Phase.ENDED)
        return resting and (name in self.held or self._ended_rightly(name))

    def _ended_rightly(self, name: str) -> bool:
        child = self.tree.children[name]
        if child.spec.broken or child.spec.restart is not Restart.PERMANENT or child.reason == "its end":
            return True
        return any(self._may_rest(keeper) for keeper in self.above(name) if keeper != self.tree.root)


TestMachine = Machine.TestCase
