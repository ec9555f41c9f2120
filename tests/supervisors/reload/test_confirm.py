"""An attempt at a new configuration: confirmed when all that it touched is well, else taken back as a whole."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from supervisors.plan import Phase
from supervisors.reload.changes import Act, Add, Remove, Replace, everybody, keepers
from supervisors.reload.confirm import PATIENCE_S, Attempt, Stage, Step, begun, passed, waits_for
from supervisors.reload.terms import terms
from supervisors.spec import ChildSpec, Restart
from tests.supervisors.reload.trees import keeper, leaf, root, trees

WITHIN_S = 60.0


@dataclass
class Standing:
    phase: Phase = Phase.RUNNING
    since: float = 0.0
    reason: str = ""


@dataclass
class Yard:
    """Children as the plan would have them after the acts; whoever is told to end stays until `gone`."""

    children: dict[str, Standing]
    ending: set[str] = field(default_factory=set)
    specs: dict[str, ChildSpec] = field(default_factory=dict)

    def do(self, acts: Iterable[Act], now: float) -> None:
        for act in acts:
            match act:
                case Remove(name):
                    below = {name, *everybody(self.specs[name])}
                    self.ending |= below
                case Replace(spec=spec, in_place=False):
                    self.children[spec.name] = Standing(Phase.STARTING, now)
                    self.specs[spec.name] = spec
                case Add(_, spec):
                    for each in (spec, *everybody(spec).values()):
                        assert each.name not in self.children, f"{each.name} is begun while it still lives"
                        self.children[each.name] = Standing(Phase.STARTING, now)
                        self.specs[each.name] = each

    def gone(self, name: str) -> None:
        self.ending.discard(name)
        self.children.pop(name, None)


def yard(tree: ChildSpec) -> Yard:
    specs = everybody(tree)
    return Yard({name: Standing() for name in specs}, specs={**specs, tree.name: tree})


def phases(**named: Phase | Standing) -> dict[str, Standing]:
    return {name: told if isinstance(told, Standing) else Standing(told) for name, told in named.items()}


def confirming(before: ChildSpec, after: ChildSpec, now: float = 0.0, within_s: float = WITHIN_S) -> Attempt:
    """An attempt whose changes are made; nobody had to leave for them."""
    attempt, _ = begun(before, after, within_s, now)
    return passed(attempt, {}, now)[0]


OLD, NEW = root(leaf("a"), leaf("b")), root(leaf("a", 1), leaf("b"))


def test_who_is_removed_goes_before_anybody_comes() -> None:
    attempt, acts = begun(root(leaf("a")), root(leaf("b")), WITHIN_S, 0.0)
    assert acts == (Remove("a"),)
    assert passed(attempt, phases(a=Phase.STOPPING), 1.0) == (attempt, ())
    attempt, acts = passed(attempt, {}, 2.0)
    assert (attempt.stage, list(acts)) == (Stage.CONFIRMING, [Add("root", leaf("b"), None)])


def test_the_time_to_confirm_begins_when_the_change_is_made() -> None:
    attempt, _ = begun(root(leaf("a")), root(leaf("b")), WITHIN_S, 0.0)
    assert passed(attempt, {}, 12.0)[0].deadline == 12.0 + WITHIN_S


def test_it_is_confirmed_as_soon_as_who_was_touched_has_run_for_a_while() -> None:
    attempt = confirming(OLD, NEW)
    ran = phases(a=Standing(Phase.RUNNING, since=1.0))
    assert passed(attempt, ran, 5.9)[0].stage is Stage.CONFIRMING
    assert passed(attempt, ran, 6.0)[0].stage is Stage.CONFIRMED


def test_who_keeps_dying_is_not_well_although_it_runs_now_and_then() -> None:
    attempt = confirming(OLD, NEW)
    attempt, _ = passed(attempt, phases(a=Standing(Phase.RUNNING, 59.0, "exit code 1"), b=Phase.RUNNING), 60.0)
    assert (attempt.stage, attempt.why) == (Stage.RESTORING, "after 60 s a has only run for 1.0 s: exit code 1")


def test_what_is_not_well_in_time_is_taken_back_and_the_reason_told() -> None:
    children = phases(a=Standing(Phase.QUARANTINED, 3.0, "no such port"), b=Phase.RUNNING)
    attempt = confirming(OLD, NEW)
    assert passed(attempt, children, 59.9) == (attempt, ())
    attempt, acts = passed(attempt, children, 60.0)
    assert (list(acts), attempt.why) == ([], "after 60 s a is quarantined: no such port")
    attempt, acts = passed(attempt, children, 60.0)
    assert (attempt.stage, list(acts)) == (Stage.ROLLED_BACK, [Replace(leaf("a"), in_place=False)])
    assert attempt.in_force == OLD


def test_what_can_never_be_well_is_taken_back_at_once() -> None:
    attempt, _ = passed(confirming(OLD, NEW), phases(a=Standing(Phase.BROKEN, 0.0, "no module")), 0.1)
    assert (attempt.stage, attempt.why) == (Stage.RESTORING, "a is broken: no module")


def test_a_child_that_is_not_touched_does_not_count() -> None:
    children = phases(a=Standing(Phase.RUNNING, 0.0), b=Phase.QUARANTINED)
    assert passed(confirming(OLD, NEW), children, 5.0)[0].stage is Stage.CONFIRMED


def test_a_change_that_only_takes_away_is_confirmed_when_that_is_done() -> None:
    attempt, _ = begun(OLD, root(leaf("a")), WITHIN_S, 0.0)
    attempt, _ = passed(attempt, phases(a=Phase.RUNNING), 1.0)
    assert passed(attempt, phases(a=Phase.RUNNING), 1.0)[0].stage is Stage.CONFIRMED


def test_who_the_operator_holds_is_well() -> None:
    assert passed(confirming(OLD, NEW), phases(a=Phase.HELD), 0.0)[0].stage is Stage.CONFIRMED


def test_who_rests_with_its_supervisor_is_well() -> None:
    attempt = confirming(root(keeper("s", leaf("a"))), root(keeper("s", leaf("a", 1))))
    assert passed(attempt, phases(s=Phase.HELD, a=Phase.ENDED), 0.0)[0].stage is Stage.CONFIRMED
    assert passed(attempt, phases(s=Phase.QUARANTINED, a=Phase.ENDED), 0.0)[0].stage is Stage.CONFIRMING


@pytest.mark.parametrize(
    ("restart", "well"), [(Restart.PERMANENT, False), (Restart.TRANSIENT, True), (Restart.TEMPORARY, True)]
)
def test_who_may_end_is_well_when_it_has(restart: Restart, well: bool) -> None:
    attempt = confirming(root(), root(leaf("a", restart=restart)))
    assert (passed(attempt, phases(a=Phase.ENDED), 1.0)[0].stage is Stage.CONFIRMED) is well


def test_a_short_time_to_confirm_needs_less_time_to_settle() -> None:
    assert confirming(OLD, NEW, within_s=2.0).settle_s == 0.5


def test_many_ailing_children_are_told_of_in_few_words() -> None:
    many = [leaf(f"d{number}") for number in range(100)]
    attempt = confirming(root(), root(*many))
    attempt, _ = passed(attempt, {spec.name: Standing(Phase.STARTING) for spec in many}, WITHIN_S)
    assert attempt.why.endswith("d4 is starting; and 95 more")


def test_whom_it_waits_for_is_told() -> None:
    attempt, _ = begun(root(leaf("a")), root(leaf("b")), WITHIN_S, 0.0)
    assert waits_for(attempt, phases(a=Phase.STOPPING), 0.0) == {"a": "is stopping"}
    attempt, _ = passed(attempt, {}, 0.0)
    assert waits_for(attempt, phases(b=Standing(Phase.STARTING, 0.0)), 1.0) == {"b": "is starting"}


def test_who_cannot_be_ended_makes_the_change_go_back() -> None:
    attempt, _ = begun(root(leaf("a", grace_s=2.0)), root(leaf("b")), WITHIN_S, 0.0)
    stuck = phases(a=Phase.STOPPING)
    assert passed(attempt, stuck, 1.9 + PATIENCE_S)[0].stage is Stage.ENDING
    attempt, acts = passed(attempt, stuck, 2.0 + PATIENCE_S)
    assert (attempt.stage, attempt.why, list(acts)) == (Stage.RESTORING, "a cannot be ended", [])
    attempt, acts = passed(attempt, {}, 14.0)
    assert (attempt.stage, list(acts)) == (Stage.ROLLED_BACK, [Add("root", leaf("a", grace_s=2.0), None)])


def test_nobody_is_begun_beside_one_that_cannot_be_ended() -> None:
    old, stuck = root(leaf("a"), leaf("b")), phases(a=Phase.STOPPING)
    attempt, _ = begun(old, root(leaf("c")), WITHIN_S, 0.0)
    attempt, _ = passed(attempt, stuck, 15.0)
    attempt, acts = passed(attempt, stuck, 30.0)
    assert (attempt.stage, list(acts), attempt.in_force) == (
        Stage.ROLLED_BACK,
        [Add("root", leaf("b"), None)],
        root(leaf("b")),
    )
    assert attempt.why.endswith("a cannot be ended, and nothing is started beside that: reload again later")


def test_a_child_that_may_take_for_ever_to_end_is_waited_for() -> None:
    attempt, _ = begun(root(leaf("a", grace_s=inf)), root(), WITHIN_S, 0.0)
    assert passed(attempt, phases(a=Phase.STOPPING), 1e9) == (attempt, ())


def test_nothing_follows_an_end() -> None:
    attempt = confirming(OLD, OLD)
    attempt, _ = passed(attempt, {}, 0.0)
    assert passed(attempt, {}, 100.0) == (attempt, ())


class AnyAttempt(RuleBasedStateMachine):
    """Any two trees, and children that do what they like while one is changed into the other."""

    now = 0.0
    attempt: Attempt
    yard: Yard

    @initialize(before=trees(), after=trees())
    def begins(self, before: ChildSpec, after: ChildSpec) -> None:
        self.before, self.after, self.yard = before, after, yard(before)
        self._step(begun(before, after, WITHIN_S, self.now))

    def _step(self, step: Step) -> None:
        self.attempt, acts = step
        self.yard.do(acts, self.now)

    @rule(seconds=st.sampled_from((0.1, 1.0, 5.0, 30.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._look()

    @rule(data=st.data(), phase=st.sampled_from(sorted(set(Phase) - {Phase.PENDING, Phase.STOPPING, Phase.DYING})))
    def somebody_changes(self, data: st.DataObject, phase: Phase) -> None:
        there = sorted(self.yard.children.keys() - self.yard.ending)
        if there:
            self.yard.children[data.draw(st.sampled_from(there))] = Standing(Phase(phase), self.now)

    @rule(data=st.data())
    def somebody_is_gone(self, data: st.DataObject) -> None:
        if self.yard.ending:
            self.yard.gone(data.draw(st.sampled_from(sorted(self.yard.ending))))

    @rule()
    def all_who_end_are_gone(self) -> None:
        for name in list(self.yard.ending):
            self.yard.gone(name)

    @rule()
    def all_others_run(self) -> None:
        for name in self.yard.children.keys() - self.yard.ending:
            if self.yard.children[name].phase is not Phase.RUNNING:
                self.yard.children[name] = Standing(Phase.RUNNING, self.now)

    def _look(self) -> None:
        was = self.attempt.over
        self._step(passed(self.attempt, self.yard.children, self.now))
        if not was and self.attempt.stage is Stage.CONFIRMED:
            for name in self.attempt.changes.touched:
                child = self.yard.children[name]
                ran = child.phase is Phase.RUNNING and self.now - child.since >= self.attempt.settle_s
                assert ran or child.phase in (Phase.HELD, Phase.ENDED)

    @invariant()
    def confirmed_is_the_new_tree_and_rolled_back_the_old_one(self) -> None:
        if self.attempt.stage is Stage.CONFIRMED:
            assert _same(self.attempt.in_force, self.after)
        if self.attempt.stage is Stage.ROLLED_BACK:
            assert self.attempt.why
            left = everybody(self.before).keys() - everybody(self.attempt.in_force).keys()
            assert _same(self.attempt.in_force, self.before) or left
            assert not left or "cannot be ended" in self.attempt.why

    @invariant()
    def what_is_in_force_is_what_was_done(self) -> None:
        assert everybody(self.attempt.in_force).keys() == self.yard.children.keys() - self.yard.ending

    def teardown(self) -> None:
        """It ends by itself: nobody's grace here is for ever."""
        for _ in range(6):
            self.now += 100.0
            self._look()
        assert self.attempt.over


def _same(one: ChildSpec, other: ChildSpec) -> bool:
    specs = [{name: terms(spec) for name, spec in everybody(tree).items()} for tree in (one, other)]
    return specs[0] == specs[1] and keepers(one) == keepers(other) and terms(one) == terms(other)


TestAnyAttempt = AnyAttempt.TestCase
TestAnyAttempt.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
