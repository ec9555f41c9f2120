"""What came of a campaign: served against arrived, for one device."""

import time
from collections.abc import Callable

from tests.chaos.ledger import Arrived


class Outcome:
    """One device's bookkeeping at the end of a campaign."""

    def __init__(self, served_at: dict[int, int], got: Arrived) -> None:
        self.served_at, self.got = served_at, got

    @property
    def missing(self) -> list[int]:
        return sorted(set(self.served_at) - set(self.got.values))

    @property
    def unexplained(self) -> list[int]:
        """Values that are missing and lie in no gap; the spool's clock of the last record has a period's slack."""
        slack_ns = 100_000_000
        spans = [(gap["since"] - slack_ns, gap["until"] + slack_ns) for gap in self.got.gaps]
        return [n for n in self.missing if not any(a <= self.served_at[n] <= b for a, b in spans)]

    @property
    def settled(self) -> bool:
        return not self.unexplained


def wait_until(until: Callable[[], bool], within_s: float) -> None:
    """Give a condition its time; the assertions come after."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and not until():
        time.sleep(0.1)  # polls a condition
