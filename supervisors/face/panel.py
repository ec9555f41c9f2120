"""What `holdfast status` shows: a gateway's tree as a table, and beneath it what is wrong with whom.

What the words are is decided in standing.py, which columns fit in columns.py; here they are printed.
"""

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType

from supervisors.face.columns import Column
from supervisors.face.standing import Row, Status, complaints, headline, reloading, rows, totals
from supervisors.face.terminal import again_and_again, console, grid, text
from transports.errors import NotRunning

WATCH_S = 1.0
COLUMNS: Sequence[Column[Row]] = (
    Column("name", 0, lambda row: row.name, least=24),
    Column("kind", 11, lambda row: row.kind),
    Column("state", 0, lambda row: row.state, least=11),
    Column("pid", 12, lambda row: row.pid, right=True),
    Column("uptime", 2, lambda row: row.uptime, right=True),
    Column("restarts", 3, lambda row: row.restarts, right=True),
    Column("last exit", 9, lambda row: row.last_exit, least=16),
    Column("RSS", 4, lambda row: row.rss, right=True),
    Column("CPU", 5, lambda row: row.cpu, right=True),
    Column("queue", 7, lambda row: row.queue, right=True),
    Column("probe", 6, lambda row: row.probe, right=True),
    Column("sign", 10, lambda row: row.sign, right=True),
    Column("what it does", 1, lambda row: row.does, least=30),
)
MOOD_STYLES = {"good": "green", "wait": "yellow", "bad": "bold red", "off": "dim"}
FRAME_LINES = 7  # of a screen, around the rows: headline, totals, heading and its line, empty ones


def show(status: Status, on: Console | None = None) -> None:
    """Print a gateway's status once."""
    screen = on or console()
    screen.print(panel(status, screen.width))


def watch(ask: Callable[[], Status], on: Console | None = None) -> None:
    """Show the status again each second until q or Ctrl-C. `ask` brings it, or raises NotRunning: that is shown."""
    screen = on or console()
    height = screen.height if screen.is_terminal else None
    look = kept_looking(ask, lambda status: panel(status, screen.width, height))
    again_and_again(look, lambda: WATCH_S, screen)


def kept_looking(ask: Callable[[], Status], drawn: Callable[[Status], RenderableType]) -> Callable[[], RenderableType]:
    """Draws what `ask` brings; while no gateway answers, says so above what was drawn last."""
    last: list[RenderableType] = []

    def look() -> RenderableType:
        try:
            last[:] = [drawn(ask())]
        except NotRunning as gone:
            notice = text(f"{gone}; trying again (Ctrl-C ends)", "bold red")
            return Group(notice, text("the last that was seen:"), *last) if last else notice
        return last[0]

    return look


def panel(status: Status, width: int, height: int | None = None) -> RenderableType:
    """All that is to be shown; where the height is given, a line for each row and the rows that fit, the sick first."""
    every = rows(status)
    wrong = [f"{name}: {what}" for name, what in complaints(status)]
    if height is None:
        return Group(*_head(status), _table(every, width), *_beneath(wrong, False))
    room = max(1, height - FRAME_LINES)
    spoken = len(wrong) if len(wrong) <= room // 3 else max(1, room // 3)
    kept = worth_seeing(every, room - spoken)
    left_out = [text(f"and {len(every) - len(kept)} more", "dim")] if len(kept) < len(every) else []
    more = [f"and {len(wrong) - spoken} more that are not well"] if spoken < len(wrong) else []
    return Group(*_head(status), _table(kept, width, True), *left_out, *_beneath([*wrong[:spoken], *more], True))


def worth_seeing(every: Sequence[Row], room: int) -> list[Row]:
    """As many rows as there is room for, in their order: first those that are not well, then the first of the rest."""
    by_need = sorted(range(len(every)), key=lambda index: (every[index].mood == "good", index))
    return [every[index] for index in sorted(by_need[: max(1, room)])]


def _head(status: Status) -> Iterator[RenderableType]:
    yield text(headline(status), "bold")
    for line, style in ((totals(status), "dim"), (reloading(status), "yellow")):
        if line:
            yield text(line, style)
    yield text("")


def _table(shown: Sequence[Row], width: int, one_line: bool = False) -> RenderableType:
    return grid(COLUMNS, shown, width, _style, one_line)


def _beneath(wrong: Sequence[str], one_line: bool) -> Iterator[RenderableType]:
    if wrong:
        yield text("")
    for line in wrong:
        told = text(line, "yellow")
        told.no_wrap, told.overflow = (True, "ellipsis") if one_line else (None, None)
        yield told


def _style(heading: str, row: Row) -> str:
    return {"name": "bold", "state": MOOD_STYLES[row.mood]}.get(heading, "")
