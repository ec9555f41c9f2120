"""Strict JSON from a stranger: one object, bounded in bytes and depth, no key twice, no NaN. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from transports.errors import NotUnderstood

MOST_BYTES = 64 * 1024
MOST_DEPTH = 6  # a request has 2, a value one more; what is deeper is none


def parsed(text: bytes) -> Mapping[str, Any]:
    """The object that the text is. Raises NotUnderstood, with a reason for whoever wrote it."""
    if len(text) > MOST_BYTES:
        raise NotUnderstood(f"longer than {MOST_BYTES} bytes")
    try:
        said = json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_float=_finite)
    except UnicodeDecodeError as wrong:
        raise NotUnderstood("no UTF-8") from wrong
    except RecursionError as wrong:
        raise NotUnderstood("nested too deeply") from wrong
    except ValueError as wrong:  # also of a whole number with thousands of digits
        raise NotUnderstood(f"no JSON: {wrong!s:.80}") from wrong
    if not isinstance(said, dict):
        raise NotUnderstood("no JSON object")
    if _is_deeper(said, MOST_DEPTH):
        raise NotUnderstood("nested too deeply")
    return said


def is_text(value: Any, most: int, least: int = 0) -> bool:
    """Whether it is a text of bearable length that can be written as UTF-8: no half of a character."""
    if not isinstance(value, str) or not least <= len(value) <= most:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members with one name, readers take different ones: the one that checks, and the one that executes."""
    said: dict[str, Any] = {}
    for key, value in pairs:
        if key in said:
            raise ValueError(f"the member {key!a:.40} is there twice")
        said[key] = value
    return said


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text:.40} is too large a number")
    return value


def _is_deeper(value: Any, most: int) -> bool:
    """Level by level, without recursion."""
    level = [value]
    for _ in range(most):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
