"""How one rule stands, and what follows when it is seen to be true or false: pure.

    UNKNOWN ──false──> FALSE ──true──> ARMING ──`for` long──> TRUE ──clear──> FALSE
       └──────────────true─────────────^  └──false──> FALSE    │ then            │ else
                                                               └── level: again each `repeat`

What is due sooner than `min_interval` after the last action waits; a later change takes its place.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf

from actors.rules.settings import Mode, Settings


class Phase(StrEnum):
    """See the module's picture."""

    UNKNOWN = "unknown"
    FALSE = "false"
    ARMING = "arming"
    TRUE = "true"


class Branch(StrEnum):
    """What is commanded."""

    NONE = ""
    THEN = "then"
    ELSE = "else"


@dataclass(frozen=True, slots=True)
class Standing:
    """`since_s` of the phase and `acted_s` are monotonic; `count` numbers the actions, for ever; `due` is yet to do."""

    phase: Phase = Phase.UNKNOWN
    since_s: float = 0.0
    acted_s: float = -inf
    count: int = 0
    due: Branch = Branch.NONE

    @property
    def is_true(self) -> bool:
        return self.phase is Phase.TRUE


def seen(standing: Standing, truth: bool | None, settings: Settings, now: float) -> Standing:
    """The readings say so now; None: they do not say, and a time that was running begins anew."""
    if truth is None:
        return _at(standing, Phase.FALSE, now) if standing.phase is Phase.ARMING else standing
    if truth:
        return _seen_true(standing, settings, now)
    return _seen_false(standing, settings, now)


def passed(standing: Standing, settings: Settings, now: float, repeats: bool = True) -> tuple[Standing, Branch]:
    """What is to be done now that it is `now`; once it is handed out, it counts as done. Without `repeats` a level is
    not commanded again: what was commanded last is still on its way, or was refused."""
    if standing.phase is Phase.ARMING and now >= standing.since_s + settings.for_s:
        standing = _turned(standing, Phase.TRUE, settings, now)
    if repeats and not standing.due and _repeats(standing, settings) and now >= standing.acted_s + settings.repeat_s:
        standing = replace(standing, due=_branch(standing.phase, settings))
    if not standing.due or now < standing.acted_s + settings.min_interval_s:
        return standing, Branch.NONE
    branch = standing.due
    return replace(standing, due=Branch.NONE, acted_s=now, count=standing.count + 1), branch


def again(standing: Standing, settings: Settings) -> Standing:
    """What was commanded in this phase was not done: it is to be done again."""
    return replace(standing, due=_branch(standing.phase, settings))


def next_due(standing: Standing, settings: Settings, repeats: bool = True) -> float:
    """When `passed` has something to do, without any further reading; infinity when it has not."""
    due = standing.acted_s + settings.min_interval_s if standing.due else inf
    if standing.phase is Phase.ARMING:
        due = min(due, standing.since_s + settings.for_s)
    if repeats and _repeats(standing, settings):
        due = min(due, standing.acted_s + settings.repeat_s)
    return due


def _seen_true(standing: Standing, settings: Settings, now: float) -> Standing:
    if standing.phase in (Phase.TRUE, Phase.ARMING):
        return standing
    if settings.for_s:
        return _at(standing, Phase.ARMING, now)
    return _turned(standing, Phase.TRUE, settings, now)


def _seen_false(standing: Standing, settings: Settings, now: float) -> Standing:
    if standing.phase is Phase.TRUE:
        return _turned(standing, Phase.FALSE, settings, now)
    return standing if standing.phase is Phase.FALSE else _at(standing, Phase.FALSE, now)


def _turned(standing: Standing, phase: Phase, settings: Settings, now: float) -> Standing:
    """A change that is to be acted on. One that takes back what was not yet done leaves nothing to do."""
    due = _branch(phase, settings)
    taken_back = standing.due and due and standing.due is not due
    return replace(_at(standing, phase, now), due=Branch.NONE if taken_back else due)


def _branch(phase: Phase, settings: Settings) -> Branch:
    """What is commanded in this phase, if anything."""
    if phase is Phase.TRUE and settings.then:
        return Branch.THEN
    return Branch.ELSE if phase is Phase.FALSE and settings.else_ else Branch.NONE


def _at(standing: Standing, phase: Phase, now: float) -> Standing:
    return replace(standing, phase=phase, since_s=now)


def _repeats(standing: Standing, settings: Settings) -> bool:
    return settings.mode is Mode.LEVEL and _branch(standing.phase, settings) is not Branch.NONE
