"""What a child does, in words and numbers, from what its actor tells of itself: pure.

A state is plain data that may come from a gateway of another version: what it does not say is not shown.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from supervisors.face.wording import amount, plain, shortened

ERROR_LETTERS = 48  # of an error in the table; all of it stands beneath
PROGRAM = "program"

# by kind: the key in its state, the word behind the number, and whether a zero is worth showing
COUNTS: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "device": (
        ("samples", "readings", True),
        ("timeouts", "timeouts", False),
        ("refused", "refused", False),
        ("overruns", "overruns", False),
        ("dropped", "dropped", False),
        ("commands_done", "commands", False),
        ("commands_not_done", "commands not done", False),
    ),
    "uplink": (
        ("messages", "messages", True),
        ("samples", "samples", True),
        ("in_flight", "in flight", True),
        ("refused", "set aside", False),
    ),
    "aggregator": (
        ("samples", "samples in", True),
        ("outputs", "out", True),
        ("late", "late", False),
        ("damaged", "damaged", False),
    ),
    "spooler": (("appended", "appended", True),),
    "line": (
        ("requests", "requests", True),
        ("timeouts", "timeouts", False),
        ("overloaded", "turns that came too late", False),
    ),
    "rules": (
        ("rules", "rules", True),
        ("true", "true", True),
        ("acted", "acted", True),
        ("quarantined", "quarantined", False),
        ("missed", "readings missed", False),
    ),
    "diagnostics": (
        ("records", "records", True),
        ("unanswered", "unanswered", False),
    ),
    PROGRAM: (
        ("processes", "processes", False),
        ("lines", "lines", False),
        ("left_out", "lines left out", False),
    ),
}


def does(kind: str, state: Mapping[str, Any]) -> str:
    """Its connection and what it has counted, in a line."""
    return ", ".join(_does(kind, state))


def queue(name: str, state: Mapping[str, Any], spooled: Mapping[str, int]) -> int | None:
    """How much waits for it or in it; None where nothing can. `spooled` is what waits in the spool, by consumer.

    Of a device or aggregate: records that the spool has not acknowledged. Of an uplink or aggregate: records in the
    spool that it has not committed; without word from the spooler, what is in flight. Of the spooler: all of that.
    """
    if "topics" in state:
        return sum(_waiting(state).values())
    own = [state[key] for key in ("waiting",) if key in state]
    if name in spooled:
        own.append(spooled[name])
    elif "in_flight" in state:
        own.append(state["in_flight"])
    return sum(own) if own else None


def spooled(children: list[Mapping[str, Any]]) -> Mapping[str, int]:
    """What waits in the spool, by consumer."""
    return {name: n for child in children if "topics" in child["state"] for name, n in _waiting(child["state"]).items()}


def disconnected(state: Mapping[str, Any]) -> bool:
    """Whether it has no connection, though it is to have one."""
    return "connected" in state and not state["connected"]


def error(state: Mapping[str, Any]) -> str:
    """What it complains about itself; "" when all is well."""
    return str(state["last_error"]) if "last_error" in state else ""


def warnings(state: Mapping[str, Any]) -> list[str]:
    """What it warns of, well as it is: an uplink of a certificate, the process of the links of one that is dead."""
    links = state["links"].items() if "links" in state else ()
    dead = [f"the link {name}: {link['trouble']}" for name, link in links if link["trouble"]]
    aside = [f"{state['refused']:,} set aside, lately: {state['last_refused']}"] if state.get("last_refused") else []
    return [*map(str, state.get("warnings") or ()), *aside, *dead]


def _waiting(state: Mapping[str, Any]) -> Mapping[str, int]:
    return {name: count for stat in state["topics"].values() for name, count in stat["waiting"].items()}


def _does(kind: str, state: Mapping[str, Any]) -> Iterator[str]:
    if disconnected(state) or error(state):
        yield shortened(plain(error(state) or "not connected"), ERROR_LETTERS)
    elif "connected" in state:
        yield "connected"
    if "program_pid" in state:
        yield f"pid {state['program_pid']}" if state["program_pid"] else "no process"
    for key, word, also_zero in COUNTS.get(kind, ()):
        if key in state and (state[key] or also_zero):
            yield f"{state[key]:,} {word}"
    if "topics" in state:
        yield from _topics(state)
    if "links" in state:
        yield ", ".join(f"{plain(name)} {'down' if link['trouble'] else 'up'}" for name, link in state["links"].items())


def _topics(state: Mapping[str, Any]) -> Iterator[str]:
    waiting = [f"{plain(name)} {count:,}" for name, count in _waiting(state).items()]
    if waiting:
        yield f"waiting: {', '.join(waiting)}"
    yield amount(sum(stat["bytes"] for stat in state["topics"].values()))
