"""What the root and the children said, merged by time: the lines that `holdfast logs` prints.

A child's log has lines of the module logging, `2026-11-22 19:29:54,123 LEVEL name: text` in local time, and between
them whatever it printed: tracebacks, stacks, a library's own words. Such a line belongs to the one before it.
With JSON, one object a line: {"time" (UTC, ISO 8601; null where nobody said when), "name", "level", "text"}.
"""

import heapq
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Protocol

from supervisors.records.journal import EVENTS, FILES
from supervisors.records.logs import copy_path
from supervisors.records.record_lines import dumped, harmless, local_stamp, parsed, seconds_of, stamp
from supervisors.records.rotated import parts
from supervisors.records.trail import Copied, Renamed
from transports.names import ROOT

_PREFIXED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ([A-Z]+) (?:[^ ]+: )?(.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line, said by `name` at `at` (seconds since 1970 UTC, 0.0 when nobody knows); `whole` is as it stands in
    the file, `text` without its prefix. One that `follows` has no prefix of its own."""

    at: float
    name: str
    level: str
    text: str
    whole: str
    follows: bool = False


class Source(Protocol):
    """Where lines come from, in the order in which they were said."""

    def near_end(self, lines: int) -> None: ...
    def news(self) -> Iterator[Line]: ...


class ChildLog:
    """A child's log file and the copy of what was before it."""

    def __init__(self, path: Path) -> None:
        self._name = path.name.removesuffix(".log")
        self._trail = Copied([path, copy_path(path)])
        self._at, self._level = 0.0, ""

    def near_end(self, lines: int) -> None:
        self._trail.near_end(lines)

    def news(self) -> Iterator[Line]:
        for whole in self._trail.news():
            yield self._line(whole)

    def torn(self) -> Iterator[Line]:
        """The last words, of a process that died within a line."""
        yield from map(self._line, self._trail.torn())

    def _line(self, whole: str) -> Line:
        found = _PREFIXED.fullmatch(whole)
        if found is None or (at := _seconds(found[1])) is None:
            return Line(self._at, self._name, self._level, whole, whole, follows=True)
        self._at, self._level = at, found[2]
        return Line(at, self._name, found[2], found[3], whole)


class RootLog:
    """The root's own: what it wrote into the journal's file."""

    def __init__(self, data_dir: Path) -> None:
        self._trail = Renamed(parts(data_dir / EVENTS, FILES))

    def near_end(self, lines: int) -> None:
        self._trail.near_end(lines)

    def news(self) -> Iterator[Line]:
        for written in self._trail.news():
            record = parsed(written)
            if record is not None:
                at, level, text = seconds_of(record), str(record.get("level")), str(record.get("text"))
                yield Line(at, ROOT, level, text, f"{local_stamp(round(at * 1000) * 1_000_000)} {level} {ROOT}: {text}")


class Logs:
    """All logs in a data directory whose names match `pattern`; those of new children come along as they appear.

    `since` (seconds since 1970 UTC) leaves out what was said before.
    """

    def __init__(self, data_dir: Path, pattern: str = "*", since: float = 0.0) -> None:
        self._directory, self._pattern, self._since = data_dir / "logs", pattern, since
        self._sources: dict[str, Source] = {}
        if fnmatchcase(ROOT, pattern):
            self._sources[ROOT] = RootLog(data_dir)
        self._look()

    @property
    def names(self) -> list[str]:
        return list(self._sources)

    def so_far(self, last: int | None, complete: bool) -> Iterable[Line]:
        """What is there, or only the newest lines of it, at most `last`; `news` goes on after them. With `complete` a
        line that has no end is one too: nobody waits for it."""
        for source in self._sources.values() if last is not None else ():
            source.near_end(last or 0)
        said = chain(self._merged(), self._torn() if complete else ())
        return said if last is None else deque(said, maxlen=last)

    def news(self) -> Iterator[Line]:
        """What was said since."""
        self._look()
        return self._merged()

    def _torn(self) -> Iterator[Line]:
        children = (source for source in self._sources.values() if isinstance(source, ChildLog))
        return (line for child in children for line in child.torn() if line.at >= self._since)

    def _merged(self) -> Iterator[Line]:
        said = heapq.merge(*(source.news() for source in self._sources.values()), key=lambda line: line.at)
        return (line for line in said if line.at >= self._since)

    def _look(self) -> None:
        for path in sorted(self._directory.glob("*.log")):
            name = path.name.removesuffix(".log")
            if name not in self._sources and fnmatchcase(name, self._pattern):
                self._sources[name] = log = ChildLog(path)
                if path.stat().st_mtime < self._since:
                    log.near_end(0)


def shown(as_json: bool, several: bool) -> Callable[[Line], str]:
    """How a line is printed: `several` children are told apart also in the lines that have no prefix."""
    if as_json:
        return _object
    return _named if several else lambda line: harmless(line.whole)


def _named(line: Line) -> str:
    return f"{line.name} | {harmless(line.whole)}" if line.follows else harmless(line.whole)


def _object(line: Line) -> str:
    time = stamp(round(line.at * 1000) * 1_000_000) if line.at else None
    return dumped({"time": time, "name": line.name, "level": line.level or None, "text": line.text})


def _seconds(local: str) -> float | None:
    try:
        return datetime.fromisoformat(local).timestamp()
    except ValueError:
        return None
