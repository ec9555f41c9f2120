"""Whether the root may say that it works: when its loop, its control socket and its zygote last proved it. Pure.

    LOOP      a round of questions began: the loop came round to its timers
    CONTROL   a question to the root's own socket was answered, the way an operator's is
    ZYGOTE    the zygote answered

A sign of life is due once a round, when every proof is younger than `limit_s`. A zygote that is being replaced is
excused, but not for ever: `excuse_s` after the last answer of any zygote the gateway is one that can restart nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf


class Proof(StrEnum):
    """What proves that it works; its text is what the operator reads."""

    LOOP = "the loop"
    CONTROL = "the control socket"
    ZYGOTE = "the zygote"


@dataclass(frozen=True, slots=True)
class Proofs:
    """Monotonic times of the last proof of each, and of the last sign of life that was given."""

    last: Mapping[Proof, float]
    limit_s: float
    excuse_s: float
    fed: float = -inf


def planted(now: float, limit_s: float, excuse_s: float) -> Proofs:
    """At the start everybody has proved himself."""
    return Proofs(dict.fromkeys(Proof, now), limit_s, max(limit_s, excuse_s))


def proven(proofs: Proofs, what: Proof, when: float) -> Proofs:
    """It worked at that time; news that is older than what is known changes nothing."""
    return replace(proofs, last={**proofs.last, what: max(when, proofs.last[what])})


def fed(proofs: Proofs, now: float) -> Proofs:
    """A sign of life was given."""
    return replace(proofs, fed=now)


def overdue(proofs: Proofs, now: float, replaced: bool) -> Sequence[Proof]:
    """Who has not proved himself for too long. `replaced` tells that a new zygote is on its way."""
    patience_s = dict.fromkeys(Proof, proofs.limit_s)
    if replaced:
        patience_s[Proof.ZYGOTE] = proofs.excuse_s
    return [what for what in Proof if now - proofs.last[what] > patience_s[what]]


def due(proofs: Proofs, now: float, replaced: bool) -> bool:
    """Whether a sign of life may be given now: all is well, and this round has not seen one."""
    return proofs.fed < proofs.last[Proof.LOOP] and not overdue(proofs, now, replaced)
