"""What a command may write: which tags, and within which limits.

A driver's tag settings take `Writing` as a base, so that everybody declares the same way:

    [device.press-1.tags]
    setpoint = { address = 40, writable = true, min = 0, max = 120, read_back = true }

A link hands out `writable`, a `Limits` for each tag that a command may set; what is not in it, no command can write.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from transports.errors import Problem
from transports.samples import Value
from transports.settings import setting


@dataclass(frozen=True, slots=True)
class Limits:
    """What values of one tag a command may write; None and () are no limit. `read_back`: done only when it reads so."""

    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Value, ...] = ()
    read_back: bool = False

    def refusal(self, value: Value) -> str:
        """Why this value may not be written, "" when it may."""
        if self.choices and not any(_same(one, value) for one in self.choices):
            return f"must be one of {', '.join(map(repr, self.choices))}"
        if self.minimum is None and self.maximum is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            return "must be a number, since it has limits"
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum:g}"
        if self.maximum is not None and value > self.maximum:
            return f"must be at most {self.maximum:g}"
        return ""


def _same(one: Value, other: Value) -> bool:
    """Numbers by what they are worth, 1 and 1.0 being the same; true and 1 are not."""
    return isinstance(one, bool) is isinstance(other, bool) and one == other


@dataclass(frozen=True, kw_only=True)
class Writing:
    """The keys of a tag that say whether and what a command may write: a base for a driver's own tag settings."""

    writable: bool = setting(False, help="whether a command may set it")
    lowest: float | None = setting(None, key="min", help="the least that a command may write", example="0")
    highest: float | None = setting(None, key="max", help="the most that a command may write", example="100")
    choices: tuple[bool | int | float | str, ...] = setting((), help="the only values that a command may write")
    read_back: bool = setting(False, help="a command is done only when the tag then reads what was written")

    @property
    def limits(self) -> Limits | None:
        """The limits of a tag that may be written, None of one that may not."""
        return Limits(self.lowest, self.highest, self.choices, self.read_back) if self.writable else None

    def writing_problems(self, path: str) -> Iterator[Problem]:
        """Limits of what cannot be written, and limits that nothing can keep."""
        given = {"min": self.lowest, "max": self.highest, "choices": self.choices or None}
        for key, value in given.items():
            if value is not None and not self.writable:
                yield Problem(f"{path}.{key}", repr(value), "needs writable = true: it limits what a command may write")
        if self.lowest is not None and self.highest is not None and self.lowest > self.highest:
            yield Problem(f"{path}.min", f"{self.lowest:g}", f"must be at most max ({self.highest:g})")
