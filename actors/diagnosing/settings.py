"""What can be said in [diagnostics]. The table's being there switches it on."""

from dataclasses import dataclass

from transports.settings import duration, setting

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How often the gateway tells of itself."""

    enabled: bool = setting(True, help="false leaves it out")
    period_s: float = duration("1h", ge=1, le=DAY_S, help="how often everything is told, changed or not")
    host_period_s: float = duration(
        "1m",
        key="host_period",
        ge=1,
        le=DAY_S,
        help="how often the machine itself is read: processor, memory, disk, ...",
    )
    watch_period_s: float = duration(
        "2s", key="watch_period", ge=0.2, le=60, help="how often is looked for what has changed; a change is told then"
    )
