"""What a device served against what a subscriber got: the arithmetic of the chaos tests, pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Place = tuple[int, int]


@dataclass
class Arrived:
    """What the subscriber has of one device: counter values in order of their first arrival, and gaps.

    `live` and `historical` have the ids (epoch, seq) of the records that came in each lane, as they came first.
    """

    values: list[int] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    repeated: int = 0
    samples: int = 0
    live: list[Place] = field(default_factory=list)
    historical: list[Place] = field(default_factory=list)


def served(log: Path) -> dict[int, int]:
    """Every counter value that the Modbus server handed out, with the time (UTC ns)."""
    pairs = (line.split() for line in log.read_text().splitlines())
    return {int(count): int(time_ns) for count, time_ns in pairs}


def arrived(payloads: Iterable[bytes]) -> dict[str, Arrived]:
    """The JSON records of a subscriber by device, deduplicated by (gateway, topic, epoch, seq)."""
    devices: dict[str, Arrived] = {}
    seen: set[tuple[str, str, int, int]] = set()
    for record in (each for payload in payloads for each in records(payload)):
        device = devices.setdefault(record["device"], Arrived())
        key = record["gateway"], record["topic"], record["epoch"], record["seq"]
        if key in seen:
            device.repeated += 1
            continue
        seen.add(key)
        (device.historical if record.get("historical") else device.live).append((record["epoch"], record["seq"]))
        if "gap" in record:
            device.gaps.append(record["gap"])
        else:
            device.values += _counters(record["readings"])
            device.samples += len(record["readings"])
    return devices


def records(payload: bytes) -> list[dict[str, Any]]:
    """The records of one message in the payload format `json`; none of the gateway's own status."""
    said = json.loads(payload)
    return [each for each in (said if isinstance(said, list) else [said]) if "seq" in each]


def _counters(readings: list[dict[str, Any]]) -> list[int]:
    """The counter of each scan: the tag `n`, or r0 + 65536 x r1; scans without a value (Bad) say nothing."""
    scans: dict[int, dict[str, Any]] = {}
    for reading in readings:
        scans.setdefault(reading["scan"], {})[reading["tag"]] = reading["value"]
    counts = [_counter(scan) for scan in scans.values()]
    return [count for count in counts if count is not None]


def _counter(scan: dict[str, Any]) -> int | None:
    if "n" in scan:
        return scan["n"]
    return None if scan.get("r0") is None else scan["r0"] + (scan["r1"] << 16)


@dataclass
class Delivered:
    """What a subscriber has, to be held against the gateway's own ledger: samples of each record by device and id, and
    the ranges (epoch, first seq, last seq) that the spool says nobody can have any more."""

    samples: dict[str, dict[Place, int]] = field(default_factory=dict)
    lost: list[tuple[int, int, int]] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)

    def distinct(self, device: str) -> int:
        """Samples that came, each id once.

        Without those that the spool has lost as well: what was on its way when the link was cut may have arrived, and
        the gateway cannot know. Before it could send it again it lost it, and has to count it as lost.
        """
        ids = self.samples.get(device, {})
        return sum(count for place, count in ids.items() if not self._is_lost(place))

    def told_lost_too(self, device: str) -> int:
        """Samples that came, although the spool says that they are lost."""
        return sum(self.samples.get(device, {}).values()) - self.distinct(device)

    def _is_lost(self, place: Place) -> bool:
        return any(place[0] == epoch and first <= place[1] <= last for epoch, first, last in self.lost)


def delivered(payloads: Iterable[bytes]) -> Delivered:
    """The records of a subscriber as the ledger counts them."""
    got = Delivered()
    for record in (each for payload in payloads for each in records(payload)):
        if "gap" not in record:
            got.samples.setdefault(record["device"], {})[record["epoch"], record["seq"]] = len(record["readings"])
        elif record["device"].startswith("spool/out/"):
            epoch = int(record["device"].rpartition("/")[2])
            got.reasons.add(record["gap"]["reason"])
            got.lost.append((epoch, record["gap"]["first_seq"], record["gap"]["last_seq"]))
    return got
