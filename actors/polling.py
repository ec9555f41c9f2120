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
        return self._due(self._last(now) + 1)

    def following(self, due: float, now: float) -> float:
        """When to read next, after the read that was due at `due` took until `now`. The first read is not due by the
        grid: the due time that may pass while it is made is read all the same, or there would be a hole."""
        return self.next_after(now if self._on_grid(due) else due)

    def missed(self, due: float, now: float) -> int:
        """How many later due times have passed, and will not be read, while the read due at `due` took until `now`."""
        return max(0, self._last(now) - self._last(due)) if self._on_grid(due) else 0

    def _on_grid(self, due: float) -> bool:
        return self._due(self._last(due)) == due

    def _due(self, n: int) -> float:
        return self.origin + n * self.period_s

    def _last(self, now: float) -> int:
        """The number of the last due time up to `now`, by the same sum that made it: the division rounds either way."""
        n = floor((now - self.origin) / self.period_s)
        while self._due(n) > now:
            n -= 1
        while self._due(n + 1) <= now:
            n += 1
        return n
