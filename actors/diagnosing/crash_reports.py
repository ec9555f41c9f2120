"""The crash reports that the root writes (docs/operation.md), looked through for new ones, each as one summary.

A report is a file TIME-CHILD.json, TIME of the death in UTC to the microsecond, that has its name when it is whole. The
root keeps a bounded number, and writes some of them HELD_S after the death: so they do not come in the order of TIME.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ERROR_MOST = 500  # characters
MOST_AT_ONCE = 50  # reports in one look; the others are told in the next
HELD_S = 15.0  # at most: a child has one report in 10 s, for its newest death (supervisors/records/crashes.py)
_FORM = "%Y%m%dT%H%M%S.%f"


@dataclass(frozen=True, slots=True)
class Crash:
    """One death: whose, when (UTC ns), and the summary as JSON text."""

    name: str
    time_ns: int
    summary: str


class CrashReports:
    """What is there is new until `new` has told of it, but for what `since` leaves out. Where nothing was ever told,
    the newest alone are new."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._told: set[str] | None = None  # of those that are there

    def since(self, time_ns: int) -> None:
        """Deaths were told up to that moment (UTC ns; 0: none were); a report of an earlier one may be late."""
        if time_ns:
            first = f"{datetime.fromtimestamp(time_ns / 1e9 - HELD_S, UTC):{_FORM}}"
            self._told = {name for name in self._names() if name < first}

    def new(self) -> list[Crash]:
        """Those that have come since the last call, oldest first; of very many the oldest, and the others next time."""
        names = self._names()
        if self._told is None:
            self._told = {*sorted(names)[:-MOST_AT_ONCE]}
        fresh = sorted(names - self._told)[:MOST_AT_ONCE]
        self._told = (self._told & names) | {*fresh}
        return list(self._read(fresh))

    def _names(self) -> set[str]:
        return {path.name for path in self._directory.glob("*.json")}

    def _read(self, names: list[str]) -> Iterator[Crash]:
        for name in names:
            with suppress(OSError, ValueError, LookupError, TypeError):  # removed meanwhile, or none of the house's
                report = json.loads((self._directory / name).read_text())
                yield Crash(str(report["name"]), _moment_ns(name), json.dumps(_summary(report)))


def _summary(report: dict[str, Any]) -> dict[str, Any]:
    lines = str(report["traceback"]).strip().splitlines()
    kept = ("name", "time", "how", "uptime_s", "restart", "next_in_s", "quarantined", "comes_back", "folded")
    return {key: report.get(key) for key in kept} | {"error": lines[-1].strip()[:ERROR_MOST] if lines else ""}


def _moment_ns(file_name: str) -> int:
    moment = datetime.strptime(file_name.partition("-")[0], _FORM).replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000) * 1000
