"""What the root tells of its children, as those above may see it: who can be commanded, and how all stand. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from actors.steering.policy import Reason, Refusal, is_among
from actors.steering.settings import Settings
from transports.requests.request import Verb
from transports.settings import nearest

Child = Mapping[str, Any]
_SHOWN = ("name", "kind", "phase", "held", "for_s", "restarts", "reason", "last_end")
_OF_RELOAD = ("attempt", "phase", "left_s", "number", "outcome")  # the rest names children, and paths


def not_coming(children: Iterable[Child], device: str, devices: tuple[str, ...]) -> Refusal | None:
    """Why a device will execute nothing soon, None when it will. Names are suggested among `devices` alone."""
    known = {str(child["name"]): child for child in children if child["kind"] == "device"}
    child = known.get(device)
    if child is None:
        hint = nearest(device, [name for name in known if is_among(name, devices)])
        return Refusal(Reason.ABSENT, f"there is no device {device}; {hint}")
    if child["held"] or child["phase"] == "stopped":
        return Refusal(Reason.HELD, f"{device} is stopped by an operator: start it first")
    if child["phase"] == "broken":
        return Refusal(Reason.BROKEN, f"{device} cannot be built: {child['reason']}")
    if child["phase"] == "ended":
        return Refusal(Reason.HELD, f"{device} has ended: start it first")
    return None


def unknown(children: Iterable[Child], name: str, devices: tuple[str, ...]) -> Refusal | None:
    """That there is nobody of that name. Names are suggested among `devices` alone."""
    known = [str(child["name"]) for child in children]
    if name in known:
        return None
    hint = nearest(name, [each for each in known if is_among(each, devices)])
    return Refusal(Reason.ABSENT, f"there is no {name}; {hint}")


def shown(status: Mapping[str, Any], name: str, may: Settings) -> dict[str, Any]:
    """The status for those above: of the children that they may see, or one of them with all that it says itself; of
    reloads only how they stand, to who may not reload."""
    children = [child for child in status["children"] if is_among(str(child["name"]), may.devices)]
    if name:
        told = [{**_child(child), "state": child["state"]} for child in children if child["name"] == name]
    else:
        told = list(map(_child, children))
    config, reload = status["config"], status["reload"]
    if Verb.RELOAD not in may.verbs:
        config, reload = _some(config, ("number",)), _some(reload, _OF_RELOAD)
    facts = {"uptime_s": status["uptime_s"], "ending": status["ending"], "config": config, "reload": reload}
    return {**facts, "children": told}


def _some(told: Mapping[str, Any] | None, keys: tuple[str, ...]) -> dict[str, Any] | None:
    """None without a reloader."""
    return {key: told[key] for key in keys if key in told} if told is not None else None


def _child(child: Child) -> dict[str, Any]:
    return {key: child[key] for key in _SHOWN}
