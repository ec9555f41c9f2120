"""Profiles in files, and the devices that take them: `profile = "sdm630"` in [device.NAME].

    transports/profiles/*.toml ─┐
                                ├─> Shelf ──> the device's own table laid over the profile's ──> sections.device
    gateway.profiles/*.toml ────┘             (overlay.py)

Of two profiles with one name the user's own wins. What the device's process is told is the whole table, as if it had
been written out, so a profile that changes is a device that changes.

A mistake in a profile's file names that file and line, once, whoever uses it. One in what a device says beside it, or
that only the two make together, names the configuration's.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from supervisors.configuration import sections
from supervisors.configuration.document import Document, Elsewhere, Located, read
from supervisors.configuration.gateway import DeviceSpec
from supervisors.configuration.overlay import chosen, overlaid, steps
from supervisors.configuration.tables import NAME, NAME_RULE
from transports.building import build
from transports.errors import Problem, SettingsError
from transports.profiles import FOLDER
from transports.settings import nearest, setting

MAX_BYTES = 2**20  # no register table is longer; what is, is another file
_HEAD = "profile"  # where the file's own keys stand in problems, until they are given their place
_NOT_IN_SETTINGS: Mapping[str, str] = {
    "driver": "stands above, outside of [settings]",
    "tags": "has a table of its own, [tags]",
    "profile": "a profile cannot take another one",
    "profile_tags": "is for a device to say",
    "enabled": "is for a device to say",
    "supervise": "is for a device to say",
}


@dataclass(frozen=True, kw_only=True)
class Text:
    """What a profile's file says."""

    title: str = setting(help="what it is, in a few words", example="Eastron SDM630: three-phase energy meter")
    driver: str = setting(help="the driver that reads it", example="modbus")
    maker: str = setting("", help="who makes it")
    models: tuple[str, ...] = setting((), help="which models it fits")
    source: str = setting("", help="the document and section that has the registers")
    notes: str = setting("", help="what one should know who commissions it")
    example: Mapping[str, Any] = setting({}, help="what a device says beside `profile`, for copying")
    settings: Mapping[str, Any] = setting({}, help="keys of the driver, and `period`, as in [device.NAME]")
    tags: Mapping[str, Any] = setting({}, help="the driver's tags")

    def problems(self, path: str) -> Iterator[Problem]:
        """What stands in the wrong place."""
        for key in self.settings.keys() & _NOT_IN_SETTINGS.keys():
            yield Problem(f"{path}.settings.{key}", "", _NOT_IN_SETTINGS[key])


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile that can be used. `own`: it is the user's; `instead`: of a shipped one of that name."""

    name: str
    own: bool
    instead: bool
    text: Text
    document: Document

    @property
    def table(self) -> dict[str, Any]:
        """All that it says, as it would stand in [device.NAME]."""
        tags = {"tags": self.text.tags} if self.text.tags else {}
        return {"driver": self.text.driver, **self.text.settings, **tags}

    def under(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """What a device takes of it: the tags that it chooses, and those of which it says something itself."""
        said = own.get("tags")
        taken = {*chosen(list(self.text.tags), _patterns(own)), *(said if isinstance(said, Mapping) else ())}
        tags = {name: tag for name, tag in self.text.tags.items() if name in taken}
        return {**self.table, **({"tags": tags} if tags else {})}

    def faults(self) -> Iterator[Located | Elsewhere]:
        """What is wrong with it alone: not that something is missing that only a device can say."""
        found: list[Problem] = []
        sections.device(self.name, self.table, found)
        for problem in found:
            within = _within(problem, f"device.{self.name}")
            if steps(self.table, within):
                yield self.document.located(replace(problem, path=_in_file(within)))


class Shelf:
    """The profiles at hand, each read when it is asked for. `own` is a directory of the user's."""

    def __init__(self, own: Path | None = None) -> None:
        self._own = own.expanduser() if own is not None else None
        self._shipped = _files(FOLDER)
        self._fault, self._users = "", dict[str, Path]()
        self._known: dict[str, Profile | SettingsError] = {}
        try:
            self._users = _files(self._own) if self._own is not None else {}
        except OSError as failed:
            self._fault = f"cannot be read ({failed.strerror}); name a directory with files NAME.toml in it"

    def problems(self, path: str) -> list[Problem]:
        """What is wrong with the user's directory; `path` is where it is named."""
        return [Problem(path, repr(str(self._own)), self._fault)] if self._fault else []

    def names(self) -> list[str]:
        """Every profile, sorted, those among them that cannot be used."""
        return sorted({*self._shipped, *self._users})

    def file_of(self, name: str) -> Path:
        """The file that has it."""
        return self._users.get(name) or self._shipped[name]

    def is_own(self, name: str) -> bool:
        """Whether it is the user's."""
        return name in self._users

    def hides(self, name: str) -> bool:
        """Whether it is the user's and stands in for the shipped one of that name."""
        return name in self._users and name in self._shipped

    def profile(self, name: str, path: str) -> Profile:
        """The one of that name; `path` is where it is named. Raises SettingsError with what is wrong, or nearest."""
        if name not in self._shipped and name not in self._users:
            raise SettingsError(Problem(path, repr(name), f"unknown profile; {nearest(name, self.names())}"))
        if name not in self._known:
            self._known[name] = self._read(name)
        known = self._known[name]
        if isinstance(known, Profile):
            return known
        raise SettingsError(*(_elsewhere(problem, path) for problem in known.problems))

    def _read(self, name: str) -> Profile | SettingsError:
        try:
            document = _document(self.file_of(name))
            profile = Profile(name, self.is_own(name), self.hides(name), _text(document), document)
        except SettingsError as wrong:
            return wrong
        faults = sorted(profile.faults(), key=lambda fault: fault.line)
        return SettingsError(*faults) if faults else profile


def device(shelf: Shelf, name: str, table: Any, problems: list[Problem]) -> DeviceSpec | None:
    """The device of that name, its profile under its own table; None when `problems` grew."""
    path, named = f"device.{name}", table.get("profile") if isinstance(table, Mapping) else None
    if not isinstance(named, str) or not named:
        return sections.device(name, table, problems)
    try:
        profile = shelf.profile(named, f"{path}.profile")
    except SettingsError as wrong:
        problems.extend(wrong.problems)
        return None
    found: list[Problem] = []
    whole = overlaid(profile.under(table), {**table, "driver": profile.text.driver})
    spec = sections.device(name, whole, found)
    beside = list(_beside(profile, table, path))
    problems += [*beside, *(_placed(problem, profile, table, path) for problem in found)]
    return None if beside else spec


def _beside(profile: Profile, own: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """A driver that is not the profile's, and patterns that mean none of its tags."""
    if "driver" in own and own["driver"] != profile.text.driver:
        cure = f"the profile {profile.name!r} is for the driver {profile.text.driver!r}; leave one of the two out"
        yield Problem(f"{path}.driver", repr(own["driver"]), cure)
    names = list(profile.text.tags)
    for at, pattern in enumerate(_patterns(own)):
        if not chosen(names, [pattern]):
            close = get_close_matches(pattern, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"holdfast profiles {profile.name} lists them"
            cure = f"is no tag of the profile {profile.name!r}; {hint}"
            yield Problem(f"{path}.profile_tags[{at}]", repr(pattern), cure)


def _placed(problem: Problem, profile: Profile, own: Mapping[str, Any], path: str) -> Problem:
    """The problem in the profile's file when only that speaks of what is wrong."""
    within = _within(problem, path)
    theirs, ours = steps(profile.table, within), steps(own, within)
    if len(theirs) <= len(ours) or len(ours) > 1:
        return problem
    there = replace(problem, path=_in_file(within), cure=f"{problem.cure} (for {path}, which takes this profile)")
    return _elsewhere(profile.document.located(there), f"{path}.profile")


def _patterns(own: Mapping[str, Any]) -> list[str]:
    """The chosen tags as they are written; none where they are not a list of texts: that is a mistake."""
    written = own.get("profile_tags")
    texts = written if isinstance(written, list) else []
    return texts if all(isinstance(text, str) for text in texts) else []


def _within(problem: Problem, path: str) -> str:
    """Where a problem stands below a table."""
    return problem.path.removeprefix(path).removeprefix(".")


def _in_file(within: str) -> str:
    """Where a key of [device.NAME] stands in a profile's file."""
    return within if within.partition(".")[0] in ("driver", "tags") else f"settings.{within}"


def _elsewhere(problem: Problem, by: str) -> Elsewhere:
    file, line = (problem.file, problem.line) if isinstance(problem, (Located, Elsewhere)) else ("", 1)
    return Elsewhere(problem.path, problem.value, problem.cure, file, line, by)


def _files(folder: Path) -> dict[str, Path]:
    """The profiles in a directory, by name. Raises OSError."""
    found = (file for file in folder.iterdir() if file.suffix == ".toml" and not file.name.startswith("."))
    return {file.stem: file for file in found if file.is_file()}


def _document(file: Path) -> Document:
    """The file as TOML. Raises SettingsError with the file and line."""
    if not NAME.fullmatch(file.stem):
        raise SettingsError(Located("name", repr(file.stem), f"a profile's name {NAME_RULE}", str(file)))
    with suppress(OSError):  # reading it says the same, with the cure
        if file.stat().st_size > MAX_BYTES:
            raise SettingsError(Located("file", repr(str(file)), "is too large to be a profile", str(file)))
    return read(file)


def _text(document: Document) -> Text:
    """What the file says. Raises SettingsError with the file and line of each mistake."""
    try:
        return build(Text, document.table, _HEAD)
    except SettingsError as wrong:
        raise document.error(replace(each, path=_within(each, _HEAD)) for each in wrong.problems) from None
