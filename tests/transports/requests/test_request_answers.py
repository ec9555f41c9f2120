"""Answers: strict JSON whatever is in them, and never longer than what every cloud carries."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from transports.requests.answers import MOST_BYTES, Answer, Result, packed


def _strict(text: bytes) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=9) | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(PLAIN)
def test_any_value_is_strict_json(value: Any) -> None:
    assert _strict(packed(Answer("1", Result.DONE, value=value), "plant"))["gateway"] == "plant"


def test_whole_numbers_are_exact_and_what_says_nothing_is_left_out() -> None:
    told = _strict(packed(Answer("1", Result.DONE, value={"n": 2**64 - 1, "b": b"\0", "nan": float("nan")}), "plant"))
    value = {"n": 2**64 - 1, "b": {"base64": "AA=="}, "nan": None}
    assert told == {"id": "1", "result": "done", "value": value, "gateway": "plant"}


def test_an_answer_that_is_too_long_says_so_instead() -> None:
    body = packed(Answer("1", Result.DONE, value="x" * MOST_BYTES), "plant")
    told = _strict(body)
    assert (told["id"], told["result"], told["reason"]) == ("1", "failed", "too-long")
    assert len(body) < 1000
