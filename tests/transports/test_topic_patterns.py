"""Topic patterns: which topics they take, which names they find, and what is no pattern."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.topic_patterns import TopicPattern, filled, pattern_problems, unknown_names


@pytest.mark.parametrize(
    ("pattern", "topic", "levels"),
    [
        ("tele/{thing}/SENSOR", "tele/plug/SENSOR", {"thing": "plug"}),
        ("tele/{thing}/SENSOR", "tele/plug/STATE", None),
        ("tele/{thing}/SENSOR", "tele/plug/a/SENSOR", None),
        ("tele/{thing}/SENSOR", "tele//SENSOR", None),
        ("+/{a}/{b}/#", "x/1/2/3/4", {"a": "1", "b": "2"}),
        ("a/#", "a", {}),
        ("a/+", "a/", {}),
        ("z/{thing}", f"z/{'x' * 64}", {"thing": "x" * 64}),
        ("z/{thing}", f"z/{'x' * 65}", None),
        ("z/{thing}", "z/a\x00b\x9f", {"thing": "a_b_"}),
        ("z/a", "", None),
    ],
)
def test_a_topic_gives_its_named_levels_or_is_of_another_form(pattern: str, topic: str, levels: object) -> None:
    assert list(pattern_problems("x", pattern)) == []
    assert TopicPattern(pattern).match(topic) == levels


def test_the_subscription_has_wildcards_for_names() -> None:
    assert TopicPattern("a/{b}/+/c/#").subscription == "a/+/+/c/#"


@pytest.mark.parametrize("pattern", ["", "/", "a/#/b", "a/{b", "a/x{b}", "a/{b}/{b}", "a/b+", "a\x00", "{}", "a/{1}"])
def test_what_is_no_pattern_is_a_problem(pattern: str) -> None:
    (problem,) = pattern_problems("messages.a.topic", pattern)
    assert problem.path == "messages.a.topic"


def test_a_template_takes_only_levels_that_there_are() -> None:
    assert filled("{a}.x.{b}", {"a": "1", "b": "{a}"}) == "1.x.{a}"
    assert "named levels are: {a}" in next(unknown_names("p", "{c}", ("a",))).cure
    assert "closed" in next(unknown_names("p", "{c", ("c",))).cure


@given(st.text())
def test_any_topic_is_matched_or_not_and_a_name_is_one_printable_level(topic: str) -> None:
    for levels in (TopicPattern("{a}/{b}").match(topic), TopicPattern("{a}/#").match(topic)):
        for name in (levels or {}).values():
            assert 0 < len(name) <= 64
            assert "/" not in name
            name.encode()
