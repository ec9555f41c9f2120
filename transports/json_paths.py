"""JSON documents from strangers, and RFC 9535 paths into them: what a path finds, never more than a bounded look.

    b'{"a": {"t": [20.5]}}'  ──document──>  {"a": ...}  ──JsonPath("$.a.t[0]").first──>  20.5

A path of names and positions alone is walked directly (nanoseconds); any other one is left to python-jsonpath. What a
hostile document could make expensive is refused when the configuration is checked: descents within filters, more than
one descent, more than two filters, and regular expressions in filters (their pattern may come from the document).
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson
from jsonpath import JSONPathEnvironment, JSONPathError
from jsonpath.path import JSONPath
from jsonpath.segments import JSONPathChildSegment
from jsonpath.selectors import IndexSelector, NameSelector
from jsonpath.token import TOKEN_DDOT, TOKEN_FILTER, TOKEN_FUNCTION

from transports.errors import NotUnderstood

MISSING = object()
_PATH_MOST = 256  # characters
_FILTERS_MOST = 2
_REGULAR = ("match", "search")
_ENVIRONMENT = JSONPathEnvironment(strict=True)


def document(payload: bytes) -> Any:
    """The JSON value in some bytes. Raises NotUnderstood, naming the place.

    Numbers are exact: whole ones as `int`, others as the nearest double. NaN, Infinity and numbers beyond a double,
    which are not JSON but said by devices all the same, come as non-finite floats, for the one tag to be Bad.
    """
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as wrong:
        if b"NaN" in payload or b"Infinity" in payload or "infinity" in wrong.msg:
            return _not_quite_json(payload)
        raise NotUnderstood(f"this is not JSON: {wrong}") from None


def shown(payload: bytes) -> str:
    """The beginning of some bytes as text that is fit for a log."""
    text = payload[:80].decode("utf-8", errors="replace")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def path_cure(text: str) -> str | None:
    """What is wrong with a path, as a sentence; None when it is fine."""
    if len(text) > _PATH_MOST:
        return f"must have at most {_PATH_MOST} characters"
    try:
        _compiled(text)
    except (JSONPathError, RecursionError) as wrong:
        return f'must be a JSONPath (RFC 9535) such as "$.sensors[0].temperature": {wrong.args[0]}'
    return next(_costs(text), None)


class JsonPath:
    """A path, ready to be followed. Raises JSONPathError for one that `path_cure` refuses."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._compiled = _compiled(text)
        self._steps = _steps(self._compiled)

    def first(self, found: Any) -> Any:
        """The first value that the path finds, MISSING when there is none."""
        if self._steps is None:
            return self._searched(found)
        for step in self._steps:
            if type(step) is str:
                if type(found) is not dict or step not in found:
                    return MISSING
                found = found[step]
            else:
                if type(found) is not list or not -len(found) <= step < len(found):
                    return MISSING
                found = found[step]
        return found

    def _searched(self, found: Any) -> Any:
        if not isinstance(found, (dict, list)):
            return MISSING  # the library would take a bare string for a document still to be parsed
        try:
            match = self._compiled.match(found)
        except (JSONPathError, RecursionError):  # nested deeper than the search goes
            return MISSING
        return MISSING if match is None else match.obj


@lru_cache(maxsize=4096)
def _compiled(text: str) -> JSONPath:
    path = _ENVIRONMENT.compile(text)
    if not isinstance(path, JSONPath):  # unions are no part of RFC 9535
        raise JSONPathError("paths cannot be joined")
    return path


def _steps(path: JSONPath) -> tuple[Any, ...] | None:
    """The names and positions of a path that has nothing else."""
    steps: list[str | int] = []
    for segment in path.segments:
        if not isinstance(segment, JSONPathChildSegment) or len(segment.selectors) != 1:
            return None
        selector = segment.selectors[0]
        if isinstance(selector, NameSelector):
            steps.append(selector.name)
        elif isinstance(selector, IndexSelector):
            steps.append(selector.index)
        else:
            return None
    return tuple(steps)


def _costs(text: str) -> Iterator[str]:
    """What a document could make expensive."""
    tokens = list(_ENVIRONMENT.lexer.tokenize(text))
    kinds = [token.kind for token in tokens]
    filtered = kinds[kinds.index(TOKEN_FILTER) :] if TOKEN_FILTER in kinds else []
    if kinds.count(TOKEN_DDOT) > 1 or TOKEN_DDOT in filtered:
        yield "must have at most one descent (..), and none after or in a filter: large documents would take for ever"
    if kinds.count(TOKEN_FILTER) > _FILTERS_MOST:
        yield f"must have at most {_FILTERS_MOST} filters"
    if any(token.kind == TOKEN_FUNCTION and token.value in _REGULAR for token in tokens):
        yield "must not match regular expressions: a document could make them take for ever; compare with =="


def _not_quite_json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as wrong:
        raise NotUnderstood(f"this is not JSON: {str(wrong)[:100]}") from None
