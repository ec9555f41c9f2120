"""Crash reports as an operator reads them: a table, newest first and numbered, or one whole report."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from supervisors.face.terminal import table, text
from supervisors.face.wording import plain, span
from supervisors.records.crashes import TRACE_BYTES, child_of
from supervisors.records.record_lines import dumped, harmless, local_stamp, parsed, seconds_of

Report = Mapping[str, Any]
HEADINGS = ("n", "time", "name", "how", "then")


def listed(directory: Path, pattern: str = "*") -> list[Path]:
    """The reports of the children that the pattern means, newest first."""
    found = [path for path in directory.glob("*.json") if fnmatchcase(child_of(path.name), pattern)]
    return sorted(found, reverse=True)


def reports(paths: Sequence[Path]) -> Iterator[tuple[int, Report]]:
    """The reports with their numbers, the newest is 1; one that is gone or cannot be read is left out."""
    for number, path in enumerate(paths, 1):
        report = read(path)
        if report is not None:
            yield number, report


def read(path: Path) -> Report | None:
    """One report; None when it is gone meanwhile, or is none. Raises OSError when the disk refuses."""
    try:
        return parsed(path.read_text("utf-8", "replace"))
    except FileNotFoundError:
        return None


def overview(numbered: Iterator[tuple[int, Report]]) -> RenderableType:
    """The table of them."""
    grid = table(*HEADINGS)
    grid.columns[0].justify = "right"
    for column in grid.columns[:3]:
        column.no_wrap = True
    for number, report in numbered:
        cells = (str(number), when(report), plain(str(report.get("name"))), plain(_how(report)), _then(report))
        grid.add_row(*map(text, cells))
    return grid


def page(report: Report) -> Iterator[str]:
    """The whole of a report, line by line."""
    yield f"{plain(str(report.get('name')))} (pid {report.get('pid')}) died at {when(report)}"
    yield f"how: {plain(str(report.get('how')))}"
    yield f"then: {_then(report)}; restarts so far: {report.get('restart')}"
    if report.get("beat_age_s") is not None:
        yield f"last sign of life: {span(report['beat_age_s'])} before"
    if report.get("folded"):
        since = local_stamp(round(seconds_of({"time": report.get("folded_since")}) * 1000) * 1_000_000)
        yield f"and {report['folded']} like it since {since}, which have no report of their own"
    yield from _section("traceback", str(report.get("traceback") or "").splitlines())
    yield from _section("last lines of its log", report.get("log") or [])
    state = report.get("state")
    yield from _section("what it last told of itself", _state(state) if isinstance(state, Mapping) else [])


def line(number: int, report: Report) -> str:
    """A report as JSON, whole, with its number."""
    return dumped({"n": number, **report}, TRACE_BYTES)


def when(report: Report) -> str:
    """The local time of a death."""
    return local_stamp(round(seconds_of(report) * 1000) * 1_000_000)


def _section(title: str, lines: Sequence[Any]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"{title}:"
        yield from (f"  {harmless(str(line))}" for line in lines)


def _state(state: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {value}" for name, value in state.items()]


def _how(report: Report) -> str:
    folded = f" (and {report['folded']} like it before)" if report.get("folded") else ""
    return f"{report.get('how')}{folded}"


def _then(report: Report) -> str:
    """What the root did about it."""
    next_in_s = report.get("next_in_s") or 0.0
    if report.get("comes_back") is False:
        return "not started again"
    what = "quarantined, next probe" if report.get("quarantined") else "started again"
    return f"{what} {f'in {span(next_in_s)}' if next_in_s else 'at once'}"
