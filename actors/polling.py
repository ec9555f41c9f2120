"""When a device is read next: a decider. A period never drifts, and what was missed is counted, not made up for."""

from dataclasses import dataclass
from math import floor


@dataclass(frozen=True, slots=True)
class Polling:
    """Reads are due at `origin + n x period_s` (monotonic seconds)."""

    origin: float
    period_s: float

    def next_after(self, now: float) -> float:
        """The first due time later than `now`."""
        periods = floor((now - self.origin) / self.period_s) + 1
        due = self.origin + periods * self.period_s
        return due if due > now else due + self.period_s  # the division may have rounded down onto `now` itself

    def missed(self, due: float, now: float) -> int:
        """How many later due times have passed while the read that was due at `due` took until `now`."""
        return max(0, floor((now - due) / self.period_s))
