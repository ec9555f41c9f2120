"""Commands on their way: told again under the same key until their outcome is known or can no longer come. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from transports.messages import Command

AGAIN_S = 0.25  # between two tellings
AFTERWARDS_S = 10.0  # after its time is over: to be read back, or for the device to be started again
MOST = 1000  # on their way at once; a rule that would make more waits


@dataclass(frozen=True, slots=True)
class Order:
    """A command for a device, of a rule, and when it is to be told (again)."""

    rule: str
    device: str
    command: Command
    tell_s: float


class Orders:
    """Those that have no outcome yet, by key."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}

    def add(self, rule: str, device: str, command: Command, now: float) -> None:
        """One more, to be told now."""
        self._orders[command.key] = Order(rule, device, command, now)

    @property
    def is_full(self) -> bool:
        return len(self._orders) >= MOST

    def on_the_way(self) -> list[tuple[str, Command]]:
        """All of them, oldest first, with their devices."""
        return [(order.device, order.command) for order in self._orders.values()]

    def of(self, rule: str) -> int:
        """How many of a rule's are on their way."""
        return sum(order.rule == rule for order in self._orders.values())

    def to_tell(self, now: float) -> Iterator[Order]:
        """Those whose time it is; they count as told."""
        for key, order in list(self._orders.items()):
            if order.tell_s <= now:
                self._orders[key] = replace(order, tell_s=now + AGAIN_S)
                yield order

    def ended(self, key: str) -> Order | None:
        """An outcome came; None for one that nobody awaits any more."""
        return self._orders.pop(key, None)

    def given_up(self, now: float) -> list[Order]:
        """Those of which nothing more can be heard."""
        over = [order for order in self._orders.values() if now > order.command.until_s + AFTERWARDS_S]
        for order in over:
            del self._orders[order.command.key]
        return over

    def next_due(self) -> float:
        """When something is to be told again."""
        return min((order.tell_s for order in self._orders.values()), default=inf)
