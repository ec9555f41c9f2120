"""Limits decided in pure code: alarms that come once and go once, and a restart with its reason."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.limits import (
    MARKS,
    Crossed,
    Resource,
    Standing,
    Usage,
    Verdict,
    amount,
    counts_descriptors,
    judged,
    limited,
    renewed,
)
from supervisors.spec import Limits

MIB = 2**20
MEMORY = Limits(memory_soft_bytes=100 * MIB, memory_hard_bytes=200 * MIB)
CPU = Limits(cpu_soft=0.5, cpu_hard=0.9, cpu_over_s=10.0)


def used(mib: float = 1.0, cpu_s: float = 0.0, descriptors: int | None = None) -> Usage:
    return Usage(int(mib * MIB), cpu_s, 0.0, descriptors)


def looked(limits: Limits, *usages: Usage, every_s: float = 1.0) -> tuple[Standing, list[Verdict]]:
    """One look after the other."""
    standing, verdicts = Standing(), []
    for number, usage in enumerate(usages):
        standing, verdict = judged(limits, standing, usage, 100.0 + number * every_s)
        verdicts.append(verdict)
    return standing, verdicts


def said(verdicts: list[Verdict]) -> list[str]:
    return [str(crossed) for verdict in verdicts for crossed in verdict.crossed]


def test_nothing_is_said_where_nothing_is_limited() -> None:
    usage = used(1e6, cpu_s=1e9, descriptors=10**6)
    assert looked(Limits(), *[usage] * 20) == (Standing(), [Verdict()] * 20)
    assert not limited(Limits())


def test_a_soft_level_is_told_once_when_it_is_passed_and_once_when_it_is_left() -> None:
    _, verdicts = looked(MEMORY, *map(used, (99, 101, 150, 120, 80, 70, 101)))
    assert said(verdicts) == [
        "uses 101.0 MiB of memory, over 100.0 MiB of memory",
        "uses 80.0 MiB of memory, below 100.0 MiB of memory again",
        "uses 101.0 MiB of memory, over 100.0 MiB of memory",
    ]


def test_a_value_on_the_edge_does_not_chatter() -> None:
    standing, verdicts = looked(MEMORY, *map(used, (101, 99, 101, 95, 100, 90.1, 102)))
    assert len(said(verdicts)) == 1
    assert standing.over == {Resource.MEMORY}


def test_what_is_exactly_at_a_level_is_within_it() -> None:
    _, verdicts = looked(MEMORY, used(100), used(200))
    assert [verdict.overran for verdict in verdicts] == ["", ""]
    assert verdicts[0].crossed == ()


def test_over_the_hard_level_a_child_is_restarted_with_the_numbers_as_the_reason() -> None:
    _, verdicts = looked(MEMORY, used(200), used(200.5))
    assert [verdict.overran for verdict in verdicts] == [
        "",
        "over its limit: it uses 200.5 MiB of memory, more than 200.0 MiB of memory",
    ]


def test_descriptors_are_judged_only_when_they_were_counted() -> None:
    limits = Limits(descriptors_soft=50, descriptors_hard=100)
    _, verdicts = looked(limits, *(used(descriptors=count) for count in (40, 60, None, 40, None, 101)))
    assert said(verdicts) == [
        "uses 60 descriptors, over 50 descriptors",
        "uses 40 descriptors, below 50 descriptors again",
        "uses 101 descriptors, over 50 descriptors",
    ]
    assert verdicts[-1].overran == "over its limit: it uses 101 descriptors, more than 100 descriptors"


def test_cpu_is_the_average_over_its_span_so_a_busy_start_breaks_no_limit() -> None:
    busy_s = [min(seconds, 4.0) for seconds in range(30)]  # a whole core for four seconds, then nothing
    _, verdicts = looked(CPU, *(used(cpu_s=busy) for busy in busy_s))
    assert verdicts == [Verdict()] * 30


def test_a_child_that_only_computes_is_ended_when_the_span_is_over() -> None:
    _, verdicts = looked(CPU, *(used(cpu_s=seconds) for seconds in range(12)))
    assert [bool(verdict.overran) for verdict in verdicts] == [False] * 10 + [True, True]
    assert verdicts[10].overran == "over its limit: it uses 100 % of a core, more than 90 % of a core"
    assert verdicts[10].crossed == (Crossed(Resource.CPU, 1.0, 0.5, over=True),)


def test_more_than_one_core_is_more_than_one() -> None:
    limits = Limits(cpu_hard=1.5, cpu_over_s=2.0)
    _, verdicts = looked(limits, *(used(cpu_s=2.0 * seconds) for seconds in range(4)))
    assert "200 % of a core, more than 150 %" in verdicts[-1].overran


def test_a_new_process_begins_its_cpu_time_anew_but_its_alarm_stays_until_it_is_seen_below() -> None:
    limits = replace(CPU, cpu_hard=None, memory_soft_bytes=100 * MIB)
    standing, _ = looked(limits, *(used(101, cpu_s=seconds) for seconds in range(12)))
    assert standing.over == {Resource.CPU, Resource.MEMORY}
    standing = renewed(standing)
    standing, verdict = judged(limits, standing, used(50, cpu_s=0.1), 200.0)
    assert [crossed.what for crossed in verdict.crossed] == [Resource.MEMORY]
    for seconds in range(1, 10):
        standing, verdict = judged(limits, standing, used(50, cpu_s=0.1), 200.0 + seconds)
        assert verdict == Verdict()
    _, verdict = judged(limits, standing, used(50, cpu_s=0.1), 210.0)
    assert [(crossed.what, crossed.over) for crossed in verdict.crossed] == [(Resource.CPU, False)]


def test_cpu_time_that_runs_backwards_is_another_process_and_not_an_average() -> None:
    _, verdicts = looked(CPU, *(used(cpu_s=seconds) for seconds in (0, 4, 8, 0, 0.1, 0.2)), every_s=5.0)
    assert [bool(verdict.overran) for verdict in verdicts] == [False] * 6


@pytest.mark.parametrize(
    ("what", "value", "text"),
    [
        (Resource.MEMORY, 1.5 * MIB, "1.5 MiB of memory"),
        (Resource.CPU, 0.855, "86 % of a core"),
        (Resource.DESCRIPTORS, 12.0, "12 descriptors"),
    ],
)
def test_amounts_are_written_for_people(what: Resource, value: float, text: str) -> None:
    assert amount(what, value) == text


def test_only_what_is_limited_is_counted() -> None:
    assert limited(Limits(descriptors_hard=3))
    assert counts_descriptors(Limits(descriptors_hard=3))
    assert limited(CPU)
    assert not counts_descriptors(CPU)


looks = st.lists(
    st.tuples(st.floats(0.01, 50.0), st.floats(0.0, 4.0), st.integers(0, 300), st.none() | st.integers(0, 300)),
    max_size=60,
)


@given(looks=looks)
def test_alarms_come_and_go_in_turn_and_the_record_of_a_child_stays_small(
    looks: list[tuple[float, float, int, int | None]],
) -> None:
    limits = Limits(100 * MIB, 250 * MIB, 100, 250, 0.5, 2.0, cpu_over_s=10.0)
    standing, now, cpu_s = Standing(), 0.0, 0.0
    last: dict[Resource, bool] = {}
    for span_s, share, mib, descriptors in looks:
        now, cpu_s = now + span_s, cpu_s + share * span_s
        standing, verdict = judged(limits, standing, used(mib, cpu_s, descriptors), now)
        for crossed in verdict.crossed:
            assert crossed.over is not last.get(crossed.what, False), "told twice"
            last[crossed.what] = crossed.over
        assert standing.over == {what for what, over in last.items() if over}
        assert len(standing.marks) <= MARKS + 2
        assert bool(verdict.overran) >= (mib > 250 or (descriptors or 0) > 250)


@given(share=st.floats(0.0, 4.0), every_s=st.floats(0.1, 5.0))
def test_a_steady_share_of_the_processor_is_measured_as_it_is(share: float, every_s: float) -> None:
    limits = Limits(cpu_hard=1.0, cpu_over_s=10.0)
    standing, overran = Standing(), ""
    for number in range(round(15.0 / every_s) + 1):
        at = number * every_s
        standing, verdict = judged(limits, standing, used(cpu_s=share * at), at)
        overran = overran or verdict.overran
    assert bool(overran) is (share > 1.0) or abs(share - 1.0) < 1e-6
