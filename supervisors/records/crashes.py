"""Crash reports: one JSON file a death, in `DATA_DIR/crashes`, a bounded number of them, written by the root.

{"name", "time" (UTC, ISO 8601), "pid", "how", "traceback", "log": [last lines], "beat_age_s", "restart", "next_in_s",
 "uptime_s": how long its process had been there,
 "quarantined", "state": what the actor last told of itself, "comes_back": whether it is started again by itself,
 "folded", "folded_since": deaths of the same child between this report and the one before it, which have none of their
 own, and when the first of them was}
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supervisors.records.record_lines import dumped
from transports.clock import Clock

KEEP = 200  # reports in all
KEEP_EACH = 20  # of one child
EVERY_S = 10.0  # a child has one report in this time; the deaths between are counted in the next
LOG_TAIL_BYTES = 8192
TRACE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Crash:
    """What is known of a death, and of those before it that have no report."""

    name: str
    pid: int
    how: str
    traceback: str
    log: tuple[str, ...]
    beat_age_s: float | None
    restart: int
    next_in_s: float
    quarantined: bool
    state: Mapping[str, Any]
    comes_back: bool = True
    uptime_s: float | None = None
    folded: int = 0
    folded_since: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    """The newest death of a child that has had its report lately, and how many there were before it since then."""

    crash: Crash
    utc_ns: int
    since_ns: int
    before: int


class Reports:
    """The directory of the reports. What is in it is listed once, and remembered.

    A child that dies again and again has one report each `every_s`, of its newest death. A disk that refuses is no
    error here: a report is less than a restart.
    """

    def __init__(self, directory: Path, clock: Clock, every_s: float = EVERY_S) -> None:
        self._directory, self._clock, self._every_s = directory, clock, every_s
        self._names: list[str] | None = None  # oldest first
        self._written_at: dict[str, float] = {}
        self._held: dict[str, _Held] = {}

    def write(self, crash: Crash) -> None:
        """Report a death: now, or with the next `look` that is late enough."""
        utc_ns, before = self._clock.utc_ns(), self._held.get(crash.name)
        if crash.name not in self._written_at:
            self._put(crash, utc_ns)
        elif before is None:
            self._held[crash.name] = _Held(crash, utc_ns, utc_ns, 0)
        else:
            self._held[crash.name] = _Held(crash, utc_ns, before.since_ns, before.before + 1)

    def look(self, now: float) -> None:
        """Time has passed: write what was held back long enough. To be called about every second."""
        for name in [name for name, at in self._written_at.items() if now - at >= self._every_s]:
            del self._written_at[name]
            self._release(name)

    def close(self) -> None:
        """Write everything that was held back."""
        for name in list(self._held):
            self._release(name)

    def _release(self, name: str) -> None:
        held = self._held.pop(name, None)
        if held is not None:
            since = _moment(held.since_ns).isoformat() if held.before else ""
            self._put(replace(held.crash, folded=held.before, folded_since=since), held.utc_ns)

    def _put(self, crash: Crash, utc_ns: int) -> None:
        self._written_at[crash.name] = self._clock.now()
        with suppress(OSError):
            if self._names is None:
                self._names = _found(self._directory)
            self._names.append(_write(self._directory, crash, utc_ns))
            for name in surplus(self._names):
                self._names.remove(name)
                (self._directory / name).unlink(missing_ok=True)


def surplus(names: Sequence[str], keep: int = KEEP, keep_each: int = KEEP_EACH) -> list[str]:
    """Which of the reports (file names, oldest first) are to be deleted: of a child that has too many its oldest, and
    while all are too many, the oldest of whoever has most. So no flapping child pushes out what others left."""
    count = Counter(map(child_of, names))
    chosen = []
    for name in names:
        if count[child_of(name)] > keep_each:
            count[child_of(name)] -= 1
            chosen.append(name)
    left = [name for name in names if name not in chosen]
    while len(left) > keep:
        most = max(count.values())
        name = next(name for name in left if count[child_of(name)] == most)
        count[child_of(name)] -= 1
        left.remove(name)
        chosen.append(name)
    return chosen


def child_of(file_name: str) -> str:
    """Whose report a file is: it is named TIME-CHILD.json."""
    return file_name.partition("-")[2].removesuffix(".json")


def last_lines(path: Path) -> tuple[str, ...]:
    """The end of a log file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
            return tuple(file.read().decode("utf-8", "replace").splitlines()[-50:])
    except OSError:
        return ()


def collected(path: Path) -> str:
    """The traceback that a child left, taken away so that the next death does not find it; of a very long one the
    end, which says what it was."""
    text = ""
    with suppress(OSError):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TRACE_BYTES))
            text = file.read().decode("utf-8", "replace")
        path.unlink()
    return text


def _write(directory: Path, crash: Crash, utc_ns: int) -> str:
    """The name of the file. It has its name when it is whole: a reader never sees half a report."""
    moment = _moment(utc_ns)
    name = f"{moment:%Y%m%dT%H%M%S.%f}-{crash.name}.json"
    report = {"time": moment.isoformat(), **{each.name: getattr(crash, each.name) for each in fields(crash)}}
    directory.mkdir(parents=True, exist_ok=True)
    fresh = directory / f"{name}.new"
    fresh.write_text(dumped(report, TRACE_BYTES))
    fresh.replace(directory / name)
    return name


def _found(directory: Path) -> list[str]:
    """The reports that are there, oldest first. What a root that was killed has begun is removed."""
    for begun in directory.glob("*.json.new"):
        begun.unlink(missing_ok=True)
    return sorted(path.name for path in directory.glob("*.json"))


def _moment(utc_ns: int) -> datetime:
    return datetime.fromtimestamp(utc_ns / 1e9, UTC)
