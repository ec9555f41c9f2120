"""The differences from OTP that are on purpose, each recognised by its own narrow sign at the first divergence.

The package `supervisors.plan` documents them in its docstring; `documented` reads the table there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from math import floor

from supervisors import plan
from supervisors.plan import Child, Phase
from supervisors.spec import Exhausted, Restart, Strategy
from tests.otp.erlang import Answer
from tests.otp.machine import Machine, Played
from tests.otp.scenarios import DIES, Act, Add, Crash, RemoveIt, Scenario, StartIt, Sup, Worker
from tests.otp.told import GONE, START, Entry, StepTold


def documented() -> dict[str, str]:
    """Name and meaning of each difference: the lines `    name      meaning` of the table after "on purpose"."""
    _, _, table = (plan.__doc__ or "").partition("Different on purpose")
    return dict(re.findall(r"^    ([a-z][a-z -]*?[a-z])  +(\S.*)$", table, re.MULTILINE))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the sides diverge first: in the step `number` (0: the start of the tree)."""

    scenario: Scenario
    number: int
    otp: Answer
    played: Played
    machine: Machine

    @property
    def act(self) -> Act | None:
        return self.scenario.acts[self.number - 1] if self.number else None

    @property
    def told(self) -> StepTold:
        return self.otp[self.number]

    @property
    def first(self) -> tuple[int, Entry | None, Entry | None]:
        """The first entries that differ, OTP's with its place in OTP's whole trace; None for a side at its end."""
        workers = self.scenario.workers()
        theirs = [(at, entry) for at, entry in enumerate(self.told.entries) if entry.name in workers]
        for pair, mine in zip_longest(theirs, self.played.told.entries):
            at, entry = pair or (len(self.told.entries), None)
            if str(entry) != str(mine):
                return at, entry, mine
        return len(self.told.entries), None, None

    def phase(self, name: str) -> Phase | None:
        """In the plan, after the step."""
        child = self.played.after.children.get(name)
        return child.phase if child else None

    def line(self, name: str) -> list[str]:
        """The child and the supervisors above it."""
        parents, line = self.scenario.parents(), [name]
        while parents[line[-1]]:
            line.append(parents[line[-1]])
        return line

    def ended_in_otp(self, name: str) -> bool:
        """Whether this supervisor ended in OTP in this step, its failed start included."""
        return any(entry.name == name and _is_end(entry) for entry in self.told.entries)


def _is_end(entry: Entry) -> bool:
    return entry.kind == GONE or entry.how == "error"


def name_of(place: Place) -> str | None:
    """The documented difference that explains this divergence; None when none does."""
    return next((name for name, sign in SIGNS.items() if sign(place)), None)


# --- signs ----------------------------------------------------------------------------------------------------------


def _held(place: Place) -> bool:
    """OTP starts a child, or counts on one, that the plan keeps stopped for the operator."""
    _, theirs, mine = place.first

    def is_held(name: str) -> bool:
        return any(place.phase(each) is Phase.HELD for each in place.line(name))

    if theirs is None and mine is None:
        only = place.told.alive - place.played.told.alive
        return place.told.alive > place.played.told.alive and all(is_held(name) for name in only)
    return theirs is not None and theirs.kind == START and is_held(theirs.name)


def _quarantine(place: Place) -> bool:
    """OTP gives up a supervisor, over its own children, whose spent budgets quarantine single children in the plan."""

    dead = set(place.act.names if isinstance(place.act, Crash) else ())
    dead |= {entry.name for entry in place.told.entries if entry.how == DIES}

    def gave_up_in_otp(name: str) -> bool:
        troubled = any(name in place.line(each) for each in dead)
        failed = any(str(entry) == f"{START} {name} error" for entry in place.told.entries)
        return failed or (troubled and place.ended_in_otp(name))

    sups = [sup.name for sup in place.scenario.sups().values() if sup.exhausted is Exhausted.QUARANTINE]
    return any(gave_up_in_otp(name) and name not in place.played.gave_up for name in sups)


def _back_off(place: Place) -> bool:
    """OTP starts at once, alone or with its group, what the plan starts later; or gives up over while it waits."""
    _, theirs, _ = place.first
    before, tree = place.played.before, place.played.after

    def has_failed(child: Child, times: int) -> bool:
        return child.failures >= times and child.spec.backoff.first_s > 0

    for keeper in place.played.gave_up & before.members.keys():
        ahead = theirs is not None and theirs.kind == START and keeper in place.line(theirs.name)[1:]
        members = [before.children[each] for each in before.members[keeper]]
        if any(has_failed(each, 1) for each in members) and (ahead or not place.ended_in_otp(keeper)):
            return True
    later = [n for n, each in tree.children.items() if each.phase is Phase.WAITING and each.due > place.played.now]
    waiting = [name for name in later if has_failed(tree.children[name], 2)]
    line = place.line(theirs.name) if theirs is not None else []
    return any(name in line or tree.parents[name] in line[1:] for name in waiting)


def _float_clock(place: Place) -> bool:
    """One side only gives a supervisor up, over a restart whose age is another number of whole seconds."""
    tree = place.played.before
    for name, sup in place.scenario.sups().items():
        if place.ended_in_otp(name) == (name in place.played.gave_up) or name not in tree.children:
            continue
        now = place.told.entries[0].at if place.told.entries else place.told.at
        for then in tree.children[name].restarted:
            if (now - then <= sup.period_s) != (floor(now) - floor(then) <= sup.period_s):
                return True
    return False


def _broken_at_boot(place: Place) -> bool:
    """OTP tries to start a child that cannot be built."""
    _, theirs, _ = place.first
    workers = place.scenario.workers()
    return theirs is not None and theirs.kind == START and workers[theirs.name].broken


def _giving_up_is_abnormal(place: Place) -> bool:
    """A supervisor that OTP does not start again gives up on both sides; from there on they differ."""
    at, _, _ = place.first
    sups = place.scenario.sups()
    before = {entry.name for entry in place.told.entries[:at] if entry.kind == GONE}
    return any(name in before and sups[name].restart is Restart.TRANSIENT for name in place.played.gave_up)


def _kept(place: Place) -> bool:
    """A temporary child that ended is unknown to OTP; here it can be started, and its name is taken."""
    known = place.played.before.children
    match place.act:
        case StartIt(name):
            gone = place.told.result == "not_found"
        case Add(_, node):
            name, gone = node.name, place.told.result != "already_present" and node.name in known
        case _:
            return False
    if name not in known or name in place.otp[place.number - 1].listed:
        return False
    return gone and known[name].spec.restart is Restart.TEMPORARY


def _tried_again(place: Place) -> bool:
    """OTP leaves it at the error when what an operator asks for fails to start; to the plan that is like a crash."""
    _, theirs, mine = place.first
    match place.act:
        case StartIt(name) | Add(_, Worker(name=name) | Sup(name=name)):
            failed = Entry(START, name, "error")
        case _:
            return False
    if theirs is not None or str(failed) not in map(str, place.told.entries):
        return False
    keeper = place.scenario.parents()[name]
    if keeper in place.played.gave_up:
        return True
    alone = place.scenario.sups()[keeper].strategy is Strategy.ONE_FOR_ONE
    return mine is not None and (name if alone else keeper) in place.line(mine.name)


def _dynamic_children_stay(place: Place) -> bool:
    """The plan starts, or has, a child that was added to a supervisor that OTP has started anew since.

    Or OTP starts one, with its supervisor, that was removed.
    """
    _, theirs, mine = place.first
    back = {theirs.name} if theirs and theirs.kind == START else place.told.alive - place.played.told.alive
    if back and all(_is_removed(place, each) for each in back):
        return True
    only = {mine.name} if mine and mine.kind == START else place.played.told.alive - place.told.alive
    return bool(only) and all(any(_is_forgotten(place, each) for each in place.line(name)) for name in only)


def _is_removed(place: Place, name: str) -> bool:
    return any(RemoveIt(each) in place.scenario.acts and place.phase(each) is None for each in place.line(name))


def _is_forgotten(place: Place, name: str) -> bool:
    """Whether OTP has ended a supervisor above this child after it was added."""
    acts = [
        number for number, act in enumerate(place.scenario.acts, 1) if isinstance(act, Add) and act.node.name == name
    ]
    acts = [number for number in acts if number <= place.number]
    if not acts or name in place.told.listed:
        return False
    above = place.line(name)[1:]
    since = [entry for told in place.otp[acts[0] + 1 : place.number + 1] for entry in told.entries]
    return any(entry.kind == GONE and entry.name in above for entry in since)


SIGNS: Mapping[str, Callable[[Place], bool]] = {
    "held": _held,
    "quarantine": _quarantine,
    "back-off": _back_off,
    "float clock": _float_clock,
    "broken at boot": _broken_at_boot,
    "giving up is abnormal": _giving_up_is_abnormal,
    "kept": _kept,
    "tried again": _tried_again,
    "dynamic children stay": _dynamic_children_stay,
}
