"""How the spool stands, for `holdfast status`: what was counted, over all openings, and each topic in numbers.

While the disk is in trouble, the topics stand as they were seen last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from transports.spool import Settings, Spool

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What an open spool has done so far."""

    appended: int = 0
    fetched: int = 0
    syncs: int = 0
    written_bytes: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Counts)))


class Standing:
    """`consumers` names who reads each topic."""

    def __init__(self, settings: Settings, consumers: Mapping[str, Sequence[str]]) -> None:
        self._settings, self._consumers = settings, consumers
        self._before, self._now = Counts(), Counts()
        self._topics: dict[str, Mapping[str, Any]] = {}

    def seen(self, spool: Spool, counts: Counts) -> None:
        """The spool as it is now. Raises SpoolError when the disk has failed."""
        self._now = counts
        for topic, stat in spool.stat().items():
            quota = self._settings.quota(topic)
            self._topics[topic] = {
                "segments": stat.segments,
                "bytes": stat.bytes,
                "quota_bytes": quota.max_bytes,
                "policy": quota.policy.value,
                "end": list(stat.end),
                "waiting": {name: spool.waiting(topic, name) for name in self._consumers[topic]},
                "damaged": stat.damaged,
                "quarantined": stat.quarantined,
                "torn_bytes": stat.torn_bytes,
            }

    def closed(self, counts: Counts) -> None:
        """What was open is not any more."""
        self._before, self._now = self._before.plus(counts), Counts()

    def told(self, uptime_s: float) -> Mapping[str, Any]:
        """For the state; a day's writing is reckoned from what was written in `uptime_s`."""
        counts, settings = self._before.plus(self._now), self._settings
        return {
            "appended": counts.appended,
            "fetched": counts.fetched,
            "syncs": counts.syncs,
            "written_bytes": counts.written_bytes,
            "bytes_per_day": round(counts.written_bytes * DAY_S / max(uptime_s, 1.0)),
            "power_cut_window": "each append" if settings.strict else f"{settings.sync_s:g} s",
            "topics": self._topics,
        }
