"""The status as plain data: what `holdfast status` is told, a pure function of what the root knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from supervisors.life import Life
from supervisors.limits import Usage
from supervisors.plan import Child, Phase, Then, Tree
from transports.names import ROOT

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Root:
    """The root itself. A zygote's pid of 0 means that there is none just now.

    `config` and `reload` are what the reloader tells (supervisors/reload/reloader.py, `status`); None without one.
    """

    gateway: str
    pid: int
    uptime_s: float
    heartbeat_s: float
    zygote_pid: int
    zygote_ready: bool
    data_dir: str = ""
    config: Mapping[str, Any] | None = None
    reload: Mapping[str, Any] | None = None


def snapshot(
    root: Root,
    tree: Tree,
    lives: Mapping[str, Life],
    last_ends: Mapping[str, str],
    now: float,
    usages: Mapping[str, Usage] = _NOTHING,
    over: Mapping[str, Sequence[str]] = _NOTHING,
) -> dict[str, Any]:
    """The tree in start order, supervisors before their children.

    By name: `last_ends` says how a child last ended, `usages` what its process used when last looked at ("root" is the
    root itself), `over` of what it uses more than its soft limits allow. `now` is in monotonic seconds.
    """
    return {
        "gateway": root.gateway,
        "pid": root.pid,
        "uptime_s": round(root.uptime_s, 3),
        "zygote": {"pid": root.zygote_pid, "ready": root.zygote_ready},
        "ending": tree.ending,
        "heartbeat_s": root.heartbeat_s,
        "data_dir": root.data_dir,
        "config": dict(root.config) if root.config is not None else None,
        "reload": dict(root.reload) if root.reload is not None else None,
        **_usage(usages.get(ROOT)),
        "children": [
            {
                **_child(name, tree.children[name], lives.get(name), last_ends.get(name, ""), now),
                **_usage(usages.get(name)),
                "over": list(over.get(name, ())),
                **_place(tree, name, depth, now),
            }
            for name, depth in tree.walk()
        ],
    }


def _place(tree: Tree, name: str, depth: int, now: float) -> dict[str, Any]:
    """What only shows in the tree: whose child it is, and how many restarts still count for that supervisor."""
    keeper = tree.parents[name]
    rules = tree.rules(keeper)
    counted = tree.children[name].recent
    return {
        "supervisor": keeper,
        "depth": depth,
        "strategy": str(tree.rules(name).strategy) if name in tree.members else None,
        "restarts_in_period": len([t for t in counted if now - t <= rules.period_s]),
    }


def _child(name: str, child: Child, life: Life | None, last_end: str, now: float) -> dict[str, Any]:
    probed = child.phase in (Phase.WAITING, Phase.QUARANTINED) and child.due < inf
    return {
        "name": name,
        "kind": child.spec.kind,
        "phase": str(child.phase),
        "pid": life.process.pid if life else None,
        "token": child.token,
        "for_s": round(now - child.since, 3),
        "ready_s": round(now - child.since, 3) if child.phase is Phase.RUNNING else None,
        "restarts": child.restarts,
        "on_probation": child.on_probation,
        "held": child.phase is Phase.HELD or (child.phase is Phase.STOPPING and child.then is Then.HOLD),
        "unkillable": child.killed and child.phase in (Phase.STOPPING, Phase.DYING) and child.due == inf,
        "reason": child.reason,
        "last_end": last_end,
        "next_in_s": round(max(0.0, child.due - now), 3) if probed else None,
        "beat_age_s": round(now - life.last_beat, 3) if life and life.ready else None,
        "progress": life.progress if life else 0,
        "state": dict(life.state) if life else {},
    }


def _usage(usage: Usage | None) -> dict[str, Any]:
    """Resident bytes, share of one core since the look before, open descriptors; None where nobody has looked."""
    return {
        "rss_bytes": usage.rss_bytes if usage else None,
        "cpu": round(usage.cpu, 4) if usage else None,
        "descriptors": usage.descriptors if usage else None,
    }
