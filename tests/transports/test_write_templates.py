"""Commands from templates: the value in its place, and never more than the value."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import LinkRefused
from transports.json_tags import JsonTag
from transports.write_templates import Written, filled, limits_of, template_problems


@pytest.mark.parametrize(
    ("template", "raw", "command"),
    [
        ('{"state": "{value}"}', "ON", '{"state": "ON"}'),
        ("{value}", 2**64 - 1, "18446744073709551615"),
        ("{value}", True, "true"),
        ("set {value}!", 0.1, "set 0.1!"),
        ('{"a": {json}}', 'a "b" \\', '{"a": "a \\"b\\" \\\\"}'),
        ("{other} {value}", 1, "{other} 1"),
    ],
)
def test_the_value_stands_in_its_place(template: str, raw: bool | float | str, command: str) -> None:
    assert filled(template, raw, "x") == command


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_gets_out_of_its_quotes(text: str) -> None:
    assert orjson.loads(filled('{"a": {json}, "b": 1}', text, "x")) == {"a": text, "b": 1}
    try:
        command = filled('{"a": "{value}", "b": 1}', text, "x")
    except LinkRefused:
        return
    assert orjson.loads(command) == {"a": text, "b": 1}


def test_a_template_without_a_place_is_a_problem() -> None:
    (problem,) = template_problems("writes.a.payload", "ON")
    assert "{value}" in problem.cure


def test_a_write_needs_a_type_and_limits_that_fit() -> None:
    tags = {"a": JsonTag("$.a"), "wave": JsonTag("$", "float64_array")}
    assert list(Written(lowest=1.0, highest=2.0).written_problems("w.a", "a", tags)) == []
    assert [p.path for p in Written().written_problems("w.b", "b", tags)] == ["w.b.type"]
    assert [p.path for p in Written().written_problems("w.wave", "wave", tags)] == ["w.wave.type"]
    assert [p.path for p in Written(lowest=3.0, highest=2.0).written_problems("w.a", "a", tags)] == ["w.a.min"]
    assert list(limits_of({"a": Written(), "b": Written(writable=False)})) == ["a"]
