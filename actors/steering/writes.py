"""Writing to devices: commands told again under the same key until their outcome comes, or can no longer come.

begin ──root: does it run?──no──> refused at once
           │ yes
         orders (one at a time to each device) ──offer──> device ──Outcome──> heard
           │ its time is over: never told, expired; told, unknown
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from actors.rules.orders import AGAIN_S, Orders
from actors.steering.ended import Ended, Then
from actors.steering.policy import Reason, Refusal
from actors.steering.standing import not_coming
from transports.clock import Clock
from transports.errors import HoldfastError
from transports.mailbox import Mailbox, Timer
from transports.messages import Command, Outcome, Status
from transports.names import ROOT
from transports.requests.answers import Result

SOON_S = 0.05  # until somebody who could not be told is tried again: a connection is made in a millisecond
LEAST_S = 0.005  # whatever is due already, other work of the actor comes first
LOOK_S = 1.0  # between two looks whether whoever cannot be told is still meant to run
ROOT_WITHIN_S = 5.0


class Writes:
    """See the module's note. `devices` are the patterns of those that the principal of a key may know of."""

    def __init__(self, mailbox: Mailbox, clock: Clock) -> None:
        self._mailbox, self._clock = mailbox, clock
        self._orders = Orders()
        self._then: dict[str, Then] = {}
        self._devices: dict[str, tuple[str, ...]] = {}
        self._timer: Timer | None = None
        self._looked_s = -inf

    def begin(self, device: str, command: Command, devices: tuple[str, ...], then: Then) -> None:
        """Have it executed; `then` is called once."""
        self._then[command.key], self._devices[command.key] = then, devices
        self._ask(
            lambda status: self._admit(device, command, status),
            lambda down: self._end(command.key, Ended(Result.FAILED, Reason.DOWN, str(down), is_audited=False)),
        )

    def heard(self, device: str, outcome: Outcome) -> None:
        """A device tells what came of a command."""
        if self._orders.ended(device, outcome.key) is not None:
            reason = "" if outcome.outcome == Result.DONE else Reason.DEVICE_SAYS
            self._end(outcome.key, Ended(Result(outcome.outcome), reason, outcome.detail))
            self._go_on()

    def _admit(self, device: str, command: Command, status: Mapping[str, Any]) -> None:
        refused = not_coming(status["children"], device, self._devices[command.key])
        if refused is not None:
            self._end(command.key, _refused(refused, is_told=False))
            return
        self._orders.add(command.key, device, command, self._clock.now())
        self._go_on()

    def _go_on(self) -> None:
        now = self._clock.now()
        for order in self._orders.to_tell(now):
            told = self._mailbox.offer(order.device, order.command)
            self._orders.went(order, told, now if told else now - AGAIN_S + SOON_S)
            if not told:
                self._look_again(now)
        for order in self._orders.given_up(now):
            self._end(order.command.key, _too_late(order.device, order.told))
        self._wake()

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = max(self._orders.next_due(), self._clock.now() + LEAST_S)
        self._timer = self._mailbox.at(due, self._go_on) if due < inf else None

    def _look_again(self, now: float) -> None:
        """Somebody could not be told: perhaps it was stopped meanwhile."""
        if now - self._looked_s >= LOOK_S:
            self._looked_s = now
            self._ask(self._looked, lambda _: None)

    def _looked(self, status: Mapping[str, Any]) -> None:
        for device, command in self._orders.on_the_way():
            refused = not_coming(status["children"], device, self._devices[command.key])
            order = self._orders.ended(device, command.key) if refused is not None else None
            if refused is not None and order is not None:
                self._end(command.key, _refused(refused, order.told))
        self._wake()

    def _ask(self, then: Callable[[Any], None], failed: Callable[[HoldfastError], None]) -> None:
        self._mailbox.ask(ROOT, Status(), ROOT_WITHIN_S, then, failed)

    def _end(self, key: str, ended: Ended) -> None:
        self._devices.pop(key, None)
        self._then.pop(key)(ended)


def _refused(refusal: Refusal, is_told: bool) -> Ended:
    if is_told:
        return Ended(Result.UNKNOWN, refusal.reason, f"it was told, and then: {refusal.why}", is_audited=False)
    return Ended(Result.REFUSED, refusal.reason, refusal.why, is_audited=False)


def _too_late(device: str, is_told: bool) -> Ended:
    if is_told:
        return Ended(Result.UNKNOWN, Reason.DEVICE_SAYS, f"{device} told no outcome in time", is_audited=False)
    why = f"{device} could not be told in time: nothing was sent to it"
    return Ended(Result.EXPIRED, Reason.DOWN, why, is_audited=False)
