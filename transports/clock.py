"""The only place that asks the machine what time it is.

Everything that decides is handed times: `now` is monotonic seconds (float, CLOCK_MONOTONIC: it never jumps and is
one clock for all processes of a machine), `utc_ns` is nanoseconds since 1970-01-01 UTC (int, CLOCK_REALTIME: what
readings are stamped with).
"""

import time
from typing import Protocol


class Clock(Protocol):
    """What a room needs to know the time; tests turn theirs by hand."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def utc_ns(self) -> int:
        """Nanoseconds since the epoch, UTC."""
        ...


class MachineClock:
    """The machine's own two clocks."""

    def now(self) -> float:
        return time.monotonic()

    def utc_ns(self) -> int:
        return time.time_ns()


class HandClock:
    """A clock that only moves when told to: for simulations and tests."""

    def __init__(self, now: float = 0.0, utc_ns: int = 1_700_000_000_000_000_000) -> None:
        self._now, self._utc_ns = now, utc_ns

    def now(self) -> float:
        return self._now

    def utc_ns(self) -> int:
        return self._utc_ns

    def advance(self, seconds: float) -> None:
        """Move both hands on by the same span."""
        self._now += seconds
        self._utc_ns += round(seconds * 1e9)
