"""`holdfast ledger` and `holdfast spool purge`: what is asked of the running spooler.

The ledger counts samples: read = delivered + waiting + gaps, for each producer and consumer of a topic. A purge gives
up what waits; the spooler does it while it runs, and says so in a gap. Exit code 1 when a row does not add up.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from supervisors import control
from supervisors.verbs import AsJson, RunDir
from transports.errors import HoldfastError, NotRunning
from transports.messages import Ledger, Message, Purge, Status
from transports.names import SPOOLER

PURGE_WITHIN_S = 60.0  # a backlog of thousands of files is deleted and synced
COUNTS = ("read", "in_device", "delivered", "waiting", "gaps")
Row = dict[str, Any]

Topic = Annotated[str, typer.Argument(help="a topic, as `holdfast spool stat` shows it")]
Consumer = Annotated[str, typer.Option("--consumer", help="give up only what this uplink or aggregate has not had")]
Forget = Annotated[bool, typer.Option("--forget", help="forget the consumer: nothing waits for it any more")]
Why = Annotated[str, typer.Option("--why", help="a reason, for the audit")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


def ledger(run_dir: RunDir = None, as_json: AsJson = False) -> None:
    """Show what became of every sample: read = delivered + waiting + gaps; exit code 1 when that does not hold."""
    from supervisors.face import spooled
    from supervisors.face.terminal import console, grid

    where = control.find_run_dir(run_dir)
    status: Mapping[str, Any] = control.ask(where, Status())
    rows = ledger_rows(_rows(where), status["children"])
    totals = sums(rows)
    if as_json:
        told = {"rows": rows, "sums": totals, "adds_up": all(row["adds_up"] for row in rows)}
        typer.echo(json.dumps(told, indent=1))
    else:
        screen = console()
        screen.print(grid(spooled.LEDGER, [*rows, *totals], screen.width, _style))
    if not all(row["adds_up"] for row in rows):
        raise typer.Exit(1)


def purge(
    topic: Topic,
    consumer: Consumer = "",
    forget: Forget = False,
    why: Why = "",
    yes: Yes = False,
    run_dir: RunDir = None,
    as_json: AsJson = False,
) -> None:
    """Give up what waits in a topic, all of it or what one consumer has not had. What goes is told as a gap."""
    from supervisors.records.audit import whoami

    if forget and not consumer:
        raise typer.BadParameter("--forget needs --consumer: which one is to be forgotten")
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise typer.BadParameter("nobody can be asked here; with --yes it is done without a question")
    where = _running(run_dir, topic)
    if not yes:
        typer.echo(f"{_at_stake(where, topic, consumer)}; this cannot be undone")
        if not typer.confirm("Give it up?"):
            typer.echo("nothing was done")
            return
    _report(_asked(where, Purge(topic, consumer, forget, whoami(os.environ), why), PURGE_WITHIN_S), as_json)


def ledger_rows(rows: Iterable[Sequence[Any]], children: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The spooler's rows with names, and with what the producer's own process still holds; None where nobody says."""
    states = {child["name"]: child.get("state") or {} for child in children}
    named = []
    for topic, producer, consumer, read, delivered, waiting, gaps in rows:
        counts = {"read": read, "in_device": _held(states.get(producer, {}), topic)}
        counts |= {"delivered": delivered, "waiting": waiting, "gaps": gaps}
        adds_up = read == delivered + waiting + gaps
        named.append({"topic": topic, "producer": producer, "consumer": consumer, **counts, "adds_up": adds_up})
    return sorted(named, key=lambda row: (row["topic"], row["consumer"], row["producer"]))


def sums(rows: Iterable[Row]) -> list[Row]:
    """One row for each topic and consumer: every consumer gets everything, so adding them up would count twice."""
    totals: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = row["topic"], row["consumer"]
        nothing = {"topic": key[0], "producer": "all", "consumer": key[1], **dict.fromkeys(COUNTS, 0)}
        total = totals.setdefault(key, nothing)
        for name in COUNTS:
            total[name] += row[name] or 0
    for total in totals.values():
        total["adds_up"] = total["read"] == total["delivered"] + total["waiting"] + total["gaps"]
    return list(totals.values())


def _held(state: Mapping[str, Any], topic: str) -> int | None:
    """Samples that were read and are not in the spool yet, by what the producer's process last said of itself."""
    account = (state.get("ledger") or {}).get(topic)
    waiting = account.get("waiting") if account else state.get("waiting_samples")
    return waiting if isinstance(waiting, int) else None


def _rows(where: Path) -> Sequence[Sequence[Any]]:
    answer: Mapping[str, Any] = _asked(where, Ledger())
    rows: Sequence[Sequence[Any]] = answer["rows"]
    return rows


def _asked(where: Path, question: Message, timeout_s: float = control.TIMEOUT_S) -> Any:
    """The spooler's answer. Raises HoldfastError with what it refused."""
    answer = control.ask(where, question, timeout_s, to=SPOOLER)
    if not isinstance(answer, Mapping):
        raise HoldfastError(f"the spooler does not know the answer; see why: holdfast logs {SPOOLER}")
    if answer.get("error"):
        raise HoldfastError(str(answer["error"]))
    return answer


def _running(run_dir: Path | None, topic: str) -> Path:
    """The run directory of the gateway that runs. Raises NotRunning with what to do instead."""
    try:
        where = control.find_run_dir(run_dir)
        control.ask(where, Status())
    except NotRunning as gone:
        cure = f"start the gateway, or delete DATA_DIR/spool/{topic} while none runs"
        raise NotRunning(f"{gone}; its spooler is needed for this: {cure}") from gone
    return where


def _at_stake(where: Path, topic: str, consumer: str) -> str:
    """What would be given up: records, samples, from when to when."""
    from supervisors.face.spooled import when
    from supervisors.verbs.spool_places import inspection
    from transports.spool import START, Record
    from transports.spool.sights import sights

    status: Mapping[str, Any] = control.ask(where, Status())
    spool = inspection(Path(status["data_dir"]))
    sight = next((each for each in sights(spool) if each.topic == topic), None)
    if sight is None:
        raise HoldfastError(f"the spool has no topic {topic!r}; see: holdfast spool stat")
    after = sight.cursors.get(consumer, START) if consumer else min(sight.cursors.values(), default=START)
    first = next((each for each in spool.records(topic, after) if isinstance(each, Record)), None)
    if first is None:
        return f"nothing waits in {topic}"
    records = sight.end.seq - max(after.seq, sight.first.seq - 1)
    whose = f" for {consumer}" if consumer else ""
    samples = f"{samples_at_stake(_rows(where), topic, consumer)} samples"
    times = f"kept from {when(first.time_ns)} to {when(sight.newest_ns)}"
    return f"{topic}: {records} records ({samples}) wait{whose}, {times}"


def samples_at_stake(rows: Iterable[Sequence[Any]], topic: str, consumer: str) -> int:
    """What waits for one consumer waits for another as well: of each producer the most that any has yet to get."""
    most: dict[str, int] = {}
    for row in ledger_rows(rows, ()):
        if row["topic"] == topic and consumer in ("", row["consumer"]):
            most[row["producer"]] = max(most.get(row["producer"], 0), row["waiting"])
    return sum(most.values())


def _report(answer: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer, indent=1))
        return
    for topic, first, last, number, reason in answer["dropped"]:
        typer.echo(f"{topic}: {_place(first)} to {_place(last)}: {number} records were given up ({reason})")
    if not answer["dropped"]:
        typer.echo("nothing waited")


def _place(position: Sequence[int]) -> str:
    return "/".join(map(str, position))


def _style(heading: str, row: Mapping[str, Any]) -> str:
    return "" if row["adds_up"] else "bold red"
