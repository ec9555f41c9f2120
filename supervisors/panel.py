"""What `holdfast status` shows: a gateway's children as a table, and beneath it what is wrong with whom.

What the words are is decided in standing.py; here they are printed.
"""

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live

from supervisors.standing import Row, complaints, headline, rows
from supervisors.terminal import console, table, text
from transports.errors import NotRunning

Status = Mapping[str, Any]
WATCH_S = 1.0
HEADINGS = ("name", "kind", "state", "pid", "for", "restarts", "sign", "what it does")
_STYLES = {"good": "green", "wait": "yellow", "bad": "bold red", "off": "dim"}


def show(status: Status, on: Console | None = None) -> None:
    """Print a gateway's status once."""
    (on or console()).print(panel(status))


def watch(ask: Callable[[], Status], on: Console | None = None) -> None:
    """Show the status again each second until Ctrl-C. `ask` brings it, or raises NotRunning: then that is shown."""
    screen, pause, last = on or console(), Event(), None
    try:
        with Live(console=screen, screen=screen.is_terminal, auto_refresh=False) as live:
            while True:
                last, shown = _looked(ask, last)
                if screen.is_terminal:
                    live.update(shown, refresh=True)
                else:
                    screen.print(shown)
                pause.wait(WATCH_S)
    except KeyboardInterrupt:
        return


def panel(status: Status) -> RenderableType:
    """All that is to be shown, for any width."""
    grid = table(*HEADINGS)
    for column in grid.columns[3:7]:
        column.justify, column.no_wrap = "right", True
    grid.columns[1].no_wrap = True
    for row in rows(status):
        grid.add_row(*_cells(row))
    wrong = [text(f"{name}: {what}", "yellow") for name, what in complaints(status)]
    return Group(text(headline(status), "bold"), text(""), grid, *([text(""), *wrong] if wrong else []))


def _cells(row: Row) -> list[RenderableType]:
    plain = (text(words) for words in (row.pid, row.since, row.restarts, row.sign, row.does))
    return [text(row.name, "bold"), text(row.kind), text(row.state, _STYLES[row.mood]), *plain]


def _looked(ask: Callable[[], Status], last: Status | None) -> tuple[Status | None, RenderableType]:
    """The newest status that is known, and what to show now."""
    try:
        status = ask()
    except NotRunning as gone:
        notice = text(f"{gone}; trying again (Ctrl-C ends)", "bold red")
        return last, Group(notice, text("the last that was seen:"), panel(last)) if last else notice
    return status, panel(status)
