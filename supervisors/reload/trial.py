"""One request for another configuration on its way: what is known of it, and what is told about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from supervisors.records.events import Event
from supervisors.reload import confirm, texts
from supervisors.reload.changes import Act, Changes
from supervisors.reload.confirm import Attempt, Standings
from supervisors.reload.wire import Reading
from supervisors.spec import ChildSpec
from transports.messages import Reload

LONGEST_S = 86_400.0

Answer = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Hands:
    """What the root lends: how its children stand, and what can be done to them."""

    children: Callable[[], Standings]  # everybody who is in the tree now
    ending: Callable[[], bool]
    do: Callable[[Act], None]  # see acts.done
    reaches: Callable[[str], bool]  # whether an uplink has its far end
    say: Callable[[Event], None]
    preload: Callable[[Sequence[str]], None] = lambda _: None  # modules for the next zygote
    notify: Callable[[bool], None] = lambda _: None  # true: it is reloading; false: it is ready again


@dataclass(slots=True)
class InForce:
    """The configuration that the gateway runs with; `number` 0 is none of the history's.

    `passed_over` says, in a sentence, why it is not the text in CONFIG; "" when it is.
    """

    root: ChildSpec
    sha256: str
    number: int
    passed_over: str


@dataclass(slots=True)
class Trial:
    """A request, and how far it has come. `number` is the history's, 0 when nothing could be written."""

    wish: Reload
    answer: Answer
    reading: Reading | None = None
    plan: Changes = field(default_factory=Changes)
    number: int = 0
    attempt: Attempt | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def replaces(self) -> bool:
        """Whether its text is to take CONFIG's place: it comes from elsewhere."""
        return bool(self.wish.to or self.wish.text)

    @property
    def verb(self) -> str:
        """As the audit has it."""
        verb = f"config rollback {self.wish.to}" if self.wish.to else "reload"
        return f"{verb} --dry-run" if self.wish.dry_run else verb

    @property
    def effect(self) -> str:
        """Who is touched, in a sentence."""
        told = "; ".join(f"{kind} {', '.join(names)}" for kind, names in self.plan.summary().items())
        return told or "no child is touched"

    def reply(self, result: str, attempt: int) -> dict[str, Any]:
        """The answer to whoever asked, when it is known what will change."""
        return {
            "result": result,
            "attempt": attempt,
            "number": self.number,
            "changes": self.plan.summary(),
            "untouched": len(self.plan.untouched),
            "warnings": list(self.warnings),
        }

    def told(self, children: Standings, now: float) -> dict[str, Any]:
        """How it goes, for the gateway's status. `now` is in monotonic seconds."""
        attempt = self.attempt
        return {
            "touched": list(self.plan.touched),
            "waits_for": confirm.waits_for(attempt, children, now) if attempt is not None else {},
            "left_s": round(max(0.0, min(attempt.deadline - now, LONGEST_S)), 3) if attempt is not None else None,
        }


def unfit(reading: Reading, plan: Changes, fixed: Mapping[str, str]) -> list[str]:
    """Why a text without a mistake cannot be tried: it changes what is fixed, or a child would come that is broken."""
    broken = [line for name, line in reading.broken.items() if name in plan.touched]
    return texts.unchangeable(fixed, reading.fixed) + broken


def objection(wish: Reload) -> str:
    """What is wrong with the request itself; "" when nothing is."""
    if 1.0 <= wish.confirm_within_s <= LONGEST_S:
        return ""
    return f"the time to confirm must be between 1s and 24h, not {wish.confirm_within_s:g}s"
