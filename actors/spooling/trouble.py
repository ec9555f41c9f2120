"""What is wrong with the disk, since when, and when it is tried again, as a value.

    well ──failed──> trouble ──failed──> trouble, tried later ──opened──> mending ──proven──> well
                        ^──────────────────failed──────────────────────────┘

A disk that opens has yet to prove itself by a sync: until then the next failure is not the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from transports.backoff import Backoff

BACKOFF = Backoff(first_s=0.2, ceiling_s=5.0)


@dataclass(frozen=True, slots=True)
class Trouble:
    """`what` is wrong ("" when all is well); `since_ns` (UTC) and `since` (monotonic) tell from when on."""

    what: str = ""
    since: float = 0.0
    since_ns: int = 0
    attempts: int = 0
    next_at: float = 0.0
    is_open: bool = True

    def failed(self, what: str, now: float, now_ns: int, luck: float) -> "Trouble":
        """The disk refused, at work or when it was opened; `luck` in [0, 1) spreads the next try."""
        first = self if self.what else replace(self, since=now, since_ns=now_ns)
        next_at = now + BACKOFF.delay_s(self.attempts, luck)
        return replace(first, what=what, attempts=self.attempts + 1, next_at=next_at, is_open=False)

    def opened(self) -> "Trouble":
        """The spool is open; whether it works will be seen."""
        return replace(self, is_open=True)

    def told(self, now: float) -> Mapping[str, Any]:
        """For the state: nothing while the spool is open."""
        if self.is_open:
            return {}
        return {"disk_since_ns": self.since_ns, "disk_next_try_s": round(max(0.0, self.next_at - now), 1)}


WELL = Trouble()
