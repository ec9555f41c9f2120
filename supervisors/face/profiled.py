"""The profiles as a table: what each is and where it is from; or one whole, with a device table to copy.

What a profile's tags can say depends on its driver, so the columns are the keys that its tags have.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from supervisors.configuration.profiles import Profile, Shelf
from supervisors.face.terminal import console, table, text
from supervisors.face.wording import plain
from transports.errors import SettingsError

_FIRST = ("register", "address", "type", "scale")  # columns that stand first; the others as they come
_LAST = ("unit",)


def show_all(shelf: Shelf, as_json: bool) -> None:
    """Print every profile; one that cannot be used with the reason."""
    rows = [_row(shelf, name) for name in shelf.names()]
    if as_json:
        _print_json(rows)
        return
    screen, grid = console(), table("profile", "what it is", "driver", "tags", "from")
    for row in rows:
        about = text(f"cannot be used: {row['broken']}", "red") if row["broken"] else text(plain(row["title"]))
        tags = "" if row["broken"] else str(row["tags"])
        grid.add_row(text(row["name"], "bold"), about, text(row["driver"]), text(tags), text(_origin(row)))
    screen.print(grid)
    screen.print(text("\nholdfast profiles NAME shows one with all its tags", "dim"))


def show_one(profile: Profile, as_json: bool) -> None:
    """Print one profile: what it is, its tags, and what to write."""
    if as_json:
        _print_json(_whole(profile))
        return
    screen, said = console(), profile.text
    screen.print(text(f"{profile.name}: {plain(said.title)}", "bold"))
    facts = {"models": ", ".join(said.models), "source": said.source, "file": str(profile.document.file)}
    for what, fact in facts.items():
        if fact:
            screen.print(text(f"{what:7} {plain(fact)}"))
    if said.notes:
        screen.print(text(f"\n{plain(said.notes)}"))
    screen.print(text("\ntags", "bold"), text(""), sep="\n")
    columns = list(_columns(said.tags))
    grid = table("tag", *columns)
    for name, tag in said.tags.items():
        grid.add_row(text(plain(name), "bold"), *(text(_cell(tag, column)) for column in columns))
    screen.print(grid)
    screen.print(text("\nto write", "bold"), text(""), sep="\n")
    screen.print(text(device_table(profile)), soft_wrap=True)  # to be copied as it is


def device_table(profile: Profile) -> str:
    """A device that takes the profile, as it is written in a configuration."""
    lines = (f"{key} = {_toml(value)}" for key, value in {"profile": profile.name, **profile.text.example}.items())
    return "\n".join((f"[device.{profile.name}-1]", *lines))


def _row(shelf: Shelf, name: str) -> dict[str, Any]:
    where = {"file": str(shelf.file_of(name)), "own": shelf.is_own(name), "instead_of_shipped": shelf.hides(name)}
    try:
        said = shelf.profile(name, "profile").text
    except SettingsError as wrong:
        reason = " ".join(str(wrong).splitlines()[0].split())
        more = f" (and {len(wrong.problems) - 1} more)" if len(wrong.problems) > 1 else ""
        return {"name": name, "title": "", "driver": "", "tags": 0, **where, "broken": f"{reason}{more}"}
    return {"name": name, "title": said.title, "driver": said.driver, "tags": len(said.tags), **where, "broken": ""}


def _origin(row: Mapping[str, Any]) -> str:
    if not row["own"]:
        return "shipped"
    return f"{plain(row['file'])}{', in place of the shipped one' if row['instead_of_shipped'] else ''}"


def _whole(profile: Profile) -> dict[str, Any]:
    said = profile.text
    return {
        "name": profile.name,
        "title": said.title,
        "maker": said.maker,
        "models": said.models,
        "source": said.source,
        "notes": plain(said.notes),
        "driver": said.driver,
        "settings": said.settings,
        "tags": said.tags,
        "file": str(profile.document.file),
        "own": profile.own,
        "instead_of_shipped": profile.instead,
        "device": device_table(profile),
    }


def _columns(tags: Mapping[str, Any]) -> Iterator[str]:
    """The keys that the tags have, each once."""
    there = dict.fromkeys(key for tag in tags.values() if isinstance(tag, Mapping) for key in tag)
    yield from (key for key in _FIRST if key in there)
    yield from (key for key in there if key not in (*_FIRST, *_LAST))
    yield from (key for key in _LAST if key in there)


def _cell(tag: Any, column: str) -> str:
    value = tag.get(column) if isinstance(tag, Mapping) else None
    if value is None:
        return ""
    return plain(value) if isinstance(value, str) else _toml(value)


def _toml(value: Any) -> str:
    """A value as it is written in TOML, on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # every JSON string, number and truth is TOML


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
