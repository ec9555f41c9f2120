"""What the far end got, and what is missing in it: the count that the demo's last line is made from. It imports no I/O.

Two things are looked at, each of which must be without holes:
- the ids (topic, epoch, seq) of the spool's records: `seq` counts on by one, from 1, through all epochs;
- of each device the numbers of its scans, which begin anew with each of its processes. They are seen in the records
  that carry a tag of it which takes no detour through an aggregate.
A hole is no loss where a gap record names it: its range, or what a killed process may have read and not kept.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

OF_THE_SPOOL = "spool/"  # a gap of this source names ids: spool/TOPIC/EPOCH


class Ranges:
    """Whole numbers as ranges: the memory of a sequence without holes is one pair."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, first: int, last: int) -> None:
        """Take in all numbers from `first` to `last`."""
        low = bisect_left(self._ranges, first - 1, key=lambda pair: pair[1])
        high = low
        while high < len(self._ranges) and self._ranges[high][0] <= last + 1:
            first, last = min(first, self._ranges[high][0]), max(last, self._ranges[high][1])
            high += 1
        self._ranges[low:high] = [(first, last)]

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._ranges, number, key=lambda pair: pair[1])
        return at < len(self._ranges) and self._ranges[at][0] <= number

    @property
    def last(self) -> int:
        """The largest number, 0 when there is none."""
        return self._ranges[-1][1] if self._ranges else 0

    def missing(self, up_to: int) -> int:
        """How many of the numbers from 1 to `up_to` (and to the last one here) are not in it."""
        return max(up_to, self.last) - sum(last - first + 1 for first, last in self._ranges)


@dataclass(slots=True)
class Scans:
    """The scans of one device: the number that comes next, and what was said of missing ones since the last."""

    following: int = 1
    named: int = 0
    excused: bool = False
    missing: int = 0
    seen: int = 0

    def came(self, first: int, last: int) -> None:
        """A record brought the scans `first` to `last`."""
        if first < self.following:  # another process of this device; what the one before read last, its gap names
            self.missing += not self.excused
            self.following, self.named = 1, 0
        if not self.excused:
            self.missing += max(0, first - self.following - self.named)
        self.following, self.named, self.excused = last + 1, 0, False
        self.seen += last - first + 1


class Ledger:
    """`straight` names, for each device, a tag that comes straight from it."""

    def __init__(self, straight: Mapping[str, str]) -> None:
        self.readings = self.records = self.repeated = self.gaps = self.unseen = 0
        self._straight = straight
        self._scans = {device: Scans() for device in straight}
        self._ids: dict[tuple[str, int], Ranges] = {}
        self._accounted: dict[str, Ranges] = {}
        self._promised: dict[str, int] = {}
        self._looked_away = False

    @property
    def lost(self) -> int:
        """How much is missing and named by nobody; the two counts see the same loss from two sides."""
        ids = sum(ranges.missing(self._promised.get(topic, 0)) for topic, ranges in self._accounted.items())
        return max(ids, sum(scans.missing for scans in self._scans.values()))

    def last(self, topic: str) -> int:
        """The largest `seq` that came of a topic."""
        return self._accounted[topic].last if topic in self._accounted else 0

    def scans(self, device: str) -> int:
        """How many scans of a device came."""
        return self._scans[device].seen

    def heard(self, record: Mapping[str, Any]) -> bool:
        """Note one record of the payload format `json`; False for one that came before."""
        topic, epoch, seq = record["topic"], record["epoch"], record["seq"]
        known = self._ids.setdefault((topic, epoch), Ranges())
        if seq in known:
            self.repeated += 1
            return False
        known.add(seq, seq)
        accounted = self._accounted.setdefault(topic, Ranges())
        if self._looked_away:
            self._look_again(accounted, seq)
        accounted.add(seq, seq)
        self.records += 1
        if "gap" in record:
            self._gap(record["device"], record["gap"])
        else:
            self._batch(record["device"], record["source_seq"], record["readings"])
        return True

    def promised(self, topic: str, seq: int) -> None:
        """Everything of a topic up to `seq` is said to have been delivered."""
        self._promised[topic] = seq
        self._accounted.setdefault(topic, Ranges())

    def looked_away(self) -> None:
        """The broker was gone: what it had taken before, and what came until we were back, we could not see."""
        self._looked_away = True

    def _look_again(self, accounted: Ranges, seq: int) -> None:
        self._looked_away = False
        if seq > accounted.last + 1:
            self.unseen += seq - accounted.last - 1
            accounted.add(accounted.last + 1, seq)
        for scans in self._scans.values():
            scans.excused = True

    def _gap(self, source: str, gap: Mapping[str, Any]) -> None:
        self.gaps += 1
        first, last = gap["first_seq"], gap["last_seq"]
        if source.startswith(OF_THE_SPOOL) and first is not None:
            self._accounted.setdefault(source.split("/")[1], Ranges()).add(first, last)
            for scans in self._scans.values():  # whose scans were in there, nobody can say
                scans.excused = True
        elif source in self._scans:
            scans = self._scans[source]
            scans.named += gap["count"] or 0
            scans.excused |= first is None

    def _batch(self, device: str, source_seq: int, readings: Iterable[Mapping[str, Any]]) -> None:
        last, is_straight = source_seq, False
        for reading in readings:
            self.readings += 1
            last = max(last, reading["scan"])
            is_straight |= reading["tag"] == self._straight.get(device)
        if is_straight:
            self._scans[device].came(source_seq, last)
