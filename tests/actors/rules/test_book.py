"""A rule while it runs: what it makes of readings that are not to be had, and of commands that were not done."""

from itertools import pairwise

import pytest

from actors.rules.book import ON_THE_WAY_MOST, REFUSED_IN_A_ROW, Book
from actors.rules.readings import Readings
from actors.rules.rule import rule_of
from actors.rules.settings import Mode, OnBad, Settings
from actors.rules.standing import Standing
from transports.expressions import ExpressionError
from transports.samples import Quality, Scan, Tag, batch_of

DEVICES = ("press", "backup", "fan", "pump")


class Stage:
    """A rule and its readings, at times that the test says."""

    def __init__(self, **settings: object) -> None:
        given = {"when": "press.oil > 80", "then": ("fan.speed = 100",), "else_": ("fan.speed = 0",), **settings}
        rule = rule_of("cooling", Settings(**given), DEVICES)  # type: ignore[arg-type]
        self.readings = Readings(rule.references, 0.0)
        self.book = Book(rule, Standing())

    def says(self, now: float, oil: float | None, device: str = "press", on_the_way: int = 0) -> list[object]:
        quality = Quality.BAD_TIMEOUT if oil is None else Quality.GOOD
        self.readings.take(batch_of(device, 1, [Scan(1, (Tag("oil"),), [oil], quality)]), now)
        return self.look(now, on_the_way)

    def look(self, now: float, on_the_way: int = 0) -> list[object]:
        return [value for _, value in self.book.judged(self.readings, now, on_the_way)]

    def heard(self, outcome: str, now: float, action: str = "fan.speed = 100") -> bool:
        return self.book.heard(action, outcome, "", now)


def test_a_rule_that_is_held_true_lets_go_when_its_sensor_dies_and_it_says_so() -> None:
    heater = Stage(clear="press.oil < 75", on_bad=OnBad.FALSE)
    assert heater.says(0.0, 90.0) == [100]
    assert heater.says(1.0, 78.0) == []
    assert heater.says(2.0, None) == [0]
    held = Stage(clear="press.oil < 75")
    assert held.says(0.0, 90.0) == [100]
    assert held.says(1.0, None) == []


def test_a_number_that_is_none_is_no_reading() -> None:
    stage = Stage()
    assert stage.says(0.0, 90.0) == [100]
    assert stage.says(1.0, float("nan")) == [], "it does not run the else"
    assert Stage(on_bad=OnBad.TRUE).says(0.0, float("nan")) == [100]


def test_a_second_sensor_that_was_never_heard_does_not_keep_the_first_from_being_obeyed() -> None:
    stage = Stage(when="press.oil > 80 or backup.oil > 80")
    assert stage.says(0.0, 90.0) == [100]


def test_what_expired_is_commanded_again_while_it_is_still_wanted_later_each_time() -> None:
    stage, now, commanded = Stage(), 0.0, []
    assert stage.says(now, 90.0) == [100]
    for _ in range(4):
        stage.heard("expired", now)
        due = stage.book.next_due(stage.readings, now)
        assert stage.says(due - 0.01, 90.0) == []
        assert stage.says(due, 90.0) == [100]
        commanded.append(due - now)
        now = due
    assert all(later > 1.5 * earlier for earlier, later in pairwise(commanded))
    stage.heard("done", now)
    assert stage.says(now + 1000, 90.0) == []


def test_what_may_have_been_executed_is_not_commanded_again() -> None:
    stage = Stage()
    stage.says(0.0, 90.0)
    stage.heard("unknown", 0.0)
    assert [stage.says(float(now), 90.0) for now in range(1, 400, 10)] == [[]] * 40


def test_only_the_action_that_was_not_done_is_commanded_again() -> None:
    stage = Stage(then=("fan.speed = 100", "pump.on = true"))
    assert stage.says(0.0, 90.0) == [100, True]
    stage.heard("expired", 0.0, "pump.on = true")
    stage.heard("done", 0.0)
    assert stage.says(30.0, 90.0) == [True]


def test_another_phase_is_acted_on_at_once_whatever_was_refused_before() -> None:
    stage = Stage()
    stage.says(0.0, 90.0)
    for now in range(REFUSED_IN_A_ROW):
        stage.heard("rejected", float(now))
    assert stage.book.trouble(3.0)
    assert stage.says(3.0, 70.0) == [0]
    assert not stage.book.trouble(3.0)


def test_three_refusals_in_a_row_are_told_once() -> None:
    stage = Stage()
    stage.says(0.0, 90.0)
    assert [stage.heard("rejected", 0.0) for _ in range(5)] == [False, False, True, False, False]


def test_a_level_is_not_commanded_again_while_the_last_time_is_on_its_way() -> None:
    stage = Stage(mode=Mode.LEVEL, repeat_s=1.0)
    assert stage.says(0.0, 90.0) == [100]
    assert stage.says(5.0, 90.0, on_the_way=1) == []
    assert stage.says(6.0, 90.0) == [100]


def test_with_too_many_on_their_way_only_the_last_change_counts() -> None:
    stage = Stage()
    assert stage.says(0.0, 90.0) == [100]
    for now in range(1, 10):
        assert stage.says(float(now), 70.0 if now % 2 else 90.0, on_the_way=ON_THE_WAY_MOST) == []
    assert stage.look(10.0) == [0]


def test_a_reading_that_grows_old_in_a_quarantine_is_seen_when_that_is_over() -> None:
    stage = Stage(when="1 / (press.oil - 90) > 0", on_bad=OnBad.TRUE, silent_after_s=2.0)
    with pytest.raises(ExpressionError):
        stage.says(0.0, 90.0)
    wait_s = stage.book.failed("division by zero", 0.0) + 5.0
    stage.book.until_s = wait_s
    assert stage.book.next_due(stage.readings, 3.0) == wait_s
    assert stage.look(wait_s) == [100]
