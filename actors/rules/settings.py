"""What can be written in a table `[rule.NAME]`."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from transports.errors import Problem
from transports.settings import duration, setting


class Mode(StrEnum):
    """When a rule acts: once as it changes, or again and again while it stays so."""

    EDGE = "edge"
    LEVEL = "level"


class OnBad(StrEnum):
    """What a rule makes of a reading that is not to be had."""

    HOLD = "hold"
    TRUE = "true"
    FALSE = "false"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """When what is true, who is commanded to do what."""

    when: str = setting(help="expression over tags, as device.tag", example="press.oil_temp > 80")
    then: tuple[str, ...] = setting((), help="what is commanded when it becomes true", example='["fan.speed = 100"]')
    else_: tuple[str, ...] = setting(
        (),
        key="else",
        help="what is commanded when it becomes false after it was true; with level also while it is false",
    )
    for_s: float = duration("0s", ge=0, le=86400, help="so long must it be true without a break before it counts")
    clear: str = setting(
        "",
        help="hysteresis: once true it stays so until this is; by default until `when` is not",
        example="press.oil_temp < 75",
    )
    mode: Mode = setting(Mode.EDGE, help="act once at each change, or (level) again each `repeat` while it lasts")
    repeat_s: float = duration("10s", ge=0.1, le=86400, help="with level: so often")
    min_interval_s: float = duration(
        "0s",
        ge=0,
        le=86400,
        help="least time between two actions; what is due sooner waits, and only the last of it counts",
    )
    on_bad: OnBad = setting(
        OnBad.HOLD, help="a Bad or silent reading: leave things as they are, or take it for true or false"
    )
    silent_after_s: float = duration(
        "60s", ge=0, le=86400, help="a reading older than this is no reading; 0s: it never grows old"
    )
    ttl_s: float = duration("2s", le=3600, help="a command that cannot be executed in this time never is")
    enabled: bool = setting(True, help="false leaves the rule out")

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings are seen together."""
        if not self.then and not self.else_:
            yield Problem(f"{path}.then", "[]", 'must command something, such as "fan.speed = 100"')
        if self.min_interval_s > self.repeat_s and self.mode is Mode.LEVEL:
            cure = f"must be at least min_interval ({self.min_interval_s:g}s)"
            yield Problem(f"{path}.repeat", f"{self.repeat_s:g}s", cure)
