"""What one producer of the Kafka uplink leaves to the next: when to try again, and what the brokers never take."""

from dataclasses import dataclass, field

from transports.uplinks._past import LEAST_S, Attempts, Refused


@dataclass(slots=True)
class Past(Attempts):
    """`refused` has why, by what tells one payload from another."""

    refused: Refused[bytes] = field(default_factory=Refused)

    def examined(self, now: float) -> None:
        """It has taken a second connection to know why it fails: once a second on the average, all the same."""
        self.not_before = max(self.not_before, now + 2 * LEAST_S)

    def succeeded(self) -> None:
        """A message was taken."""
        self.failures = 0
