"""One attempt at a new configuration: (attempt, how the children stand, now) -> (attempt, acts). Pure.

    ENDING ──all gone──> CONFIRMING ──all well──> CONFIRMED
       │ too long            │ late, or hopeless
       └────> RESTORING <────┘
                 └──all gone, or too long──> ROLLED_BACK

Well is a touched child that has been RUNNING for `settle_s` without a restart, one that an operator stopped (or its
supervisor), and one that may end and has. Whether a device answers, or an uplink's far end, is none of this: the
process does its work when it keeps trying. A child that the change does not touch does not count, whatever its state.
But whoever asked from above must not saw off the branch: the uplink that it was asked by must have reached its far
end, or nobody above could mend it.

Whoever is replaced must be gone before it begins anew; a child that cannot be ended holds that up no longer than its
own grace and PATIENCE_S. On the way back nobody is judged: what was before is there again, as it was.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from supervisors.plan import Phase
from supervisors.reload.changes import Act, Changes, applied, changes, everybody, keepers
from supervisors.spec import ChildSpec, Restart

PATIENCE_S = 10.0  # beyond the grace: a kill, its stacks, and a slow machine
SETTLE_S = 5.0  # running for this long is well; for a short attempt a quarter of it


class Stage(StrEnum):
    """How far it has come; the words are what an operator reads."""

    ENDING = "ending"
    CONFIRMING = "confirming"
    RESTORING = "restoring"
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled back"


OVER = frozenset({Stage.CONFIRMED, Stage.ROLLED_BACK})


class Standing(Protocol):
    """What must be known of a child: its phase, since when (monotonic seconds), and why."""

    @property
    def phase(self) -> Phase: ...
    @property
    def since(self) -> float: ...
    @property
    def reason(self) -> str: ...


Standings = Mapping[str, Standing]


@dataclass(frozen=True, slots=True)
class Attempt:
    """`in_force` is the tree as far as it has been changed; `changes` is what is being done to it.

    Times are monotonic seconds. `why` says what went wrong, in one sentence.
    """

    before: ChildSpec
    after: ChildSpec
    within_s: float
    stage: Stage
    in_force: ChildSpec
    changes: Changes
    deadline: float
    why: str = ""
    by: str = ""
    is_reached: bool = True

    @property
    def settle_s(self) -> float:
        return min(SETTLE_S, self.within_s / 4)

    @property
    def over(self) -> bool:
        return self.stage in OVER


Step = tuple[Attempt, Sequence[Act]]


def begun(before: ChildSpec, after: ChildSpec, within_s: float, now: float, by: str = "") -> Step:
    """Change one tree into the other; go back when it is not well `within_s` after the change."""
    return _ending(Attempt(before, after, within_s, Stage.ENDING, before, Changes(), now, by=by), after, now)


def looked(attempt: Attempt, reaches: Callable[[str], bool]) -> Attempt:
    """Whether the uplink that it was asked over has its far end, now."""
    return replace(attempt, is_reached=not attempt.by or reaches(attempt.by))


def passed(attempt: Attempt, children: Standings, now: float) -> Step:
    """Look how things stand, and do what is next; `children` is everybody who is in the tree now."""
    match attempt.stage:
        case Stage.ENDING:
            return _ended(attempt, children, now)
        case Stage.CONFIRMING:
            return _judged(attempt, children, now)
        case Stage.RESTORING:
            return _gone_back(attempt, children, now)
    return attempt, ()


def waits_for(attempt: Attempt, children: Standings, now: float) -> dict[str, str]:
    """Whom the attempt waits for, and how they stand."""
    match attempt.stage:
        case Stage.ENDING | Stage.RESTORING:
            return {name: f"is {children[name].phase}" for name in _leaving(attempt, children)}
        case Stage.CONFIRMING:
            specs = everybody(attempt.after)
            told = {name: _ailment(specs[name], children, attempt, now) for name in attempt.changes.touched}
            cut_off = {} if attempt.is_reached else {attempt.by: "does not reach its far end, and it was asked over it"}
            return cut_off | {name: ailment for name, ailment in told.items() if ailment}
    return {}


# --- the way there ---------------------------------------------------------------------------------------------------


def _ending(attempt: Attempt, target: ChildSpec, now: float) -> Step:
    """Begin to make `in_force` the target: who must go goes first."""
    plan = changes(attempt.in_force, target)
    there = {**everybody(attempt.before), **everybody(attempt.in_force)}
    patience_s = max((there[name].grace_s for name in plan.leaving & there.keys()), default=0.0) + PATIENCE_S
    in_force = applied(attempt.in_force, plan.removals)
    return replace(attempt, in_force=in_force, changes=plan, deadline=now + patience_s), plan.removals


def _ended(attempt: Attempt, children: Standings, now: float) -> Step:
    leaving = _leaving(attempt, children)
    if not leaving:
        acts: list[Act] = [*attempt.changes.replacements, *attempt.changes.additions]
        in_force = applied(attempt.in_force, acts)
        return replace(attempt, stage=Stage.CONFIRMING, in_force=in_force, deadline=now + attempt.within_s), acts
    if now < attempt.deadline:
        return attempt, ()
    return _restoring(attempt, f"{', '.join(leaving)} cannot be ended", now)


def _judged(attempt: Attempt, children: Standings, now: float) -> Step:
    ill = waits_for(attempt, children, now)
    if not ill:
        return replace(attempt, stage=Stage.CONFIRMED), ()
    hopeless = any(name in children and children[name].phase is Phase.BROKEN for name in ill)
    if now < attempt.deadline and not hopeless:
        return attempt, ()
    told = "; ".join(f"{name} {ailment}" for name, ailment in list(ill.items())[:5])
    more = f"; and {len(ill) - 5} more" if len(ill) > 5 else ""
    when = "" if hopeless else f"after {attempt.within_s:g} s "
    return _restoring(attempt, f"{when}{told}{more}", now)


def _ailment(spec: ChildSpec, children: Standings, attempt: Attempt, now: float) -> str:
    """Why a child is not well; "" when it is."""
    if spec.name not in children:
        return "" if spec.restart is Restart.TEMPORARY else "is not there"
    child = children[spec.name]
    because = f": {child.reason}" if child.reason else ""
    match child.phase:
        case Phase.HELD:
            return ""
        case Phase.ENDED if spec.restart is not Restart.PERMANENT or _below_a_rest(spec.name, attempt, children):
            return ""
        case Phase.RUNNING:
            ran_s = now - child.since
            return "" if ran_s >= attempt.settle_s else f"has only run for {ran_s:.1f} s{because}"
    return f"is {child.phase}{because}"


def _below_a_rest(name: str, attempt: Attempt, children: Standings) -> bool:
    """Whether a supervisor above it has been stopped: nobody expects it to run."""
    above = keepers(attempt.after)
    while name := above.get(name, ""):
        if name in children and children[name].phase in (Phase.HELD, Phase.ENDED):
            return True
    return False


# --- and back --------------------------------------------------------------------------------------------------------


def _restoring(attempt: Attempt, why: str, now: float) -> Step:
    return _ending(replace(attempt, stage=Stage.RESTORING, why=why), attempt.before, now)


def _gone_back(attempt: Attempt, children: Standings, now: float) -> Step:
    leaving = set(_leaving(attempt, children))
    if leaving and now < attempt.deadline:
        return attempt, ()
    back = [add for add in attempt.changes.additions if not leaving & {add.spec.name, *everybody(add.spec)}]
    acts: list[Act] = [*attempt.changes.replacements, *back]
    why = attempt.why
    if len(back) < len(attempt.changes.additions):
        why += f"; {', '.join(sorted(leaving))} cannot be ended, and nothing is started beside that: reload again later"
    return replace(attempt, stage=Stage.ROLLED_BACK, in_force=applied(attempt.in_force, acts), why=why), acts


def _leaving(attempt: Attempt, children: Standings) -> list[str]:
    return [name for name in children if name in attempt.changes.leaving]
