"""The rules as a table: how each stands, why, and what came of its last command; those in trouble in full beneath."""

from collections.abc import Mapping, Sequence
from typing import Any

from supervisors.face.columns import Column
from supervisors.face.terminal import console, grid, text
from supervisors.face.wording import plain, quality_text, span, value_text

Row = Mapping[str, Any]
_STYLES = {"true": "green", "arming": "yellow", "unknown": "dim"}


def show(rows: Sequence[Row]) -> None:
    """Print them."""
    screen = console()
    screen.print(grid(COLUMNS, rows, screen.width, _style))
    for row in (row for row in rows if row["quarantined"]):
        retry = "" if row["retry_in_s"] is None else f"; tried again in {span(row['retry_in_s'])}"
        screen.print(text(f"{plain(row['name'])} is quarantined: {plain(row['quarantined'])}{retry}", "red"))


def because(row: Row) -> str:
    """The readings that it is judged by, as they are now."""
    return ", ".join(_reading(each) for each in row["readings"])


def _reading(reading: Row) -> str:
    tag = plain(reading["tag"])
    if reading["age_s"] is None:
        return f"{tag} was not heard yet"
    quality = quality_text(reading["quality"])
    value = "" if reading["value"] is None else f" = {plain(value_text(reading['value']))}"
    old = "" if reading["usable"] or reading["value"] is None else ", too old"
    return f"{tag}{value}{f' ({quality})' if quality else ''} {span(reading['age_s'])} ago{old}"


def _now(row: Row) -> str:
    return "quarantined" if row["quarantined"] else str(row["phase"])


def _last(row: Row) -> str:
    if row["last"] is None:
        return "-"
    action, outcome, detail = row["last"]
    told = f"{action}: {outcome}{f' ({detail})' if detail else ''}"
    return f"{plain(told)} {span(row['last_ago_s'])} ago"


def _style(heading: str, row: Row) -> str:
    if heading != "now":
        return ""
    return "bold red" if row["quarantined"] else _STYLES.get(str(row["phase"]), "")


COLUMNS: Sequence[Column[Row]] = (
    Column("rule", 0, lambda row: plain(row["name"])),
    Column("now", 0, _now),
    Column("for", 3, lambda row: span(row["for_s"]), right=True),
    Column("when", 2, lambda row: plain(row["when"]), least=16),
    Column("because", 1, because, least=24),
    Column("acted", 4, lambda row: str(row["acted"]), right=True),
    Column("last", 2, _last, least=20),
)
