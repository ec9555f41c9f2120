"""The verbs about a gateway's configuration: `reload`, and `config history | show | rollback`.

What a verb needs is imported by the verb: the command is quick to start. Exit codes: 0 the configuration is in force
(or nothing was to do), 1 it was refused or taken back, 2 it has mistakes, 3 no gateway is running there.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from supervisors import control
from supervisors.records.audit import whoami
from supervisors.verbs import AsJson, DataDir, RunDir
from transports.errors import HoldfastError
from transports.messages import Reload, Status

READ_WITHIN_S = 75.0  # the root gives the reading 60 s, and the disk a moment more
LOOK_S = 0.25

DryRun = Annotated[bool, typer.Option("--dry-run", help="only show what would change")]
Within = Annotated[
    str, typer.Option("--confirm-within", help="take it back when what changed is not well after this long")
]
Why = Annotated[str, typer.Option("--why", help="a reason, for the history and the audit")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="do not wait until it is confirmed")]
Number = Annotated[int, typer.Argument(min=1, help="a number, as `holdfast config history` shows it")]


def reload(
    dry_run: DryRun = False,
    confirm_within: Within = "60s",
    why: Why = "",
    no_wait: NoWait = False,
    run_dir: RunDir = None,
    as_json: AsJson = False,
) -> None:
    """Read the configuration again: touch only what changed, and go back when that is not well in time."""
    wish = Reload(_seconds(confirm_within), dry_run, 0, whoami(os.environ), why)
    _reload(wish, control.find_run_dir(run_dir), no_wait, as_json)


def rollback(
    number: Number,
    dry_run: DryRun = False,
    confirm_within: Within = "60s",
    why: Why = "",
    no_wait: NoWait = False,
    run_dir: RunDir = None,
    as_json: AsJson = False,
) -> None:
    """Bring back an earlier configuration, like a reload; once it is confirmed, the file has its text as well."""
    wish = Reload(_seconds(confirm_within), dry_run, number, whoami(os.environ), why)
    _reload(wish, control.find_run_dir(run_dir), no_wait, as_json)


def history(run_dir: RunDir = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the configurations that the gateway has had, with what became of each."""
    from dataclasses import asdict

    kept, now = _history(run_dir, data_dir)
    entries = kept.entries()
    if as_json:
        _print_json([{**asdict(entry), "in_force": entry.number == now} for entry in entries])
        return
    from supervisors.face.terminal import console, table, text

    grid = table("", "number", "time", "who", "outcome", "why")
    for entry in entries:
        outcome = f"{entry.outcome}: {entry.reason}" if entry.reason else str(entry.outcome)
        mark = "*" if entry.number == now else ""
        grid.add_row(*map(text, (mark, str(entry.number), entry.time, entry.who, outcome, entry.why)))
    console().print(grid)


def show(number: Number, run_dir: RunDir = None, data_dir: DataDir = None) -> None:
    """Print an earlier configuration, byte for byte."""
    kept, _ = _history(run_dir, data_dir)
    typer.echo(kept.text(number), nl=False)


def _reload(wish: Reload, where: Path, no_wait: bool, as_json: bool) -> None:
    answer: dict[str, Any] = control.ask(where, wish, timeout_s=READ_WITHIN_S)
    _refused(answer, as_json)
    if not as_json:
        _say(answer)
    under_way = answer["result"] == "under way"
    ended = _followed(where, answer["attempt"], as_json) if under_way and not no_wait else {}
    if as_json:
        _print_json({**answer, **ended})
    elif ended:
        typer.echo(f"{ended['outcome']}{': ' + ended['why'] if ended['why'] else ''}", err=ended["outcome"] != _GOOD)
    if ended and ended["outcome"] != _GOOD:
        raise typer.Exit(1)


_GOOD = "confirmed"


def _refused(answer: Mapping[str, Any], as_json: bool) -> None:
    """Say why nothing was begun, if so."""
    problems = answer.get("problems", ())
    if not problems and "error" not in answer:
        return
    if as_json:
        _print_json(answer)
    for line in problems or [answer["error"]]:
        typer.echo(line, err=True)
    raise typer.Exit(2 if problems else 1)


def _say(answer: Mapping[str, Any]) -> None:
    """What will change, or would."""
    for warning in answer["warnings"]:
        typer.echo(f"warning: {warning}", err=True)
    for kind, names in answer["changes"].items():
        typer.echo(f"{kind}: {', '.join(names)}")
    number = f"configuration {answer['number']} is tried" if answer["number"] else "it is tried"
    said = {"under way": number, "dry run": "nothing was done", "unchanged": "nothing has changed"}
    typer.echo(f"untouched: {answer['untouched']} children; {said[answer['result']]}")


def _followed(where: Path, attempt: int, quiet: bool) -> dict[str, Any]:
    """Follow an attempt to its end: its outcome, and why."""
    from threading import Event

    pause, last = Event(), ""
    while True:
        told: dict[str, Any] = control.ask(where, Status())["reload"]
        if told["attempt"] != attempt:
            raise HoldfastError(
                "the gateway was restarted, or another reload has begun since; see: holdfast config history"
            )
        if told["outcome"]:
            return {"outcome": told["outcome"], "why": told["why"]}
        if not quiet and (now := _standing(told)) != last:
            last = now
            typer.echo(now)
        pause.wait(LOOK_S)


def _standing(told: Mapping[str, Any]) -> str:
    """Without what changes all the time: a line is printed once."""
    waits = list(told["waits_for"])
    more = f" and {len(waits) - 3} more" if len(waits) > 3 else ""
    return f"{told['phase']}{': ' if waits else ''}{', '.join(waits[:3])}{more}"


def _history(run_dir: Path | None, data_dir: Path | None) -> tuple[Any, int]:
    """Where the history is, by the data directory or by asking the gateway; and which of it is in force, 0 unknown."""
    from supervisors.reload.history import History

    if data_dir is not None:
        return History(data_dir / "config"), 0
    config = control.ask(control.find_run_dir(run_dir), Status())["config"]
    if config is None:
        raise HoldfastError("this gateway has no configuration file, and so no history of it")
    return History(Path(config["directory"])), config["number"]


def _seconds(written: str) -> float:
    from transports.units import parse_duration

    try:
        return parse_duration(written)
    except (TypeError, ValueError) as odd:
        raise typer.BadParameter(f"{written!r} is no duration; write one like 60s or 2m") from odd


def _print_json(told: Any) -> None:
    import json

    typer.echo(json.dumps(told, indent=1))
