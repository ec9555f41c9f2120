"""What a device served against what a subscriber got: the arithmetic of the chaos tests, pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Arrived:
    """What the subscriber has of one device: counter values in order of their first arrival, and gaps."""

    values: list[int] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    repeated: int = 0


def served(log: Path) -> dict[int, int]:
    """Every counter value that the Modbus server handed out, with the time (UTC ns)."""
    pairs = (line.split() for line in log.read_text().splitlines())
    return {int(count): int(time_ns) for count, time_ns in pairs}


def arrived(payloads: Iterable[bytes]) -> dict[str, Arrived]:
    """The JSON records of a subscriber by device, deduplicated by (gateway, topic, epoch, seq)."""
    devices: dict[str, Arrived] = {}
    seen: set[tuple[str, str, int, int]] = set()
    for payload in payloads:
        record = json.loads(payload)
        if "seq" not in record:
            continue  # the gateway's own status
        device = devices.setdefault(record["device"], Arrived())
        key = record["gateway"], record["topic"], record["epoch"], record["seq"]
        if key in seen:
            device.repeated += 1
            continue
        seen.add(key)
        if "gap" in record:
            device.gaps.append(record["gap"])
        else:
            device.values += _counters(record["readings"])
    return devices


def _counters(readings: list[dict[str, Any]]) -> list[int]:
    """The counter of each scan: r0 + 65536 x r1; scans without a value (Bad) say nothing."""
    scans: dict[int, dict[str, Any]] = {}
    for reading in readings:
        scans.setdefault(reading["scan"], {})[reading["tag"]] = reading["value"]
    return [s["r0"] + (s["r1"] << 16) for s in scans.values() if s.get("r0") is not None]
