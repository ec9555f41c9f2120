"""How processes are kept: the table [supervision] for all of them, and `supervise = {...}` for one of them instead.

    [supervision]
    memory_hard = "200MiB"                                      # every process

    [device.press-1]
    supervise = { memory_hard = "500MiB", grace = "20s" }       # this one

What `supervise` does not say is as [supervision] says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from supervisors.configuration.levels import Levels, Unlimited, mixed_problems, or_unlimited
from supervisors.spec import Exhausted, Restart
from transports.errors import Problem
from transports.settings import Facts, duration, setting
from transports.units import parse_duration

DAY_S = 86_400.0
# Of the field `supervise` in the tables of processes
SUPERVISE = {"facts": Facts("how its process is kept, where that differs from [supervision]")}
_DURATION = 'a duration such as "10s"'
_GRACE = or_unlimited(
    parse_duration,
    _DURATION,
    "how long it may take to stop before it is killed; 0s kills it at once",
    example='"10s"',
    ge=0,
    le=DAY_S,
)
_SIGNIFICANT = (
    'is for what may end by itself: write restart = "transient" or "temporary" beside it, or take significant away'
)


def span(help: str, example: str) -> dict[str, Facts]:
    """The metadata of a duration that is [supervision]'s where it is not said."""
    return {"facts": Facts(help, example=example, gt=0, le=DAY_S, parse=parse_duration, form=_DURATION)}


@dataclass(frozen=True)
class _Restarts:
    """The part of [supervision] that says when a process is restarted, and when it is left alone for a while."""

    intensity: int = setting(5, ge=0, le=1000, help="restarts allowed within `period` before a process is quarantined")
    period_s: float = duration("60s", le=DAY_S, help="the time over which restarts are counted")
    on_exhausted: Exhausted = setting(
        Exhausted.QUARANTINE, help="what comes then: that process waits alone, or (escalate) the whole gateway ends"
    )
    backoff_first_s: float = duration("500ms", le=DAY_S, help="wait before the second restart; doubles each time")
    backoff_ceiling_s: float = duration("300s", le=DAY_S, help="longest wait between two restarts")
    backoff_jitter: float = setting(0.2, ge=0, le=1, help="how far a wait is moved at random, as a part of it")
    healthy_after_s: float = duration("600s", le=DAY_S, help="running this long makes earlier failures forgotten")
    heartbeat_s: float = duration("1s", le=3600.0, help="how often a process says that it gets on")
    hang_after_s: float = duration("10s", le=DAY_S, help="silent for this long is hung: the process is ended")
    start_within_s: float = duration("30s", le=DAY_S, help="how long a process may take to become ready")
    grace_s: float = duration("5s", le=3600.0, help="how long a process may take to stop before it is killed")


@dataclass(frozen=True)
class Supervision(Levels, _Restarts):
    """The table [supervision]: how every process is kept, as long as its own table does not say otherwise."""

    cpu_over_s: float = duration("10s", le=DAY_S, help="the time over which the share of a core is measured")

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings are seen together."""
        yield from super().problems(path)
        if self.backoff_ceiling_s < self.backoff_first_s:
            cure = f"must be at least backoff_first ({self.backoff_first_s:g}s)"
            yield Problem(f"{path}.backoff_ceiling", f"{self.backoff_ceiling_s:g}s", cure)
        yield from _beats(f"{path}.hang_after", self.hang_after_s, self.heartbeat_s)


@dataclass(frozen=True)
class _OfOne:
    """The part of `supervise` that is no level."""

    restart: Restart = setting(
        Restart.PERMANENT, help="when it is started again: always, after a failure (transient), never (temporary)"
    )
    significant: bool = setting(False, help="its end by itself counts for its supervisor's auto_shutdown")
    grace_s: float | Unlimited | None = field(default=None, metadata=_GRACE)
    start_within_s: float | None = field(default=None, metadata=span("how long it may take to become ready", "2m"))
    hang_after_s: float | None = field(default=None, metadata=span("silent for this long it is hung, and ended", "30s"))


@dataclass(frozen=True)
class Supervise(Levels, _OfOne):
    """The value of `supervise`: how one process is kept where that differs from [supervision]."""

    cpu_over_s: float | None = field(
        default=None, metadata=span("the time over which its share of a core is measured", "1m")
    )

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings are seen together."""
        yield from super().problems(path)
        yield from significant_problems(path, self.restart, self.significant)

    def beside(self, house: Supervision, path: str) -> Iterator[Problem]:
        """What only shows when [supervision] is seen too."""
        yield from mixed_problems(path, house, self)
        if self.hang_after_s is not None:
            yield from _beats(f"{path}.hang_after", self.hang_after_s, house.heartbeat_s)


def significant_problems(path: str, restart: Restart, significant: bool) -> Iterator[Problem]:
    """OTP's rule for child specifications (supervisor, "significant"): a permanent child never ends by itself."""
    if significant and restart is Restart.PERMANENT:
        yield Problem(f"{path}.significant", "true", _SIGNIFICANT)


def _beats(path: str, hang_after_s: float, heartbeat_s: float) -> Iterator[Problem]:
    if hang_after_s < 2 * heartbeat_s:
        cure = f"must be at least twice the heartbeat ({heartbeat_s:g}s), or one late beat ends a process"
        yield Problem(path, f"{hang_after_s:g}s", cure)
