"""What of the facts is news, compared with what was told last. Pure.

Whoever lays all that was told over each other, newest last, has the watched facts as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from actors.diagnosing.facts import Fact, Facts
from transports.samples import DataType, Tag

REMOVED = "removed"  # the phase of a child that has left the tree
TAGS_MOST = 250  # in one scan, so that a record is small enough for every far end
TYPES: Mapping[type, DataType] = {
    bool: DataType.BOOL,
    int: DataType.INT64,
    float: DataType.FLOAT64,
    str: DataType.STRING,
}


@dataclass(frozen=True, slots=True)
class Told:
    """The watched facts as they were told last."""

    watched: Mapping[str, Fact] = field(default_factory=dict)


def changed(told: Told, facts: Facts) -> tuple[Told, dict[str, Fact]]:
    """What differs from what was told."""
    news = {name: fact for name, fact in facts.watched.items() if told.watched.get(name) != fact}
    return Told(facts.watched), news | _removed(told, facts)


def everything(told: Told, facts: Facts) -> tuple[Told, dict[str, Fact]]:
    """All of it, changed or not."""
    return Told(facts.watched), facts.all() | _removed(told, facts)


def scans(news: Mapping[str, Fact]) -> Iterator[tuple[tuple[Tag, ...], list[Fact]]]:
    """Tags and values of each scan, few enough in one."""
    items = list(news.items())
    for at in range(0, len(items), TAGS_MOST):
        part = items[at : at + TAGS_MOST]
        yield tuple(Tag(name, TYPES[type(fact)]) for name, fact in part), [fact for _, fact in part]


def _removed(told: Told, facts: Facts) -> dict[str, Fact]:
    gone = told.watched.keys() - facts.watched.keys()
    return {name: REMOVED for name in sorted(gone) if name.endswith("/phase")}
