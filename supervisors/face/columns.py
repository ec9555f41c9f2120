"""Which columns of a table fit a screen: pure. The least important go first; what says nothing goes before them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")
GAP = 1  # letters between two columns
EMPTY = frozenset({"", "-"})


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """A column over rows R, known by its heading. Rank 0 is shown always; the highest goes first for want of room."""

    heading: str
    rank: int
    cell: Callable[[R], str]
    right: bool = False
    least: int | None = None  # letters; it may be folded to that width. None: it is never folded

    def wants(self, rows: Sequence[R]) -> int:
        """The letters that its longest cell takes."""
        return max([len(self.heading), *(len(self.cell(row)) for row in rows)])

    def needs(self, rows: Sequence[R]) -> int:
        """The letters without which it cannot be read."""
        wanted = self.wants(rows)
        return wanted if self.least is None else min(wanted, max(self.least, len(self.heading)))

    def silent(self, rows: Sequence[R]) -> bool:
        """Whether it says nothing about anybody."""
        return all(self.cell(row) in EMPTY for row in rows)


def fitting(columns: Sequence[Column[R]], rows: Sequence[R], width: int) -> list[tuple[Column[R], int]]:
    """Those that fit `width` letters, in their own order, and how wide each is."""
    needed = {column.heading: column.needs(rows) for column in columns}
    kept = list(columns)
    for column in sorted(columns, key=lambda each: (each.silent(rows), each.rank), reverse=True):
        if _taken(needed, kept) <= width:
            break
        if column.rank > 0:
            kept.remove(column)
    spare = max(0, width - _taken(needed, kept))
    for column in sorted(kept, key=lambda each: each.rank):
        more = min(spare, column.wants(rows) - needed[column.heading])
        needed[column.heading] += more
        spare -= more
    return [(column, needed[column.heading]) for column in kept]


def _taken(letters: Mapping[str, int], columns: Sequence[Column[R]]) -> int:
    return sum(letters[column.heading] for column in columns) + GAP * (len(columns) - 1)
