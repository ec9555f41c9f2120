"""Facts from what the root and the spooler answer: a flat table of names and values. Pure.

    tree/NAME/phase, restarts, held, reason, connected     of each child; `connected` where it has a connection
    gateway/children, not_running, uptime
    ledger/adds_up, ledger/TOPIC/PRODUCER/CONSUMER/read, delivered, waiting, gaps

`Facts.watched` are told when they change, `figures` change all the time and are told with everything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Fact = bool | int | float | str

REASON_MOST = 500  # characters
COUNTS = ("read", "delivered", "waiting", "gaps")
_WELL = ("running", "stopped", "ended")


@dataclass(frozen=True, slots=True)
class Facts:
    """See the module's note."""

    watched: Mapping[str, Fact] = field(default_factory=dict)
    figures: Mapping[str, Fact] = field(default_factory=dict)

    def all(self) -> dict[str, Fact]:
        return {**self.watched, **self.figures}

    def __or__(self, other: "Facts") -> "Facts":
        return Facts({**self.watched, **other.watched}, {**self.figures, **other.figures})


def of_tree(status: Mapping[str, Any]) -> Facts:
    """What the root's Status says."""
    children: Sequence[Mapping[str, Any]] = status["children"]
    watched: dict[str, Fact] = {"gateway/children": len(children)}
    watched["gateway/not_running"] = sum(child["phase"] not in _WELL for child in children)
    for child in children:
        watched |= _of_child(child)
    return Facts(watched, {"gateway/uptime": float(status["uptime_s"])})


def of_ledger(rows: Iterable[Sequence[Any]]) -> Facts:
    """What the spooler's Ledger says: topic, producer, consumer, read, delivered, waiting, gaps, in samples."""
    figures: dict[str, Fact] = {}
    adds_up = True
    for topic, producer, consumer, *counts in rows:
        read, delivered, waiting, gaps = counts
        adds_up = adds_up and read == delivered + waiting + gaps
        figures |= {
            f"ledger/{topic}/{producer}/{consumer}/{name}": count for name, count in zip(COUNTS, counts, strict=True)
        }
    return Facts({"ledger/adds_up": adds_up}, figures)


def _of_child(child: Mapping[str, Any]) -> dict[str, Fact]:
    state, name = child["state"], f"tree/{child['name']}"
    connected = state.get("connected")
    told: dict[str, Fact] = {
        f"{name}/phase": child["phase"],
        f"{name}/restarts": child["restarts"],
        f"{name}/held": child["held"],
        f"{name}/reason": _reason(child, connected is False and str(state.get("last_error", ""))),
    }
    if isinstance(connected, bool):
        told[f"{name}/connected"] = connected
    return told


def _reason(child: Mapping[str, Any], not_connected: str | bool) -> str:
    """Why it is as it is: why it does not run, why it is not connected, how it ended last; "" for nothing of that."""
    why = child["reason"] if child["phase"] != "running" else not_connected
    return str(why or child["last_end"] or "")[:REASON_MOST]
