"""The status as plain data: what `holdfast status` is told, a pure function of what the root knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supervisors.life import Life
from supervisors.plan import Child, Phase, Tree


@dataclass(frozen=True, slots=True)
class Root:
    """The root itself. A zygote's pid of 0 means that there is none just now."""

    gateway: str
    pid: int
    uptime_s: float
    heartbeat_s: float
    zygote_pid: int
    zygote_ready: bool


def snapshot(
    root: Root, tree: Tree, lives: Mapping[str, Life], last_ends: Mapping[str, str], now: float
) -> dict[str, Any]:
    """The tree in start order; `last_ends` says by name how a child last ended. `now` is in monotonic seconds."""
    return {
        "gateway": root.gateway,
        "pid": root.pid,
        "uptime_s": round(root.uptime_s, 3),
        "zygote": {"pid": root.zygote_pid, "ready": root.zygote_ready},
        "ending": tree.ending,
        "heartbeat_s": root.heartbeat_s,
        "children": [
            _child(name, child, lives.get(name), last_ends.get(name, ""), tree.budget.period_s, now)
            for name, child in tree.children.items()
        ],
    }


def _child(name: str, child: Child, life: Life | None, last_end: str, period_s: float, now: float) -> dict[str, Any]:
    next_in_s = round(max(0.0, child.due - now), 3) if child.phase in (Phase.WAITING, Phase.QUARANTINED) else None
    return {
        "name": name,
        "kind": child.spec.kind,
        "phase": str(child.phase),
        "pid": life.process.pid if life else None,
        "token": child.token,
        "for_s": round(now - child.since, 3),
        "restarts": child.restarts,
        "restarts_in_period": len([t for t in child.recent if now - t <= period_s]),
        "on_probation": child.on_probation,
        "reason": child.reason,
        "last_end": last_end,
        "next_in_s": next_in_s,
        "beat_age_s": round(now - life.last_beat, 3) if life and life.ready else None,
        "progress": life.progress if life else 0,
        "state": dict(life.state) if life else {},
    }
