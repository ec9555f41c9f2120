"""Building settings: an instance of their frozen dataclass from a table of TOML, or *every* mistake in that table.

Each mistake is a Problem with its path, the value and the cure. A value is first given its type, then held against
the limits and the check of its field (settings.py); only when all of a table fits is its class made.
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from transports.errors import Problem, SettingsError
from transports.settings import Facts, Secret, facts_of, form_of, hints_of, key_of, nearest, range_of

T = TypeVar("T")
_MISFITS = (TypeError, ValueError, ArithmeticError)  # the last: TOML has whole numbers that no float holds


def build(cls: type[T], table: Any, path: str) -> T:
    """An instance of the dataclass `cls` from `table`, or SettingsError with every problem found below `path`.

    Unknown keys are refused with the nearest known one; a `check(self) -> Iterable[Problem]` named
    `problems(path)` on the class, where present, is asked last, about the settings together.
    """
    problems: list[Problem] = []
    made = _build(cls, table, path, problems)
    if problems:
        raise SettingsError(*problems)
    return made  # type: ignore[no-any-return]


def table_of(made: Any) -> dict[str, Any]:
    """Settings as the table that `build` makes them from again: plain values under their TOML keys."""
    values = {key_of(field): getattr(made, field.name) for field in dataclasses.fields(made)}
    return {key: value.value if isinstance(value, Enum) else value for key, value in values.items()}


def _build(cls: Any, table: Any, path: str, problems: list[Problem]) -> Any:
    if not isinstance(table, Mapping):
        problems.append(Problem(path, _short(table, cls), "must be a table of settings, such as { key = value }"))
        return None
    hints, fields = hints_of(cls), {key_of(field): field for field in dataclasses.fields(cls)}
    before = len(problems)
    for key in table:
        if key not in fields:
            problems.append(Problem(f"{path}.{key}", "", f"unknown setting; {nearest(str(key), list(fields))}"))
    values: dict[str, Any] = {}
    for key, field in fields.items():
        if key in table:
            values[field.name] = _value(hints[field.name], table[key], f"{path}.{key}", facts_of(field), problems)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(
                Problem(f"{path}.{key}", "", f"is missing; write {form_of(hints[field.name], facts_of(field))}")
            )
    if len(problems) > before:
        return None
    made = cls(**values)
    together = getattr(made, "problems", None)
    if together is not None:
        problems.extend(together(path))
    return made


def _value(hint: Any, given: Any, path: str, facts: Facts, problems: list[Problem]) -> Any:
    before = len(problems)
    try:
        value = facts.parse(given) if facts.parse else _typed(hint, given, path, facts, problems)
    except _MISFITS:
        problems.append(Problem(path, _short(given, hint), f"must be {form_of(hint, facts)}"))
        return None
    if len(problems) > before:
        return None  # a part of it is wrong: limits and checks are for what is whole
    cure = _limits(value, facts)
    if cure:
        problems.append(Problem(path, _short(given, hint), cure))
    return value


def _limits(value: Any, facts: Facts) -> str | None:
    if facts.choices and value not in facts.choices:
        words = tuple(str(choice) for choice in facts.choices)
        hint = f"; {nearest(value, words)}" if isinstance(value, str) and get_close_matches(value, words) else ""
        return f"must be one of {', '.join(words)}{hint}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if isinstance(value, float) and not math.isfinite(value):
            return " and ".join(part for part in ("must be finite", range_of(facts)) if part)
        low, above, high = facts.ge, facts.gt, facts.le
        if (
            (low is not None and value < low)
            or (above is not None and value <= above)
            or (high is not None and value > high)
        ):
            return f"must be {range_of(facts)}"
    return facts.check(value) if facts.check and value is not None else None


def _typed(hint: Any, given: Any, path: str, facts: Facts, problems: list[Problem]) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union(args, given, path, facts, problems)
    if origin is tuple:
        if not isinstance(given, (list, tuple)):
            raise TypeError
        return tuple(_item(args[0], item, f"{path}[{at}]", problems) for at, item in enumerate(given))
    if origin in (dict, Mapping):
        if not isinstance(given, Mapping):
            raise TypeError
        return {str(key): _item(args[1], item, f"{path}.{key}", problems) for key, item in given.items()}
    if origin is Literal:
        return _choice(args, given)
    if dataclasses.is_dataclass(hint) and hint is not Secret:
        return _build(hint, given, path, problems)
    return _plain_value(hint, given)


def _item(hint: Any, given: Any, path: str, problems: list[Problem]) -> Any:
    return _value(hint, given, path, Facts(), problems)


def _union(args: tuple[Any, ...], given: Any, path: str, facts: Facts, problems: list[Problem]) -> Any:
    """The first alternative that fits; where none does, what is wrong with the first of the right form."""
    mistakes: list[list[Problem]] = []
    for hint in (arg for arg in args if arg is not type(None)):
        if dataclasses.is_dataclass(hint) and hint is not Secret and not isinstance(given, Mapping):
            continue
        trial: list[Problem] = []
        try:
            value = _typed(hint, given, path, facts, trial)
        except _MISFITS:
            continue
        if not trial:
            return value
        mistakes.append(trial)
    if not mistakes:
        raise TypeError
    problems.extend(mistakes[0])
    return None


def _choice(allowed: tuple[Any, ...], given: Any) -> Any:
    if given not in allowed or isinstance(given, bool) != isinstance(allowed[0], bool):
        raise ValueError
    return allowed[allowed.index(given)]  # TOML's 1.0 is equal to the 1 that is allowed


def _plain_value(hint: Any, given: Any) -> Any:
    if hint is Any:
        return given
    if hint is Secret:
        return _secret(given)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(given)
    if hint is Path:
        if not isinstance(given, str) or not given:
            raise TypeError
        return Path(given)
    if hint is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if type(given) is not hint:
        raise TypeError
    return given


def _secret(given: Any) -> Secret:
    if not isinstance(given, Mapping) or len(given) != 1 or next(iter(given)) not in ("file", "env", "credential"):
        raise ValueError
    key, where = next(iter(given.items()))
    if not isinstance(where, str) or not where:
        raise ValueError
    return Secret(**{key: where})


def _hides(hint: Any) -> bool:
    """Whether a secret may stand where a value of this type was expected."""
    if hint is Secret:
        return True
    is_table = isinstance(hint, type) and dataclasses.is_dataclass(hint)
    parts = hints_of(hint).values() if is_table else get_args(hint)
    return any(_hides(part) for part in parts)


def _short(value: Any, hint: Any) -> str:
    """The value for an error's text. A password that was written instead of where it is goes into no log."""
    if _hides(hint):
        return "***"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
