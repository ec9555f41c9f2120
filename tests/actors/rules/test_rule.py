"""A rule as it is written: what it needs, what it says of readings, and what is wrong with it, by place."""

import pytest

from actors.rules.rule import action_of, problems_of, rule_of
from actors.rules.settings import OnBad, Settings
from transports.expressions import ExpressionError, Reference

DEVICES = ("press", "press-1", "fan")
OIL = Reference("press", "oil_temp")


def settings(**keys: object) -> Settings:
    return Settings(**{"when": "press.oil_temp > 80", "then": ("fan.speed = 100",), **keys})  # type: ignore[arg-type]


def test_it_is_true_when_its_expression_is() -> None:
    rule = rule_of("cooling", settings(), DEVICES)
    assert rule.truth({OIL: 81.0}, was_true=False) is True
    assert rule.truth({OIL: 80.0}, was_true=False) is False


def test_hysteresis_keeps_it_true_until_it_is_cleared() -> None:
    rule = rule_of("cooling", settings(clear="press.oil_temp < 75"), DEVICES)
    assert rule.truth({OIL: 78.0}, was_true=True) is True
    assert rule.truth({OIL: 74.0}, was_true=True) is False
    assert rule.truth({OIL: 78.0}, was_true=False) is False


@pytest.mark.parametrize(("on_bad", "truth"), [(OnBad.HOLD, None), (OnBad.TRUE, True), (OnBad.FALSE, False)])
def test_a_reading_that_is_not_to_be_had_means_what_the_rule_says(on_bad: OnBad, truth: bool | None) -> None:
    rule = rule_of("cooling", settings(on_bad=on_bad, clear="press.oil_temp < 75"), DEVICES)
    assert (rule.truth({}, was_true=False), rule.truth({}, was_true=True)) == (None, None)
    assert rule.when_missing is truth


def test_a_reading_that_is_not_needed_may_be_missing() -> None:
    rule = rule_of("cooling", settings(when="fan.oil > 80 or press.oil_temp > 80"), DEVICES)
    assert rule.truth({OIL: 90.0}, was_true=False) is True, "whatever the other one says"
    assert rule.truth({OIL: 70.0}, was_true=False) is None
    both = rule_of("cooling", settings(when="fan.oil > 80 and press.oil_temp > 80"), DEVICES)
    assert both.truth({OIL: 70.0}, was_true=False) is False
    assert both.truth({OIL: 90.0}, was_true=False) is None


def test_an_action_computes_its_value() -> None:
    action = action_of("press-1.set = min(press.oil_temp * 2, 100)", DEVICES)
    assert (action.device, action.tag) == ("press-1", "set")
    assert action.value.value({OIL: 30.0}) == 60.0
    assert rule_of("r", settings(then=("press-1.set = fan.speed",)), DEVICES).references == (
        OIL,
        Reference("fan", "speed"),
    )


def test_a_rule_that_cannot_be_computed_says_so() -> None:
    rule = rule_of("r", settings(when="1 / press.oil_temp > 1"), DEVICES)
    with pytest.raises(ExpressionError):
        rule.truth({OIL: 0.0}, was_true=False)


def test_every_mistake_is_named_by_its_place() -> None:
    wrong = settings(
        when="pres.oil > 1", clear="press.oil >", then=("fan.speed",), else_=("fam.speed = 1", "fan.speed = )")
    )
    problems = {problem.path: problem.cure for problem in problems_of(wrong, "rule.x", DEVICES)}
    assert set(problems) == {"rule.x.when", "rule.x.clear", "rule.x.then[0]", "rule.x.else[0]", "rule.x.else[1]"}
    assert "did you mean 'fan'?" in problems["rule.x.else[0]"]


def test_a_good_rule_has_no_problems() -> None:
    assert list(problems_of(settings(clear="press.oil_temp < 70"), "rule.x", DEVICES)) == []
