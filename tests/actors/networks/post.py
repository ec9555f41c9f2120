"""In the place of a mailbox: what is offered is kept, and timers ring when the test turns its clock."""

from collections.abc import Callable
from dataclasses import dataclass, field

from transports.clock import HandClock
from transports.mailbox import Timer
from transports.messages import Message
from transports.names import NETWORK


@dataclass
class Post:
    """`readable` is what is watched, by descriptor."""

    clock: HandClock = field(default_factory=HandClock)
    offered: list[Message] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    readable: dict[int, Callable[[], None]] = field(default_factory=dict)

    def offer(self, to: str, item: Message) -> bool:
        assert to == NETWORK
        self.offered.append(item)
        return True

    def watch(self, name: str) -> None:
        self.watched.append(name)

    def when_readable(self, source: int, what: Callable[[], None]) -> None:
        self.readable[source] = what

    def forget(self, source: int) -> None:
        del self.readable[source]

    def at(self, when: float, what: Callable[[], None]) -> Timer:
        self.timers.append(Timer(when, len(self.timers), what))
        return self.timers[-1]

    def wait(self, seconds: float) -> None:
        """So much later, with all that was due."""
        self.clock.advance(seconds)
        for timer in [timer for timer in self.timers if timer.at <= self.clock.now()]:
            self.timers.remove(timer)
            timer.fire()

    @property
    def due(self) -> float:
        """When the next timer rings."""
        return min(timer.at for timer in self.timers if timer.what is not None)
