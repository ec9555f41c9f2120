"""When a program is ready: pure. What was seen of it is handed in; what is still missing is told in words.

It is ready when it takes connections on its port, has made its file, or has printed its line, whichever the settings
name; where they name none, when it has run for `settle_s`.
"""

from dataclasses import dataclass, replace
from enum import Enum


class Sign(Enum):
    """What a program can be seen by."""

    PORT = "take connections on {}"
    FILE = "make the file {}"
    LINE = "print a line with {!r}"
    TIME = "run for {:g} s"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Which sign is awaited, what exactly (`what` completes the sign's words), and whether it was seen.

    `settled_at` is the monotonic time from which a program without any sign of its own is ready.
    """

    awaited: Sign
    what: str | float
    settled_at: float
    seen: bool = False

    def missing(self) -> str:
        """What it has not done yet, as "did not ..."; "" when it is ready."""
        return "" if self.seen else f"did not {self}"

    def __str__(self) -> str:
        return self.awaited.value.format(self.what)


def awaiting(sign: Sign, what: str | float, now: float) -> Readiness:
    """A program that is started now."""
    return Readiness(sign, what, now + float(what) if sign is Sign.TIME else now)


def saw(readiness: Readiness, sign: Sign) -> Readiness:
    """The program gave this sign; one that is not awaited changes nothing."""
    return replace(readiness, seen=True) if sign is readiness.awaited else readiness


def passed(readiness: Readiness, now: float) -> Readiness:
    """Time has passed, and the program still runs."""
    if readiness.awaited is Sign.TIME and now >= readiness.settled_at:
        return replace(readiness, seen=True)
    return readiness
