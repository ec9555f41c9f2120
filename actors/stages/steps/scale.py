"""Scale and offset, or a straight line from what a sensor says to what it means; and the unit of that.

    { stage = "scale", tags = ["oil*"], factor = 0.1, offset = -40.0, unit = "degC" }
    { stage = "scale", tags = ["level"], in_low = 4.0, in_high = 20.0, out_low = 0.0, out_high = 6.5, clamp = true }

Whole numbers become floats. With `clamp` what lies beyond the ends is the end, and Uncertain. NaN and infinities stay
what they are; what becomes too large for a float is Bad, out of range.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from actors.stages.chosen import Chosen
from actors.stages.columnwise import DOUBTFUL, OUT_OF_RANGE, Columnwise, Part, Turned, without_values
from transports.errors import Problem
from transports.samples import DataType, Tag
from transports.settings import setting

LASTING = False


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """A factor and an offset, or the two ends of a line."""

    factor: float = setting(1.0, help="what each value is multiplied by")
    offset: float = setting(0.0, help="what is then added")
    unit: str = setting("", help="the unit of what comes out; left out: the tag's own")
    in_low: float | None = setting(None, help="instead of factor and offset: a value that comes in ...")
    in_high: float | None = setting(None, help="... and a second one")
    out_low: float | None = setting(None, help="what becomes of in_low")
    out_high: float | None = setting(None, help="what becomes of in_high")
    clamp: bool = setting(False, help="make what lies beyond out_low and out_high the nearer of them, and Uncertain")

    @property
    def line(self) -> tuple[float, float, float, float] | None:
        """The ends of the line, None where there is a factor."""
        low, high, to_low, to_high = self.in_low, self.in_high, self.out_low, self.out_high
        if low is None or high is None or to_low is None or to_high is None:
            return None
        return low, high, to_low, to_high

    def problems(self, path: str) -> Iterator[Problem]:
        """Half a line, a line without a length, a line beside a factor."""
        ends = {key: getattr(self, key) for key in ("in_low", "in_high", "out_low", "out_high")}
        given = [key for key, value in ends.items() if value is not None]
        if given and self.line is None:
            lacking = next(key for key, value in ends.items() if value is None)
            yield Problem(f"{path}.{lacking}", "", f"is missing; {', '.join(given)} need it")
        if given and self.in_low is not None and self.in_low == self.in_high:
            yield Problem(f"{path}.in_high", f"{self.in_high:g}", "must differ from in_low")
        if given and (self.factor != 1.0 or self.offset != 0.0):
            key = "factor" if self.factor != 1.0 else "offset"
            yield Problem(
                f"{path}.{key}", f"{getattr(self, key):g}", f"works without {given[0]} only; remove one of them"
            )
        if self.clamp and not given:
            yield Problem(f"{path}.clamp", "true", "needs in_low, in_high, out_low and out_high")


class Scale(Columnwise):
    """See the module's note."""

    def __init__(self, settings: Settings) -> None:
        self._unit, self._clamp = settings.unit, settings.clamp
        self._factor, self._offset, self._begin_at = settings.factor, settings.offset, 0.0
        self._ends = (-np.inf, np.inf)
        if settings.line is not None:
            low, high, to_low, to_high = settings.line
            self._factor, self._offset, self._begin_at = (to_high - to_low) / (high - low), to_low, low
            self._ends = (min(to_low, to_high), max(to_low, to_high))
        super().__init__(settings.tags)

    def renamed(self, tag: Tag) -> Tag:
        return Tag(tag.name, DataType.FLOAT64, self._unit or tag.unit)

    def turned(self, part: Part) -> Turned:
        with np.errstate(all="ignore"):
            values = part.values.astype(np.float64) if part.values.dtype.kind != "f" else part.values
            scaled = ((values - self._begin_at) if self._begin_at else values) * self._factor + self._offset
        codes = None
        broken = ~np.isfinite(scaled)
        if broken.any():
            broken &= np.isfinite(values) if part.fine is None else part.fine
            codes, scaled = part.marked(broken, OUT_OF_RANGE), without_values(scaled, broken)
        if self._clamp:
            clamped = np.clip(scaled, *self._ends)
            beyond = (clamped != scaled) & ~np.isnan(scaled)
            if beyond.any():
                part.codes = part.codes if codes is None else codes
                codes, scaled = part.marked(beyond, DOUBTFUL), clamped
        return Turned(scaled, codes)


def make(settings: Settings) -> Scale:
    """A stage for one source."""
    return Scale(settings)
