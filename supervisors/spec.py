"""What a supervisor must know to keep one child alive, and the rules that hold for a whole tree."""

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


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child: its name, what it is (`kind` chooses the actor, `table` configures it), and its deadlines.

    `waits` says that the children after this one are started only when it is ready (or has failed): true for
    those that others build on, false for devices, so that a slow one never holds up the rest.
    """

    name: str
    kind: str
    table: Mapping[str, Any] = field(default_factory=dict)
    restart: Restart = Restart.PERMANENT
    waits: bool = True
    start_within_s: float = 30.0
    hang_after_s: float = 10.0
    grace_s: float = 5.0
    backoff: Backoff = field(default_factory=Backoff)
    broken: str = ""  # why it cannot be built at all; it is shown, not started


@dataclass(frozen=True, slots=True)
class Budget:
    """How often a child may be restarted: at most `intensity` times within `period_s`, then it is quarantined.

    A quarantined child that has been well for `healthy_after_s` is as good as new.
    """

    intensity: int = 5
    period_s: float = 60.0
    healthy_after_s: float = 600.0
