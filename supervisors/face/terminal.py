"""Where tables go: as wide as the terminal; when nobody looks, one line for each row and no colours.

A screen that is drawn again and again ends with q or Ctrl-C.
"""

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import TextIO, TypeVar

from rich import box
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from supervisors.face.columns import Column, fitting

R = TypeVar("R")
UNBROKEN = 1000  # letters a line, for whoever searches the output
QUIT = frozenset({"q", "Q"})


def console(file: TextIO | None = None) -> Console:
    """A console on standard output, or on `file`. COLUMNS and NO_COLOR are obeyed."""
    made = Console(file=file or sys.stdout, markup=False, highlight=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = UNBROKEN
    return made


def table(*headings: str) -> Table:
    """An empty table without lines."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made


def text(words: str, style: str = "") -> Text:
    """Words as they are: nothing in them is markup."""
    return Text(words, style=style)


def grid(
    columns: Sequence[Column[R]], rows: Sequence[R], width: int, style: Callable[[str, R], str], one_line: bool = False
) -> Table:
    """A table of those columns that fit. `style` is asked for a heading and a row; with `one_line` no row is folded."""
    shown = fitting(columns, rows, width)
    made = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False, pad_edge=False, header_style="bold")
    for column, letters in shown:
        folds = column.least is not None and not one_line
        made.add_column(
            column.heading,
            width=letters,
            justify="right" if column.right else "left",
            no_wrap=not folds,
            overflow="fold" if folds else "ellipsis",
        )
    for row in rows:
        made.add_row(*(text(column.cell(row), style(column.heading, row)) for column, _ in shown))
    return made


def again_and_again(look: Callable[[], RenderableType], every_s: Callable[[], float], screen: Console) -> None:
    """Show what `look` brings, until q or Ctrl-C; where no terminal is, one below the other."""
    try:
        with (
            keyboard(screen.is_terminal) as key,
            Live(console=screen, screen=screen.is_terminal, auto_refresh=False) as live,
        ):
            while True:
                shown = look()
                if screen.is_terminal:
                    live.update(shown, refresh=True)
                else:
                    screen.print(shown)
                if key(every_s()) in QUIT:
                    return
    except KeyboardInterrupt:
        return


@contextmanager
def keyboard(wanted: bool = True) -> Iterator[Callable[[float], str]]:
    """Waits for a key, at most so many seconds: the key, or "". Where nobody can type, it only waits."""
    if not wanted or not sys.stdin.isatty():
        nobody = Event()
        yield lambda seconds: _waited(nobody, seconds)
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSANOW)
    try:
        yield lambda seconds: _key(terminal, seconds)
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)


def _waited(nobody: Event, seconds: float) -> str:
    nobody.wait(seconds)
    return ""


def _key(terminal: int, seconds: float) -> str:
    ready, _, _ = select.select([terminal], [], [], seconds)
    return os.read(terminal, 1).decode(errors="replace") if ready else ""
