"""Which link is chosen: by cases that a person understands, and by whatever can happen in whatever order."""

from dataclasses import replace
from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.networks import standing
from actors.networks.choosing import HOPS, LONGEST_S, WITHIN_S, Candidate, Choice, chosen, look_again, recover_s
from actors.networks.standing import Standing

RECOVER_S, FAIL_AFTER = 30.0, 3
LIVES = Standing(good_at=0.0, good_since=0.0)
WORSE = Candidate("cellular", LIVES, RECOVER_S)
BETTER = Candidate("ethernet", LIVES, RECOVER_S)


def _dead(since: float) -> Standing:
    fails = LIVES
    for _ in range(FAIL_AFTER):
        fails = standing.bad(fails, since, "no answer", FAIL_AFTER)
    return fails


def test_the_first_that_is_not_known_to_be_dead_is_used_at_the_start() -> None:
    assert chosen(Choice(), [BETTER, WORSE], 0.0).link == "ethernet"
    assert chosen(Choice(), [replace(BETTER, standing=_dead(0.0)), WORSE], 0.0).link == "cellular"
    assert chosen(Choice(), [replace(BETTER, standing=_dead(0.0))], 0.0).link == "ethernet", "better than none"


def test_two_bad_checks_are_not_three() -> None:
    ails = standing.bad(standing.bad(LIVES, 5.0, "no answer", FAIL_AFTER), 6.0, "no answer", FAIL_AFTER)
    assert ails.up
    assert standing.good(ails, 7.0).failures == 0
    assert not standing.bad(ails, 7.0, "no answer", FAIL_AFTER).up


def test_a_pulled_cable_needs_no_second_opinion() -> None:
    pulled = replace(BETTER, standing=standing.cut(LIVES, 100.0, "no carrier"))
    assert chosen(Choice("ethernet"), [pulled, WORSE], 100.0).link == "cellular"


def test_what_fails_is_left_for_a_link_that_has_answered_since() -> None:
    dead = replace(BETTER, standing=_dead(100.0))
    assert chosen(Choice("ethernet"), [dead, WORSE], 101.0).link == "ethernet", "the server may be down, on all of them"
    proven = replace(WORSE, standing=standing.good(LIVES, 100.5))
    assert chosen(Choice("ethernet"), [dead, proven], 101.0).link == "cellular"


def test_when_nothing_works_it_stays_where_it_is() -> None:
    dead = [replace(each, standing=_dead(100.0)) for each in (BETTER, WORSE)]
    assert chosen(Choice("cellular"), dead, 200.0).link == "cellular"


def test_a_better_link_is_gone_back_to_when_it_was_good_for_long_enough() -> None:
    back = replace(BETTER, standing=standing.good(_dead(100.0), 200.0))
    links = [back, WORSE]
    assert chosen(Choice("cellular"), links, 229.9).link == "cellular"
    assert look_again(Choice("cellular"), links) == 230.0
    assert chosen(Choice("cellular"), links, 230.0).link == "ethernet"


def test_a_link_that_fails_again_soon_after_a_return_waits_twice_as_long_each_time_and_10_minutes_at_most() -> None:
    now, choice, waits = 1000.0, Choice("cellular"), []
    for _ in range(8):
        good = replace(BETTER, standing=standing.good(_dead(now - 1), now))
        waits.append(look_again(choice, [good, WORSE]) - now)
        now += waits[-1]
        choice = chosen(choice, [good, WORSE], now)
        assert choice.link == "ethernet"
        now += 10
        choice = chosen(choice, [replace(BETTER, standing=standing.cut(LIVES, now, "no carrier")), WORSE], now)
        assert choice.link == "cellular"
        now += 1
    assert waits == [30, 60, 120, 240, 480, LONGEST_S, LONGEST_S, LONGEST_S]


def test_a_link_that_lasted_after_its_return_is_believed_again() -> None:
    good = replace(BETTER, standing=LIVES)
    choice = chosen(Choice("cellular"), [good, WORSE], 100.0)
    cut = replace(BETTER, standing=standing.cut(LIVES, 5000.0, "no carrier"))
    choice = chosen(choice, [cut, WORSE], 5000.0)
    assert recover_s(choice, BETTER) == RECOVER_S


def test_what_has_no_budget_left_is_not_used_and_used_up_is_no_failure() -> None:
    used_up = replace(BETTER, allowed=False)
    choice = chosen(Choice("ethernet"), [used_up, WORSE], 10.0)
    assert (choice.link, recover_s(choice, BETTER)) == ("cellular", RECOVER_S)
    assert chosen(choice, [used_up, replace(WORSE, allowed=False)], 20.0).link == ""
    assert chosen(Choice(""), [BETTER, replace(WORSE, allowed=False)], 30.0).link == "ethernet", "a new month"


def test_old_good_news_of_a_link_without_a_carrier_is_not_believed() -> None:
    cut = standing.cut(LIVES, 10.0, "no carrier")
    assert standing.good(cut, 10.1) == cut
    assert standing.good(standing.mended(cut), 11.0).up


def test_two_returns_in_a_row_are_as_far_apart_as_the_link_must_be_good() -> None:
    links = [
        Candidate("ethernet", standing.good(_dead(100.0), 205.0), RECOVER_S),
        Candidate("wifi", standing.good(_dead(100.0), 200.0), RECOVER_S),
        WORSE,
    ]
    choice = chosen(Choice("cellular"), links, 230.0)
    assert choice.link == "wifi"
    links[0] = replace(links[0], standing=standing.good(links[0].standing, 231.0))
    assert chosen(choice, links, 236.0).link == "wifi"
    assert chosen(choice, links, 260.0).link == "ethernet"


NAMES = ("ethernet", "wifi", "cellular")


class Links(RuleBasedStateMachine):
    """Three links that live and die as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.standings = {name: Standing(since=self.now) for name in NAMES}
        self.allowed = dict.fromkeys(NAMES, True)
        self.choice = Choice()
        self.returned: list[tuple[float, float]] = []
        self._choose()

    @property
    def candidates(self) -> list[Candidate]:
        return [Candidate(name, self.standings[name], RECOVER_S, self.allowed[name]) for name in NAMES]

    def _choose(self) -> None:
        before, self.choice = self.choice, chosen(self.choice, self.candidates, self.now)
        if self.choice.back_at == self.now and before.back_at != self.now:
            target = self.candidates[NAMES.index(self.choice.link)]
            self.returned.append((self.now, recover_s(before, target)))
            assert NAMES.index(self.choice.link) < NAMES.index(before.link), "back is to a better one"
            good_since = self.standings[self.choice.link].good_since
            assert self.now - good_since >= recover_s(before, target)

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 31.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._choose()

    @rule(name=st.sampled_from(NAMES))
    def checks_well(self, name: str) -> None:
        self.standings[name] = standing.good(self.standings[name], self.now)
        self._choose()

    @rule(name=st.sampled_from(NAMES), times=st.integers(1, 4))
    def fails(self, name: str, times: int) -> None:
        for _ in range(times):
            self.now += 0.5
            self.standings[name] = standing.bad(self.standings[name], self.now, "no answer", FAIL_AFTER)
            self._choose()

    @rule(name=st.sampled_from(NAMES))
    def is_cut(self, name: str) -> None:
        self.standings[name] = standing.cut(self.standings[name], self.now, "no carrier")
        self._choose()

    @rule(name=st.sampled_from(NAMES))
    def is_mended(self, name: str) -> None:
        self.standings[name] = standing.mended(self.standings[name])
        self._choose()

    @rule(name=st.sampled_from(NAMES), allowed=st.booleans())
    def budget(self, name: str, allowed: bool) -> None:
        self.allowed[name] = allowed
        self._choose()

    @invariant()
    def no_link_is_used_that_is_known_dead_while_one_is_known_to_live(self) -> None:
        current = next((each for each in self.candidates if each.name == self.choice.link), None)
        if current is None:
            assert not any(self.allowed.values())
            return
        if current.lives:
            return
        hops = self.choice.hops
        if current.allowed and len(hops) == HOPS and self.now < hops[0] + WITHIN_S:
            return  # it has hopped enough
        certain = current.standing.cut or not current.allowed
        since = -inf if certain else current.standing.failing_since
        assert not any(each.lives and each.standing.good_at >= since for each in self.candidates)

    @invariant()
    def nothing_passes_over_a_link_without_budget_while_another_has_some(self) -> None:
        if any(self.allowed.values()):
            assert self.allowed[self.choice.link]

    @precondition(lambda self: len(self.returned) > 1)
    @invariant()
    def returns_are_as_far_apart_as_a_link_must_be_good(self) -> None:
        (earlier, _), (later, wait_s) = self.returned[-2:]
        assert later - earlier >= wait_s

    @invariant()
    def choosing_again_changes_nothing(self) -> None:
        assert chosen(self.choice, self.candidates, self.now) == self.choice

    @invariant()
    def whoever_looks_again_when_told_misses_no_return(self) -> None:
        when = look_again(self.choice, self.candidates)
        assert when > self.now
        if when < inf:
            assert chosen(self.choice, self.candidates, when).link != self.choice.link


Links.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLinks = Links.TestCase
