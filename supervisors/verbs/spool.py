"""`holdfast spool stat | verify | dump | export`: a look into the kept data, from the files alone.

A gateway may be running, or be ended and left with `--data-dir`; nothing is locked and nothing is written. `purge` and
`holdfast ledger` ask the running spooler: verbs/spooler.py. Exit codes: 0 done, 1 damage was found, or it failed, 2
usage, 3 no gateway runs there.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from supervisors.verbs import AsJson, DataDir, RunDir
from supervisors.verbs.records import found as data_dir_of
from supervisors.verbs.records import moment
from supervisors.verbs.spooler import ledger, purge
from transports.errors import HoldfastError

if TYPE_CHECKING:
    from transports.spool import Hole, Record
    from transports.spool.inspection import Inspection

__all__ = ["ledger", "spool_app"]
spool_app = typer.Typer(help="Look into the kept data: what waits, what is damaged, and get it out.")


class KindOf(StrEnum):
    """What a record is."""

    DATA = "data"
    GAP = "gap"
    ALARM = "alarm"


def _topics(context: typer.Context) -> list[tuple[str, str]]:
    """For TAB."""
    try:
        spool = _opened(context.params.get("data_dir"), context.params.get("run_dir"))
        return [(topic, "") for topic in spool.topics()]
    except (HoldfastError, OSError):
        return []


Topic = Annotated[str, typer.Argument(help="a topic, as `holdfast spool stat` shows it", autocompletion=_topics)]
Topics = Annotated[str | None, typer.Argument(help="a topic; all if left out", autocompletion=_topics)]
From = Annotated[str, typer.Option("--from", metavar="EPOCH/SEQ", help="not before this record")]
Since = Annotated[str, typer.Option("--since", help='not kept before: a span such as "10m", or a time in ISO 8601')]
Until = Annotated[str, typer.Option("--until", help="not kept after: the same")]
Last = Annotated[int | None, typer.Option("-n", "--last", min=1, help="only the newest LAST")]
Kinds = Annotated[list[KindOf] | None, typer.Option("--kind", help="only these; may be given several times")]
Producer = Annotated[str, typer.Option("--producer", help="only what this device or aggregate appended")]
Consumer = Annotated[str, typer.Option("--consumer", help="only what this uplink or aggregate has not had")]
Force = Annotated[bool, typer.Option("--force", help="replace an existing file")]
Named = Annotated[str, typer.Option("--gateway", help="its name in the dedupe key, when DATA_DIR does not tell it")]
Target = Annotated[str, typer.Argument(metavar="FILE", help='the file to write; "-" is standard output')]


@spool_app.command()
def stat(run_dir: RunDir = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show each topic: what it takes, where it ends, and what each consumer has yet to get."""
    from supervisors.face import spooled
    from supervisors.face.terminal import console, grid
    from transports.spool.sights import sights

    spool = _opened(data_dir, run_dir)
    with _readable(spool):
        seen = sights(spool)
    if as_json:
        typer.echo(json.dumps([spooled.sight_fields(each) for each in seen], indent=1))
        return
    screen = console()
    screen.print(grid(spooled.TOPICS, seen, screen.width, _plainly))
    if readers := spooled.readers(seen):
        screen.print(grid(spooled.READERS, readers, screen.width, _plainly))


@spool_app.command()
def verify(topic: Topics = None, run_dir: RunDir = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Read every byte, and name each damaged place with the records that are lost; exit code 1 when there are any."""
    from supervisors.face import spooled
    from supervisors.records.pouring import pour
    from supervisors.verbs.spool_places import known
    from transports.spool.inspection import Examined

    spool, damages = _opened(data_dir, run_dir), 0

    def lines() -> Iterator[str]:
        nonlocal damages
        for each in [known(spool, topic)] if topic else spool.topics():
            for found in spool.examine(each):
                damages += found.damages if isinstance(found, Examined) else 0
                yield json.dumps(spooled.finding_fields(each, found)) if as_json else spooled.finding(each, found)

    with _readable(spool):
        pour(lines())
    if damages:
        raise typer.Exit(1)


@spool_app.command()
def dump(
    topic: Topic,
    start: From = "",
    since: Since = "",
    last: Last = None,
    kind: Kinds = None,
    producer: Producer = "",
    run_dir: RunDir = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print records, a line each, and what is lost between them."""
    from supervisors.records.exported import told, told_as_json, wanted
    from supervisors.records.pouring import pour
    from supervisors.verbs.spool_places import gateway_name, just_before, known

    after, since_ns = just_before(start), _since_ns(since)
    spool, choose = _opened(data_dir, run_dir), partial(wanted, {str(each) for each in kind or KindOf}, producer)
    with _readable(spool):
        known(spool, topic)
        found: Iterable[Record | Hole] = (
            spool.records(topic, after, since_ns)
            if last is None
            else spool.last_records(topic, last, choose, after, since_ns)
        )
        show = partial(told_as_json, topic, gateway_name(spool)) if as_json else told
        pour(show(each) for each in found if choose(each))


@spool_app.command()
def export(
    topic: Topic,
    target: Target,
    consumer: Consumer = "",
    since: Since = "",
    until: Until = "",
    force: Force = False,
    gateway: Named = "",
    run_dir: RunDir = None,
    data_dir: DataDir = None,
) -> None:
    """Write records to a file, a line of JSON each, as the uplinks' payload `json` has them; nothing is given up."""
    from supervisors.records import exported
    from supervisors.verbs.spool_places import cursor, gateway_name, known

    since_ns, until_ns = _since_ns(since), _since_ns(until, "--until")
    spool, counted = _opened(data_dir, run_dir), exported.Exported()
    with _readable(spool):
        after, name = cursor(spool, known(spool, topic), consumer), gateway or gateway_name(spool)
        found = (each for each in spool.records(topic, after, since_ns) if exported.until(until_ns, each))
        lines = (exported.line(topic, each, name, counted) for each in found)
        if target == "-":
            _to_standard_output(lines)
        else:
            with exported.whole(Path(target), force) as out:
                exported.write(lines, out)
    _say(counted, target)


spool_app.command()(purge)


def _to_standard_output(lines: Iterator[bytes]) -> None:
    from supervisors.records import exported

    try:
        exported.write(lines, sys.stdout.buffer)
    except BrokenPipeError:
        sys.stdout = None  # nobody reads on: no second error at the exit


def _say(counted: Any, target: str) -> None:
    """What was written, on standard error: standard output may be the data."""
    said = f"{counted.records} records, of which {counted.gaps} are gaps"
    if counted.holes:
        said += f"; {counted.lost} more are lost, told as {counted.holes} gaps"
    if counted.undecoded:
        said += f"; {counted.undecoded} hold no readings and were written as they are"
    typer.echo(f"{target}: {said}", err=True)


def _opened(data_dir: Path | None, run_dir: Path | None) -> "Inspection":
    """The spool of the data directory that is meant."""
    from supervisors.verbs.spool_places import inspection

    return inspection(data_dir_of(data_dir, run_dir))


def _since_ns(written: str, option: str = "--since") -> int:
    try:
        return round(moment(written) * 1e9)
    except typer.BadParameter as odd:
        raise typer.BadParameter(str(odd).replace("--since", option)) from odd


def _plainly(heading: str, row: object) -> str:
    return ""


@contextmanager
def _readable(spool: "Inspection") -> Iterator[None]:
    """A disk that refuses is one line."""
    try:
        yield
    except OSError as refused:
        raise HoldfastError(f"{refused.filename or spool.directory} cannot be read: {refused.strerror}") from refused
