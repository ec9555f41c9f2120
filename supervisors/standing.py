"""A gateway's status as rows of words: pure. What is printed, and what is said beneath about whoever is not well.

The status is plain data that may come from a gateway of another version: what it does not say is not shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from supervisors.plan import Phase
from supervisors.wording import amount, plain, shortened, span

Child = Mapping[str, Any]
ERROR_LETTERS = 48  # of an error in the table; all of it stands beneath

# what a person should feel about a phase: good, wait, bad, off
MOODS: Mapping[str, str] = {
    Phase.RUNNING: "good",
    Phase.PENDING: "wait",
    Phase.STARTING: "wait",
    Phase.STOPPING: "wait",
    Phase.WAITING: "wait",
    Phase.DYING: "bad",
    Phase.QUARANTINED: "bad",
    Phase.BROKEN: "bad",
    Phase.HELD: "off",
    Phase.ENDED: "off",
}

# by kind: the key in its state, the word behind the number, and whether a zero is worth showing
COUNTS: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "device": (
        ("samples", "readings", True),
        ("timeouts", "timeouts", False),
        ("refused", "refused", False),
        ("overruns", "overruns", False),
        ("dropped", "dropped", False),
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
}


@dataclass(frozen=True, slots=True)
class Row:
    """One child, as its line in the table says it; `mood` is good, wait, bad or off."""

    name: str
    kind: str
    state: str
    mood: str
    pid: str
    since: str
    restarts: str
    sign: str
    does: str


def headline(status: Mapping[str, Any]) -> str:
    """The gateway itself, in one line."""
    children = status["children"]
    well = sum(not ailment(child) for child in children)
    ending = ", is stopping" if status["ending"] else ""
    who = f"gateway {plain(status['gateway'])} (pid {status['pid']}), up {span(status['uptime_s'])}{ending}"
    return f"{who}: {well} of {len(children)} are well"


def rows(status: Mapping[str, Any]) -> list[Row]:
    """A row for each child, in start order."""
    return [_row(child) for child in status["children"]]


def complaints(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, what is wrong in full) of each child that is not well."""
    told = [(plain(child["name"]), ailment(child)) for child in status["children"]]
    zygote = [] if status["zygote"]["ready"] else [("zygote", "is being started; new processes wait for it")]
    return [*zygote, *((name, what) for name, what in told if what)]


def ailment(child: Child) -> str:
    """Why a child is not well, in full; "" when it is."""
    return plain("; ".join(_ailments(child)))


def _ailments(child: Child) -> Iterator[str]:
    phase, state, last_end = child["phase"], child["state"], child["last_end"]
    if phase == Phase.HELD:
        yield f"{child['reason'] or 'held by the operator'}; holdfast start {child['name']} lets it run"
        return
    if phase != Phase.RUNNING:
        yield f"{phase}: {child['reason'] or last_end or 'for the first time'}"
    elif child["on_probation"] or child["restarts_in_period"]:
        yield f"{'on probation' if child['on_probation'] else 'restarted'}: {last_end or child['reason']}"
    if _disconnected(state):
        yield f"not connected: {_error(state) or 'no attempt has succeeded yet'}"
    elif _error(state):
        yield _error(state)
    for topic, stat in state["topics"].items() if "topics" in state else ():
        if stat["damaged"] or stat["quarantined"]:
            yield f"{topic}: {stat['damaged']} damaged records, {stat['quarantined']} segments set aside"


def _row(child: Child) -> Row:
    age_s = child["beat_age_s"]
    return Row(
        name=plain(child["name"]),
        kind=child["kind"],
        state=", ".join(_state(child)),
        mood=_mood(child),
        pid=str(child["pid"] or "-"),
        since=span(child["for_s"]),
        restarts=f"{child['restarts']}/{child['restarts_in_period']}",
        sign="-" if age_s is None else span(age_s),
        does=", ".join(_does(child["kind"], child["state"])),
    )


def _state(child: Child) -> Iterator[str]:
    yield child["phase"]
    if child["on_probation"] and child["phase"] != Phase.QUARANTINED:
        yield "on probation"
    if child["next_in_s"] is not None:
        yield f"next try in {child['next_in_s']:.1f} s"


def _mood(child: Child) -> str:
    mood = MOODS.get(child["phase"], "wait")
    return "wait" if mood == "good" and ailment(child) else mood


def _does(kind: str, state: Mapping[str, Any]) -> Iterator[str]:
    if _disconnected(state) or _error(state):
        yield shortened(plain(_error(state) or "not connected"), ERROR_LETTERS)
    elif "connected" in state:
        yield "connected"
    for key, word, also_zero in COUNTS.get(kind, ()):
        if key in state and (state[key] or also_zero):
            yield f"{state[key]:,} {word}"
    if "topics" in state:
        yield from _topics(state["topics"])


def _topics(topics: Mapping[str, Any]) -> Iterator[str]:
    waiting = [f"{plain(name)} {count:,}" for stat in topics.values() for name, count in stat["waiting"].items()]
    if waiting:
        yield f"waiting: {', '.join(waiting)}"
    yield amount(sum(stat["bytes"] for stat in topics.values()))


def _disconnected(state: Mapping[str, Any]) -> bool:
    return "connected" in state and not state["connected"]


def _error(state: Mapping[str, Any]) -> str:
    return str(state["last_error"]) if "last_error" in state else ""
