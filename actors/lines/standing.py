"""What is thought of a member of a line, by what became of its turns: a decider.

    NEW ──answered──> LIVE <──answered── DOUBTFUL, PROBATION
     └──missed──> DOUBTFUL <──missed──┘
                     └──missed, 3 in a row──> PROBATION: asked when its time comes, 1 s doubling to 30 s

What is sent to all (a broadcast) says nothing of who sent it.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from math import inf

from transports.backoff import Backoff

MISSES = 3  # in a row: then it is on probation
PROBES = Backoff(first_s=1.0, ceiling_s=30.0)


class Standing(StrEnum):
    """What is thought of a member."""

    NEW = "new"
    LIVE = "live"
    DOUBTFUL = "doubtful"
    PROBATION = "probation"


class Ended(Enum):
    """How a turn ended; SENT is one of which no answer is awaited."""

    ANSWERED = "answered"
    MISSED = "missed"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class Member:
    """What is known of one member. `misses` are in a row; on probation it is not asked before `probe_at`.

    It asked at `asked_at`, `rhythm_s` after the time before. Its last miss cost `missed_s` of the line's time.
    """

    misses: int = 0
    answered: bool = False
    asked_at: float = -inf
    rhythm_s: float = inf
    probe_at: float = -inf
    missed_s: float = 0.0

    @property
    def standing(self) -> Standing:
        """See the module's note."""
        if self.misses:
            return Standing.PROBATION if self.misses >= MISSES else Standing.DOUBTFUL
        return Standing.LIVE if self.answered else Standing.NEW

    @property
    def probed_every_s(self) -> float:
        """Between two probes, luck aside."""
        return PROBES.delay_s(self.misses - MISSES, 0.5) if self.misses >= MISSES else 0.0


def after(member: Member, how: Ended, now: float, cost_s: float, luck: float) -> Member:
    """The member after a turn that took `cost_s`; `luck` in [0, 1) spreads probes."""
    if how is Ended.ANSWERED:
        return replace(member, misses=0, answered=True, probe_at=-inf)
    if how is Ended.SENT:
        return member
    misses = member.misses + 1
    probe_at = now + PROBES.delay_s(misses - MISSES, luck) if misses >= MISSES else -inf
    return replace(member, misses=misses, probe_at=probe_at, missed_s=cost_s)
