"""JSON from strangers: exact numbers, paths that cannot cost much, and nothing that throws."""

import random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import NotUnderstood
from transports.json_paths import MISSING, JsonPath, document, path_cure

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", {"a": {"b": [1, {"c d": True}]}, "x": None}),
        ("$.a.b[0]", 1),
        ("$.a.b[-1]['c d']", True),
        ("$.x", None),
        ("$.a.b[2]", MISSING),
        ("$.a.b.c", MISSING),
        ("$.a[0]", MISSING),
        ("$..b[0]", 1),
        ("$.a.*[1]['c d']", True),
        ("$.a.b[?@['c d'] == true]['c d']", True),
        ("$.a.b[1:]", {"c d": True}),
        ("$.nothing..x", MISSING),
    ],
)
def test_a_path_finds_its_first_value_or_nothing(path: str, found: object) -> None:
    assert JsonPath(path).first({"a": {"b": [1, {"c d": True}]}, "x": None}) == found


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        ("temperature", "must be a JSONPath"),
        ("", "must be a JSONPath"),
        ("$.a[", "must be a JSONPath"),
        ("$.a | $.b", "must be a JSONPath"),
        ("$..a..b", "at most one descent"),
        ("$.a[?@..b]", "at most one descent"),
        ("$.a[?@.b][?@.c][?@.d]", "at most 2 filters"),
        ("$.a[?match(@.b, '(x+)+y')]", "regular expressions"),
        ("$.a[?search(@.b, @.c)]", "regular expressions"),
        ("$" + ".a" * 200, "256 characters"),
        ("$.a" + "[?(" * 60, "must be a JSONPath"),
    ],
)
def test_a_path_that_is_none_or_costs_too_much_is_refused_with_its_cure(path: str, cure: str) -> None:
    assert cure in str(path_cure(path))


@given(JSON)
def test_what_json_can_say_is_understood_exactly(value: object) -> None:
    read = document(orjson.dumps(value))
    assert read == value
    assert JsonPath("$").first(read) == value


def test_numbers_that_are_not_json_come_as_what_no_tag_takes_and_the_rest_is_read() -> None:
    read = document(b'{"a": NaN, "b": -Infinity, "c": 1e400, "d": 5}')
    assert read["d"] == 5
    assert read["a"] != read["a"]
    assert (read["b"], read["c"]) == (float("-inf"), float("inf"))


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"\xff", b"nan", b"[1,]", b'{"a": NaN', b"[" * 100_000, b"NaN" + b"[" * 5000]
)
def test_what_is_no_json_is_not_understood(payload: bytes) -> None:
    with pytest.raises(NotUnderstood, match="not JSON"):
        document(payload)


def test_deep_documents_neither_crash_nor_hang_a_search() -> None:
    deep = document(b'{"a":' * 900 + b"1" + b"}" * 900)
    for path in ("$..b", "$..a", "$.*", "$[?@.a == @.b]", "$[?@ == @.a]"):
        JsonPath(path).first(deep)


def test_ten_thousand_damaged_documents_are_read_or_refused() -> None:
    dice = random.Random(5)
    whole = orjson.dumps({"a": {"b": [1, 2.5, "x", None, {"c": 2**64 - 1}]}, "t": "21.5", "n": [[], {}]})
    paths = [JsonPath(text) for text in ("$", "$.a.b[4].c", "$..c", "$.a.b[?@.c > 1].c", "$.*[0]", "$.a[-1]")]
    understood = 0
    for _ in range(10_000):
        damaged = bytearray(whole)
        for _ in range(dice.randint(0, 3)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            read = document(bytes(damaged[: dice.randint(1, len(damaged) * 8)]))
        except NotUnderstood:
            continue
        understood += 1
        for path in paths:
            path.first(read)
    assert understood > 100
