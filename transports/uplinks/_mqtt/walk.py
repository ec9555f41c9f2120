"""Which of several servers is to be tried, and when the first is tried again: a decider.

    first ──failed──> backup 1 ──failed──> backup 2 ──failed──> first ...
      ^                  │ connected: every `after_s` the first is asked whether it is there
      └──────answered────┘

A connection that stood and was lost is first tried again where it stood; one on which no message was ever taken has
failed. A first server that answers, but does not let us in or takes nothing, costs a connection each time: it is asked
half as often after each of these, down to a twelfth.
"""

from dataclasses import dataclass, replace

_PATIENCE_MOST = 12
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Walk:
    """`at` is the number of the server; `ask_at` when the first is asked (monotonic s); `returning`: it has answered,
    and is tried now; `patience` is by how much longer than `after_s` is waited."""

    at: int = 0
    ask_at: float = NEVER
    returning: bool = False
    patience: int = 1


def failed(walk: Walk, servers: int) -> Walk:
    """The server could not be reached, or did not let us in."""
    patience = min(walk.patience * 2, _PATIENCE_MOST) if walk.returning else walk.patience
    return Walk((walk.at + 1) % servers, patience=patience)


def connected(walk: Walk, now: float, after_s: float) -> Walk:
    """It has let us in."""
    if walk.at == 0:
        return replace(walk, ask_at=NEVER)
    return replace(walk, ask_at=now + after_s * walk.patience, returning=False)


def served(walk: Walk) -> Walk:
    """It does what it is there for."""
    return Walk() if walk.at == 0 else walk


def asked(walk: Walk, answered: bool, now: float, after_s: float) -> Walk:
    """The first was asked whether it is there."""
    if answered:
        return Walk(0, returning=True, patience=walk.patience)
    return replace(walk, ask_at=now + after_s * walk.patience)
