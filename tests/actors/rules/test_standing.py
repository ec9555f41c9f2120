"""When a rule acts: at each change, after it has been true for long enough, no more often than allowed."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rules.settings import Mode, Settings
from actors.rules.standing import Branch, Phase, Standing, next_due, passed, seen

BOTH = Settings(when="a.b > 1", then=("a.x = 1",), else_=("a.x = 0",))
Said = tuple[float, bool | None]


def run(settings: Settings, said: list[Said], until: float = 1e6) -> list[tuple[float, Branch]]:
    """What is done when, if the readings say this at these times; timers are kept as the actor keeps them."""
    standing, done = Standing(), []
    later = [*said, (until, None)]
    for at, ((now, truth), (following, _)) in enumerate(zip(later, [*later[1:], (until, None)], strict=True)):
        if at < len(said):
            standing = seen(standing, truth, settings, now)
        standing, branch = passed(standing, settings, now)
        done += [(now, branch)] if branch else []
        while (due := next_due(standing, settings)) <= following and len(done) < 50:
            standing, branch = passed(standing, settings, max(due, now))
            done += [(max(due, now), branch)] if branch else []
            if not branch and next_due(standing, settings) == due:
                break
    return done


def test_an_edge_is_acted_on_once() -> None:
    said: list[Said] = [(0, False), (1, True), (2, True), (3, False), (4, False), (5, True)]
    assert run(BOTH, said) == [(1, Branch.THEN), (3, Branch.ELSE), (5, Branch.THEN)]


def test_what_is_true_at_the_first_look_is_acted_on_and_what_is_false_is_not() -> None:
    assert run(BOTH, [(0, True)]) == [(0, Branch.THEN)]
    assert run(BOTH, [(0, False)]) == []


def test_it_must_be_true_for_so_long_without_a_break() -> None:
    slow = replace(BOTH, for_s=2.0)
    assert run(slow, [(0, True), (1, False), (1.5, True)]) == [(3.5, Branch.THEN)]
    assert run(slow, [(0, True), (1, None), (1.5, True), (2.5, True)]) == [(3.5, Branch.THEN)], "Bad breaks it"
    assert run(slow, [(0, True), (1.9, False)]) == []


def test_unknown_leaves_things_as_they_are() -> None:
    assert run(BOTH, [(0, True), (1, None), (2, True), (3, False)]) == [(0, Branch.THEN), (3, Branch.ELSE)]


def test_a_level_is_commanded_again_while_it_lasts() -> None:
    level = replace(BOTH, mode=Mode.LEVEL, repeat_s=10.0, else_=())
    assert run(level, [(0, True), (25, False)], until=60) == [(0, Branch.THEN), (10, Branch.THEN), (20, Branch.THEN)]


def test_what_comes_too_soon_waits_and_only_the_last_of_it_counts() -> None:
    rare = replace(BOTH, min_interval_s=10.0)
    assert run(rare, [(0, True), (1, False), (2, True), (3, False)]) == [(0, Branch.THEN), (10, Branch.ELSE)]
    assert run(rare, [(0, True), (1, False), (2, True)]) == [(0, Branch.THEN)], "taken back"


def test_without_an_else_each_new_edge_counts() -> None:
    rare = replace(BOTH, else_=(), min_interval_s=10.0)
    assert run(rare, [(0, True), (1, False), (2, True)]) == [(0, Branch.THEN), (10, Branch.THEN)]
    assert run(rare, [(0, True), (1, False), (2, True), (3, False)]) == [(0, Branch.THEN)]


@pytest.mark.parametrize("phase", list(Phase))
def test_what_is_handed_out_is_numbered_and_done(phase: Phase) -> None:
    standing = Standing(phase, due=Branch.THEN, count=7)
    after, branch = passed(standing, BOTH, 5.0)
    assert (branch, after.count, after.due, after.acted_s) == (Branch.THEN, 8, Branch.NONE, 5.0)


@given(
    truths=st.lists(st.tuples(st.floats(0.001, 20), st.sampled_from([True, False, None])), max_size=30),
    min_interval_s=st.sampled_from([0.0, 1.0, 7.5]),
    for_s=st.sampled_from([0.0, 0.5, 5.0]),
)
def test_actions_alternate_and_keep_their_distance(
    truths: list[tuple[float, bool | None]], min_interval_s: float, for_s: float
) -> None:
    said, now = [], 0.0
    for wait_s, truth in truths:
        now += wait_s
        said.append((now, truth))
    done = run(replace(BOTH, min_interval_s=min_interval_s, for_s=for_s), said, until=now + 100)
    branches = [branch for _, branch in done]
    assert branches == [(Branch.THEN, Branch.ELSE)[at % 2] for at in range(len(branches))]
    times = [at for at, _ in done]
    assert all(b - a >= min_interval_s - 1e-9 for a, b in pairwise(times))
    known = [truth for _, truth in said if truth is not None]
    if known and not known[-1]:
        assert not branches or branches[-1] is Branch.ELSE, "in the end the device is as the readings are"
