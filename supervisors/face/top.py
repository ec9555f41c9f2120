"""What `holdfast top` shows: who uses the machine and how fast each works, the hungriest first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from rich.console import Console, Group, RenderableType

from supervisors.face.columns import Column
from supervisors.face.panel import MOOD_STYLES, kept_looking
from supervisors.face.ranking import KEYS, Order
from supervisors.face.rates import Rate, rates
from supervisors.face.standing import NONE, Row, Status, headline, rows, told, totals
from supervisors.face.terminal import again_and_again, console, grid, text
from supervisors.face.wording import count

FIRST_S = 1.2  # from the first look to the second: each child has beaten meanwhile, at the usual heartbeat
FRAME_LINES = 6  # of a screen, around the rows


@dataclass(frozen=True, slots=True)
class Line:
    """A process as a line of the table."""

    row: Row
    rate: Rate
    descriptors: str


COLUMNS: Sequence[Column[Line]] = (
    Column("name", 0, lambda line: line.row.name.strip(), least=24),
    Column("kind", 8, lambda line: line.row.kind),
    Column("state", 1, lambda line: line.row.state, least=11),
    Column("CPU", 0, lambda line: line.row.cpu, right=True),
    Column("RSS", 0, lambda line: line.row.rss, right=True),
    Column("FDs", 9, lambda line: line.descriptors, right=True),
    Column("readings/s", 2, lambda line: _rate(line.rate.readings), right=True),
    Column("messages/s", 4, lambda line: _rate(line.rate.messages), right=True),
    Column("queue", 3, lambda line: line.row.queue, right=True),
    Column("restarts", 5, lambda line: line.row.restarts, right=True),
    Column("uptime", 6, lambda line: line.row.uptime, right=True),
    Column("pid", 7, lambda line: line.row.pid, right=True),
)


def top(ask: Callable[[], Status], order: Order, every_s: float, on: Console | None = None) -> None:
    """Show it again and again, until q or Ctrl-C; where no terminal is, once. `ask` brings a status."""
    screen = on or console()
    if not screen.is_terminal:
        screen.print(page(*twice(ask, every_s), order, screen.width))
        return
    before: list[tuple[Status, Mapping[str, Rate]]] = []

    def drawn(after: Status) -> RenderableType:
        earlier, known = before[0] if before else (after, {})
        known = rates(earlier, after, known)
        before.append((after, known))
        del before[:-1]
        return page(after, known, order, screen.width, screen.height)

    pauses = iter([min(FIRST_S, every_s)])
    again_and_again(kept_looking(ask, drawn), lambda: next(pauses, every_s), screen)


def twice(ask: Callable[[], Status], pause_s: float) -> tuple[Status, Mapping[str, Rate]]:
    """A status, and the rates since the one before, `pause_s` ago."""
    before = ask()
    Event().wait(pause_s)
    after = ask()
    return after, rates(before, after, {})


def told_with_rates(status: Status, known: Mapping[str, Rate]) -> dict[str, Any]:
    """The status, with "readings_s" and "messages_s" of each child; None where that is not known."""
    return {**status, "children": [{**child, **_rates_of(child, known)} for child in status["children"]]}


def page(
    status: Status, known: Mapping[str, Rate], order: Order, width: int, height: int | None = None
) -> RenderableType:
    """The table, and above it the gateway as a whole; as many lines as fit the height."""
    every = list(lines(status, known, order))
    fit = every if height is None else every[: max(1, height - FRAME_LINES)]
    more = [text(f"and {len(every) - len(fit)} more", "dim")] if len(fit) < len(every) else []
    table = grid(COLUMNS, fit, width, _style, one_line=height is not None)
    head = (text(line, style) for line, style in ((headline(status), "bold"), (_sums(status, known), "dim")) if line)
    return Group(*head, text(""), table, *more)


def lines(status: Status, known: Mapping[str, Rate], order: Order) -> Iterator[Line]:
    """A line for each process in this order; equal ones in start order."""
    pairs = [pair for pair in zip(status["children"], rows(status), strict=True) if told(pair[0], "strategy") is None]
    for child, row in sorted(pairs, key=lambda pair: KEYS[order](pair[0])):
        descriptors = told(child, "descriptors")
        yield Line(row, known.get(child["name"], Rate()), NONE if descriptors is None else str(descriptors))


def _sums(status: Status, known: Mapping[str, Rate]) -> str:
    rated = [(each["kind"], known[each["name"]]) for each in status["children"] if each["name"] in known]
    read = [rate.readings or 0.0 for kind, rate in rated if kind == "device"]
    sent = [rate.messages or 0.0 for kind, rate in rated if kind == "uplink"]
    words = [f"{count(_rounded(sum(read)))} readings/s"] if read else []
    words += [f"{count(_rounded(sum(sent)))} messages/s delivered"] if sent else []
    return "; ".join(filter(None, (totals(status), ", ".join(words))))


def _rate(per_second: float | None) -> str:
    return NONE if per_second is None else count(_rounded(per_second))


def _rounded(per_second: float) -> float:
    return round(per_second, 1)


def _rates_of(child: Mapping[str, Any], known: Mapping[str, Rate]) -> dict[str, Any]:
    rate = known.get(child["name"], Rate())
    return {"readings_s": rate.readings, "messages_s": rate.messages}


def _style(heading: str, line: Line) -> str:
    return {"name": "bold", "state": MOOD_STYLES[line.row.mood]}.get(heading, "")
