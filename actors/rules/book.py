"""All that is known of one rule while it runs: how it stands, what came of its commands, why it waits. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from actors.rules.readings import Readings
from actors.rules.rule import Action, Rule
from actors.rules.standing import Branch, Standing, again, next_due, passed, seen
from transports.backoff import Backoff
from transports.samples import Value

REFUSED_IN_A_ROW = 3  # then it is in trouble, and says so
RETRY = Backoff(1.0, ceiling_s=300.0)
ON_THE_WAY_MOST = 20  # of one rule's commands; what is due meanwhile waits, and only the last of it counts
SURELY_NOT_DONE = ("rejected", "expired")  # what is perhaps executed is not commanded again by itself


@dataclass(slots=True)
class Last:
    """What came of a rule's last command."""

    action: str = ""
    outcome: str = ""
    detail: str = ""
    at_s: float = -inf


@dataclass(slots=True)
class Book:
    """See the module's note. `until_s` is the end of its quarantine (monotonic), `why` the reason for it.

    What was not done is commanded again at `again_s`: only the actions in `failing`, by their texts.
    """

    rule: Rule
    standing: Standing
    last: Last = field(default_factory=Last)
    failures: int = 0
    until_s: float = -inf
    why: str = ""
    refused: int = 0
    again_s: float = inf
    failing: set[str] = field(default_factory=set)
    acted: int = 0

    def judged(self, readings: Readings, now: float, on_the_way: int = 0) -> Sequence[tuple[Action, Value]]:
        """Look at the readings of the moment, and say what is to be commanded: then that counts as done.

        Raises ExpressionError and changes nothing when the rule cannot be evaluated.
        """
        settings = self.rule.settings
        usable = readings.usable(self.rule.references, now, settings.silent_after_s)
        standing = seen(self.standing, self._truth(readings, usable, now), settings, now)
        only: set[str] = set()
        if standing.phase is not self.standing.phase:
            self._forget_refusals()
        elif now >= self.again_s and not standing.due:
            standing, only = again(standing, settings), self.failing
        branch = Branch.NONE
        if on_the_way < ON_THE_WAY_MOST:
            standing, branch = passed(standing, settings, now, repeats=self._may_repeat(on_the_way))
        actions = {Branch.THEN: self.rule.then, Branch.ELSE: self.rule.otherwise}.get(branch, ())
        made = [(action, action.value.value(usable)) for action in actions if not only or action.text in only]
        self.standing, self.failures, self.why = standing, 0, ""
        if made:
            self.acted, self.again_s = self.acted + 1, inf
        return made

    def failed(self, why: str, now: float) -> float:
        """It cannot be evaluated: wait alone, longer each time. Returns how long (s)."""
        wait_s = RETRY.delay_s(self.failures, 0.5)
        self.failures += 1
        self.until_s, self.why = now + wait_s, why
        return wait_s

    def heard(self, action: str, outcome: str, detail: str, now: float) -> bool:
        """What came of a command; whether the rule is now in trouble for too many in a row that were not done."""
        self.last = Last(action, outcome, detail, now)
        if outcome == "done":
            self.failing.discard(action)
            if not self.failing:
                self._forget_refusals()
            return False
        self.refused += 1
        if outcome in SURELY_NOT_DONE:
            self.failing.add(action)
            self.again_s = now + RETRY.delay_s(self.refused - 1, 0.5)
        return self.refused == REFUSED_IN_A_ROW

    def next_due(self, readings: Readings, now: float, on_the_way: int = 0) -> float:
        """When it is to be judged again though nothing new is heard."""
        if self.until_s > now:
            return self.until_s
        settings = self.rule.settings
        old = readings.old_at(self.rule.references, settings.silent_after_s, now)
        if on_the_way >= ON_THE_WAY_MOST:
            return old  # what is due goes on when an outcome comes
        return min(next_due(self.standing, settings, self._may_repeat(on_the_way)), old, self.again_s)

    def trouble(self, now: float) -> str:
        """Why it is in quarantine, "" when it is not."""
        if self.until_s > now:
            return self.why
        if self.refused < REFUSED_IN_A_ROW:
            return ""
        return f"{self.last.action}: {self.last.outcome}: {self.last.detail} ({self.refused} times in a row)"

    def told(self, readings: Readings, now: float) -> Mapping[str, Any]:
        """For `holdfast rules`: plain data, ages in s."""
        settings = self.rule.settings
        last = None if not self.last.action else [self.last.action, self.last.outcome, self.last.detail]
        retry_s = self.until_s if self.until_s > now else self.again_s
        return {
            "name": self.rule.name,
            "phase": self.standing.phase.value,
            "for_s": now - self.standing.since_s,
            "when": settings.when,
            "clear": settings.clear,
            "readings": readings.told(self.rule.references, now, settings.silent_after_s),
            "acted": self.acted,
            "last": last,
            "last_ago_s": None if last is None else now - self.last.at_s,
            "quarantined": self.trouble(now),
            "retry_in_s": None if retry_s == inf else max(0.0, retry_s - now),
        }

    def _truth(self, readings: Readings, usable: Mapping[Any, Value], now: float) -> bool | None:
        truth = self.rule.truth(usable, self.standing.is_true)
        if truth is not None:
            return truth
        early = readings.awaited(self.rule.conditions, now, self.rule.settings.silent_after_s)
        return None if early else self.rule.when_missing

    def _may_repeat(self, on_the_way: int) -> bool:
        return not on_the_way and self.again_s == inf

    def _forget_refusals(self) -> None:
        """Another phase wants something else, or all was done."""
        self.refused, self.again_s = 0, inf
        self.failing.clear()
