"""The campaign itself: all far ends and the gateway run, each end is killed in its turn, and everything is noted."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tests.field.ends import HOUSE
from tests.field.periods import Span
from tests.field.readings import Output
from tests.field.site import Site
from tests.field.turns import Turn, turns
from tests.peers.gateway import Gateway

UP_WITHIN_S = 60.0  # all far ends, and then all devices
DRAINED_WITHIN_S = 30.0
LOOK_S, ASK_S = 0.02, 0.2  # how often far ends are looked after, and the gateway's status is asked for
STATUS_AGE_S = 0.7  # at most: a heartbeat (site.toml) and the time between two questions
REST_S = 3.0  # of undisturbed periods, before the first is killed and after the last has healed
MOST_HEALING_S = 20.0  # longer than any grace of the site; healing is judged by the readings
Say = Callable[[str], None]
Children = Mapping[str, Mapping[str, Any]]


@dataclass
class Notes:
    """What was seen from outside, to be judged."""

    judged: Span = field(default_factory=lambda: Span(0, 0))
    outages: Mapping[str, list[Span]] = field(default_factory=dict)  # by far end
    told: dict[tuple[str, int], dict[str, str]] = field(default_factory=dict)  # (far end, which outage): by device
    children: Children = field(default_factory=dict)  # as they were when the last had healed
    final: Children = field(default_factory=dict)  # as they were when all had been drained
    ledger: Mapping[str, Any] = field(default_factory=dict)
    overslept: list[Span] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    cpu: Mapping[str, float] = field(default_factory=dict)  # share of one core, by process


class Campaign:
    """One run over a site; `notes` and `output` are whole when `run` has returned.

    Raises AssertionError when the site does not come up, or the gateway does not drain or stop.
    """

    def __init__(self, site: Site, duration_s: float, seed: int, say: Say) -> None:
        self._site, self._duration_s, self._say = site, duration_s, say
        self._ends = site.ends
        self._turns = turns({name: end.least_dead_s for name, end in site.ends.items()}, duration_s, seed)
        self._asked_at_s = 0.0
        self._children: Children = {}
        self.notes, self.output = Notes(), Output(each.stream for each in site.expected)

    def run(self) -> None:
        """All of it; takes the duration and half a minute."""
        self._site.control.start()
        self._look(self._all_up, UP_WITHIN_S, "far ends are not up")
        with Gateway(self._site.room, self._site.config()) as gateway:
            gateway.wait(lambda _: not list(unwell(_children(gateway))), UP_WITHIN_S)
            self._rest()
            self._rage(gateway)
            self._drain(gateway)
            assert gateway.stop() == 0
        self._read()

    # --- killing and looking -----------------------------------------------------------------------------------------

    def _rage(self, gateway: Gateway) -> None:
        """From when all are well until all are well again."""
        notes, begin_ns, begun_s, used = self.notes, time.time_ns(), time.monotonic(), _cpu_s(gateway)

        def watch() -> None:
            self._ask(gateway)

        def due(turn: Turn) -> bool:
            return time.monotonic() >= begun_s + turn.at_s and self._ends[turn.name].is_up

        for number, turn in enumerate(self._turns):
            self._look(partial(due, turn), self._duration_s + UP_WITHIN_S, f"{turn.name} has not come back", watch)
            if number % len(self._ends) == 0:
                self._say(f"{time.monotonic() - begun_s:4.0f} s: {len(self._ends)} far ends, one after the other")
            self._ends[turn.name].kill(turn.dead_s)
        over_s = begun_s + self._duration_s
        late_s = self._duration_s + UP_WITHIN_S
        self._look(lambda: time.monotonic() >= over_s and self._all_up(), late_s, "not all far ends came back", watch)
        up_s = time.monotonic()
        self._look(lambda: self._is_well_since(up_s) or time.monotonic() >= up_s + MOST_HEALING_S, watch=watch)
        notes.children = self._children
        self._rest(watch)
        notes.judged = Span(begin_ns, time.time_ns())
        notes.outages = {name: end.outages for name, end in self._ends.items()}
        span_s = (notes.judged.end_ns - begin_ns) / 1e9
        notes.cpu = {name: (cpu_s - used.get(name, 0.0)) / span_s for name, cpu_s in _cpu_s(gateway).items()}

    def _rest(self, watch: Callable[[], None] = lambda: None) -> None:
        rested_at_s = time.monotonic() + REST_S
        self._look(lambda: time.monotonic() >= rested_at_s, watch=watch)

    def _look(
        self,
        until: Callable[[], bool],
        within_s: float = 0.0,
        complaint: str = "",  # without one, `until` says by itself when it is too long
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Look after the far ends until then; with a complaint, no longer than that."""
        deadline_s = time.monotonic() + within_s
        while not until():
            assert not complaint or time.monotonic() < deadline_s, complaint
            for end in self._ends.values():
                end.look()
            watch()
            time.sleep(LOOK_S)  # the rhythm of looking

    def _all_up(self) -> bool:
        return all(end.is_up for end in self._ends.values())

    def _is_well_since(self, at_s: float) -> bool:
        return self._asked_at_s > at_s and not list(unwell(self._children))

    def _ask(self, gateway: Gateway) -> None:
        """What the status says of the devices whose far end is dead, or was when it was made."""
        if time.monotonic() < self._asked_at_s + ASK_S:
            return
        self._asked_at_s, self._children = time.monotonic(), _children(gateway)
        words = dict(unwell(self._children))
        since_ns = time.time_ns() - round(STATUS_AGE_S * 1e9)
        for end in self._ends.values():
            number = len(end.outages) - end.is_up
            if not end.is_up or (number >= 0 and end.outages[number].end_ns >= since_ns):
                told = self.notes.told.setdefault((end.name, number), {})
                told.update({device: words[device] for device in self._site.devices_of(end.name) if device in words})

    # --- the end -----------------------------------------------------------------------------------------------------

    def _drain(self, gateway: Gateway) -> None:
        """The devices stop, and all that waits arrives."""
        for name in self._site.devices:
            gateway.operate("stop", name)
        gateway.wait(lambda _: all(_children(gateway)[name]["phase"] == "stopped" for name in self._site.devices))
        deadline_s = time.monotonic() + DRAINED_WITHIN_S
        while any(row["waiting"] for row in self._ask_ledger(gateway)["rows"]) and time.monotonic() < deadline_s:
            time.sleep(LOOK_S)  # polls a condition
        self.notes.final = _children(gateway)

    def _ask_ledger(self, gateway: Gateway) -> Mapping[str, Any]:
        command = [sys.executable, "-m", "supervisors.cli", "ledger", "--json", "--run-dir", str(gateway.run_dir)]
        said = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)
        self.notes.ledger = json.loads(said.stdout)
        return self.notes.ledger

    def _read(self) -> None:
        """Everything that was written meanwhile."""
        site, notes = self._site, self.notes
        for path in sorted(site.room.glob(f"{site.output.name}*"), key=_age, reverse=True):
            with path.open("rb") as lines:
                self.output.read(lines)
        self.output.sort()
        pairs = (line.split() for line in site.control.said().splitlines() if " " in line)
        notes.overslept = [Span(int(due), int(woke)) for due, woke in pairs]
        notes.acknowledged = site.notes.read_text().splitlines() if site.notes.exists() else []


def unwell(children: Children) -> Iterator[tuple[str, str]]:
    """The devices that say that something is wrong with them, and what."""
    for name, child in children.items():
        state = child.get("state") or {}
        if "driver" in state and (state["last_error"] or not state["connected"]):
            yield name, state["last_error"] or "not connected"
        elif "driver" not in state and child["kind"] == "device":
            yield name, "says nothing yet"


def _children(gateway: Gateway) -> Children:
    return {child["name"]: child for child in gateway.status()["children"]}


def _cpu_s(gateway: Gateway) -> dict[str, float]:
    """Processor seconds of each of the gateway's processes."""
    return {name: sum(psutil.Process(pid).cpu_times()[:2]) for name, pid in gateway.pids().items()}


def _age(path: Path) -> int:
    """The file that is written now has no number; the higher a number, the older is its file."""
    return int(path.suffix[1:]) if path.suffix[1:].isdigit() else 0
