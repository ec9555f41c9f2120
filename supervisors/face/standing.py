"""A gateway's status as rows of words: pure. What is printed, and what is said beneath about whoever is not well.

The status is plain data that may come from a gateway of another version: what it does not say is not shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from supervisors.face.doing import PROGRAM, disconnected, does, error, queue, spooled, warnings
from supervisors.face.wording import count, plain, share, shortened, size, span
from supervisors.plan import Phase
from transports.errors import HoldfastError
from transports.settings import nearest

Child = Mapping[str, Any]
Status = Mapping[str, Any]
NONE = "-"
INDENT = "  "
END_LETTERS = 32  # of the last exit in the table

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


@dataclass(frozen=True, slots=True)
class Row:
    """One child, as its line in the table says it; `mood` is good, wait, bad or off, "-" is nothing to say."""

    name: str  # indented: a child stands below its supervisor
    kind: str
    state: str
    mood: str
    pid: str
    uptime: str  # since it became ready; else how long it has been in this state
    restarts: str  # ever / within the period
    last_exit: str
    rss: str
    cpu: str
    queue: str
    probe: str  # when it is tried again
    sign: str
    does: str


def headline(status: Status) -> str:
    """The gateway itself, in one line."""
    processes = [child for child in status["children"] if not _keeps(child)]
    well = sum(not ailment(child) for child in processes)
    ending = ", is stopping" if status["ending"] else ""
    who = f"gateway {plain(status['gateway'])} (pid {status['pid']}), up {span(status['uptime_s'])}{ending}"
    return f"{who}: {well} of {len(processes)} are well"


def totals(status: Status) -> str:
    """What the gateway uses, in one line; "" when nobody says."""
    used = [rss for each in (status, *status["children"]) if (rss := _rss(each)) is not None]
    cpus = [cpu for each in (status, *status["children"]) if (cpu := told(each, "cpu")) is not None]
    own = [size(rss) for rss in (told(status, "rss_bytes"),) if rss is not None]
    own += [share(cpu) for cpu in (told(status, "cpu"),) if cpu is not None]
    root = f" (the root {', '.join(own)})" if own else ""
    return f"all use {size(sum(used))} and {share(sum(cpus))} of a core{root}" if used else ""


def reloading(status: Status) -> str:
    """How a change of the configuration goes, or why the last one was taken back; "" when there is nothing to say."""
    reload = told(status, "reload")
    if reload is None:
        return ""
    if reload["phase"] != "idle":
        left = f", {span(reload['left_s'])} left" if reload["left_s"] is not None else ""
        waits = f", waits for {', '.join(map(plain, reload['waits_for']))}" if reload["waits_for"] else ""
        return f"reload: {reload['phase']}{left}{waits}"
    return plain(f"the last reload was {reload['outcome']}: {reload['why']}") if reload["why"] else ""


def rows(status: Status) -> list[Row]:
    """A row for each child, in start order."""
    children: list[Child] = list(status["children"])
    waiting = spooled(children)
    top = min((_depth(child) for child in children), default=0)
    return [_row(child, children, waiting, _depth(child) - top) for child in children]


def complaints(status: Status) -> list[tuple[str, str]]:
    """(name, what is wrong in full) of each child that is not well."""
    wrong = [(plain(child["name"]), ailment(child)) for child in status["children"]]
    zygote = [] if status["zygote"]["ready"] else [("zygote", "is being started; new processes wait for it")]
    passed_over = (told(status, "config") or {"passed_over": ""})["passed_over"]
    config = [("configuration", plain(passed_over))] if passed_over else []
    return [*config, *zygote, *((name, what) for name, what in wrong if what)]


def ailment(child: Child) -> str:
    """Why a child is not well, in full; "" when it is."""
    return plain("; ".join(_ailments(child)))


def chosen(status: Status, pattern: str) -> Status:
    """The status of those that a name or pattern means; a supervisor is meant with everybody below it.

    Raises HoldfastError when nobody is meant.
    """
    names = [child["name"] for child in status["children"]]
    found = {name for name in names if name == pattern or fnmatchcase(name, pattern)}
    if not found:
        raise HoldfastError(f"nobody here is called {pattern!r}; {nearest(pattern, names)}")
    for child in status["children"]:  # supervisors come before their children
        if told(child, "supervisor") in found:
            found.add(child["name"])
    return {**status, "children": [child for child in status["children"] if child["name"] in found]}


def told(of: Mapping[str, Any], key: str) -> Any:
    """What a status says under this key; None where it says nothing."""
    return of.get(key)


def _ailments(child: Child) -> Iterator[str]:
    phase, state, last_end = child["phase"], child["state"], child["last_end"]
    if phase == Phase.HELD:
        subtree = " --subtree" if _keeps(child) else ""
        yield f"{child['reason'] or 'held by the operator'}; holdfast start {child['name']}{subtree} lets it run"
        return
    if phase != Phase.RUNNING:
        unsaid = "in order" if phase == Phase.ENDED else "for the first time"
        yield f"{phase}{_next_try(child)}: {child['reason'] or last_end or unsaid}"
    elif child["on_probation"] or child["restarts_in_period"]:
        yield f"{'on probation' if child['on_probation'] else 'restarted'}: {last_end or child['reason']}"
    if told(child, "unkillable"):
        yield f"does not even end by SIGKILL (pid {child['pid']}); no other is started beside it"
    if told(child, "over"):
        yield f"uses more {' and '.join(child['over'])} than its soft limit"
    if disconnected(state):
        yield f"not connected: {error(state) or 'no attempt has succeeded yet'}"
    elif error(state):
        yield error(state)
    yield from warnings(state)
    for topic, stat in state["topics"].items() if "topics" in state else ():
        if stat["damaged"] or stat["quarantined"]:
            yield f"{topic}: {stat['damaged']} damaged records, {stat['quarantined']} segments set aside"


def _next_try(child: Child) -> str:
    return f", next try in {child['next_in_s']:.1f} s" if child["next_in_s"] is not None else ""


def _row(child: Child, children: Sequence[Child], waiting: Mapping[str, int], depth: int) -> Row:
    rss, cpu = _rss(child), told(child, "cpu")
    queued = queue(child["name"], child["state"], waiting)
    return Row(
        name=f"{INDENT * depth}{plain(child['name'])}",
        kind=child["kind"],
        state=_state(child),
        mood=_mood(child),
        pid=str(child["pid"] or NONE),
        uptime=span(child["for_s"]),
        restarts=f"{child['restarts']}/{child['restarts_in_period']}",
        last_exit=shortened(plain(child["last_end"]), END_LETTERS) or NONE,
        rss=NONE if rss is None else size(rss),
        cpu=NONE if cpu is None else share(cpu),
        queue=NONE if queued is None else count(queued),
        probe=NONE if child["next_in_s"] is None else span(child["next_in_s"]),
        sign=NONE if child["beat_age_s"] is None else span(child["beat_age_s"]),
        does=_keeping(child, children) if _keeps(child) else does(child["kind"], child["state"]),
    )


def _state(child: Child) -> str:
    if told(child, "unkillable"):
        return f"{child['phase']}, unkillable"
    probation = child["on_probation"] and child["phase"] != Phase.QUARANTINED
    return f"{child['phase']}, on probation" if probation else str(child["phase"])


def _keeping(child: Child, children: Sequence[Child]) -> str:
    """What a supervisor does: by which rule it keeps how many."""
    below = [each for each in children if told(each, "supervisor") == child["name"]]
    return f"{child['strategy']}, {sum(not ailment(each) for each in below)} of {len(below)} are well"


def _mood(child: Child) -> str:
    mood = MOODS.get(child["phase"], "wait")
    return "wait" if mood == "good" and ailment(child) else mood


def _keeps(child: Child) -> bool:
    return told(child, "strategy") is not None


def _depth(child: Child) -> int:
    return int(told(child, "depth") or 0)


def _rss(of: Mapping[str, Any]) -> int | None:
    """Its memory; of a program, that of its processes as well."""
    rss = told(of, "rss_bytes")
    if rss is None:
        return None
    more = told(of["state"], "rss_bytes") if told(of, "kind") == PROGRAM else None
    return int(rss) + int(more or 0)
