"""Expressions over tags: what can be written, exactly what it means, and that nothing written can do harm."""

import math
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from transports.expression_text import MAX_TEXT
from transports.expression_values import MAX_LETTERS
from transports.expressions import Expression, ExpressionError, Incomputable, Reference, Unreadable

DEVICES = {"press", "press-1", "fan", "3d", "not"}
READINGS: dict[Reference, Any] = {
    Reference("press-1", "oil_temp"): 81.5,
    Reference("press", "count"): 7,
    Reference("press", "top"): 2**64 - 1,
    Reference("press", "low"): -(2**63),
    Reference("fan", "on"): True,
    Reference("fan", "mode"): "auto",
    Reference("press-1", "oil temp/2"): 3.0,
    Reference("press", "note"): b"bytes",
    Reference("press", "odd"): math.nan,
    Reference("3d", "x.y"): 4,
}


def value(text: str) -> Any:
    return Expression(text, DEVICES).value(READINGS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3.5),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("0x1f + 0b11 + 1.5e1 + .5", 49.5),
        ("press-1.oil_temp > 80", True),
        ("press-1.oil_temp>80 and fan.on", True),
        ("not fan.on or press.count == 7", True),
        ("80 < press-1.oil_temp <= 81.5", True),
        ("press.count-1", 6),
        ("press.count - press.count-1", -1),
        ("{press-1.oil temp/2} * 2", 6.0),
        ("{ press.count }", 7),
        ("3d.x.y", 4),
        ("fan.mode == 'auto' and fan.mode != \"man\"", True),
        ("'it\\'s' + \" on\"", "it's on"),
        ("if(fan.on, 1, 2)", 1),
        ("1 if not fan.on else 2", 2),
        ("if(press.count == 0, 0, 10 / press.count) > 1", True),
        ("press.count != 0 and 10 / press.count > 1", True),
        ("abs(-3) + min(4, 2, 3) + max(1, 2)", 7),
        ("sqrt(16) + exp(0) + log(1) + log10(100) + log2(8) + log(8, 2)", 13.0),
        ("sin(0) + cos(0) + tan(0) + asin(0) + acos(1) + atan(0) + atan2(0, 1)", 1.0),
        ("floor(2.7) + ceil(2.1) + round(2.6)", 8),
        ("round(2.345, 1)", 2.3),
        ("clamp(press.count, 0, 5)", 5),
        ("bit(press.count, 0) and not bit(press.count, 3)", True),
        ("true and not False", True),
        ("press.count\n  > 3", True),
    ],
)
def test_what_is_written_means_what_it_says(text: str, expected: Any) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_references_are_each_named_once_in_order() -> None:
    text = "press-1.oil + press.oil-1 > fan.on and {press-1.a b} or press-1.oil"
    assert [str(each) for each in Expression(text, DEVICES).references] == [
        "press-1.oil", "press.oil", "fan.on", "press-1.a b"
    ]  # fmt: skip


def test_without_devices_every_name_is_a_tag() -> None:
    expression = Expression("oil.mean * 2 + {a-b} - flow")
    assert list(expression.references) == [("", "oil.mean"), ("", "a-b"), ("", "flow")]
    assert expression.value({Reference("", "oil.mean"): 1, Reference("", "a-b"): 2, Reference("", "flow"): 3}) == 1


def test_the_longest_known_name_is_meant() -> None:
    known = {"a", "a-b", "a-b-c"}
    assert Expression("a-b-c.x", known).references == (("a-b-c", "x"),)
    assert Expression("a.x-a-b.x", known).references == (("a", "x"), ("a-b", "x"))


def test_a_device_may_be_called_as_an_operator_is() -> None:
    assert Expression("not not.x", DEVICES).references == (("not", "x"),)


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 1, "there is no expression"),
        ("pres-1.oil > 3", 1, "there is no device 'pres-1'; did you mean 'press-1'?"),
        ("1 + oil", 5, "a tag is written as device.tag"),
        ("press.a = 3", 9, "write =="),
        ("press.a && press.b", 9, "write and"),
        ("press.a || press.b", 9, "write or"),
        ("!press.a", 1, "write not"),
        ("2 ^ 3", 3, "** for a power"),
        ("press.a & 4", 9, "bit(word, number)"),
        ("1 +", 3, "a value is missing at the end"),
        ("1 + * 2", 5, "a value is missing before '*'"),
        ("press.a press.b", 9, "an operator is missing"),
        ("(1 + 2", 1, "never closed"),
        ("1 + 2)", 6, "without '(' before it"),
        ("sqr(4)", 1, "there is no function 'sqr'; did you mean 'sqrt'?"),
        ("abs", 1, "is a function; write abs(...)"),
        ("abs(1, 2)", 1, "abs(...) has 1 value in it, here are 2"),
        ("1 + if(1, 2)", 5, "if(...) has 3 values in it, here are 2"),
        ("1 if 2", 1, "expected 'else'"),
        ("(1, 2)", 1, "a list of values means nothing"),
        ("()", 1, "there is nothing in it"),
        ("'open", 1, "this text is never closed"),
        ("{press", 1, "written as {device.tag}"),
        ("{}", 1, "no tag between the braces"),
        ("{mill.a b}", 1, "there is no device 'mill'"),
        ("{press}", 1, "a tag is missing"),
        ("2x", 1, "neither a number nor a name"),
        ("1e999", 1, "too large"),
        ("press.a.__class__.x()", 20, "an operator is missing"),
        ("lambda: 1", 1, "means nothing here"),
        ("[1]", 1, "means nothing here"),
        ("press.a; 1", 8, "means nothing here"),
        ("1 +\x00 2", 4, "means nothing here"),
        ("x" * (MAX_TEXT + 1), MAX_TEXT + 1, "at most"),
        ("(" * 150 + "1" + ")" * 150, 101, "too many parentheses"),
        ("-" * 500 + "1", 1, "make two of it"),
        ("+".join("1" * 300), 1, "make two of it"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_hint(text: str, position: int, says: str) -> None:
    with pytest.raises(Unreadable) as refused:
        Expression(text, DEVICES)
    assert says in str(refused.value)
    assert refused.value.position == position


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 / 0", "division by zero"),
        ("5 % 0", "division by zero"),
        ("5 // 0.0", "division by zero"),
        ("press.gone", "press.gone has no value"),
        ("press.note == 1", "bytes"),
        ("fan.mode + 1", "cannot be computed with a text"),
        ("fan.mode * 1000", "cannot be computed with a text"),
        ("fan.mode == 1", "compare a text with a number"),
        ("fan.mode > 1", "compare a text with a number"),
        ("not fan.mode", "a text is no condition"),
        ("9 ** 9 ** 9", "a power that is too large"),
        ("10.0 ** 400", "**"),
        ("(-8) ** 0.5", "a root of a negative number"),
        ("1e308 * 10", "too large"),
        ("exp(1000)", "exp"),
        ("sqrt(-1)", "sqrt"),
        ("log(0)", "log"),
        ("press.top + 1", "beyond 64 bits"),
        ("press.low - 1", "beyond 64 bits"),
        ("press.odd + 1", "not a finite number"),
        ("press.odd", "not a finite number"),
        ("round(1, -1000000000)", "-20 to 20 digits"),
        ("clamp(1, 3, 2)", "above"),
        ("bit(1.5, 0)", "bit takes"),
        ("bit(1, 99999999999)", "bit takes"),
    ],
)
def test_what_has_no_value_is_an_error_and_nothing_else(text: str, says: str) -> None:
    with pytest.raises(Incomputable) as refused:
        value(text)
    assert says in str(refused.value)


def test_nan_is_no_error_where_it_is_only_compared() -> None:
    assert value("press.odd > 1 or press.odd < 1 or press.odd == press.odd") is False


def test_whole_numbers_are_exact_over_64_bits_and_on_the_way() -> None:
    assert value("press.top - 1") == 2**64 - 2
    assert value("press.top * press.top // press.top") == 2**64 - 1
    assert value("press.low + 1 == -9223372036854775807")
    assert value("press.top > 18446744073709551614")
    assert value("min(press.top, 18446744073709551614)") == 2**64 - 2


def test_texts_do_not_grow_beyond_their_bound() -> None:
    long = Expression("fan.mode + fan.mode", DEVICES)
    with pytest.raises(Incomputable, match=str(MAX_LETTERS)):
        long.value({Reference("fan", "mode"): "x" * MAX_LETTERS})


# --- columns ---------------------------------------------------------------------------------------------------------

NUMBERS = st.integers(-20, 20) | st.floats(-20, 20).map(lambda each: round(each, 1))


@st.composite
def arithmetic(draw: Any, depth: int = 3) -> str:
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(["a", "b", "c", "flag", "2", "0.5", "true", "10"]))
    left, right = draw(arithmetic(depth - 1)), draw(arithmetic(depth - 1))
    return draw(
        st.sampled_from(
            [
                f"({left} {sign} {right})"
                for sign in ("+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or")
            ]
            + [f"(not {left})", f"-({left})", f"abs({left})", f"min({left}, {right})", f"max({left}, {right}, 1)"]
            + [f"if({left} > 0, {right}, {left})", f"({left} if {right} else 3)", f"floor({left})", f"sqrt({left})"]
        )
    )


@hypothesis_settings(max_examples=300)
@given(arithmetic(), st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, st.booleans()), min_size=1, max_size=5))
def test_a_column_says_what_its_rows_say_one_by_one(text: str, rows: list[tuple[Any, ...]]) -> None:
    expression, names = Expression(text), [Reference("", name) for name in ("a", "b", "c", "flag")]
    columns = {name: np.array([row[at] for row in rows]) for at, name in enumerate(names)}
    made = outcome(lambda: expression.column(columns, len(rows)).tolist())
    if made is None:  # a constant part of it has no value
        return
    for row, found in zip(rows, made, strict=True):
        readings = {
            name: each if each is True or each is False else float(each) for name, each in zip(names, row, strict=True)
        }
        single = outcome(lambda readings=readings: expression.value(readings))  # type: ignore[misc]
        if single is not None:
            assert float(found) == pytest.approx(float(single), rel=1e-9, abs=1e-9)


def outcome(computed: Callable[[], Any]) -> Any:
    """What comes out, None where nothing does."""
    try:
        return computed()
    except ExpressionError:
        return None


def test_columns_where_there_is_no_value_are_nan_or_infinite_and_the_others_are_right() -> None:
    column = Expression("1 / a").column({Reference("", "a"): np.array([0.0, 2.0, np.nan])}, 3)
    assert [str(each) for each in column.tolist()] == ["inf", "0.5", "nan"]


def test_texts_and_single_values_stand_beside_columns() -> None:
    columns = {Reference("", "mode"): np.array(["on", "off"], object), Reference("", "a"): 3}
    assert Expression("mode == 'on' and a > 2").column(columns, 2).tolist() == [True, False]
    assert Expression("a * 2").column(columns, 2).tolist() == [6.0, 6.0]
    assert Expression("1 + 1").column({}, 2).tolist() == [2.0, 2.0]


# --- anything at all -------------------------------------------------------------------------------------------------

PIECES = [
    *(
        "press.count",
        "press-1.oil_temp",
        "fan.on",
        "fan.mode",
        "{press-1.oil temp/2}",
        "press.top",
        "press.odd",
        "3d.x.y",
    ),
    *("1", "2", "9", "0", "0.5", "1e9", "99999999999999999999", "'a'", '"b"', "true", "false", "0x10"),
    *("+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!=", "and", "or", "not", "if", "else", ","),
    *("(", ")", "abs(", "min(", "max(", "sqrt(", "exp(", "round(", "clamp(", "if(", "bit(", "log(", "floor("),
    *(
        "**9",
        "**99",
        " ",
        "  ",
        "\n",
        "=",
        "&",
        "[",
        "]",
        "{",
        "}",
        ":",
        ";",
        "'",
        '"',
        "\\",
        "\x00",
        "é",
        "中",
        "x",
        "lambda",
    ),
    *(
        "import os",
        "__class__",
        ".__init__",
        "press.",
        ".count",
        "for",
        "in",
        "is",
        "None",
        "await",
        "1_0",
        "f'{1}'",
        "@",
    ),
]
ANYTHING = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=40)


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.lists(ANYTHING, min_size=20, max_size=60))
def test_any_text_is_read_or_refused_and_has_a_value_or_not_but_nothing_else_happens(texts: list[str]) -> None:
    for text in texts:
        survive(text)


def test_thousands_of_nearly_right_texts_do_no_harm() -> None:
    dice = random.Random(7)
    tracemalloc.start()
    read = 0
    for _ in range(10_000):
        text = "".join(f"{dice.choice(PIECES)} " for _ in range(dice.randint(1, 12)))
        read += survive(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read > 100, "some of them are expressions"
    assert peak < 20_000_000


def test_the_largest_expressions_that_can_be_written_end_soon() -> None:
    powers, texts, many = "(" * 90 + "press.top" + "**2)" * 90, "+".join(["fan.mode"] * 90), ["press.top**9"] * 100
    for text in ["9**9**9**9", "*".join(["press.top"] * 90), powers, texts, "max(" + ",".join(many) + ")"]:
        assert survive(text)


def survive(text: str) -> bool:
    """Whether it is an expression."""
    expression = read_or_refused(text)
    if isinstance(expression, Unreadable):
        assert 1 <= expression.position <= len(text) + 1
        assert str(expression)
        return False
    assert isinstance(computed_or_refused(expression), (bool, int, float, str, Incomputable))
    return True


def read_or_refused(text: str) -> Expression | Unreadable:
    try:
        return Expression(text, DEVICES)
    except Unreadable as refused:
        return refused


def computed_or_refused(expression: Expression) -> Any:
    try:
        return expression.value(READINGS)
    except Incomputable as none:
        return none
