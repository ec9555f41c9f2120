"""Durations and sizes, as people write them."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("10s", 10.0),
        ("1.5 s", 1.5),
        ("1h30m", 5400.0),
        (" 1 d 1 min ", 86460.0),
        ("5US", 5e-6),
        ("0.3s", 0.3),
        (3, 3.0),
        (0.5, 0.5),
        ("1000000h", 3.6e9),
    ],
)
def test_a_duration_is_seconds(text: Any, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert isinstance(parse_duration(text), float)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("64 KiB", 65536),
        ("1GB", 10**9),
        ("1.5 gib", 3 * 2**29),
        ("1GiB 512MiB", 3 * 2**29),
        ("0b", 0),
        (4096, 4096),
        ("9007199254740993b", 9007199254740993),
    ],
)
def test_a_size_is_exact_bytes(text: Any, count: int) -> None:
    assert parse_size(text) == count
    assert isinstance(parse_size(text), int)


WRONG: list[Any] = [
    "",
    " ",
    "10",
    "s",
    "-5s",
    "5 apples",
    "1h30",
    "1.s",
    "1..5s",
    "10s, 5m",
    "5s!",
    "٣s",
    None,
    True,
    [],
    "1_0s",
]


@pytest.mark.parametrize("parse", [parse_duration, parse_size])
@pytest.mark.parametrize("given", WRONG)
def test_what_is_neither_is_refused(parse: Callable[[Any], float], given: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        parse(given)


def test_a_size_has_no_half_bytes_as_a_number() -> None:
    with pytest.raises(TypeError):
        parse_size(1.5)


def test_a_duration_beyond_all_numbers_is_infinite_and_a_size_stays_whole() -> None:
    assert parse_duration("9" * 400 + "s") == math.inf
    assert parse_size("9" * 400 + "GB") > 10**400


@given(st.text(alphabet="0123456789.smhdkibgtu -", max_size=12))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    for parse in (parse_duration, parse_size):
        with suppress(ValueError):
            assert parse(text) >= 0


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_parts_add_up(hours: int, milliseconds: int) -> None:
    assert parse_duration(f"{hours}h{milliseconds}ms") == pytest.approx(hours * 3600 + milliseconds / 1000, rel=1e-15)
