"""How fast a gateway works: readings/s and messages/s of each child between two statuses. Pure.

A child's counters change with its beats, so they are divided by the time between two beats, not between two looks.
Of a device, a message is a scan; of an aggregate, an output; of the spooler, an append.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Status = Mapping[str, Any]
READINGS: Mapping[str, str] = {"device": "samples", "uplink": "samples", "aggregator": "samples"}
MESSAGES: Mapping[str, str] = {
    "device": "scans",
    "uplink": "messages",
    "aggregator": "outputs",
    "spooler": "appended",
}
SHORTEST_S = 0.02  # two beats are further apart; what is nearer is the same one, measured twice


@dataclass(frozen=True, slots=True)
class Rate:
    """Per second; None where it cannot be known."""

    readings: float | None = None
    messages: float | None = None


def rates(before: Status, after: Status, known: Mapping[str, Rate]) -> dict[str, Rate]:
    """By name, of those that live in `after`. Whoever has not beaten since `before` keeps the rate that is `known`."""
    same_root = before["pid"] == after["pid"]
    earlier = {child["name"]: child for child in before["children"]} if same_root else {}
    found: dict[str, Rate] = {}
    for child in after["children"]:
        name = child["name"]
        was = earlier.get(name)
        if was is None or was["token"] != child["token"] or child["beat_age_s"] is None or was["beat_age_s"] is None:
            continue
        span_s = _beat_at(after, child) - _beat_at(before, was)
        if span_s >= SHORTEST_S:
            found[name] = Rate(_per_second(READINGS, was, child, span_s), _per_second(MESSAGES, was, child, span_s))
        elif name in known:
            found[name] = known[name]
    return found


def _beat_at(status: Status, child: Mapping[str, Any]) -> float:
    """When it last beat, on the root's clock."""
    return float(status["uptime_s"] - child["beat_age_s"])


def _per_second(
    keys: Mapping[str, str], was: Mapping[str, Any], child: Mapping[str, Any], span_s: float
) -> float | None:
    key = keys.get(child["kind"])
    if key is None or key not in was["state"] or key not in child["state"]:
        return None
    return max(0.0, float(child["state"][key] - was["state"][key])) / span_s
