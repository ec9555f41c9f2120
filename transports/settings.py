"""Settings: what a driver can be told is written once, as the fields of a frozen dataclass.

    @dataclass(frozen=True)
    class Settings:
        host: str = setting(help="address of the device", example="192.168.1.10")
        port: int = setting(502, ge=1, le=65535, help="TCP port")
        timeout_s: float = duration("1s", help="how long one request may take")

`build` (building.py) makes one from a table of TOML; `fields_of` gives the same facts to the documentation, so the two
cannot differ.

A field's key in TOML is its name without the unit: `timeout_s` is written `timeout = "1s"`, `max_bytes` as
`max = "64 KiB"` (name the key with `key=` where that reads badly).
"""

import dataclasses
import os
import types
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from transports.errors import Problem, SettingsError
from transports.units import parse_duration, parse_size

_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


@dataclasses.dataclass(frozen=True, slots=True)
class Secret:
    """A password, token or key phrase: written as `{ file = "/path" }`, `{ env = "NAME" }` or `{ credential = "NAME" }`
    (a file that systemd hands to the service alone, LoadCredential=), never as text.

    `reveal` reads it at the moment of use, so that a rotated file is picked up; it shows in no log or repr.
    """

    file: str = ""
    env: str = ""
    credential: str = ""

    def reveal(self) -> str:
        """The secret itself. Raises SettingsError when the file or the variable is not there."""
        try:
            if self.env:
                return os.environ[self.env]
            path = Path(os.environ["CREDENTIALS_DIRECTORY"], self.credential) if self.credential else Path(self.file)
            return path.read_text().rstrip("\r\n")
        except (OSError, KeyError, UnicodeDecodeError) as missing:
            cure = f"it must exist and be readable by the user that runs holdfast ({type(missing).__name__})"
            if self.credential:
                cure = f"systemd hands it over: write LoadCredential={self.credential}:/path into the unit of holdfast"
            raise SettingsError(Problem(self._place, "", cure)) from missing

    @property
    def _place(self) -> str:
        if self.credential:
            return f"credential {self.credential}"
        return f"file {self.file}" if self.file else f"environment variable {self.env}"


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


def fields_of(cls: type) -> list[FieldNote]:
    """What can be written in a table of `cls`, in order: the source of `holdfast drivers` and the docs."""
    hints = hints_of(cls)
    notes = []
    for field in dataclasses.fields(cls):
        facts = facts_of(field)
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = "" if required else _shown(field, hints[field.name], facts)
        notes.append(
            FieldNote(key_of(field), form_of(hints[field.name], facts), default, facts.help, required, facts.example)
        )
    return notes


def key_of(field: "dataclasses.Field[Any]") -> str:
    """The TOML key of a field: its `key=`, or its name without the unit."""
    named = facts_of(field).key
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


def facts_of(field: "dataclasses.Field[Any]") -> Facts:
    """What is known of a field; nothing of one that was not made by `setting`, `duration` or `size`."""
    facts = field.metadata.get("facts")
    return facts if isinstance(facts, Facts) else Facts()


@lru_cache(maxsize=512)
def hints_of(cls: type) -> dict[str, Any]:
    """The types of the fields of `cls`, by their names."""
    return get_type_hints(cls)


def range_of(facts: Facts) -> str:
    """The limits in words, such as "at least 1 and at most 9"; "" without any."""
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


def form_of(hint: Any, facts: Facts) -> str:
    """What to write, in words."""
    text = facts.form or _form_of_type(hint)
    if facts.choices:
        return f"one of {', '.join(map(str, facts.choices))}"
    limits = range_of(facts) if not facts.form else ""
    return f"{text}, {limits}" if limits else text


def _form_of_type(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_form_of_type(arg) for arg in args if arg is not type(None))
    if origin is tuple:
        return f"a list of which each is {_form_of_type(args[0])}"
    if origin in (dict, Mapping):
        return f"a table of which each value is {_form_of_type(args[1])}"
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if hint is Secret:
        places = '{ file = "/path" }, { env = "NAME" } or { credential = "NAME" }'
        return f"where the secret is, {places}, never the secret itself"
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
        return f"{value / 86400:g}d" if value and value % 86400 == 0 else f"{value:g}s"
    return str(value.value) if isinstance(value, Enum) else str(value)
