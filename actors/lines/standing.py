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
CONTINUES_S = 0.05
SLOWER = 1.25
EARLY = 0.05
HOLD_S = 0.05  # the processes of a whole line, woken at the same moment on two cores, have asked by then


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

    It asked at `asked_at`, `rhythm_s` after the time before. Its last miss cost `missed_s` of the line's time. What it
    asks right after an answer, before CONTINUES_S, is part of one reading, which began with its turn at `turn_at` and
    comes again each `period_s`.
    """

    misses: int = 0
    answered: bool = False
    asked_at: float = -inf
    rhythm_s: float = inf
    probe_at: float = -inf
    missed_s: float = 0.0
    continues: bool = False
    began_at: float = -inf
    period_s: float = inf
    turn_at: float = -inf
    ended_at: float = -inf

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


def has_asked(member: Member, now: float) -> Member:
    """The member after it asked for a turn."""
    member = replace(member, asked_at=now, rhythm_s=now - member.asked_at)
    if now - member.ended_at < CONTINUES_S:
        return replace(member, continues=True)
    gap_s = now - member.began_at
    period_s = min(gap_s, SLOWER * member.period_s)  # a single reading that was left out is not a longer period
    return replace(member, continues=False, began_at=now, period_s=period_s)


def due_at(member: Member) -> float:
    """When a live member's turn should come: a period after the last one, so that it keeps its place among others."""
    if member.continues or member.turn_at == -inf or member.period_s == inf:
        return member.asked_at
    return member.turn_at + member.period_s


def may_at(member: Member) -> float:
    """From when on it may have its turn: at once when it is due, else when those that ask with it have asked, too."""
    return max(member.asked_at, min(due_at(member) - EARLY * member.period_s, member.asked_at + HOLD_S))


def after(member: Member, how: Ended, now: float, cost_s: float, luck: float) -> Member:
    """The member after a turn that took `cost_s`; `luck` in [0, 1) spreads probes."""
    member = replace(member, ended_at=now)
    if how is Ended.ANSWERED:
        return replace(member, misses=0, answered=True, probe_at=-inf)
    if how is Ended.SENT:
        return member
    misses = member.misses + 1
    probe_at = now + PROBES.delay_s(misses - MISSES, luck) if misses >= MISSES else -inf
    return replace(member, misses=misses, probe_at=probe_at, missed_s=cost_s)
