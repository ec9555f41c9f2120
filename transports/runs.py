"""Runs of tags: `count = N` on an entry makes name0 ... nameN-1; no two tags may end up with one name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from transports.errors import Problem


def run_names(name: str, count: int | None) -> list[str]:
    """The names that an entry stands for: its own without a count."""
    return [name] if count is None else [f"{name}{at}" for at in range(count)]


def problems_of_names(counts: Mapping[str, int | None], path: str) -> Iterator[Problem]:
    """What is wrong with a table of entries, each with its count: there is none, or they collide once expanded."""
    if not counts:
        yield Problem(path, "{}", "must name at least one tag")
    seen: set[str] = set()
    for key, count in counts.items():
        names = run_names(key, count)
        yield from _collisions(f"{path}.{key}", names, seen)
        seen.update(names)


def _collisions(path: str, names: Sequence[str], seen: Iterable[str]) -> Iterator[Problem]:
    twice = sorted(set(names).intersection(seen))
    if twice:
        yield Problem(path, "", f"makes {', '.join(twice[:3])} a second time; rename one of the two")
