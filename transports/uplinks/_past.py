"""What one connection of an uplink leaves to the next: when to try again, and what the far end never takes."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

from transports.backoff import Backoff

K = TypeVar("K")
LEAST_S = 1.0  # between two attempts, whatever goes wrong
BACKOFF = Backoff(first_s=LEAST_S, ceiling_s=10.0)
REFUSED_MOST = 1024


class Refused(OrderedDict[K, str]):
    """Why something is never to be sent again, by what tells it from others. The oldest are forgotten: they are asked
    once more."""

    def refuse(self, what: K, why: str = "") -> None:
        self[what] = why
        if len(self) > REFUSED_MOST:
            self.popitem(last=False)


@dataclass(slots=True)
class Attempts:
    """A second after the last try at least, doubling while it fails. `not_before` is in monotonic seconds."""

    not_before: float = float("-inf")
    failures: int = 0

    def begun(self, now: float) -> None:
        """A connection is tried."""
        self.not_before = now + LEAST_S

    def failed(self, now: float, luck: float) -> None:
        """It has ended badly."""
        if self.failures:
            self.not_before = max(self.not_before, now + BACKOFF.delay_s(self.failures - 1, luck))
        self.failures += 1
