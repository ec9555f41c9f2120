"""How long to wait before trying again: exponential, with a ceiling and jitter, as a value.

A decider: it imports no I/O, asks no clock and rolls no dice; the caller hands in a number between 0 and 1.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays of `first_s`, doubling up to `ceiling_s`, each moved by up to +/- `jitter` of itself.

    Jitter spreads a fleet's reconnects after a broker's return; it never lifts a delay above the ceiling.
    """

    first_s: float = 0.5
    factor: float = 2.0
    ceiling_s: float = 300.0
    jitter: float = 0.2

    def delay_s(self, attempt: int, luck: float) -> float:
        """Seconds to wait before attempt number `attempt` (0 is the first retry); `luck` is in [0, 1)."""
        doublings = min(attempt, 64)  # 2**64 half-seconds outlive any gateway; more would overflow the float
        plain = min(self.first_s * self.factor**doublings, self.ceiling_s)
        return min(plain * (1 + self.jitter * (2 * luck - 1)), self.ceiling_s)
