"""What `holdfast drivers` and `holdfast simulate` show: all of them in a table, or the manual page of one."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from supervisors.configuration.tables import DeviceCommon
from supervisors.face.manual import ModuleNote, describe_drivers, describe_simulators, toml_of
from supervisors.face.terminal import console, table, text
from transports.errors import HoldfastError
from transports.settings import FieldNote, fields_of, nearest


def show_drivers(name: str | None, as_json: bool) -> None:
    """Print every driver, or all there is to know of the one that is named. Raises HoldfastError for an unknown one."""
    note = _shown(
        "driver", describe_drivers(), name, as_json, "holdfast drivers NAME explains one with all its settings"
    )
    if note is not None:
        if note.fields:
            _print_settings(console(), f'\nsettings of driver = "{note.name}"', note.fields)
        _print_settings(console(), "\nsettings of every device", fields_of(DeviceCommon))


def show_simulators(name: str | None, as_json: bool) -> None:
    """Print every simulator, or all there is to know of the one named. Raises HoldfastError for an unknown one."""
    hint = "holdfast simulate NAME runs one; with --explain it shows all its settings"
    note = _shown("simulator", describe_simulators(), name, as_json, hint)
    if note is not None:
        _print_settings(console(), "\nsettings, as KEY=VALUE", note.fields)


def _shown(what: str, notes: Sequence[ModuleNote], name: str | None, as_json: bool, hint: str) -> ModuleNote | None:
    """Print the list, or the page of one: then it comes back, for what belongs beneath. None when nothing does."""
    if name is None:
        _print_json([_summary(note) for note in notes]) if as_json else _print_list(what, notes, hint)
        return None
    note = _called(what, name, notes)
    if as_json:
        _print_json(asdict(note))
        return None
    _print_page(console(), what, note)
    return note


def _called(what: str, name: str, notes: Sequence[ModuleNote]) -> ModuleNote:
    for note in notes:
        if note.name == name:
            return note
    raise HoldfastError(f"unknown {what} {name!r}; {nearest(name, [note.name for note in notes])}")


def _summary(note: ModuleNote) -> dict[str, str]:
    return {"name": note.name, "summary": note.summary, "extra": note.extra, "broken": note.broken}


def _print_list(what: str, notes: Sequence[ModuleNote], hint: str) -> None:
    screen, grid = console(), table(what, "what it reads" if what == "driver" else "what it is", "needs")
    for note in notes:
        needs = text(note.broken, "red") if note.broken else text(f"holdfast[{note.extra}]" if note.extra else "")
        grid.add_row(text(note.name, "bold"), text(note.summary), needs)
    screen.print(grid)
    screen.print(text(f"\n{hint}", "dim"))


def _print_page(screen: Console, what: str, note: ModuleNote) -> None:
    screen.print(text(f"{what} {note.name}", "bold"))
    screen.print(text(f"\n{note.text}"), soft_wrap=True)  # its lines, and the examples in it, are as they were written
    if note.extra:
        screen.print(text(f"\nneeds: pip install 'holdfast[{note.extra}]'"))
    if note.broken:
        screen.print(text(f"\ncannot be used here: {note.broken}", "red"))


def _print_settings(screen: Console, title: str, fields: Sequence[FieldNote]) -> None:
    grid = table("key", "default", "what to write", "meaning")
    for field in fields:
        default = text("required", "yellow") if field.required else text(_default(field))
        grid.add_row(text(field.key, "bold"), default, text(field.form), text(field.help))
    screen.print(text(title, "bold"), text(""), sep="\n")
    screen.print(grid)


def _default(field: FieldNote) -> str:
    return "" if field.default in ("", "None") else toml_of(field)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
