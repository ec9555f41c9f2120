"""What the plan promises, event by event; no process, no clock, no dice."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf

import pytest

from supervisors import plan
from supervisors.plan import STACKS_WITHIN_S, End, Kill, Order, Phase, Report, Start, Step, Stop
from supervisors.spec import ChildSpec, Restart, Rules, Strategy
from transports.backoff import Backoff

RULES = Rules(intensity=2, period_s=60.0, healthy_after_s=600.0)
BACKOFF = Backoff(first_s=0.5, ceiling_s=300.0, jitter=0.2)
MIDDLE = 0.5  # the luck that moves no delay


def spec(name: str, **changes: object) -> ChildSpec:
    return replace(ChildSpec(name, "device", backoff=BACKOFF), **changes)  # type: ignore[arg-type]


def root(specs: Iterable[ChildSpec], rules: Rules = RULES) -> ChildSpec:
    return ChildSpec("root", "supervisor", rules=rules, children=tuple(specs))


class World:
    """One tree and a time; every order ever given, oldest first."""

    def __init__(self, specs: Iterable[ChildSpec], rules: Rules = RULES, held: Sequence[str] = ()) -> None:
        self.now = 1000.0
        self.tree = plan.planted(root(specs, rules), held, self.now)
        self.orders: list[Order] = []
        self._take(plan.passed(self.tree, self.now))

    def __getitem__(self, name: str) -> plan.Child:
        return self.tree.children[name]

    def _take(self, step: Step) -> Sequence[Order]:
        self.tree, orders = step
        self.orders += orders
        return list(orders)

    def advance(self, seconds: float) -> Sequence[Order]:
        self.now += seconds
        return self._take(plan.passed(self.tree, self.now))

    def until_due(self) -> Sequence[Order]:
        return self.advance(plan.next_due(self.tree) - self.now)

    def ready(self, *names: str) -> Sequence[Order]:
        return [o for name in names for o in self._take(plan.became_ready(self.tree, name, self[name].token, self.now))]

    def dies(self, name: str, normal: bool = False, luck: float = MIDDLE, how: str = "exit code 1") -> Sequence[Order]:
        end = End.NORMAL if normal else End.ABNORMAL
        return self._take(plan.died(self.tree, name, self[name].token, how, end, self.now, luck))

    def hangs(self, name: str) -> Sequence[Order]:
        return self._take(plan.hung(self.tree, name, self[name].token, self.now))

    def stop(self, name: str) -> Sequence[Order]:
        return self._take(plan.asked_stop(self.tree, name, self.now))

    def start(self, name: str) -> Sequence[Order]:
        return self._take(plan.asked_start(self.tree, name, self.now))

    def restart(self, name: str) -> Sequence[Order]:
        return self._take(plan.asked_restart(self.tree, name, self.now))

    def shut_down(self) -> Sequence[Order]:
        return self._take(plan.asked_shutdown(self.tree, self.now))

    def phases(self) -> list[Phase]:
        return [self[name].phase for name in self.tree.members["root"]]

    def running(self, *names: str) -> "World":
        for name in names:
            self.ready(name)
        assert all(self[name].phase is Phase.RUNNING for name in names)
        return self


def names(orders: Iterable[Order]) -> list[str]:
    return [order.name for order in orders]


# --- starting -------------------------------------------------------------------------------------------------------


def test_a_child_is_started_only_when_the_one_before_it_is_ready() -> None:
    world = World([spec("a"), spec("b"), spec("c")])
    assert world.orders == [Start("a", 1)]
    assert world.ready("a") == [Start("b", 2)]
    assert world.ready("b") == [Start("c", 3)]


def test_children_that_are_not_waited_for_do_not_hold_up_the_others() -> None:
    world = World([spec("spooler"), spec("d1", waits=False), spec("d2", waits=False), spec("last")])
    assert names(world.orders) == ["spooler"]
    assert names(world.ready("spooler")) == ["d1", "d2", "last"]


def test_a_child_that_fails_to_start_holds_up_the_others_no_longer() -> None:
    world = World([spec("a"), spec("b"), spec("c")])
    assert set(names(world.dies("a"))) == {"a", "b"}, "although it is tried again at once itself"


def test_a_child_that_is_not_ready_in_time_holds_up_the_others_no_longer() -> None:
    world = World([spec("a", start_within_s=30.0), spec("b")])
    orders = world.advance(30.0)
    assert orders == [Kill("a", 1, stacks=True), Start("b", 2)]
    assert world.advance(0.0) == [], "everything that was due has been ordered at once"


def test_a_child_that_is_not_ready_in_time_writes_its_stacks_and_is_killed() -> None:
    world = World([spec("a", start_within_s=30.0)])
    assert world.advance(29.9) == []
    assert world.until_due() == [Kill("a", 1, stacks=True)]
    assert world["a"].reason == "not ready within 30 s"
    assert world.advance(STACKS_WITHIN_S) == [Kill("a", 1)]
    assert world.dies("a") == [Start("a", 2)], "a late start is a failure like any other"


def test_a_start_that_needs_no_time_is_not_late() -> None:
    world = World([spec("a", start_within_s=30.0)])
    world.advance(29.9)
    world.ready("a")
    assert world.advance(0.2) == []
    assert world["a"].phase is Phase.RUNNING


def test_a_broken_child_is_shown_with_its_reason_and_never_started() -> None:
    world = World([spec("bad", broken="no such driver"), spec("good")])
    assert names(world.orders) == ["good"]
    world.running("good")
    for ask in (world.start, world.restart, world.stop):
        assert ask("bad") == []
        assert world["bad"].phase is Phase.BROKEN
    assert world["bad"].reason == "no such driver"
    assert world.advance(1e9) == []


# --- failing --------------------------------------------------------------------------------------------------------


def test_the_first_restart_is_at_once() -> None:
    world = World([spec("a")]).running("a")
    assert world.dies("a") == [Start("a", 2)]


def test_later_restarts_wait_twice_as_long_each_time() -> None:
    world = World([spec("a")], Rules(intensity=10)).running("a")
    waits = []
    for _ in range(5):
        world.dies("a")
        waits.append(0.0 if world["a"].phase is Phase.STARTING else world["a"].due - world.now)
        world.until_due()
        world.ready("a")
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0]


def test_luck_moves_a_wait_by_its_jitter_and_no_further() -> None:
    waits = []
    for luck in (0.0, 0.999999):
        world = World([spec("a")], Rules(intensity=10)).running("a")
        world.dies("a")
        world.dies("a", luck=luck)
        waits.append(world["a"].due - world.now)
    assert waits[0] == pytest.approx(0.4)
    assert waits[1] == pytest.approx(0.6, rel=1e-4)


def test_a_failed_start_counts_as_a_restart() -> None:
    world = World([spec("a")])
    for _ in range(RULES.intensity):
        world.dies("a")  # never was ready
        world.until_due()
    world.dies("a")
    assert world["a"].phase is Phase.QUARANTINED


def _crash(world: World, name: str, times: int) -> None:
    for _ in range(times):
        if world[name].phase is not Phase.STARTING:
            world.until_due()
        world.ready(name)
        world.dies(name)


def test_restarts_up_to_the_intensity_are_no_quarantine_and_one_more_is() -> None:
    world = World([spec("a")])
    _crash(world, "a", RULES.intensity)
    assert world["a"].phase is Phase.WAITING
    _crash(world, "a", 1)
    assert world["a"].phase is Phase.QUARANTINED


def test_restarts_are_counted_within_the_period_bounds_included() -> None:
    for pause_s, phase in ((RULES.period_s, Phase.QUARANTINED), (RULES.period_s + 0.001, Phase.WAITING)):
        world = World([spec("a", start_within_s=1e6)])
        first = world.now
        _crash(world, "a", RULES.intensity)
        world.until_due()  # started again, and fails when the first failure is exactly that old
        world.now = first + pause_s
        world.dies("a")
        assert world["a"].phase is phase, pause_s


def test_siblings_of_a_quarantined_child_live() -> None:
    world = World([spec("a"), spec("b"), spec("c")]).running("a", "b", "c")
    orders = len(world.orders)
    _crash(world, "b", RULES.intensity + 1)
    assert world.phases() == [Phase.RUNNING, Phase.QUARANTINED, Phase.RUNNING]
    assert {order.name for order in world.orders[orders:]} == {"b"}


def test_the_budget_of_one_child_is_not_spent_by_another() -> None:
    world = World([spec("a"), spec("b")]).running("a", "b")
    _crash(world, "a", RULES.intensity + 1)
    world.dies("b")
    assert world["b"].phase is Phase.STARTING


def test_a_quarantined_child_is_probed_for_ever_with_doubling_waits_up_to_the_ceiling() -> None:
    world = World([spec("a")])
    _crash(world, "a", RULES.intensity + 1)
    waits = []
    for _ in range(200):
        assert world["a"].phase is Phase.QUARANTINED
        waits.append(world["a"].due - world.now)
        assert names(world.until_due()) == ["a"]
        world.dies("a")
    assert waits[:4] == pytest.approx([1.0, 2.0, 4.0, 8.0])
    assert waits[20:] == pytest.approx([300.0] * 180)
    assert len(world["a"].recent) <= RULES.intensity + 1, "a child that fails for years takes no more memory"


def test_without_any_budget_the_first_wait_is_the_whole_first_wait() -> None:
    world = World([spec("a")], Rules(intensity=0)).running("a")
    world.dies("a")
    assert world["a"].phase is Phase.QUARANTINED
    assert world["a"].due - world.now == BACKOFF.first_s


def test_a_probe_that_fails_again_soon_stays_in_quarantine() -> None:
    world = World([spec("a")])
    _crash(world, "a", RULES.intensity + 1)
    world.until_due()
    world.ready("a")
    world.advance(RULES.healthy_after_s - 1)
    assert world["a"].on_probation
    world.dies("a")
    assert world["a"].phase is Phase.QUARANTINED


def test_a_child_that_has_been_healthy_long_enough_is_as_good_as_new() -> None:
    world = World([spec("a")])
    _crash(world, "a", RULES.intensity + 5)
    world.until_due()
    world.ready("a")
    assert world.advance(RULES.healthy_after_s) == []
    assert not world["a"].on_probation
    assert world["a"].failures == 0
    assert world.dies("a") == [Start("a", world["a"].token)], "at once, like the first time"


def test_a_hung_child_writes_its_stacks_and_is_killed_if_that_does_not_end_it() -> None:
    world = World([spec("a", hang_after_s=10.0)]).running("a")
    assert world.hangs("a") == [Kill("a", 1, stacks=True)]
    assert world.advance(STACKS_WITHIN_S - 0.01) == []
    assert world.advance(0.01) == [Kill("a", 1)]
    assert world.advance(1e6) == [Report("a", 1)], "killed once, then the kernel is waited for, and people are told"
    assert world.advance(1e6) == []
    assert world.dies("a", how="killed by SIGKILL") == [Start("a", 2)]
    assert world["a"].reason == "hung: no sign of life for 10 s"


def test_hang_is_death_however_the_process_ends_in_the_end() -> None:
    world = World([spec("a", restart=Restart.TRANSIENT)]).running("a")
    world.hangs("a")
    assert world.dies("a", normal=True, how="exit code 0") == [Start("a", 2)]


def test_only_a_running_child_can_hang() -> None:
    world = World([spec("a")])
    assert world.hangs("a") == []
    world.ready("a")
    world.stop("a")
    assert world.hangs("a") == []


def test_news_of_an_older_incarnation_is_no_news() -> None:
    world = World([spec("a")]).running("a")
    world.dies("a")
    world.ready("a")
    tree = world.tree
    for step in (
        plan.died(tree, "a", 1, "exit code 1", End.ABNORMAL, world.now, MIDDLE),
        plan.became_ready(tree, "a", 1, world.now),
        plan.hung(tree, "a", 1, world.now),
    ):
        assert step == (tree, ())


def test_a_second_death_of_the_same_incarnation_is_no_news() -> None:
    world = World([spec("a")]).running("a")
    world.dies("a")
    world.dies("a")
    assert world["a"].phase is Phase.WAITING
    tree = world.tree
    assert plan.died(tree, "a", world["a"].token, "again", End.ABNORMAL, world.now, MIDDLE) == (tree, ())


@pytest.mark.parametrize(
    ("restart", "normal", "comes_back"),
    [
        (Restart.PERMANENT, True, True),
        (Restart.PERMANENT, False, True),
        (Restart.TRANSIENT, True, False),
        (Restart.TRANSIENT, False, True),
        (Restart.TEMPORARY, True, False),
        (Restart.TEMPORARY, False, False),
    ],
)
def test_who_comes_back_after_which_end(restart: Restart, normal: bool, comes_back: bool) -> None:
    world = World([spec("a", restart=restart), spec("b")])
    orders = world.dies("a", normal=normal)
    assert "b" in names(orders), "whoever ended is not waited for"
    assert ("a" in names(orders)) is comes_back
    if not comes_back:
        assert world["a"].phase is Phase.ENDED
        assert names(world.start("a")) == ["a"], "but an operator may start it"


# --- the operator ---------------------------------------------------------------------------------------------------


def test_a_stopped_child_gets_its_grace_and_is_killed_after_it() -> None:
    world = World([spec("a", grace_s=5.0)]).running("a")
    assert world.stop("a") == [Stop("a", 1)]
    assert world.advance(4.9) == []
    assert world.until_due() == [Kill("a", 1)]
    assert world.dies("a") == []
    assert world["a"].phase is Phase.HELD


def test_a_held_child_stays_stopped_until_it_is_started() -> None:
    world = World([spec("a"), spec("b")]).running("a", "b")
    world.stop("a")
    world.dies("a", normal=True)
    _crash(world, "b", 4)
    assert "a" not in names(world.advance(1e6))
    assert world["a"].phase is Phase.HELD
    assert names(world.start("a")) == ["a"]


def test_a_child_held_before_the_start_is_not_started_and_not_waited_for() -> None:
    world = World([spec("a"), spec("b")], held=["a", "unknown"])
    assert names(world.orders) == ["b"]
    assert world["a"].phase is Phase.HELD


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_child_can_be_held_while_it_waits_for_its_restart(failures: int) -> None:
    world = World([spec("a")])
    _crash(world, "a", failures)
    world.stop("a")
    if world["a"].phase is Phase.STOPPING:
        world.dies("a")
    assert world["a"].phase is Phase.HELD
    assert world.advance(1e6) == []


def test_holding_a_child_lets_those_start_that_waited_for_it() -> None:
    world = World([spec("a"), spec("b")])
    assert world.stop("a") == [Stop("a", 1), Start("b", 2)]


def test_holding_a_child_before_its_turn_lets_the_next_one_have_it() -> None:
    world = World([spec("a"), spec("b"), spec("c")])
    assert world.stop("b") == []
    assert names(world.ready("a")) == ["c"]


def test_a_child_held_while_it_hangs_is_killed_and_stays_down() -> None:
    world = World([spec("a")]).running("a")
    world.hangs("a")
    assert world.stop("a") == []
    assert world.until_due() == [Kill("a", 1)]
    world.dies("a")
    assert world["a"].phase is Phase.HELD


def test_start_while_it_stops_lets_it_come_back() -> None:
    world = World([spec("a")]).running("a")
    world.stop("a")
    assert world.start("a") == []
    assert names(world.dies("a", normal=True)) == ["a"]


def test_start_of_a_running_child_does_nothing() -> None:
    world = World([spec("a")]).running("a")
    assert world.start("a") == []
    assert world.tree.children["a"].token == 1


def test_an_operators_restart_stops_first_and_does_not_count() -> None:
    world = World([spec("a")]).running("a")
    for _ in range(10):
        orders = world.restart("a")
        assert orders == [Stop("a", world["a"].token)]
        assert world.restart("a") == [], "asked twice, done once"
        assert world.dies("a", normal=True) == [Start("a", world["a"].token)]
        world.ready("a")
    assert world["a"].recent == ()


def test_an_operators_restart_forgives_what_was_before() -> None:
    world = World([spec("a")])
    _crash(world, "a", RULES.intensity + 3)
    assert world["a"].phase is Phase.QUARANTINED
    assert names(world.restart("a")) == ["a"], "a quarantined child is tried at once"
    assert not world["a"].on_probation
    assert names(world.dies("a")) == ["a"], "and has a clean record: the first restart is at once"


def test_an_operators_start_forgives_what_was_before() -> None:
    world = World([spec("a")])
    _crash(world, "a", RULES.intensity + 3)
    world.stop("a")
    world.start("a")
    assert not world["a"].on_probation
    assert names(world.dies("a")) == ["a"]


def test_start_while_a_crashing_child_is_being_held_forgives_too() -> None:
    world = World([spec("a")])
    _crash(world, "a", RULES.intensity + 1)
    world.until_due()
    world.stop("a")
    world.start("a")
    world.dies("a")
    assert not world["a"].on_probation


def test_restart_of_a_held_child_starts_it() -> None:
    world = World([spec("a")], held=["a"])
    assert names(world.restart("a")) == ["a"]


def test_restart_of_a_starting_child_works_before_it_has_a_process() -> None:
    world = World([spec("a")])
    assert world.restart("a") == [Stop("a", 1)]
    assert world.dies("a", normal=True, how="ended before it had a process") == [Start("a", 2)]


def test_a_child_that_is_stopped_and_crashes_instead_is_not_counted() -> None:
    world = World([spec("a")]).running("a")
    world.restart("a")
    world.dies("a", how="killed by SIGSEGV")
    assert world["a"].recent == ()
    assert world["a"].phase is Phase.STARTING


# --- the end --------------------------------------------------------------------------------------------------------


def test_shutdown_stops_in_reverse_order_one_after_the_other() -> None:
    world = World([spec("a"), spec("b"), spec("c")]).running("a", "b", "c")
    assert world.shut_down() == [Stop("c", 3)]
    assert world.dies("c", normal=True) == [Stop("b", 2)]
    assert world.dies("b", normal=True) == [Stop("a", 1)]
    assert not world.tree.over
    assert world.dies("a", normal=True) == []
    assert world.tree.over


def test_children_that_nothing_waits_for_stop_together_and_before_what_they_build_on() -> None:
    devices = [spec(f"d{n}", waits=False) for n in range(3)]
    world = World([spec("spooler"), *devices]).running("spooler", "d0", "d1", "d2")
    assert names(world.shut_down()) == ["d2", "d1", "d0"]
    assert world.dies("d1", normal=True) == []
    assert world.dies("d2", normal=True) == []
    assert names(world.dies("d0", normal=True)) == ["spooler"]


def test_shutdown_gives_grace_and_then_kills() -> None:
    world = World([spec("a", grace_s=5.0)]).running("a")
    world.shut_down()
    assert world.until_due() == [Kill("a", 1)]
    world.dies("a")
    assert world.tree.over


def test_shutdown_of_nobody_is_over_at_once() -> None:
    world = World([spec("a")], held=["a"])
    assert world.shut_down() == []
    assert world.tree.over
    assert world["a"].phase is Phase.HELD


def test_shutdown_during_the_start_starts_nobody_any_more() -> None:
    world = World([spec("a"), spec("b"), spec("c")])
    world.ready("a")
    assert names(world.shut_down()) == ["b"]
    assert world.ready("b") == []
    assert names(world.dies("b")) == ["a"]
    world.dies("a")
    assert world.tree.over
    assert {order.name for order in world.orders if isinstance(order, Start)} == {"a", "b"}


def test_shutdown_of_a_child_that_has_no_process_yet() -> None:
    world = World([spec("a")])
    assert world.shut_down() == [Stop("a", 1)]
    world.dies("a", normal=True, how="ended before it had a process")
    assert world.tree.over


def test_a_waiting_child_does_not_come_back_while_its_followers_are_being_stopped() -> None:
    world = World([spec("a"), spec("b"), spec("c")]).running("a", "b", "c")
    world.dies("a")
    world.dies("a")
    assert world["a"].phase is Phase.WAITING
    assert names(world.shut_down()) == ["c"]
    assert not [order for order in world.advance(4.0) if isinstance(order, Start)]
    assert world["a"].phase is Phase.ENDED


def test_a_quarantined_child_does_not_hold_up_the_shutdown() -> None:
    world = World([spec("a")])
    _crash(world, "a", RULES.intensity + 1)
    assert world.shut_down() == []
    assert world.tree.over
    assert world.advance(1e6) == []


def test_a_child_that_dies_by_itself_during_the_shutdown_is_not_restarted() -> None:
    world = World([spec("a"), spec("b")]).running("a", "b")
    world.shut_down()
    assert world.dies("a") == []
    world.dies("b")
    assert world.tree.over


def test_shutdown_while_a_hung_child_is_being_ended() -> None:
    world = World([spec("a"), spec("b")]).running("a", "b")
    world.hangs("b")
    assert world.shut_down() == []
    assert world.until_due() == [Kill("b", 2)]
    assert names(world.dies("b")) == ["a"]


def test_shutdown_while_an_operators_restart_is_under_way() -> None:
    world = World([spec("a")]).running("a")
    world.restart("a")
    assert world.shut_down() == []
    assert world.dies("a", normal=True) == []
    assert world.tree.over


def test_nobody_is_started_during_the_shutdown_by_an_operator_either() -> None:
    world = World([spec("a"), spec("b")], held=["b"]).running("a")
    world.shut_down()
    for ask in (world.start, world.restart):
        assert ask("a") == []
        assert ask("b") == []
    world.dies("a", normal=True)
    assert world.tree.over
    assert world.start("a") == []


def test_shutdown_can_be_asked_twice() -> None:
    world = World([spec("a"), spec("b")]).running("a", "b")
    world.shut_down()
    assert world.shut_down() == []


def test_nothing_is_due_when_nothing_can_happen_by_itself() -> None:
    world = World([spec("a")], held=["a"])
    assert plan.next_due(world.tree) == inf


def test_a_tree_without_children_ends() -> None:
    tree, orders = plan.asked_shutdown(plan.planted(root([]), [], 0.0), 0.0)
    assert orders == ()
    assert tree.over


# --- groups and nests -----------------------------------------------------------------------------------------------

TOGETHER = Rules(strategy=Strategy.ONE_FOR_ALL, intensity=0)


def test_two_of_a_group_that_were_both_quarantined_do_not_restart_each_other_for_ever() -> None:
    world = World([spec("a"), spec("b")], TOGETHER).running("a", "b")
    for name in ("a", "b"):
        world.dies(name)
        world.until_due()
    for _ in range(20):
        for name in ("a", "b"):
            if world[name].phase is Phase.STARTING:
                world.ready(name)
            if world[name].phase is Phase.STOPPING:
                world.dies(name, normal=True)
    assert world.phases() == [Phase.RUNNING, Phase.RUNNING]


def test_who_lived_on_without_a_quarantined_one_of_its_group_is_restarted_when_that_is_back() -> None:
    world = World([spec("a"), spec("b")], replace(TOGETHER, strategy=Strategy.REST_FOR_ONE)).running("a", "b")
    world.dies("a")
    assert world.phases() == [Phase.QUARANTINED, Phase.RUNNING], "its siblings live"
    assert names(world.until_due()) == ["a"]
    assert world.ready("a") == [Stop("b", world["b"].token)]
    assert names(world.dies("b", normal=True)) == ["b"]
