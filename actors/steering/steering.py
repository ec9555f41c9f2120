"""Steering an uplink: the desk, where anybody may ask, and the uplink of the moment that requests come over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.steering.beside import Beside, Disk
from actors.steering.desk import Desk, Hands
from actors.steering.memory import Memory
from actors.steering.policy import Here
from actors.steering.settings import Settings
from actors.steering.verbs import Verbs
from actors.steering.writes import Writes
from transports.building import build
from transports.clock import Clock
from transports.mailbox import Mailbox
from transports.messages import Message, Outcome
from transports.uplinks import Asking, Uplink


@dataclass(frozen=True, slots=True)
class Steered:
    """Who may ask (by name, as in the configuration), where requests are remembered, and where crashes are reported."""

    principals: Mapping[str, Mapping[str, Any]]
    state_dir: Path
    crashes: Path


class Steering:
    """Without principals nothing is heard, nor answered. `wake` has `serve` called soon."""

    def __init__(
        self, mailbox: Mailbox, clock: Clock, here: Here, steered: Steered, wake: Callable[[], object]
    ) -> None:
        disk = Beside(mailbox, clock)
        self._desk = desk_of(mailbox, clock, here, steered, wake, disk) if steered.principals else None
        self._uplink: Asking | None = None

    def meet(self, uplink: Uplink | None) -> None:
        """Another connection, or none; what is still to be answered goes over the next one."""
        self._uplink = uplink if self._desk is not None and isinstance(uplink, Asking) else None

    def serve(self) -> None:
        """Hear what has come, and answer. May raise UplinkDown."""
        if self._desk is not None and self._uplink is not None:
            self._desk.serve(self._uplink)

    def hear(self, sender: str, message: Message) -> bool:
        """Whether it was for here: what came of a command."""
        if self._desk is None or not isinstance(message, Outcome):
            return False
        self._desk.heard(sender, message)
        return True

    def state(self) -> Mapping[str, Any]:
        """For `holdfast status`."""
        return {"requests": self._desk.state()} if self._desk is not None else {}

    def end(self) -> None:
        """This process ends; what waits to be answered is handed over before the connection is closed."""
        if self._desk is not None:
            self._desk.end(self._uplink)


def desk_of(
    mailbox: Mailbox, clock: Clock, here: Here, steered: Steered, wake: Callable[[], object], disk: Disk
) -> Desk:
    """The desk of the uplink `here`. Raises SettingsError."""
    settings = {name: build(Settings, table, f"principal.{name}") for name, table in steered.principals.items()}
    hands = Hands(
        Memory(steered.state_dir, settings, disk), Writes(mailbox, clock), Verbs(mailbox, steered.crashes, here.uplink)
    )
    return Desk(mailbox, clock, here, settings, hands, wake)
