"""What the process that reads a configuration tells the root: a tree of specs as plain data, or what is wrong.

One msgpack table, {"problems": [line, ...]} or the fields of Reading. A spec is the table of its own fields; what is
not plain in it (enumerations, rules, children) is made again from plain values. Numbers stay exact, inf and nan too.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import msgpack

from supervisors.spec import AutoShutdown, ChildSpec, Exhausted, Limits, Restart, Rules, Strategy
from transports.backoff import Backoff
from transports.errors import NotUnderstood


@dataclass(frozen=True, slots=True)
class Reading:
    """A configuration without a mistake.

    `text` is the file, byte for byte. `fixed` is what cannot change while the gateway runs, by its path in the file.
    `modules` are those that the zygote should have loaded. `broken` has the line that `holdfast check` prints about a
    child whose module cannot be used, by the child's name.
    """

    text: bytes
    root: ChildSpec
    fixed: Mapping[str, str]
    modules: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unread:
    """Why there is nothing to try: `problems` are the mistakes in the text, one a line; else `why` it failed."""

    problems: tuple[str, ...] = ()
    why: str = ""


def pack(told: Reading | Unread) -> bytes:
    """As bytes. Raises TypeError for a value that no wire can carry."""
    packed: bytes = msgpack.packb(
        {"problems": list(told.problems)} if isinstance(told, Unread) else {**_flat(told), "root": asdict(told.root)}
    )
    return packed


def unpack(packed: bytes) -> Reading | Unread:
    """What `pack` was given. Raises NotUnderstood for anything else."""
    try:
        told = msgpack.unpackb(packed, use_list=False, strict_map_key=False)
        if "problems" in told:
            return Unread(tuple(told["problems"]))
        return Reading(**{**told, "root": _spec(told["root"])})
    except (ValueError, TypeError, KeyError, msgpack.exceptions.UnpackException) as wrong:
        raise NotUnderstood(f"no configuration: {wrong!r:.80}") from wrong


def _flat(reading: Reading) -> dict[str, Any]:
    return {each.name: getattr(reading, each.name) for each in fields(reading) if each.name != "root"}


def _spec(plain: Mapping[str, Any]) -> ChildSpec:
    return ChildSpec(
        **{
            **plain,
            "restart": Restart(plain["restart"]),
            "backoff": Backoff(**plain["backoff"]),
            "limits": Limits(**plain["limits"]),
            "rules": None if plain["rules"] is None else _rules(plain["rules"]),
            "children": tuple(map(_spec, plain["children"])),
        }
    )


def _rules(plain: Mapping[str, Any]) -> Rules:
    return Rules(
        **{
            **plain,
            "strategy": Strategy(plain["strategy"]),
            "on_exhausted": Exhausted(plain["on_exhausted"]),
            "auto_shutdown": AutoShutdown(plain["auto_shutdown"]),
        }
    )
