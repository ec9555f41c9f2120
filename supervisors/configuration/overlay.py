"""A table laid over another: what was written for one device, over what a profile says of its kind. Pure.

    under   { unit = 1, tags = { power = { address = 52, unit = "W" } } }
    over    { unit = 7, tags = { power = { unit = "kW" }, door = { address = 9 } } }
    ──────> { unit = 7, tags = { power = { address = 52, unit = "kW" }, door = { address = 9 } } }

Tables are laid over each other key by key; anything else, lists too, is taken whole. What only one of them has stays,
in the order of the lower one, what is new behind it.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any


def overlaid(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both as one table; where both say something, `over` wins. Neither is changed."""
    whole = {key: _copied(value) for key, value in under.items()}
    for key, value in over.items():
        below = whole.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            whole[key] = overlaid(below, value)
        else:
            whole[key] = _copied(value)
    return whole


def chosen(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Those of the names that one of the patterns means, in their order; all, without a pattern."""
    return [name for name in names if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def steps(table: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """The keys of a dotted path as far as the table has them: ("tags", "power") of "tags.power.scale".

    Keys may have dots in them, as tags' names do. What stands in a list is not told apart.
    """
    return tuple(_steps(table, path))


def _steps(table: Any, path: str) -> Iterator[str]:
    if not isinstance(table, Mapping):
        return
    fitting = (key for key in table if path == key or path.startswith((f"{key}.", f"{key}[")))
    key = max(fitting, key=len, default=None)
    if key is not None:
        yield key
        yield from _steps(table[key], path[len(key) + 1 :])


def _copied(value: Any) -> Any:
    """A value that shares no table with the one that it comes from."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return list(map(_copied, value)) if isinstance(value, list) else value
