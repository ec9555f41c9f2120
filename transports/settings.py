"""Settings: frozen dataclasses that check themselves, built from a table of TOML.

What a driver can be told is written once, as fields:

    @dataclass(frozen=True)
    class Settings:
        host: str = setting(help="address of the device", example="192.168.1.10")
        port: int = setting(502, ge=1, le=65535, help="TCP port")
        timeout_s: float = duration("1s", help="how long one request may take")

`build` makes one from a table or raises SettingsError with *every* mistake, each with its path, the value and the
cure; `fields_of` gives the same facts to the documentation, so the two cannot differ.

A field's key in TOML is its name without the unit: `timeout_s` is written `timeout = "1s"`, `max_bytes` as
`max = "64 KiB"` (name the key with `key=` where that reads badly).
"""

import dataclasses
import math
import os
import types
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from transports.errors import Problem, SettingsError
from transports.units import parse_duration, parse_size

T = TypeVar("T")
Table = Mapping[str, Any]
_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
_MISFITS = (TypeError, ValueError, ArithmeticError)  # the last: TOML has whole numbers that no float holds


@dataclasses.dataclass(frozen=True, slots=True)
class Secret:
    """A password, token or key phrase: written as `{ file = "/path" }` or `{ env = "NAME" }`, never as text.

    `reveal` reads it at the moment of use, so that a rotated file is picked up; it shows in no log or repr.
    """

    file: str = ""
    env: str = ""

    def reveal(self) -> str:
        """The secret itself. Raises SettingsError when the file or the variable is not there."""
        try:
            return Path(self.file).read_text().rstrip("\r\n") if self.file else os.environ[self.env]
        except (OSError, KeyError, UnicodeDecodeError) as missing:
            where = f"file {self.file}" if self.file else f"environment variable {self.env}"
            cure = f"it must exist and be readable by the user that runs holdfast ({type(missing).__name__})"
            raise SettingsError(Problem(where, "", cure)) from missing


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one setting: for building it and for explaining it."""

    help: str = ""
    key: str = ""
    example: str = ""
    ge: float | None = None
    le: float | None = None
    gt: float | None = None
    choices: tuple[Any, ...] = ()
    parse: Callable[[Any], Any] | None = None
    form: str = ""
    check: Callable[[Any], str | None] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FieldNote:
    """One setting as its reader sees it: TOML key, what to write, default as text ("" = required), meaning."""

    key: str
    form: str
    default: str
    help: str
    required: bool
    example: str = ""


def setting(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    key: str = "",
    example: str = "",
    ge: float | None = None,
    le: float | None = None,
    gt: float | None = None,
    choices: tuple[Any, ...] = (),
    check: Callable[[Any], str | None] | None = None,
) -> Any:
    """A field with its meaning and limits. Without a default it is required.

    `check` gets the finished value and returns None or the cure as a sentence ("must ...").
    """
    facts = Facts(help, key, example, ge, le, gt, choices, check=check)
    return dataclasses.field(**_default(default), metadata={"facts": facts})


def duration(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    key: str = "",
    ge: float | None = None,
    gt: float | None = 0.0,
    le: float | None = None,
) -> Any:
    """A span of time: text such as "250ms", "10s", "1h30m", or a number of seconds; kept as float seconds."""
    value = parse_duration(default) if isinstance(default, str) else default
    gt = None if ge is not None else gt
    facts = Facts(
        help, key, ge=ge, le=le, gt=gt, parse=parse_duration, form='a duration such as "250ms", "10s" or "5m"'
    )
    return dataclasses.field(**_default(value), metadata={"facts": facts})


def size(
    default: Any = dataclasses.MISSING, *, help: str, key: str = "", ge: float | None = 1, le: float | None = None
) -> Any:
    """An amount of memory or disk: text such as "64 KiB", "1GB", or a number of bytes; kept as int bytes."""
    value = parse_size(default) if isinstance(default, str) else default
    facts = Facts(help, key, ge=ge, le=le, parse=parse_size, form='a size such as "64KiB" or "1GiB"')
    return dataclasses.field(**_default(value), metadata={"facts": facts})


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


def fields_of(cls: type) -> list[FieldNote]:
    """What can be written in a table of `cls`, in order: the source of `holdfast drivers` and the docs."""
    hints = _hints(cls)
    notes = []
    for field in dataclasses.fields(cls):
        facts = _facts(field)
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = "" if required else _shown(field, hints[field.name], facts)
        notes.append(
            FieldNote(key_of(field), _form(hints[field.name], facts), default, facts.help, required, facts.example)
        )
    return notes


def table_of(made: Any) -> dict[str, Any]:
    """Settings as the table that `build` makes them from again: plain values under their TOML keys."""
    return {key_of(field): getattr(made, field.name) for field in dataclasses.fields(made)}


def key_of(field: "dataclasses.Field[Any]") -> str:
    """The TOML key of a field: its `key=`, or its name without the unit."""
    named = _facts(field).key
    if named:
        return named
    for unit in ("_s", "_bytes"):
        if field.name.endswith(unit):
            return field.name.removesuffix(unit)
    return field.name


def nearest(word: str, known: "list[str] | tuple[str, ...]") -> str:
    """A hint for a misspelt word: the nearest known one, or all of them when none is near."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"allowed here: {', '.join(known)}" if known else "nothing is allowed here"


def _default(value: Any) -> dict[str, Any]:
    if isinstance(value, (list, dict, set)):
        return {"default_factory": lambda: type(value)(value)}
    return {} if value is dataclasses.MISSING else {"default": value}


def _facts(field: "dataclasses.Field[Any]") -> Facts:
    facts = field.metadata.get("facts")
    return facts if isinstance(facts, Facts) else Facts()


@lru_cache(maxsize=512)
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _build(cls: Any, table: Any, path: str, problems: list[Problem]) -> Any:
    if not isinstance(table, Mapping):
        problems.append(Problem(path, _short(table, cls), "must be a table of settings, such as { key = value }"))
        return None
    hints, fields = _hints(cls), {key_of(field): field for field in dataclasses.fields(cls)}
    before = len(problems)
    for key in table:
        if key not in fields:
            problems.append(Problem(f"{path}.{key}", "", f"unknown setting; {nearest(str(key), list(fields))}"))
    values: dict[str, Any] = {}
    for key, field in fields.items():
        if key in table:
            values[field.name] = _value(hints[field.name], table[key], f"{path}.{key}", _facts(field), problems)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(
                Problem(f"{path}.{key}", "", f"is missing; write {_form(hints[field.name], _facts(field))}")
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
        problems.append(Problem(path, _short(given, hint), f"must be {_form(hint, facts)}"))
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
            return " and ".join(part for part in ("must be finite", _range(facts)) if part)
        low, above, high = facts.ge, facts.gt, facts.le
        if (
            (low is not None and value < low)
            or (above is not None and value <= above)
            or (high is not None and value > high)
        ):
            return f"must be {_range(facts)}"
    return facts.check(value) if facts.check and value is not None else None


def _range(facts: Facts) -> str:
    low = (
        f"at least {_plain(facts.ge)}"
        if facts.ge is not None
        else f"more than {_plain(facts.gt)}"
        if facts.gt is not None
        else ""
    )
    high = f"at most {_plain(facts.le)}" if facts.le is not None else ""
    return " and ".join(part for part in (low, high) if part)


def _plain(number: float | None) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


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
    if not isinstance(given, Mapping) or len(given) != 1 or next(iter(given)) not in ("file", "env"):
        raise ValueError
    key, where = next(iter(given.items()))
    if not isinstance(where, str) or not where:
        raise ValueError
    return Secret(**{key: where})


def _form(hint: Any, facts: Facts) -> str:
    """What to write, in words."""
    text = facts.form or _form_of(hint)
    if facts.choices:
        return f"one of {', '.join(map(str, facts.choices))}"
    limits = _range(facts) if not facts.form else ""
    return f"{text}, {limits}" if limits else text


def _form_of(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_form_of(arg) for arg in args if arg is not type(None))
    if origin is tuple:
        return f"a list of which each is {_form_of(args[0])}"
    if origin in (dict, Mapping):
        return f"a table of which each value is {_form_of(args[1])}"
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if hint is Secret:
        return 'where the secret is, { file = "/path" } or { env = "NAME" }, never the secret itself'
    if hint is Path:
        return "a path"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(str(member.value) for member in hint)}"
    return _NAMES.get(hint, "a table of settings")


def _shown(field: "dataclasses.Field[Any]", hint: Any, facts: Facts) -> str:
    if field.default is dataclasses.MISSING:
        return "{}" if get_origin(hint) in (dict, Mapping) or dataclasses.is_dataclass(hint) else "[]"
    value = field.default
    if facts.parse is parse_duration and isinstance(value, (int, float)):
        return f"{value:g}s"
    return str(value.value) if isinstance(value, Enum) else str(value)


def _hides(hint: Any) -> bool:
    """Whether a secret may stand where a value of this type was expected."""
    if hint is Secret:
        return True
    is_table = isinstance(hint, type) and dataclasses.is_dataclass(hint)
    parts = _hints(hint).values() if is_table else get_args(hint)
    return any(_hides(part) for part in parts)


def _short(value: Any, hint: Any) -> str:
    """The value for an error's text. A password that was written instead of where it is goes into no log."""
    if _hides(hint):
        return "***"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
