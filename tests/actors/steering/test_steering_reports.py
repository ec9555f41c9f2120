"""What is audited of a flood: a bounded number of lines an hour, whose counts add up to what happened."""

import random
import re

from actors.steering.rates import Rate
from actors.steering.reports import ALONE, HOUR_S, KINDS, TOTAL, Reports
from transports.messages import Requested


def _count(told: list[Requested]) -> int:
    """How many requests these lines stand for."""
    more = [re.search(r"(?:and |^)(\d+) more", each.result) for each in told]
    own = sum(not each.result.endswith("only read") for each in told)
    return own + sum(int(each[1]) for each in more if each)


def test_an_hour_of_floods_is_a_bounded_number_of_lines_that_add_up() -> None:
    dice, reports, told, happened, now = random.Random(1), Reports(0.0), list[Requested](), 0, 0.0
    for hour in range(5):
        before = len(told)
        for _ in range(5000):
            who = f"p{dice.randrange(400)}"
            told += reports.said(Requested(who, dice.choice(["write", "stop"]), result="refused"), "rate")
            happened += 1
        now = (hour + 1) * HOUR_S
        told += reports.passed(now)
        assert len(told) - before <= 2 * TOTAL + 1
        assert not reports.kinds
    assert _count(told) == happened


def test_the_first_of_each_kind_are_told_one_by_one() -> None:
    reports, told = Reports(0.0), list[Requested]()
    for _ in range(10):
        told += reports.said(Requested("scada", "write", result="refused"), "limits")
        told += reports.said(Requested("scada", "write", result="refused"), "tag")
    assert len(told) == 2 * ALONE
    assert not list(reports.passed(HOUR_S - 1))
    assert [each.result for each in reports.passed(HOUR_S)] == ["refused (and 6 more like it within an hour)"] * 2


def test_kinds_that_are_too_many_are_counted_together() -> None:
    reports = Reports(0.0)
    for number in range(3 * KINDS):
        list(reports.said(Requested(f"{number}", "x", result="refused"), "c"))
    assert len(reports.kinds) <= KINDS + 1


def test_a_rate_holds_in_any_span() -> None:
    rate, dice, now, allowed = Rate(5, 10.0), random.Random(2), 0.0, list[float]()
    for _ in range(500):
        now += dice.random() * 3
        if rate.allows(now):
            allowed.append(now)
    assert all(later - first >= 10.0 for first, later in zip(allowed, allowed[5:], strict=False))
    assert len(allowed) > 200
