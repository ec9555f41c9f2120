"""What one producer of the Kafka uplink leaves to the next: when to try again, and what the brokers never take."""

from collections import OrderedDict
from dataclasses import dataclass, field

from transports.backoff import Backoff

LEAST_S = 1.0
REFUSED_MOST = 1024
_BACKOFF = Backoff(first_s=LEAST_S, ceiling_s=10.0)


@dataclass(slots=True)
class Past:
    """`refused` has why, by what tells one payload from another."""

    not_before: float = float("-inf")
    failures: int = 0
    refused: "OrderedDict[bytes, str]" = field(default_factory=OrderedDict)

    def begun(self, now: float) -> None:
        """A connection is tried."""
        self.not_before = now + LEAST_S

    def examined(self, now: float) -> None:
        """It has taken a second connection to know why it fails: once a second on the average, all the same."""
        self.not_before = max(self.not_before, now + 2 * LEAST_S)

    def failed(self, now: float, luck: float) -> None:
        """It has ended badly."""
        if self.failures:
            self.not_before = max(self.not_before, now + _BACKOFF.delay_s(self.failures - 1, luck))
        self.failures += 1

    def succeeded(self) -> None:
        """A message was taken."""
        self.failures = 0

    def refuse(self, digest: bytes, why: str) -> None:
        """It is never to be sent again. The oldest are forgotten: they are asked once more."""
        self.refused[digest] = why
        if len(self.refused) > REFUSED_MOST:
            self.refused.popitem(last=False)
