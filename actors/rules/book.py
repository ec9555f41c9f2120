"""All that is known of one rule while it runs: how it stands, what came of its commands, why it waits. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from actors.rules.readings import Readings
from actors.rules.rule import Action, Rule
from actors.rules.standing import Branch, Standing, next_due, passed, seen
from transports.backoff import Backoff
from transports.samples import Value

REFUSED_IN_A_ROW = 3  # then it waits: a command that is refused each time would be sent for ever
RETRY = Backoff(1.0, ceiling_s=300.0)


@dataclass(slots=True)
class Last:
    """What came of a rule's last command."""

    action: str = ""
    outcome: str = ""
    detail: str = ""
    at_s: float = -inf


@dataclass(slots=True)
class Book:
    """See the module's note. `until_s` is the end of its quarantine (monotonic), `why` the reason for it."""

    rule: Rule
    standing: Standing
    last: Last = field(default_factory=Last)
    failures: int = 0
    refused: int = 0
    until_s: float = -inf
    why: str = ""
    acted: int = 0

    def judged(self, readings: Readings, now: float) -> Sequence[tuple[Action, Value]]:
        """Look at the readings of the moment, and say what is to be commanded: then that counts as done.

        Raises ExpressionError and changes nothing when the rule cannot be evaluated.
        """
        rule, settings = self.rule, self.rule.settings
        usable = readings.usable(rule.references, now, settings.silent_after_s)
        awaited = readings.awaited(rule.references, now, settings.silent_after_s)
        truth = None if awaited else rule.truth(usable, self.standing.is_true)
        standing = seen(self.standing, truth, settings, now)
        standing, branch = passed(standing, settings, now)
        actions = {Branch.THEN: rule.then, Branch.ELSE: rule.otherwise}.get(branch, ())
        made = [(action, action.value.value(usable)) for action in actions]
        self.standing, self.failures, self.why = standing, 0, ""
        self.acted += bool(made)
        return made

    def failed(self, why: str, now: float) -> float:
        """It cannot go on: wait alone, longer each time. Returns how long (s)."""
        wait_s = RETRY.delay_s(self.failures, 0.5)
        self.failures += 1
        self.until_s, self.why = now + wait_s, why
        return wait_s

    def heard(self, action: str, outcome: str, detail: str, now: float) -> bool:
        """What came of a command; whether that makes too many in a row that were not done."""
        self.last = Last(action, outcome, detail, now)
        self.refused = 0 if outcome == "done" else self.refused + 1
        return self.refused >= REFUSED_IN_A_ROW

    def next_due(self, readings: Readings, now: float) -> float:
        """When it is to be judged again though nothing new is heard."""
        settings = self.rule.settings
        due = next_due(self.standing, settings)
        old = readings.old_at(self.rule.references, settings.silent_after_s, now)
        return max(min(due, old), self.until_s)

    def told(self, readings: Readings, now: float) -> Mapping[str, Any]:
        """For `holdfast rules`: plain data, ages in s."""
        settings = self.rule.settings
        references = self.rule.references
        usable = readings.usable(references, now, settings.silent_after_s)
        values = []
        for reference in references:
            reading = readings.of(reference)
            values.append(
                {
                    "tag": str(reference),
                    "value": None if reading is None else _shown(reading.value),
                    "quality": None if reading is None else reading.quality,
                    "age_s": None if reading is None else now - reading.heard_s,
                    "usable": reference in usable,
                }
            )
        return {
            "name": self.rule.name,
            "phase": self.standing.phase.value,
            "for_s": now - self.standing.since_s,
            "when": settings.when,
            "clear": settings.clear,
            "readings": values,
            "acted": self.acted,
            "last": None if not self.last.action else [self.last.action, self.last.outcome, self.last.detail],
            "last_ago_s": None if not self.last.action else now - self.last.at_s,
            "quarantined": self.why if self.until_s > now else "",
            "retry_in_s": max(0.0, self.until_s - now),
        }


def _shown(value: Value | None) -> Value | None:
    """As JSON can tell it; no rule computes with bytes anyway."""
    return value.hex() if isinstance(value, bytes) else value
