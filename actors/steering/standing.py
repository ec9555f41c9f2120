"""What the root tells of its children, as those above may see it: who can be commanded, and how all stand. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from actors.steering.policy import Reason, Refusal, is_among
from transports.settings import nearest

Child = Mapping[str, Any]
_SHOWN = ("name", "kind", "phase", "held", "for_s", "restarts", "reason", "last_end")
_OF_GATEWAY = ("uptime_s", "ending", "config", "reload")


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


def shown(status: Mapping[str, Any], name: str, devices: tuple[str, ...]) -> dict[str, Any]:
    """The status for those above: of the children that they may see, or one of them with all that it says itself."""
    children = [child for child in status["children"] if is_among(str(child["name"]), devices)]
    if name:
        told = [{**_child(child), "state": child["state"]} for child in children if child["name"] == name]
    else:
        told = list(map(_child, children))
    return {**{key: status[key] for key in _OF_GATEWAY if key in status}, "children": told}


def _child(child: Child) -> dict[str, Any]:
    return {key: child[key] for key in _SHOWN}
