"""`holdfast logs`, `events` and `crashes`: what a gateway has written down, also one that runs no more.

Where its data directory is, the running gateway says; `--data-dir` reads what another left behind.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from supervisors import control
from supervisors.verbs import AsJson, DataDir, RunDir
from supervisors.verbs.completion import everybody
from transports.errors import HoldfastError, NotRunning
from transports.messages import Status

FOLLOWED_LINES = 10  # of what was before, unless more is asked for
Who = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]", help="a child, or several as in 'press-*'; all if left out", autocompletion=everybody
    ),
]
Follow = Annotated[bool, typer.Option("-f", "--follow", help="go on with what is written from now on, until Ctrl-C")]
Since = Annotated[str, typer.Option("--since", help='not before: a span such as "10m", or a time in ISO 8601')]
Lines = Annotated[int | None, typer.Option("-n", "--lines", min=0, help="only the newest LINES")]


def logs(
    name: Who = None,
    follow: Follow = False,
    since: Since = "",
    lines: Lines = None,
    run_dir: RunDir = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print what the root and the children said, by time; `root` is a name too."""
    from supervisors.records.log_lines import Logs, shown
    from supervisors.records.pouring import pour
    from transports.settings import nearest

    where, begin = found(data_dir, run_dir), moment(since)
    with _readable(where):
        said = Logs(where, name or "*", begin)
        if not said.names and name:
            raise HoldfastError(f"no log of {name!r}; {nearest(name, Logs(where).names)}")
        show = shown(as_json, several=len(said.names) > 1 or name is None)
        first = said.so_far(_count(lines, follow, since), complete=not follow)
        pour(map(show, first), (lambda: map(show, said.news())) if follow else None)


def events(
    name: Who = None,
    follow: Follow = False,
    since: Since = "",
    lines: Lines = None,
    audited: Annotated[bool, typer.Option("--audit", help="only operators' verbs, from the long record")] = False,
    run_dir: RunDir = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print what happened to the tree, one line an event: who died, came back, was operated by whom."""
    from supervisors.records.event_lines import Events, shown
    from supervisors.records.pouring import pour

    where = found(data_dir, run_dir)
    happened = Events(where, name or "*", moment(since), audited)
    with _readable(where):
        first = happened.so_far(_count(lines, follow, since))
        news = (lambda: (shown(record, as_json) for record in happened.news())) if follow else None
        pour((shown(record, as_json) for record in first), news)


def crashes(
    name: Who = None,
    show: Annotated[int | None, typer.Option("--show", min=1, help="print the whole report of that number")] = None,
    run_dir: RunDir = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the crash reports, newest first; with JSON each is a line, whole."""
    from supervisors.face.terminal import console
    from supervisors.records import crash_pages as pages
    from supervisors.records.pouring import pour

    where = found(data_dir, run_dir)
    with _readable(where):
        paths = pages.listed(where / "crashes", name or "*")
        numbered = pages.reports(paths)
        if show is not None:
            report = _report(paths, show)
            pour([pages.line(show, report)] if as_json else pages.page(report))
        elif as_json:
            pour(pages.line(number, report) for number, report in numbered)
        elif paths:
            console().print(pages.overview(numbered))
        else:
            typer.echo(f"no crash reports{f' of {name}' if name else ''}")


def found(data_dir: Path | None, run_dir: Path | None) -> Path:
    """The data directory that is meant: given, or that of the running gateway. Raises NotRunning without either."""
    if data_dir is not None:
        if not data_dir.is_dir():
            raise HoldfastError(f"{data_dir} is no directory")
        return data_dir
    try:
        answer: dict[str, Any] = control.ask(control.find_run_dir(run_dir), Status())
    except NotRunning as gone:
        raise NotRunning(f"{gone}; what one has left on the disk is read with --data-dir DIR") from gone
    return Path(answer["data_dir"])


def moment(since: str) -> float:
    """Seconds since 1970 UTC of "10m" ago, or of "2026-11-22T19:30" (local time, where it names no other); 0.0 for
    "". Raises BadParameter for anything else."""
    from datetime import datetime

    from transports.clock import MachineClock
    from transports.units import parse_duration

    if not since:
        return 0.0
    try:
        return MachineClock().utc_ns() / 1e9 - parse_duration(since)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(since).timestamp()
    except ValueError as neither:
        cure = f"--since {since!r} is neither a span such as 10m nor a time such as 2026-11-22T19:30"
        raise typer.BadParameter(cure) from neither


def _count(lines: int | None, follow: bool, since: str) -> int | None:
    """How many lines of what is there are printed; None is all."""
    return FOLLOWED_LINES if lines is None and follow and not since else lines


def _report(paths: list[Path], number: int) -> Any:
    from supervisors.records.crash_pages import read

    report = read(paths[number - 1]) if number <= len(paths) else None
    if report is None:
        raise HoldfastError(f"there is no report {number}; there are {len(paths)}, see holdfast crashes")
    return report


@contextmanager
def _readable(where: Path) -> Iterator[None]:
    """A disk that refuses, or another user's directory, is one line."""
    try:
        yield
    except PermissionError as refused:
        cure = "run holdfast as the user that runs the gateway"
        raise HoldfastError(f"{refused.filename or where} is not for this user to read; {cure}") from refused
    except OSError as refused:
        raise HoldfastError(f"{where} cannot be read: {refused.strerror}") from refused
