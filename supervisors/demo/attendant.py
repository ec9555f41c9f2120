"""Who looks after the gateway of the demo: asks how it is and stops its parts, as an operator does with `holdfast`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supervisors import control
from supervisors.demo.scene import UPLINK
from transports.clock import Clock
from transports.errors import HoldfastError
from transports.messages import Operate, Status

ANSWER_WITHIN_S = 1.0
UNDER_WAY_S = 0.5  # by then a message between two processes of this machine has come, or never will
_STOPPED = frozenset({"stopped", "broken"})
_SETTLED = _STOPPED | {"running", "quarantined"}


class Attendant:
    """Knows what the gateway last told; nothing while it does not answer."""

    def __init__(self, run_dir: Path, clock: Clock) -> None:
        self._run_dir, self._clock = run_dir, clock
        self._told: Mapping[str, Any] | None = None
        self._last: Mapping[str, Any] | None = None
        self._earlier: dict[str, int] = {}

    def look(self) -> None:
        """Ask the gateway how it is."""
        try:
            self._told = control.ask(self._run_dir, Status(), ANSWER_WITHIN_S)
        except HoldfastError:
            self._told = None
            return
        before, self._last = self._last, self._told
        if before is not None and self._last is not None and before["pid"] != self._last["pid"]:
            for child in before["children"]:  # a new root begins to count at 0
                self._earlier[child["name"]] = self._earlier.get(child["name"], 0) + child["restarts"]

    def children(self, kind: str = "") -> Sequence[Mapping[str, Any]]:
        """The children of a kind, or all, as `status` tells of them; `restarts` counts those under former roots too."""
        return [
            {**child, "restarts": child["restarts"] + self._earlier.get(child["name"], 0)}
            for child in (self._told["children"] if self._told else ())
            if kind in ("", child["kind"])
        ]

    def has_settled(self) -> bool:
        """Whether the gateway answers and no child is about to start or to end."""
        return self._told is not None and all(child["phase"] in _SETTLED for child in self.children())

    def stop(self, kind: str) -> bool:
        """Have the children of a kind stop and stay stopped; whether all of them have. Ask again until they have."""
        waited_for = [child for child in self.children(kind) if child["phase"] not in _STOPPED]
        for child in (each for each in waited_for if each["phase"] != "stopping"):
            try:
                control.ask(self._run_dir, Operate("stop", child["name"], "the demo"), ANSWER_WITHIN_S)
            except HoldfastError:
                return False
        return self._told is not None and not waited_for

    def is_empty(self, topic: str, since: float) -> bool:
        """Whether nobody waits for anything of a topic, as the spooler says well after `since` (monotonic s)."""
        spooler = self._spooler()
        if spooler is None or self._clock.now() - spooler["beat_age_s"] < since + UNDER_WAY_S:
            return False
        return not any(spooler["state"]["topics"][topic]["waiting"].values())

    def waiting(self) -> int | None:
        """How many records wait in the spool for the uplink; None while nobody knows."""
        spooler = self._spooler()
        return spooler["state"]["topics"]["out"]["waiting"][UPLINK] if spooler else None

    def last_delivered(self) -> int | None:
        """The seq of the last record of all, if the gateway says that everything has been delivered."""
        spooler = self._spooler()
        return spooler["state"]["topics"]["out"]["end"][1] if spooler and not self.waiting() else None

    def _spooler(self) -> Mapping[str, Any] | None:
        """The spooler, when it has told of itself."""
        told = (child for child in self.children("spooler") if child["state"] and child["beat_age_s"] is not None)
        return next(told, None)
