"""The configuration file as it was written: its tables, and the line of each mistake.

Every mistake becomes one line, `FILE:LINE: path = value: cure`, mistakes in the TOML itself among them.
"""

import datetime
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisors.configuration.places import Places, places
from transports.errors import Problem, SettingsError

_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_CONFIDENTIAL = re.compile(r"pass|secret|token|pin\b|key", re.IGNORECASE)
_WHOLE = range(-(2**63), 2**64)  # what msgpack, and with it every process of the gateway, can hold

# What the TOML reader says, and what the writer of the file should do about it; the first that fits
_CURES = (
    ("Cannot declare", "is written twice; rename or remove one"),
    ("Cannot overwrite", "is written twice; rename or remove one"),
    ("Cannot mutate", "is written twice; rename or remove one"),
    ("Cannot redefine", "is written twice; rename or remove one"),
    ("Duplicate inline table key", "is written twice; rename or remove one"),
    ("Expected '='", 'must be written as key = value; a key with a space or a dot in it needs quotes, "my key"'),
    ("Expected newline", 'has something after its value; text, durations and sizes need quotes, such as "100ms"'),
    ("Invalid value", 'must be a value; text needs quotes, such as "modbus"; true and false are written in lower case'),
    ("Unescaped '\\'", "has a backslash; write text with backslashes in single quotes, 'C:\\data'"),
    ("Illegal character", "has a quote that is not closed on its line"),
    ("Unterminated string", "has a quote that is not closed"),
    ("Unclosed array", "has a [ that is not closed"),
    ("Unclosed inline table", "has a { that is not closed; an inline table must stand on one line"),
    ("Invalid initial character", "is not a key; an inline table { key = value } must stand on one line"),
    ("Expected ']'", "has a [ that is not closed"),
)


@dataclass(frozen=True, slots=True)
class Located(Problem):
    """A problem with its place; as text it is one line, whatever it quotes."""

    file: str = ""
    line: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {' '.join(Problem.__str__(self).split())}"


@dataclass(frozen=True, slots=True)
class Elsewhere(Problem):
    """A problem in another file, such as a profile; `by` is the path in this one of what names that file."""

    file: str = ""
    line: int = 1
    by: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {' '.join(Problem.__str__(self).split())}"


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is TOML: what it says and where."""

    file: Path
    table: dict[str, Any]
    places: Places

    def located(self, problem: Problem) -> Located | Elsewhere:
        """A problem with the line it is about. A secret that was written as text is not repeated."""
        if isinstance(problem, Elsewhere):
            return problem
        value = "'...'" if problem.value and "never the secret" in problem.cure else problem.value
        return Located(problem.path, value, problem.cure, str(self.file), self.places.line_of(problem.path))

    def error(self, problems: Iterable[Problem]) -> SettingsError:
        """The error that lists the problems in file order."""
        return SettingsError(*map(self.located, sorted(dict.fromkeys(problems), key=self._line)))

    def _line(self, problem: Problem) -> int:
        return self.places.line_of(problem.by if isinstance(problem, Elsewhere) else problem.path)


def read(file: Path) -> Document:
    """The file as a document. Raises SettingsError when it cannot be read or is not TOML."""
    text = _text(file)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise SettingsError(_syntax(file, text, str(wrong))) from wrong
    except RecursionError as deep:
        raise SettingsError(_whole_file(file, "is nested too deeply to be a configuration")) from deep
    document = Document(file, table, places(text))
    problems = list(_not_plain(table, ""))
    if problems:
        raise document.error(problems)
    return document


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")  # some editors put a byte order mark before UTF-8
    except OSError as failed:
        cure = f"cannot be read ({failed.strerror}); name a configuration file that the user running holdfast may read"
        raise SettingsError(_whole_file(file, cure)) from failed
    except UnicodeDecodeError as odd:
        line = odd.object[: odd.start].count(b"\n") + 1
        byte = f"byte 0x{odd.object[odd.start]:02x}"
        raise SettingsError(Located("text", byte, "is not UTF-8; save the file as UTF-8", str(file), line)) from odd


def _whole_file(file: Path, cure: str) -> Located:
    return Located("file", repr(str(file)), cure, str(file), 1)


def _syntax(file: Path, text: str, said: str) -> Located:
    text = text.replace("\r\n", "\n")
    at = _AT.search(said)
    lines = text.rstrip().split("\n")
    number = min(int(at[1]), len(lines)) if at and at[1] else len(lines)
    reason = _AT.sub("", said)
    found = places(text)
    path = _named(reason) or found.path_at(number)
    cure = next((cure for start, cure in _CURES if reason.startswith(start)), f"is not TOML: {reason}")
    if "twice" in cure:
        first = next((line for known, line in found.found if known == path and line < number), 0)
        return Located(path, "", f"{cure} (first in line {first})" if first else cure, str(file), number)
    written = lines[number - 1].strip()
    shown = repr("..." if _CONFIDENTIAL.search(written) else written[:60])
    return Located(path or "text", shown, cure, str(file), number)


def _named(reason: str) -> str:
    """The table that the reader names itself: "Cannot declare ('device', 'plc') twice"."""
    return ".".join(re.findall(r"'([^']*)'", reason)) if reason.startswith("Cannot declare") else ""


def _not_plain(value: Any, path: str) -> Iterator[Problem]:
    """Values that TOML can write but no setting takes: they could not travel to the process that needs them."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _not_plain(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _not_plain(item, f"{path}[{at}]")
    elif isinstance(value, (datetime.date, datetime.time)):
        yield Problem(path, str(value), 'must not be a date or time; if it is meant as text, put it in quotes, "..."')
    elif isinstance(value, int) and value not in _WHOLE:
        yield Problem(path, str(value), "must be a whole number of at most 64 bits")
