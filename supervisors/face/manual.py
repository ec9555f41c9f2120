"""What can be written in a configuration, read off the settings classes: for `holdfast drivers` and the starter.

A module that cannot be imported is described all the same: by its name and the reason.
"""

import ast
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from supervisors.configuration import trial
from supervisors.configuration.sections import Broken, fault_of, foreign
from supervisors.configuration.tables import DeviceCommon, UplinkCommon
from transports import catalog
from transports.errors import MissingExtra
from transports.settings import FieldNote, fields_of

_UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_COMMON: Mapping[str, type] = {catalog.LINKS: DeviceCommon, catalog.UPLINKS: UplinkCommon}


@dataclass(frozen=True, slots=True)
class ModuleNote:
    """One driver or uplink: its name, its first line, its manual page, its keys; `broken` says why it has none.

    `extra` is what `pip install 'holdfast[EXTRA]'` needs, "" when nothing more is needed.
    """

    name: str
    summary: str = ""
    text: str = ""
    fields: tuple[FieldNote, ...] = ()
    extra: str = ""
    broken: str = ""


def describe_drivers() -> tuple[ModuleNote, ...]:
    """Every driver that `driver = "NAME"` can name, sorted by name."""
    return tuple(_described(catalog.LINKS, name) for name in catalog.names(catalog.LINKS))


def describe_uplinks() -> tuple[ModuleNote, ...]:
    """Every uplink that `type = "NAME"` can name, sorted by name."""
    return tuple(_described(catalog.UPLINKS, name) for name in catalog.names(catalog.UPLINKS))


def describe_simulators() -> tuple[ModuleNote, ...]:
    """Every far end that `holdfast simulate NAME` can be, sorted by name."""
    return tuple(_described(catalog.SIMULATORS, name) for name in catalog.names(catalog.SIMULATORS))


def toml_of(note: FieldNote) -> str:
    """The default of a setting, or its example where it has none, as it is written in TOML; "" when nobody says."""
    return _example(note) if note.required or note.default in ("", "None") else _default(note)


def _described(kind: str, name: str) -> ModuleNote:
    deadly = trial.fault_of(kind, name)
    if deadly:
        return ModuleNote(name, broken=deadly)
    try:
        module = foreign(lambda: catalog.load(kind, name, name))
    except MissingExtra as missing:
        return ModuleNote(name, extra=missing.extra, broken=str(missing))
    if isinstance(module, Broken):
        return ModuleNote(name, broken=module.reason)
    fault = fault_of(module, _COMMON[kind]) if kind in _COMMON else ""
    notes = Broken(fault) if fault else foreign(lambda: tuple(fields_of(module.Settings)))
    return _note(name, module, notes)


def _note(name: str, module: ModuleType, notes: tuple[FieldNote, ...] | Broken) -> ModuleNote:
    text = (module.__doc__ or "").strip()
    summary, extra = text.partition("\n")[0], str(getattr(module, "EXTRA", ""))
    if isinstance(notes, Broken):
        return ModuleNote(name, summary, text, extra=extra, broken=notes.reason)
    return ModuleNote(name, summary, text, notes, extra)


def _example(note: FieldNote) -> str:
    if not note.example:
        return '""' if note.default == "" and not note.required else ""
    return _as_written(note.example) if _is_text(note) and note.example[0] not in "\"'[{" else note.example


def _as_written(text: str) -> str:
    """An example in the quotes it needs: "\\r\\n" is escapes of TOML, a regular expression's backslashes are not."""
    try:
        tomllib.loads(f'key = "{text}"')
    except tomllib.TOMLDecodeError:
        return f"'{text}'"
    return f'"{text}"'


def _default(note: FieldNote) -> str:
    if note.default in ("True", "False"):
        return note.default.lower()
    if note.form.startswith("a size"):
        return _size(int(note.default))
    if note.default.startswith("("):
        return json.dumps(list(ast.literal_eval(note.default)))
    return quoted(note.default) if _is_text(note) else note.default


def _is_text(note: FieldNote) -> bool:
    if note.form.startswith("one of "):
        return _NUMBER.fullmatch(note.default) is None
    return note.form.startswith(("a string", "a path", "a duration"))


def _size(size_bytes: int) -> str:
    for unit, factor in _UNITS:
        if size_bytes and size_bytes % factor == 0:
            return quoted(f"{size_bytes // factor}{unit}")
    return str(size_bytes)


def quoted(text: str) -> str:
    """A text as a TOML string."""
    return json.dumps(text, ensure_ascii=False)  # every JSON string is a TOML basic string
