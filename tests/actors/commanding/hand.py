"""A commanded device without a process: mailbox and clock are turned by hand, the link remembers what is written."""

import errno
import heapq
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.commanding import commands
from actors.commanding.commands import Commands
from transports.clock import HandClock
from transports.errors import LinkDown
from transports.links import Link
from transports.messages import Command, Deed, Message, Outcome
from transports.samples import Batch, DataType, Quality, Scan, Tag, Value, batch_of
from transports.waiting import Timer
from transports.writing import Limits

TTL_S = 20.0


class HandMailbox:
    """Timers that are due when the clock is turned on, and what was told."""

    def __init__(self, clock: HandClock) -> None:
        self._clock, self._numbers, self._timers = clock, itertools.count(), list[Timer]()
        self.told: list[Message] = []
        self.answers: list[tuple[str, Outcome]] = []

    def at(self, when: float, what: Callable[[], None]) -> Timer:
        timer = Timer(when, next(self._numbers), what)
        heapq.heappush(self._timers, timer)
        return timer

    def tell(self, to: str, item: Message) -> None:
        self.told.append(item)

    def back(self, to: str, item: Any) -> None:
        self.answers.append((to, item))

    @property
    def latest_s(self) -> float:
        """When the last of what is waited for is due."""
        return max(timer.at for timer in self._timers if timer.what is not None)

    def turn(self, seconds: float = 0.0) -> None:
        """Everything that is due until then, in order, each at its time."""
        until = self._clock.now() + seconds
        while self._timers and self._timers[0].at <= until:
            timer = heapq.heappop(self._timers)
            self._clock.advance(max(0.0, timer.at - self._clock.now()))
            timer.fire()
        self._clock.advance(max(0.0, until - self._clock.now()))


class Valve:
    """A link that takes what is written, or fails as it is told to; `lasts_s` is how long it takes over it."""

    tags: tuple[Tag, ...] = (
        Tag("x", DataType.INT64),
        Tag("list", DataType.FLOAT64_ARRAY),
        Tag("f"),
        Tag("raw", DataType.BYTES),
    )

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.writable = {"x": Limits(), "list": Limits(), "f": Limits(choices=(1, 2)), "raw": Limits()}
        self.written: list[tuple[str, Value]] = []
        self.fails: Exception | None = None
        self.lasts_s = 0.0

    def read(self) -> list[Scan]:
        return []

    def write(self, tag: str, value: Value) -> None:
        self._clock.advance(self.lasts_s)
        self.written.append((tag, value))
        if self.fails is not None:
            raise self.fails

    def close(self) -> None: ...


class Bench:
    """A device's commands, and what it takes to see what becomes of them. `reads` is what a look at x brings."""

    def __init__(self, directory: Path) -> None:
        self.lasting, self.passing = directory / "data" / "commands" / "d.journal", directory / "run" / "d.commands"
        self.clock = HandClock(100.0)
        self.valve = Valve(self.clock)
        self.link: Link | None = self.valve
        self.lost: list[LinkDown] = []
        self.looks: list[float] = []
        self.reads: Callable[[float], Value | None] = lambda now: None
        self.start()

    def start(self) -> None:
        """Another incarnation of the device's process."""
        self.mailbox = HandMailbox(self.clock)
        device = commands.Device("d", lambda: self.link, self.look, self.lost.append)
        self.commands = Commands(self.mailbox, self.clock, self.lasting, self.passing, device)  # type: ignore[arg-type]

    def look(self) -> None:
        self.looks.append(self.clock.now())
        self.commands.saw([self.batch(self.reads(self.clock.now()))])

    def batch(self, value: Value | None) -> Batch:
        quality = Quality.GOOD if value is not None else Quality.BAD_NOT_READABLE
        return batch_of("d", 1, [Scan(1, self.valve.tags[:1], [value], quality)])

    def take(self, key: Any, value: Any = 1, tag: Any = "x", sender: str = "me", **more: Any) -> None:
        until_s = more.pop("until_s", self.clock.now() + TTL_S)
        self.commands.take(sender, Command(key, tag, value, until_s, **more))

    def send(self, key: Any, value: Any = 1, tag: Any = "x", **more: Any) -> tuple[str, str]:
        """Its outcome, and the detail."""
        before = len(self.mailbox.answers)
        self.take(key, value, tag, **more)
        self.mailbox.turn()
        (_, said), *others = self.mailbox.answers[before:]
        assert said.key == key
        assert not others
        return said.outcome, said.detail

    def outcomes(self, key: str) -> list[str]:
        return [said.outcome for _, said in self.mailbox.answers if said.key == key]

    def deeds(self) -> list[Deed]:
        return [told for told in self.mailbox.told if isinstance(told, Deed)]


@contextmanager
def refusing(
    monkeypatch: pytest.MonkeyPatch, *names: str, only: bytes = b"", number: int = errno.ENOSPC
) -> Iterator[None]:
    """Meanwhile these calls of the system fail: all, or the writing of what contains some bytes."""

    def refuses(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(descriptor: int, *given: Any) -> Any:
            if only and not (given and only in bytes(given[0])):
                return real(descriptor, *given)
            raise OSError(number, os.strerror(number))

        return call

    with monkeypatch.context() as patched:
        for name in names:
            patched.setattr(os, name, refuses(getattr(os, name)))
        yield
