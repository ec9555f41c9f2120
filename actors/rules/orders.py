"""Commands on their way: told again under the same key until their outcome is known or can no longer come. Pure.

One at a time to each device, in the order in which they were given: the last one given is the last one executed. One
that never reached its device expires here; one that did, and has told no outcome, is waited for longer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from transports.messages import Command

AGAIN_S = 0.25  # between two tellings
AFTERWARDS_S = 10.0  # after its time is over: to be read back, or for the device to be started again


@dataclass(frozen=True, slots=True)
class Order:
    """A command for a device, of a rule: to be told at `tell_s`, and `told` at least once before."""

    rule: str
    device: str
    command: Command
    tell_s: float
    told: bool = False

    @property
    def over_s(self) -> float:
        """From when on nothing more can be heard of it."""
        return self.command.until_s + (AFTERWARDS_S if self.told else 0.0)


class Orders:
    """Those that have no outcome yet, by device, oldest first."""

    def __init__(self) -> None:
        self._queues: dict[str, list[Order]] = {}

    def add(self, rule: str, device: str, command: Command, now: float, told: bool = False) -> None:
        """One more, to be told when those before it have ended."""
        self._queues.setdefault(device, []).append(Order(rule, device, command, now, told))

    def on_the_way(self) -> list[tuple[str, Command]]:
        """All of them, those of a device in order, with their devices."""
        return [(order.device, order.command) for queue in self._queues.values() for order in queue]

    def of(self, rule: str) -> int:
        """How many of a rule's are on their way."""
        return sum(order.rule == rule for queue in self._queues.values() for order in queue)

    def to_tell(self, now: float) -> Iterator[Order]:
        """The first of each device whose time it is; whoever tells it says how that went."""
        return (queue[0] for queue in list(self._queues.values()) if queue[0].tell_s <= now)

    def went(self, order: Order, told: bool, now: float) -> None:
        """It was told, or nobody was there to hear it; either way again later."""
        self._queues[order.device][0] = replace(order, tell_s=now + AGAIN_S, told=order.told or told)

    def ended(self, device: str, key: str) -> Order | None:
        """An outcome came; None for one that nobody awaits any more."""
        for order in self._queues.get(device, ()):
            if order.command.key == key:
                self._take_out(order)
                return order
        return None

    def given_up(self, now: float) -> list[Order]:
        """Those of which nothing more can be heard."""
        over = [order for queue in self._queues.values() for order in queue if now > order.over_s]
        for order in over:
            self._take_out(order)
        return over

    def next_due(self) -> float:
        """When something is to be told again, or given up."""
        firsts = [queue[0] for queue in self._queues.values()]
        return min((min(order.tell_s, order.over_s) for order in firsts), default=inf)

    def _take_out(self, order: Order) -> None:
        queue = self._queues[order.device]
        queue.remove(order)
        if not queue:
            del self._queues[order.device]
