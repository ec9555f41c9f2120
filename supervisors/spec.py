"""What a supervisor must know of each child, and the rules by which it keeps them: a tree of specs.

A ChildSpec with `rules` is a supervisor itself, with `children` of its own; one without is a process. Where
Erlang/OTP has a word for something ("supervisor", design principles and reference manual), it is that word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from transports.backoff import Backoff


class Restart(StrEnum):
    """When a child that ended is started again (Erlang/OTP, supervisor, "restart types")."""

    PERMANENT = "permanent"  # always
    TRANSIENT = "transient"  # only after an abnormal end
    TEMPORARY = "temporary"  # never


class Strategy(StrEnum):
    """Who is restarted when one child is (Erlang/OTP, supervisor, "restart strategy")."""

    ONE_FOR_ONE = "one_for_one"  # it alone
    REST_FOR_ONE = "rest_for_one"  # it, and those that were started after it
    ONE_FOR_ALL = "one_for_all"  # all of them


class AutoShutdown(StrEnum):
    """Whether a supervisor ends when its significant children have ended by themselves."""

    NEVER = "never"
    ANY = "any_significant"
    ALL = "all_significant"


class Exhausted(StrEnum):
    """What happens when restarts do not help."""

    QUARANTINE = "quarantine"  # the child waits for its next probe, its siblings live
    ESCALATE = "escalate"  # the supervisor gives up, and its own supervisor deals with that


@dataclass(frozen=True, slots=True)
class Rules:
    """How a supervisor keeps its children.

    At most `intensity` restarts within `period_s`: of each child by itself where the spent budget quarantines it, of
    all children together where it escalates (OTP's rule). A quarantined child that has been well for
    `healthy_after_s` is as good as new.
    """

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 5
    period_s: float = 60.0
    healthy_after_s: float = 600.0
    on_exhausted: Exhausted = Exhausted.QUARANTINE
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use: the soft level raises an alarm, the hard one restarts it; None is no limit.

    Memory is resident bytes; descriptors are open file descriptors; CPU is the share of one core (1.0 is one whole
    core), averaged over `cpu_over_s` seconds.
    """

    memory_soft_bytes: int | None = None
    memory_hard_bytes: int | None = None
    descriptors_soft: int | None = None
    descriptors_hard: int | None = None
    cpu_soft: float | None = None
    cpu_hard: float | None = None
    cpu_over_s: float = 10.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child: its name, what it is (`kind` chooses the actor, `table` configures it), and its deadlines.

    `waits` says that the children after this one are started only when it is ready (or has failed): true for
    those that others build on, false for devices, so that a slow one never holds up the rest. `grace_s` is how long
    it may take to end: 0 kills it at once (OTP's brutal_kill), inf waits for ever.
    """

    name: str
    kind: str
    table: Mapping[str, Any] = field(default_factory=dict)
    restart: Restart = Restart.PERMANENT
    significant: bool = False  # its end by itself counts for its supervisor's `auto_shutdown`
    waits: bool = True
    start_within_s: float = 30.0
    hang_after_s: float = 10.0
    grace_s: float = 5.0
    backoff: Backoff = field(default_factory=Backoff)
    limits: Limits = field(default_factory=Limits)
    broken: str = ""  # why it cannot be built at all; it is shown, not started
    rules: Rules | None = None  # it is a supervisor
    children: tuple["ChildSpec", ...] = ()
