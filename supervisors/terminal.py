"""Where tables go: as wide as the terminal; when nobody looks, one line for each row and no colours."""

import os
import sys
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNBROKEN = 1000  # letters a line, for whoever searches the output


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
