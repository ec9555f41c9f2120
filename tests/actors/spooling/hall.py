"""A spooler in the test's own thread: the real actor and the real spool, with a hand-turned clock and no ZeroMQ."""

import heapq
import itertools
import select
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from actors.actor import Fate, Place
from actors.spooler import Spooler, Work
from transports import codec
from transports.building import table_of
from transports.clock import HandClock
from transports.mailbox import Mailbox, Timer
from transports.messages import Append, Appended, Fetch, Fetched, Message
from transports.samples import Gap, Scan, Tag, batch_of
from transports.spool import Settings

M = TypeVar("M", bound=Message)
TAGS = (Tag("a"), Tag("b"))
WAIT_S = 10.0  # for a sync in its thread; a test that waits so long has failed


@dataclass
class Line:
    """In the place of a mailbox: what was said to whom, timers by the hand-turned clock, real descriptors."""

    clock: HandClock
    said: list[tuple[str, Message]] = field(default_factory=list)
    deaf: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._timers: list[Timer] = []
        self._numbers = itertools.count()
        self.readable: dict[int, Callable[[], None]] = {}

    def at(self, when: float, what: Callable[[], None]) -> Timer:
        timer = Timer(when, next(self._numbers), what)
        heapq.heappush(self._timers, timer)
        return timer

    def when_readable(self, descriptor: int, what: Callable[[], None], writable: bool = False) -> None:
        self.readable[descriptor] = what

    def forget(self, descriptor: int) -> None:
        self.readable.pop(descriptor, None)

    def back(self, to: str, item: Message) -> None:
        self.said.append((to, item))

    def advance(self, seconds: float) -> None:
        """Turn the clock, firing what becomes due at its own time."""
        until = self.clock.now() + seconds
        while self._timers and self._timers[0].at <= until:
            timer = heapq.heappop(self._timers)
            self.clock.advance(max(0.0, timer.at - self.clock.now()))
            timer.fire()
        self.clock.advance(until - self.clock.now())

    def poll(self, wait_s: float) -> bool:
        """Handle what is readable; whether something was."""
        ready, _, _ = select.select(list(self.readable), (), (), wait_s)
        for descriptor in ready:
            self.readable[descriptor]()
        return bool(ready)


class _Seated(Spooler):
    line: Line

    @property
    def mailbox(self) -> Mailbox:
        return cast(Mailbox, self.line)


class Hall:
    """A spooler and those who talk to it. `settings` are fields of the spool's Settings."""

    def __init__(self, directory: Path, consumers: Mapping[str, Sequence[str]] | None = None, **settings: Any) -> None:
        self.clock = HandClock(now=100.0)
        self.line = Line(self.clock)
        place = Place("spooler", directory, self.clock, cast(Any, None), token=1, session=1)
        readers = consumers or {"raw": (), "out": ("cloud",)}
        work = Work(str(directory / "spool"), table_of(Settings(**settings)), readers)
        self.spooler = _Seated(place, Fate(), work)
        self.spooler.line = self.line
        self.spooler.begin()

    # --- what is said to it ------------------------------------------------------------------------------------------

    def append(self, pseq: int, *payloads: bytes, who: str = "plc", session: int = 7, **fields: Any) -> None:
        """Records `pseq`, ... of a producer; the handshake with `pseq` 0."""
        self.tell(who, Append(fields.pop("topic", "out"), who, session, pseq, frames=payloads, **fields))

    def fetch(self, who: str = "cloud", session: int = 9, **fields: Any) -> None:
        """The next records; the handshake with `first=True`."""
        self.tell(who, Fetch(fields.pop("topic", "out"), who, session, 1 << 20, **fields))

    def tell(self, who: str, message: Message) -> Any:
        """Any message; what is answered when it is an ask."""
        return self.spooler.on_message(who, message)

    # --- time --------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the group commit end that is waited for."""
        self.line.advance(0.05)
        self.line.poll(WAIT_S)

    def rest(self, seconds: float) -> None:
        """Turn the clock in steps, letting the syncs that are due return."""
        for _ in range(round(seconds / 0.5)):
            self.line.advance(0.5)
            while self.line.poll(0.01):
                pass

    def until(self, condition: Callable[[], Any], step_s: float = 0.05) -> None:
        """Turn the clock, and let syncs return, until it is so."""
        for _ in range(2000):
            if condition():
                return
            self.line.advance(step_s)
            self.line.poll(0.005)
        raise AssertionError(f"it never came to that; {self.state()}")

    # --- what it says ------------------------------------------------------------------------------------------------

    def state(self) -> Mapping[str, Any]:
        return self.spooler.state()

    def heard(self, kind: type[M], who: str = "plc") -> list[M]:
        """The messages of a kind that somebody was told so far."""
        return [said for to, said in self.line.said if to == who and isinstance(said, kind)]

    def acknowledged(self, who: str = "plc") -> int:
        """The last number that a producer knows to be durable."""
        return max((said.pseq for said in self.heard(Appended, who)), default=0)

    def records(self) -> list[Any]:
        """Everything in `out` behind the cursor, unpacked, for a reader who begins anew and commits nothing."""
        self.fetch(session=19, first=True)
        end = self.heard(Fetched, "cloud")[-1].end
        found: list[Any] = []
        while True:
            self.fetch(session=19, until=end)
            frames = self.heard(Fetched, "cloud")[-1].frames
            if not frames:
                return found
            found += [codec.unpack(frame) for frame in frames]


def reading(seq: int, scans: int = 1, source: str = "plc") -> bytes:
    """A record of so many scans of two tags."""
    return codec.pack(batch_of(source, seq, [Scan(1_000 + seq + at, TAGS, (1.0, 2.0)) for at in range(scans)]))


def gaps(items: Sequence[Any]) -> list[Gap]:
    """Those that are gaps."""
    return [item for item in items if isinstance(item, Gap)]
