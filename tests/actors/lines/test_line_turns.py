"""Turns on a line: who answers is never starved by who does not, by who asks more, or by commands."""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.lines import turns as turn
from actors.lines.standing import HOLD_S, PROBES, Ended, Standing, may_at
from actors.lines.turns import Turns

LUCK = 0.5
QUEUE_S = 4.0


def turns_of(*names: str, at: float = 0.0) -> Turns:
    """All of them have answered already."""
    turns = Turns(at)
    for name in names:
        turns = over(turn.begun(turn.asked(turns, name, at), at), Ended.ANSWERED, at)
    return turns


def over(turns: Turns, how: Ended, now: float, cost_s: float = 0.1) -> Turns:
    return turn.ended(turns, how, now, cost_s, LUCK)


def missed(turns: Turns, name: str, now: float, times: int = 1, cost_s: float = 0.0) -> Turns:
    for _ in range(times):
        turns = over(turn.begun(turn.asked(turns, name, now), now), Ended.MISSED, now, cost_s)
    return turns


def order(turns: Turns, now: float, count: int, again: Iterable[str] = (), urgent: Iterable[str] = ()) -> list[str]:
    """Who has the next turns, each of which is answered in no time; `again` and `urgent` ask anew at once."""
    names = []
    for _ in range(count):
        turns = turn.begun(turns, now)
        if turns.running is None:
            break
        name = turns.running.member
        names.append(name)
        turns = over(turns, Ended.ANSWERED, now)
        if name in again or name in urgent:
            turns = turn.asked(turns, name, now, urgent=name in urgent)
    return names


# --- fair -----------------------------------------------------------------------------------------------------------


def test_who_asks_at_once_again_waits_for_all_others() -> None:
    turns = turns_of("a", "b", "c")
    for name in ("a", "b", "c"):
        turns = turn.asked(turns, name, 1.0)
    assert order(turns, 1.0, 5, again=["a"]) == ["a", "b", "c", "a", "a"]


def test_commands_go_first_but_not_more_than_two_while_another_waits() -> None:
    turns = turns_of("a", "b", "c")
    for name in ("a", "b"):
        turns = turn.asked(turns, name, 1.0)
    turns = turn.asked(turns, "c", 1.0, urgent=True)
    assert order(turns, 1.0, 7, urgent=["c"]) == ["c", "c", "a", "c", "c", "b", "c"]


def test_a_turn_given_up_is_nobodys_and_one_asked_twice_is_one() -> None:
    turns = turns_of("a", "b")
    for name in ("a", "b", "a"):
        turns = turn.asked(turns, name, 1.0)
    assert order(turns, 1.0, 5) == ["a", "b"]
    assert order(turn.withdrawn(turns, "b"), 1.0, 5) == ["a"]


def test_who_waits_longer_than_that_is_dropped_and_named() -> None:
    turns = turn.asked(turn.asked(turns_of("a", "b"), "a", 1.0), "b", 2.0)
    turns, late = turn.overdue(turns, 1.5)
    assert [ask.member for ask in late] == ["a"]
    assert order(turns, 5.0, 5) == ["b"]


def test_a_lost_port_is_held_against_nobody() -> None:
    turns = turn.begun(turn.asked(turn.asked(turns_of("a", "b"), "a", 1.0), "b", 1.0), 1.0)
    turns = turn.cleared(turns)
    assert (turns.waiting, turns.running) == ((), None)
    assert {member.standing for member in turns.members.values()} == {Standing.LIVE}


def test_many_that_ask_at_once_go_in_the_same_order_whoever_asks_first() -> None:
    names = [f"m{at}" for at in range(5)]
    turns, orders = turns_of(*names), []
    for second in range(1, 6):
        for name in random.Random(second).sample(names, 5):
            turns = turn.asked(turns, name, float(second))
        orders.append(gone := [])
        for at in range(5):
            now = second + turn_at(turns, second) + 0.1 * at
            turns = turn.begun(turns, now)
            assert turns.running is not None
            gone.append(turns.running.member)
            turns = over(turns, Ended.ANSWERED, now + 0.1)
    assert orders[1:] == [orders[0]] * 4


def turn_at(turns: Turns, second: int) -> float:
    """How long after they asked the first of them may go."""
    return max(0.0, min(may_at(turns.member(ask.member)) for ask in turns.waiting) - second) if turns.waiting else 0.0


# --- probation ------------------------------------------------------------------------------------------------------


def test_three_misses_in_a_row_are_probation_and_one_answer_ends_it() -> None:
    turns = turns_of("a", "b")
    standings = []
    for _ in range(3):
        turns = missed(turns, "a", 1.0)
        standings.append(turns.member("a").standing)
    assert standings == [Standing.DOUBTFUL, Standing.DOUBTFUL, Standing.PROBATION]
    turns = over(turn.begun(turn.asked(turns, "a", 2.0), 2.0), Ended.ANSWERED, 2.0)
    assert turns.member("a").standing is Standing.LIVE
    assert not turn.is_refused(turns, "a", 2.0)


def test_a_broadcast_tells_nothing_of_who_sends_it() -> None:
    turns = missed(turns_of("a"), "a", 1.0, 2)
    turns = over(turn.begun(turn.asked(turns, "a", 1.0), 1.0), Ended.SENT, 1.0)
    assert turns.member("a").misses == 2


def test_probes_are_one_second_apart_then_two_then_up_to_thirty() -> None:
    turns, now, waits = missed(turns_of("a"), "a", 0.0, 3), 0.0, []
    for _ in range(8):
        wait_s = turns.member("a").probe_at - now
        waits.append(wait_s)
        assert turn.is_refused(turns, "a", now + wait_s - 0.001)
        now += wait_s
        assert not turn.is_refused(turns, "a", now)
        turns = missed(turns, "a", now)
    assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30])


def test_luck_spreads_the_probes_of_those_that_died_together() -> None:
    turns = missed(turns_of("a"), "a", 0.0, 2)
    turns = turn.begun(turn.asked(turns, "a", 0.0), 0.0)
    first, second = (turn.ended(turns, Ended.MISSED, 0.0, 0.1, luck).member("a").probe_at for luck in (0.1, 0.9))
    assert 0.8 <= first < second <= 1.2


def test_a_probe_waits_while_live_ones_wait_but_not_for_ever() -> None:
    turns = missed(turns_of("a", "b", "dead"), "dead", 0.0, 3)
    turns = turn.asked(turn.asked(turns, "dead", 2.0), "a", 2.0)
    assert order(turns, 2.0, 1) == ["a"]
    later = 2.0 + turn.PATIENCE_S
    turns = turn.asked(turn.asked(turns, "b", later), "a", later)
    assert order(turns, later, 5) == ["dead", "a", "b"]


def test_no_live_member_waits_for_two_probes() -> None:
    turns = missed(missed(turns_of("a", "b", "dead 1", "dead 2"), "dead 1", 0.0), "dead 2", 0.0)
    later = 1.0 + turn.PATIENCE_S
    for name, at in (("dead 1", 1.0), ("dead 2", 1.0), ("a", later), ("b", later)):
        turns = turn.asked(turns, name, at)
    assert order(turns, later, 5) == ["dead 1", "a", "b", "dead 2"]


def test_new_members_have_every_second_turn_while_live_ones_wait() -> None:
    turns = turns_of("a", "b")
    for name in ("a", "b", "new 1", "new 2", "new 3"):
        turns = turn.asked(turns, name, 1.0)
    assert order(turns, 1.0, 6) == ["a", "new 1", "b", "new 2", "new 3"]


def test_without_credit_nobody_is_probed_until_some_comes_in() -> None:
    turns = missed(turns_of("a", "dead"), "dead", 0.0, cost_s=9.0)
    assert turns.credit(0.0) < 0
    turns = turn.asked(turns, "dead", 0.0)
    assert turn.begun(turns, 0.0).running is None
    now = 0.0
    while turn.begun(turns, now).running is None:
        now = turn.look_at(turns, now, inf)
    assert now == pytest.approx(-turn.DEBT_S / turn.SHARE, abs=0.01), "a first miss costs no more than that"


def test_alone_on_the_line_there_is_nobody_to_save_time_for() -> None:
    turns = missed(Turns(0.0), "dead", 0.0, 2, cost_s=10.0)
    assert turn.begun(turn.asked(turns, "dead", 0.0), 0.0).running is not None


def test_members_of_a_long_life_are_forgotten_but_not_those_who_wait() -> None:
    turns = turn.asked(Turns(0.0), "waits", 0.0)
    for at in range(2 * turn.MOST_MEMBERS):
        turns = turn.withdrawn(turn.asked(turns, f"m{at}", 1.0 + at), f"m{at}")
    assert len(turns.members) == turn.MOST_MEMBERS
    assert "waits" in turns.members


# --- a line of 19200 baud, in virtual time --------------------------------------------------------------------------


CHARACTER_S = 11 / 19200
LIVE_S = (8 + 25) * CHARACTER_S + 0.005 + 3.5 * CHARACTER_S  # ten registers, of a slave that takes 5 ms
DEAD_S = 8 * CHARACTER_S + 0.1 + 3.5 * CHARACTER_S + 0.02  # a time-out of 100 ms, and the silence after it
PERIOD_S = 1.0


@dataclass
class Site:
    """32 devices that read at each full period, as device.py does: one that is not done by then misses the period."""

    is_dead: Callable[[int, float], bool]
    phase: Callable[[int], float] = lambda unit: 0.0
    turns: Turns = field(default_factory=lambda: Turns(0.0))
    missed: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    lost_s: float = 0.0
    begun_at: float = 0.0

    def run(self, seconds: float) -> "Site":
        dice = random.Random(5)
        due = [(self.phase(unit), unit) for unit in range(32)]
        heapq.heapify(due)
        now = free_at = 0.0
        while now < seconds:
            while due[0][0] <= now:
                at, unit = heapq.heappop(due)
                heapq.heappush(due, (at + PERIOD_S, unit))
                self._ask(unit, now)
            self.turns, _ = turn.overdue(self.turns, now - QUEUE_S)
            if self.turns.running is not None and now >= free_at:
                self._end(now, free_at - self.begun_at, dice.random())
            self.turns = turn.begun(self.turns, now)
            if self.turns.running is not None and free_at <= now:
                self.begun_at = now
                free_at = now + (DEAD_S if self.is_dead(int(self.turns.running.member), now) else LIVE_S)
            following = free_at if self.turns.running is not None else turn.look_at(self.turns, now, QUEUE_S)
            now = min(max(following, now + 1e-6), due[0][0])
        return self

    def _ask(self, unit: int, now: float) -> None:
        running = self.turns.running
        busy = (running is not None and running.member == f"{unit}") or any(
            ask.member == f"{unit}" for ask in self.turns.waiting
        )
        if busy:
            self.missed[unit].append(now)
        elif not turn.is_refused(self.turns, f"{unit}", now):
            self.turns = turn.asked(self.turns, f"{unit}", now)

    def _end(self, now: float, cost_s: float, luck: float) -> None:
        assert self.turns.running is not None
        unit = int(self.turns.running.member)
        dead = self.is_dead(unit, self.begun_at)
        if not dead:
            self.answers[unit].append(now)
        self.lost_s += cost_s if dead else 0.0
        self.turns = turn.ended(self.turns, Ended.MISSED if dead else Ended.ANSWERED, now, cost_s, luck)

    def periods_s(self, unit: int, since: float = 0.0) -> list[float]:
        answers = [at for at in self.answers[unit] if at >= since]
        return [later - earlier for earlier, later in pairwise(answers)]


DEAD = range(3, 32, 4)  # every fourth one: 8
LIVE = [unit for unit in range(32) if unit not in DEAD]


def test_what_is_asked_of_the_simulated_line_is_feasible() -> None:
    assert 0.5 < len(LIVE) * LIVE_S < 0.7
    assert len(LIVE) * LIVE_S + len(DEAD) * DEAD_S > 1.4, "asked in turn, they would all be late"


@pytest.mark.parametrize("phases", ["one grid", "spread"])
def test_with_8_of_32_dead_the_live_ones_miss_no_period(phases: str) -> None:
    phase = (lambda unit: 0.0) if phases == "one grid" else (lambda unit: unit / 32)
    site = Site(lambda unit, now: unit in DEAD, phase).run(120.0)
    first = {unit: site.answers[unit][0] for unit in LIVE}
    assert max(first.values()) <= 3.0, "all are found, though nobody knows at first who answers"
    assert [at for unit in LIVE for at in site.missed[unit] if at > first[unit] + PERIOD_S] == []
    for unit in LIVE:
        periods_s = site.periods_s(unit, 3.0)
        assert sum(periods_s) / len(periods_s) == pytest.approx(PERIOD_S, rel=0.005)
        within = [period_s for period_s in periods_s if abs(period_s - PERIOD_S) <= 0.1 * PERIOD_S]
        assert len(within) >= (1.0 if phases == "one grid" else 0.9) * len(periods_s)
        assert all(abs(period_s - PERIOD_S) <= 2 * DEAD_S for period_s in periods_s)
    assert site.lost_s <= len(DEAD) * DEAD_S + turn.CREDIT_S + turn.SHARE * 120.0


def test_when_8_of_32_die_at_once_the_others_are_late_in_one_period_at_most() -> None:
    site = Site(lambda unit, now: unit in DEAD and now >= 30.0).run(90.0)
    for unit in LIVE:
        assert [at for at in site.missed[unit] if 3.0 < at < 30.0] == []
        assert len([at for at in site.missed[unit] if at >= 30.0]) <= 1
        assert [at for at in site.missed[unit] if at > 33.0] == []


def test_who_comes_back_is_found_with_the_next_probe() -> None:
    site = Site(lambda unit, now: unit in DEAD and 10.0 <= now < 60.0).run(120.0)
    for unit in DEAD:
        back = next(at for at in site.answers[unit] if at >= 60.0)
        assert back <= 60.0 + 1.2 * PROBES.ceiling_s + QUEUE_S
        assert [at for at in site.missed[unit] if at > back + PERIOD_S] == []


def test_one_lost_answer_does_not_cost_a_member_its_next_period() -> None:
    site = Site(lambda unit, now: unit == 5 and 20.0 <= now < 21.0).run(30.0)
    assert [int(at) for at in site.answers[5] if 18.0 < at < 25.0] == [18, 19, 21, 22, 23, 24]


# --- whatever happens -----------------------------------------------------------------------------------------------


NAMES = [f"m{at}" for at in range(5)]


class Life(RuleBasedStateMachine):
    """Whatever is asked, answered, missed and given up: the promises of the module's note."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.turns = Turns(0.0)
        self.waits: dict[str, Counter[str]] = {}  # a live member's: turns of the others that began meanwhile
        self.probes: dict[str, int] = {}
        self.commands = False

    @rule(name=st.sampled_from(NAMES), urgent=st.sampled_from([False, False, False, True]))
    def ask(self, name: str, urgent: bool) -> None:
        if turn.is_refused(self.turns, name, self.now) or any(ask.member == name for ask in self.turns.waiting):
            return
        self.turns = turn.asked(self.turns, name, self.now, urgent)
        self.commands |= urgent
        if self.turns.member(name).standing is Standing.LIVE and not urgent:
            self.waits[name], self.probes[name] = Counter(), 0

    @rule()
    def begin(self) -> None:
        before = self.turns
        self.turns = turn.begun(before, self.now)
        if before.running is not None or self.turns.running is None:
            return
        name = self.turns.running.member
        is_probe = self.turns.member(name).misses > 0
        self.waits.pop(name, None)
        for waiter in self.waits:
            self.waits[waiter][name] += not is_probe
            self.probes[waiter] += is_probe

    @precondition(lambda self: self.turns.running is not None)
    @rule(how=st.sampled_from([Ended.ANSWERED, Ended.ANSWERED, Ended.MISSED, Ended.SENT]), cost_s=st.floats(0.01, 0.5))
    def end(self, how: Ended, cost_s: float) -> None:
        assert self.turns.running is not None
        name = self.turns.running.member
        self.now += cost_s
        self.turns = turn.ended(self.turns, how, self.now, cost_s, LUCK)
        if self.turns.member(name).standing is not Standing.LIVE:
            self.waits.pop(name, None)  # asked again while it ran, and no live one any more

    @rule(name=st.sampled_from(NAMES))
    def give_up(self, name: str) -> None:
        self.turns = turn.withdrawn(self.turns, name)
        self.waits.pop(name, None)

    @rule()
    def drop(self) -> None:
        self.turns, late = turn.overdue(self.turns, self.now - QUEUE_S)
        for ask in late:
            self.waits.pop(ask.member, None)

    @rule(seconds=st.sampled_from([0.001, 0.1, 1.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def no_live_member_waits_for_more_than_one_turn_of_each_other_and_one_probe(self) -> None:
        for waiter, others in self.waits.items():
            assert self.probes[waiter] <= 1
            if not self.commands:
                assert max(others.values(), default=0) <= 1, f"{waiter} waits while {others}"
            assert sum(others.values()) <= (len(NAMES) - 1) * (1 + turn.URGENT_IN_A_ROW) + turn.URGENT_IN_A_ROW

    @invariant()
    def a_line_that_nobody_uses_is_given_to_a_live_one_as_soon_as_its_turn_is_due(self) -> None:
        live = [ask for ask in self.turns.waiting if self.turns.member(ask.member).standing is Standing.LIVE]
        due = [ask for ask in live if ask.urgent or may_at(self.turns.member(ask.member)) <= self.now]
        assert all(may_at(self.turns.member(ask.member)) <= ask.at + HOLD_S for ask in live)
        if due and self.turns.running is None:
            assert turn.begun(self.turns, self.now).running is not None

    @invariant()
    def looking_again_when_told_to_finds_somebody_in_bounded_time(self) -> None:
        turns, now = self.turns, self.now
        if not turns.waiting or turns.running is not None:
            return
        for _ in range(4 * len(NAMES)):
            turns, dropped = turn.overdue(turns, now - QUEUE_S)
            if dropped or turn.begun(turns, now).running is not None:
                return
            following = turn.look_at(turns, now, QUEUE_S)
            assert now < following <= self.now + QUEUE_S + 0.01
            now = following
        raise AssertionError("it is looked at for ever")

    @invariant()
    def each_waits_once(self) -> None:
        names = [ask.member for ask in self.turns.waiting]
        assert len(names) == len(set(names))
        assert self.turns.credit(self.now) <= turn.CREDIT_S


TestLife = Life.TestCase
