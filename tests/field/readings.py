"""What the gateway's output file has, line by line: the readings of each stream, and the numbers of each device. Pure.

A stream is one or a few tags of a device that belong into one scan; its reading is Good when all of them are.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.ledger import records

_GOOD_BELOW = 0x4000_0000  # OPC 10000-4, 7.39: the two highest bits are the severity
Scans = Mapping[int, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Stream:
    """Tags of a device, and by what a reading of theirs is known: its time in ms, or the value of a tag."""

    device: str
    tags: tuple[str, ...]
    known_by: str = ""


@dataclass
class Seen:
    """Of one stream: when there were Good readings (ns UTC), and by what each is known."""

    good_ns: list[int] = field(default_factory=list)
    keys: set[int] = field(default_factory=set)


@dataclass
class Numbers:
    """Whole numbers that should have come from 1 on without a hole, mostly in order."""

    last: int = 0
    holes: set[int] = field(default_factory=set)

    def came(self, number: int, count: int = 1) -> bool:
        """Note `count` numbers from this one on; False when they are known already."""
        if number <= self.last:
            fills = number in self.holes
            self.holes.difference_update(range(number, number + count))
            return fills
        self.holes.update(range(self.last + 1, number))
        self.last = number + count - 1
        return True


class Output:
    """Everything that the file says, read once."""

    def __init__(self, streams: Iterable[Stream]) -> None:
        self.streams = {stream: Seen() for stream in streams}
        self.samples: dict[str, int] = {}
        self.scans: dict[str, Numbers] = {}  # by device: the source's own numbers
        self.places: dict[int, Numbers] = {}  # by epoch: the spool's
        self.gaps: list[tuple[str, Mapping[str, Any]]] = []
        self._by_device: dict[str, list[Stream]] = {}
        for stream in self.streams:
            self._by_device.setdefault(stream.device, []).append(stream)

    def read(self, lines: Iterable[bytes]) -> None:
        """Take in whole lines."""
        for line in lines:
            for record in records(line):
                if self.places.setdefault(record["epoch"], Numbers()).came(record["seq"]):
                    self._take(record)

    def sort(self) -> None:
        """All has been read: the readings of each stream in the order of their times."""
        for seen in self.streams.values():
            seen.good_ns.sort()

    def _take(self, record: Mapping[str, Any]) -> None:
        device = record["device"]
        if "gap" in record:
            self.gaps.append((device, record["gap"]))
            return
        readings = record["readings"]
        self.samples[device] = self.samples.get(device, 0) + len(readings)
        scans = by_scan(readings)
        self.scans.setdefault(device, Numbers()).came(record["source_seq"], len(scans))
        for stream in self._by_device.get(device, ()):
            self._note(stream, scans)

    def _note(self, stream: Stream, scans: Scans) -> None:
        seen = self.streams[stream]
        for scan in scans.values():
            if all(tag in scan and scan[tag]["quality"] < _GOOD_BELOW for tag in stream.tags):
                time_ns = scan[stream.tags[0]]["time"]
                seen.good_ns.append(time_ns)
                seen.keys.add(scan[stream.known_by]["value"] if stream.known_by else round(time_ns / 1e6))


def by_scan(readings: Sequence[Mapping[str, Any]]) -> Scans:
    """The readings of each scan by tag."""
    scans: dict[int, dict[str, Mapping[str, Any]]] = {}
    for reading in readings:
        scans.setdefault(reading["scan"], {})[reading["tag"]] = reading
    return scans


def noted(lines: Iterable[str]) -> dict[str, list[str]]:
    """What was acknowledged, by what stands before the first space: a topic, a path, a name."""
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, what = line.rstrip("\n").partition(" ")
        found.setdefault(name, []).append(what)
    return found


def milliseconds(text: str, *path: str, per: float = 1.0) -> int:
    """The number at that path of a JSON document, in ms."""
    value: Any = json.loads(text)
    for key in path:
        value = value[key]
    return round(float(value) * per)
