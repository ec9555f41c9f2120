"""How the demo is shown: hints, then a table that lives on a terminal, or a line every five seconds elsewhere."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from supervisors.demo.scene import Scene
from supervisors.demo.view import Row, View
from supervisors.demo.witness import TOPICS

LINE_EVERY_S = 5.0
_STYLES = {"running": "green", "starting": "yellow", "restarting": "yellow", "quarantined": "red", "ended": "red"}


class Board(Protocol):
    """Where the view of each moment goes."""

    def show(self, view: View, now: float) -> None: ...
    def close(self) -> None: ...


def board(console: Console, scene: Scene) -> Board:
    """The one that fits where the output goes."""
    return Terminal(console, scene) if console.is_terminal else Lines(console, scene)


class Terminal:
    """Hints, and below them the live table, whose last state stays on the screen."""

    def __init__(self, console: Console, scene: Scene) -> None:
        self._console, self._scene = console, scene
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def show(self, view: View, now: float) -> None:
        """Draw it anew."""
        if not self._live.is_started:
            plain(self._console, [*hints(self._scene, view.rows), ""])
            self._live.start()
        left = "" if view.left_s is None else f", {view.left_s:.0f} s left"
        head = Text(f"{view.stage}{left}; Ctrl-C ends it", style="bold")
        delivered = Text(view.delivered(), style="bold green" if not view.lost else "bold red")
        blank = Text("")
        self._live.update(Group(head, processes(view.rows), blank, values(view), blank, delivered), refresh=True)

    def close(self) -> None:
        """Leave the last state where it is. May be called twice."""
        self._live.stop()


class Lines:
    """For a pipe or a file: hints first, then a line now and then."""

    def __init__(self, console: Console, scene: Scene) -> None:
        self._console, self._scene = console, scene
        self._next = 0.0

    def show(self, view: View, now: float) -> None:
        """Print one line when it is time."""
        if now < self._next:
            return
        if not self._next:
            plain(self._console, hints(self._scene, view.rows))
        self._next = now + LINE_EVERY_S
        running = sum(row.phase == "running" for row in view.rows)
        plain(self._console, [f"{running} of {len(view.rows)} processes run, {view.delivered()}"])

    def close(self) -> None:
        """Nothing is held."""


def plain(console: Console, lines: Iterable[str]) -> None:
    """Print lines exactly as they are."""
    for line in lines:
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


def processes(rows: Sequence[Row]) -> Table:
    """Every process, one a line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("process", "kind", "phase"):
        table.add_column(heading, no_wrap=True)
    for heading in ("pid", "restarts"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for row in rows:
        phase = Text(row.phase, style=_STYLES.get(row.phase, ""))
        pid, restarts = Text(str(row.pid or "")), Text(str(row.restarts or ""))
        table.add_row(Text(row.name), Text(row.kind), phase, pid, restarts, Text(row.note))
    return table


def values(view: View) -> Table:
    """The newest readings that were delivered, one source a line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("device", no_wrap=True, min_width=max(map(len, view.values), default=0))
    table.add_column("delivered last", no_wrap=True, overflow="ellipsis")
    for source, said in view.values.items():
        table.add_row(Text(source), Text(said))
    return table


def hints(scene: Scene, rows: Sequence[Row]) -> list[str]:
    """What to try, as lines to copy."""
    holdfast, where = _holdfast(), f"--run-dir {scene.run_dir}"
    plant = next((row.pid for row in rows if row.name == "plant" and row.pid), None)
    return [
        subscribing(scene.broker_port),
        f"{holdfast} status {where}",
        f"{holdfast} restart plant {where}",
        f"kill -9 {plant or 'PID'}   # the plant's driver, or any other process: it heals",
    ]


def subscribing(port: int) -> str:
    """A command that shows everything that is delivered."""
    if shutil.which("mosquitto_sub"):
        return f"mosquitto_sub -h 127.0.0.1 -p {port} -t '{TOPICS}' -v"
    shown = "lambda c, u, m: print(m.topic, m.payload.decode())"
    call = f"s.callback({shown}, '{TOPICS}', hostname='127.0.0.1', port={port})"
    return f'{sys.executable} -uc "from paho.mqtt import subscribe as s; {call}"'


def _holdfast() -> str:
    """How this user can call this command: by its name only where that finds it."""
    given = Path(sys.argv[0])
    return "holdfast" if shutil.which("holdfast") or given.name != "holdfast" else str(given)
