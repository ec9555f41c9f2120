"""`holdfast status`, `holdfast top` and `holdfast rules`: how the gateway is, once or live."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from supervisors import control
from supervisors.face.ranking import Order
from supervisors.verbs import AsJson, RunDir
from supervisors.verbs.completion import everybody
from transports.errors import HoldfastError
from transports.messages import Rules, Status
from transports.names import RULES

SHORTEST_S = 0.2
Who = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="a child, a supervisor with all below it, or several as in 'press-*'; all if left out",
        autocompletion=everybody,
    ),
]
Watch = Annotated[bool, typer.Option("--watch", help="show it again each second, until q or Ctrl-C")]
Sort = Annotated[Order, typer.Option("--sort", help="by what the table is sorted")]
Interval = Annotated[float, typer.Option("-n", "--interval", min=SHORTEST_S, help="seconds between two looks")]


def status(name: Who = None, run_dir: RunDir = None, as_json: AsJson = False, watch: Watch = False) -> None:
    """Show every process of a running gateway: what it does, how it is, why it is not."""
    if watch and as_json:
        raise typer.BadParameter("choose one of --watch and --json")
    ask = _asking(name, run_dir)
    if as_json:
        _print_json(ask())
        return
    from supervisors.face import panel

    if watch:
        panel.watch(ask)
    else:
        panel.show(ask())


def top(
    name: Who = None,
    sort: Sort = Order.CPU,
    interval_s: Interval = 2.0,
    run_dir: RunDir = None,
    as_json: AsJson = False,
) -> None:
    """Show who uses the machine and how fast each works, live; q or Ctrl-C ends it."""
    from supervisors.face import top as live

    ask = _asking(name, run_dir)
    if as_json:
        _print_json(live.told_with_rates(*live.twice(ask, interval_s)))
    else:
        live.top(ask, sort, interval_s)


def rules(run_dir: RunDir = None, as_json: AsJson = False) -> None:
    """Show each rule: whether it is true now, of which readings, and what came of what it commanded."""
    where = control.find_run_dir(run_dir)
    if not any(child["name"] == RULES for child in control.ask(where, Status())["children"]):
        raise HoldfastError("this gateway has no rules; a table [rule.NAME] in its configuration makes one")
    told: Sequence[Mapping[str, Any]] = control.ask(where, Rules(), to=RULES)
    if as_json:
        _print_json(told)
        return
    from supervisors.face import ruled

    ruled.show(told)


def _asking(name: str | None, run_dir: Path | None) -> Callable[[], Mapping[str, Any]]:
    """Brings the status of whom is meant, each time anew."""
    where = control.find_run_dir(run_dir)

    def ask() -> Mapping[str, Any]:
        told: dict[str, Any] = control.ask(where, Status())
        if name is None:
            return told
        from supervisors.face.standing import chosen

        return chosen(told, name)

    return ask


def _print_json(told: Any) -> None:
    import json

    typer.echo(json.dumps(told, indent=1))
