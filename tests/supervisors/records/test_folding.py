"""Folding: a flood of events becomes a few lines, and the numbers in them add up."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.records.folding import BURST, CAUSES, OVERFLOW_S, RATE, WINDOW_S, Folding, Rest, Told, like

INFO, WARNING, ERROR = 20, 30, 40
Out = Told["Happening"] | Rest


@dataclass(frozen=True)
class Happening:
    name: str
    kind: str = "ChildDied"
    cause: str = ""
    level: int = WARNING
    folds: bool = True


def flown(happenings: Iterable[tuple[float, Happening]], until: float) -> list[tuple[float, Out]]:
    """Everything that comes out, with its time; the clock ticks each second."""
    folding: Folding[Happening] = Folding(0.0)
    out: list[tuple[float, Out]] = []
    waiting = sorted(happenings, key=lambda each: each[0])
    for tick in range(int(until) + 1):
        while waiting and waiting[0][0] <= tick:
            at, happening = waiting.pop(0)
            out += ((at, told) for told in folding.said(happening, at))
        out += ((tick, told) for told in folding.passed(tick))
    return [*out, *((until, told) for told in folding.closed(until))]


def test_the_first_three_are_told_at_once_and_repetitions_once_a_minute_with_their_number() -> None:
    out = flown(((n * 0.1, Happening("press", cause=f"exit code 1 of pid {n}")) for n in range(1200)), 130.0)
    assert [(round(at), told.count) for at, told in out] == [(0, 1), (0, 1), (0, 1), (60, 598), (120, 599)]
    (_, first), _, _, (_, sum_), _ = out
    assert isinstance(first, Told)
    assert first.over_s is None
    assert isinstance(sum_, Told)
    assert sum_.over_s == 60.0
    assert sum_.event.cause == "exit code 1 of pid 600", "the newest of them stands for all"


def test_what_happens_again_after_a_quiet_minute_is_news() -> None:
    out = flown([(0.0, Happening("press")), (61.0, Happening("press"))], 62.0)
    assert [(at, told.count) for at, told in out] == [(0.0, 1), (61.0, 1)]


@pytest.mark.parametrize(
    "other",
    [Happening("mill"), Happening("press", kind="ChildHung"), Happening("press", cause="killed by SIGSEGV")],
    ids=["another child", "another kind", "another cause"],
)
def test_another_child_kind_or_cause_is_told_by_itself(other: Happening) -> None:
    out = flown([(0.0, Happening("press", cause="exit code 1")), (0.1, other)], 1.0)
    assert [told.count for _, told in out] == [1, 1]


def test_causes_that_differ_in_numbers_only_are_one() -> None:
    assert like("pid 17 at 0x7fAA: errno 5") == like("pid 4711 at 0x1: errno 11")
    assert like("killed by SIGSEGV") != like("killed by SIGKILL")


def test_a_child_with_a_new_error_each_time_is_not_told_each_time() -> None:
    out = flown(((n * 0.5, Happening("press", cause="x" * n)) for n in range(100)), 50.0)
    assert sum(isinstance(told, Told) and told.over_s is None for _, told in out) == CAUSES
    assert sum(told.count for _, told in out) == 100


def test_fifty_flapping_children_are_fewer_than_ten_lines_in_any_second() -> None:
    flapping = (
        (at / 2, Happening(f"c{n}", kind, f"exit code {n}", level))
        for at in range(600)
        for n in range(50)
        for kind, level in (("ChildDied", WARNING), ("ChildReady", INFO), ("ChildHung", WARNING))
    )
    out = flown(flapping, 300.0)
    seconds = Counter(int(at) for at, _ in out[:-400])  # the farewell is no part of it
    assert max(seconds.values()) < 10
    assert sum(told.count for _, told in out) == 600 * 50 * 3


def test_what_there_is_no_room_for_is_summed_up_by_kind_with_every_name() -> None:
    out = flown(((0.0, Happening(f"c{n}")) for n in range(42)), OVERFLOW_S + 1)
    *told, (at, rest) = out
    assert len(told) == BURST
    assert isinstance(rest, Rest)
    assert (at, rest.kind, rest.count, rest.over_s) == (OVERFLOW_S, "ChildDied", 42 - BURST, OVERFLOW_S)
    assert rest.names == {f"c{n}": 1 for n in range(int(BURST), 42)}


def test_good_news_in_a_flood_leaves_room_for_a_warning() -> None:
    flood = [(0.0, Happening(f"c{n}", "ChildReady", level=INFO)) for n in range(200)]
    out = flown([*flood, (0.1, Happening("press", level=WARNING))], 1.0)
    assert [at for at, told in out if isinstance(told, Told) and told.event.name == "press"] == [0.1]


@pytest.mark.parametrize("happening", [Happening("press", level=ERROR), Happening("press", folds=False)])
def test_errors_and_operators_deeds_are_told_each_time_whatever_floods(happening: Happening) -> None:
    flood = [(0.0, Happening(f"c{n}")) for n in range(200)]
    out = flown([*flood, *((1.0, happening) for _ in range(20))], 2.0)
    assert sum(isinstance(told, Told) and told.event is happening for _, told in out) == 20


HAPPENINGS = st.builds(
    Happening,
    st.sampled_from(["press", "mill", "oven"]),
    st.sampled_from(["ChildDied", "ChildReady"]),
    st.text("ab1", max_size=3),
    st.sampled_from([INFO, WARNING, ERROR]),
    st.booleans(),
)


@given(st.lists(st.tuples(st.floats(0.0, 200.0), HAPPENINGS), max_size=200), st.floats(200.0, 260.0))
def test_what_comes_out_adds_up_to_what_went_in(happenings: list[tuple[float, Happening]], until: float) -> None:
    went_in = Counter((each.kind, each.name) for _, each in happenings)
    came_out: Counter[tuple[str, str]] = Counter()
    for _, told in flown(happenings, until):
        if isinstance(told, Told):
            came_out[told.event.kind, told.event.name] += told.count
        else:
            came_out.update({(told.kind, name): count for name, count in told.names.items()})
    assert came_out == went_in


@given(st.lists(st.tuples(st.floats(0.0, 100.0), HAPPENINGS), max_size=300))
def test_foldable_lines_are_never_more_than_the_bucket_gives(happenings: list[tuple[float, Happening]]) -> None:
    folding = [(at, each) for at, each in happenings if each.folds and each.level < ERROR]
    lines = [at for at, told in flown(folding, 100.0) if at < 100.0]
    kinds = 2  # the sums of the overflow, one a kind, may overdraw it
    for since in chain([0.0], lines):
        assert sum(since <= at < since + 1.0 for at in lines) <= BURST + RATE + kinds


def test_nothing_is_remembered_of_children_that_are_quiet() -> None:
    folding: Folding[Happening] = Folding(0.0)
    for n in range(1000):
        list(folding.said(Happening(f"c{n}"), n * 1.0))
        list(folding.passed(n * 1.0))
    assert list(folding.passed(2000.0 + WINDOW_S)) == []
    assert not folding._windows
    assert not folding._overflow
