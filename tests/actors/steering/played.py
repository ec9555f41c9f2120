"""A desk between an uplink, a root and devices that are played in the test, with a clock that is turned by hand.

`House` is a gateway "plant" with the uplink "cloud"; `say` brings a message from above and gives the answers to it.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from actors.steering.beside import Then, Work
from actors.steering.desk import Desk
from actors.steering.policy import Here
from actors.steering.steering import Steered, desk_of
from tests.actors.commanding.hand import HandMailbox
from transports.clock import HandClock
from transports.errors import AskTimeout, HoldfastError
from transports.messages import Command, Ledger, Message, Operate, Outcome, Reload, Requested, Status
from transports.requests.signing import new_pair, signed
from transports.uplinks import Asked

NOW_NS = 1_767_225_600 * 10**9  # 2026-01-01
KEY, PUBLIC = new_pair()
STRANGERS_KEY, _ = new_pair()
SCADA: Mapping[str, Any] = {
    "key": PUBLIC,
    "uplinks": ["cloud"],
    "verbs": ["write", "restart", "stop", "start", "status", "ledger", "crashes", "reload"],
    "devices": ["press-*", "cloud"],
    "tags": ["setpoint*"],
    "limits": {"setpoint": {"min": 0, "max": 80}},
}
TRUSTED: Mapping[str, Any] = {**SCADA, "key": "", "trust": "uplink"}


class PlayedMailbox(HandMailbox):
    """Answers what is asked as `root` and `devices` say; a device that is not there cannot be told."""

    def __init__(self, clock: HandClock, house: "House") -> None:
        super().__init__(clock)
        self._house = house
        self.asks: list[tuple[str, Message]] = []
        self.commands: list[tuple[str, Command]] = []

    def ask(
        self,
        to: str,
        item: Message,
        timeout_s: float,
        then: Callable[[Any], None],
        failed: Callable[[HoldfastError], None],
    ) -> None:
        self.asks.append((to, item))
        answer = self._house.root(item)
        if answer is None:
            self.at(self._clock.now() + timeout_s, lambda: failed(AskTimeout(f"{to} did not answer")))
        else:
            self.at(self._clock.now(), lambda: then(answer))

    def offer(self, to: str, item: Any) -> bool:
        does = self._house.devices.get(to)
        if does is None:
            return False
        self.commands.append((to, item))
        outcome = does(item)
        if outcome is not None:
            self.at(self._clock.now(), lambda: self._house.desk.heard(to, outcome))
        return True


class DiskHere:
    """Works in the loop itself, while it does not hang; then all that is asked for waits."""

    def __init__(self) -> None:
        self.hangs = False
        self.waiting: list[tuple[Work, Then]] = []

    def do(self, work: Work, then: Then) -> None:
        if self.hangs:
            self.waiting.append((work, then))
            return
        try:
            work()
        except OSError as refused:
            then(str(refused.strerror))
        else:
            then("")

    def go_on(self) -> None:
        """It hangs no longer."""
        self.hangs, waiting, self.waiting = False, self.waiting, []
        for work, then in waiting:
            self.do(work, then)

    def end(self) -> None: ...


class Above:
    """The uplink: what came over it, and what was answered."""

    def __init__(self) -> None:
        self.came: list[Asked] = []
        self.answers: list[tuple[Asked, dict[str, Any]]] = []

    def asked(self) -> Sequence[Asked]:
        came, self.came = self.came, []
        return came

    def answer(self, asked: Asked, body: bytes) -> None:
        self.answers.append((asked, json.loads(body)))


class House:
    """See the module's note. `children` is what the root tells of them."""

    def __init__(self, directory: Path, **principals: Mapping[str, Any]) -> None:
        self.directory = directory
        self.principals = principals or {"scada": SCADA}
        self.clock = HandClock(100.0, NOW_NS)
        self.children = [child("press-1"), child("press-2"), child("oven"), child("cloud", "uplink")]
        self.devices: dict[str, Callable[[Command], Outcome | None]] = {"press-1": self.obeys, "oven": self.obeys}
        self.executed: dict[str, Command] = {}
        self.operated: list[Operate] = []
        self.renewed: list[Reload] = []
        self.root_answers = True
        self.disk = DiskHere()
        self._numbers = itertools.count(1)
        self.start()

    def start(self) -> None:
        """Another incarnation of the uplink's process."""
        self.mailbox, self.above = PlayedMailbox(self.clock, self), Above()
        here, mailbox = Here("plant", "cloud"), self.mailbox
        crashes = self.directory / "crashes"
        self.desk: Desk = desk_of(
            mailbox,  # type: ignore[arg-type]
            self.clock,
            here,
            Steered(self.principals, self.directory / "state", crashes),
            lambda: None,
            self.disk,
        )

    def root(self, question: Message) -> Any:
        match question:
            case _ if not self.root_answers:
                return None
            case Status():
                return {"uptime_s": 5.0, "ending": False, "config": None, "reload": None, "children": self.children}
            case Operate(verb="start", name="press-2"):
                return {"error": "its supervisor presses is stopped; holdfast start presses --subtree"}
            case Operate():
                self.operated.append(question)
                return {"results": {question.name: "restarting"}}
            case Ledger():
                rows = [["out", "press-1", "cloud", 2**63, 5, 2, 0], ["out", "oven", "cloud", 7, 5, 2, 0]]
                return {"rows": rows, "disk": ""}
            case Reload():
                self.renewed.append(question)
                return {"result": "under way", "attempt": 1}
        return None

    def obeys(self, command: Command) -> Outcome:
        """As a device does: each key once, and the first outcome again."""
        self.executed.setdefault(command.key, command)
        return Outcome(command.key, "done")

    def say(self, body: bytes, sender: str = "", for_s: float = 0.0) -> list[dict[str, Any]]:
        """The answers that come within that time."""
        before = len(self.above.answers)
        self.above.came.append(Asked(body, "back", sender))
        self.serve(for_s)
        return [told for _, told in self.above.answers[before:]]

    def serve(self, for_s: float = 0.0) -> None:
        self.desk.serve(self.above)
        self.mailbox.turn(for_s)
        self.desk.serve(self.above)

    def ask(self, for_s: float = 0.0, key: bytes = KEY, **members: Any) -> dict[str, Any]:
        """The one answer to a signed request."""
        (answer,) = self.say(self.sealed(key, **members), for_s=for_s)
        return answer

    def sealed(self, key: bytes = KEY, **members: Any) -> bytes:
        """A signed request that is good in itself, but for what `members` say; None leaves one out."""
        number = next(self._numbers)
        frame = {
            "id": f"r{number}",
            "principal": "scada",
            "gateway": "plant",
            "uplink": "cloud",
            "nonce": f"n{number}",
            "expires": self.clock.utc_ns() / 1e9 + 60,
        }
        said = {key: value for key, value in {**frame, **members}.items() if value is not None}
        return signed(json.dumps(said), key)

    def write(self, for_s: float = 0.0, **members: Any) -> dict[str, Any]:
        """The answer to a write."""
        return self.ask(for_s, **wish(**members))

    @property
    def audit(self) -> list[Requested]:
        """What was told to the root for it."""
        return [told for told in self.mailbox.told if isinstance(told, Requested)]


def wish(**members: Any) -> dict[str, Any]:
    """The members of a write that is allowed."""
    return {"verb": "write", "device": "press-1", "tag": "setpoint", "value": 12.5, **members}


def child(name: str, kind: str = "device", phase: str = "running", **more: Any) -> dict[str, Any]:
    facts = {"held": False, "for_s": 1.0, "restarts": 0, "reason": "", "last_end": "", "state": {"well": True}}
    return {"name": name, "kind": kind, "phase": phase, **facts, **more}
