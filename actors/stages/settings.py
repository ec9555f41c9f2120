"""What can be written in a table `[aggregate.NAME]`."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from actors.stages.pipeline import steps_of
from actors.stages.statistic import DEFAULT, Statistic
from transports.errors import Problem, SettingsError
from transports.settings import Facts, duration, setting

MAX_OPEN_WINDOWS = 100  # each holds some 70 bytes a tag, in memory and in every dump
STAGES = Facts(
    "what is done with the readings first, one stage after the other",
    form='a list of tables, such as [{ stage = "scale", factor = 0.1 }]',
)


@dataclass(frozen=True)
class Settings:
    """Which tags are taken, and whether they are summed up in windows or passed on when they change."""

    from_: tuple[str, ...] = setting(
        key="from", help='tags to take, as "device.tag" with * and ?; "device" is all its tags', example='["press-1.*"]'
    )
    window_s: float | None = duration(
        None, ge=0.001, le=366 * 86400, help="length of a window, aligned to 1970-01-01 UTC; left out: pass samples on"
    )
    lateness_s: float = duration("0s", ge=0, le=366 * 86400, help="how long after a window's end late samples count")
    statistics: tuple[Statistic, ...] = setting(DEFAULT, help="what to send of each window")
    deadband: float | None = setting(None, ge=0, help="pass on what moved by more than this since the last one sent")
    deadband_percent: float | None = setting(None, ge=0, help="the same, in percent of the last one sent")
    max_silence_s: float | None = duration(None, help="send an unchanged value again after this long")
    keep: bool = setting(False, help="send the original readings as well")
    stages: tuple[Mapping[str, Any], ...] = dataclasses.field(default=(), metadata={"facts": STAGES})

    @property
    def window_ns(self) -> int:
        """The window's length in ns; 0 where samples are passed on."""
        return round((self.window_s or 0) * 1e9)

    @property
    def lateness_ns(self) -> int:
        """The lateness in ns."""
        return round(self.lateness_s * 1e9)

    def problems(self, path: str) -> Iterator[Problem]:
        """Settings that contradict each other."""
        if not self.from_:
            yield Problem(f"{path}.from", "[]", 'must name at least one tag, such as "press-1.*"')
        yield from self._of_stages(path)
        yield from self._of_windows(path) if self.window_s else self._of_passing(path)

    def _of_stages(self, path: str) -> Iterator[Problem]:
        try:
            steps = steps_of(self.stages, f"{path}.stages")
        except SettingsError as wrong:
            yield from wrong.problems
            return
        for number, step in enumerate(steps):
            if step.thins and self.window_s:
                cure = "leaves samples out that the window needs; remove one of the two"
                yield Problem(f"{path}.stages[{number}].stage", repr(step.name), cure)

    def _of_windows(self, path: str) -> Iterator[Problem]:
        if not self.statistics or len(set(self.statistics)) < len(self.statistics):
            yield Problem(f"{path}.statistics", repr(list(self.statistics)), "must name statistics, each once")
        if self.lateness_ns > MAX_OPEN_WINDOWS * self.window_ns:
            cure = f"must be at most {MAX_OPEN_WINDOWS} windows; all of them are kept open"
            yield Problem(f"{path}.lateness", f"{self.lateness_s:g}", cure)
        for key, value in self._of_deadband().items():
            if value is not None:
                yield Problem(f"{path}.{key}", f"{value:g}", "works without a window only; remove one of the two")

    def _of_passing(self, path: str) -> Iterator[Problem]:
        if self.statistics != DEFAULT:
            yield Problem(f"{path}.statistics", repr(list(self.statistics)), "needs a window, such as window = '10s'")
        if self.lateness_s:
            yield Problem(f"{path}.lateness", f"{self.lateness_s:g}", "needs a window, such as window = '10s'")
        if self.max_silence_s is not None and self.deadband is None and self.deadband_percent is None:
            cure = "needs deadband or deadband_percent; without them every sample is passed on"
            yield Problem(f"{path}.max_silence", f"{self.max_silence_s:g}", cure)

    def _of_deadband(self) -> dict[str, float | None]:
        return {
            "deadband": self.deadband,
            "deadband_percent": self.deadband_percent,
            "max_silence": self.max_silence_s,
        }
