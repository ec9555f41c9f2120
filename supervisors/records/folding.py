"""Which events are written out and which are only counted: a pure decider, repetitions never flood a log.

    said ──> does it fold? ─no──────────────────────────────────────────────> Told (once)
               │ yes
             more than ALONE of a kind, name and cause in WINDOW_S? ─yes──> counted ──later──> Told "... x 312 in 60 s"
               │ no
             is there room under the cap? ─yes──────────────────────────────> Told (once), and a window begins
               │ no
             counted by kind and name ──each OVERFLOW_S──────────────────────> Rest "and 37 more ... in 10 s"

Nothing is lost: the counts of all that comes out add up to the events that went in (`closed` brings the last of them).
The cap is a bucket of BURST lines that refills with RATE lines a second; what is not urgent leaves RESERVE of it to
what is. The sums themselves are never held back for long: they may overdraw the bucket, and are paid for afterwards.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

WINDOW_S = 60.0
ALONE = 3  # of a window are told one by one: a child that came back is told at once, too
OVERFLOW_S = 10.0
RATE = 3.0  # lines a second, in the long run
BURST = 5.0  # so that in no second there are ten
RESERVE = 2.0  # lines that only the urgent may use
URGENT = 30  # warnings and worse (logging.WARNING)
CAUSES = 4  # windows of one kind and name: an error with a new text each time must not pass for news
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")
_CAUSE_LETTERS = 200


class Event(Protocol):
    """What is asked of an event; `level` is a severity as in the module logging."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def cause(self) -> str: ...
    @property
    def level(self) -> int: ...
    @property
    def folds(self) -> bool: ...


E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Told(Generic[E]):
    """A line about one event; with `over_s`, about `count` like it that were not written in that time.

    `event` is then the last of them, `ago_s` seconds old.
    """

    event: E
    count: int = 1
    over_s: float | None = None
    ago_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rest:
    """A line about events that there was no room for: how many of each name, all of one kind."""

    kind: str
    level: int
    names: Mapping[str, int]
    over_s: float

    @property
    def count(self) -> int:
        return sum(self.names.values())


@dataclass(slots=True)
class _Window(Generic[E]):
    """Repetitions of what was told at `since`, and the last of them."""

    since: float
    told: int = 1  # one by one, before the others are counted
    count: int = 0
    last: E | None = None
    last_at: float = 0.0


@dataclass(slots=True)
class _Overflow:
    """Events of one kind that were not told, by name."""

    since: float
    level: int
    names: Counter[str] = field(default_factory=Counter)


Key = tuple[str, str, str]  # kind, name, cause without its numbers


class Folding(Generic[E]):
    """The open windows, the overflow and the bucket. All times are monotonic seconds, handed in."""

    def __init__(self, now: float) -> None:
        self._windows: dict[tuple[str, str], dict[str, _Window[E]]] = {}
        self._overflow: dict[str, _Overflow] = {}
        self._room, self._filled_at = BURST, now

    def said(self, event: E, now: float) -> Iterator[Told[E]]:
        """An event happened; what is to be written about it now: itself, or nothing."""
        if not event.folds or event.level > URGENT:
            yield Told(event)
            return
        whose, cause = (event.kind, event.name), like(event.cause)
        windows = self._windows.get(whose, {})
        window = windows.get(cause)
        if window is not None and window.count == 0 and window.told < ALONE and self._has_room(event.level, now):
            self._room -= 1
            window.told += 1
            yield Told(event)
        elif window is not None:
            window.count, window.last, window.last_at = window.count + 1, event, now
        elif len(windows) < CAUSES and self._has_room(event.level, now):
            self._room -= 1
            self._windows[whose] = {**windows, cause: _Window(now)}
            yield Told(event)
        else:
            overflow = self._overflow.setdefault(event.kind, _Overflow(now, event.level))
            overflow.names[event.name] += 1

    def passed(self, now: float) -> Iterator[Told[E] | Rest]:
        """Time has passed: the sums that are due, those first that have waited longest."""
        for kind, overflow in list(self._overflow.items()):
            if now - overflow.since >= OVERFLOW_S:
                yield self._rest(kind, now)
        due = [(window.since, key) for key, window in self._open() if now - window.since >= WINDOW_S]
        for _, key in sorted(due):
            window = self._window(key)
            if window.last is None:
                self._forget(key)
            elif self._has_room(window.last.level, now):
                self._room -= 1
                yield self._sum(key, now)
                self._windows[key[:2]][key[2]] = _Window(now, told=ALONE)

    def closed(self, now: float) -> Iterator[Told[E] | Rest]:
        """Everything that was counted and not told, for a farewell."""
        for kind in list(self._overflow):
            yield self._rest(kind, now)
        for _, key in sorted((window.last_at, key) for key, window in self._open()):
            if self._window(key).last is not None:
                yield self._sum(key, now)
        self._windows.clear()

    def _open(self) -> Iterator[tuple[Key, _Window[E]]]:
        for (kind, name), windows in self._windows.items():
            for cause, window in windows.items():
                yield (kind, name, cause), window

    def _window(self, key: Key) -> _Window[E]:
        return self._windows[key[:2]][key[2]]

    def _forget(self, key: Key) -> None:
        del self._windows[key[:2]][key[2]]
        if not self._windows[key[:2]]:
            del self._windows[key[:2]]

    def _sum(self, key: Key, now: float) -> Told[E]:
        window = self._window(key)
        assert window.last is not None
        return Told(window.last, window.count, now - window.since, now - window.last_at)

    def _rest(self, kind: str, now: float) -> Rest:
        overflow = self._overflow.pop(kind)
        self._room -= 1
        return Rest(kind, overflow.level, overflow.names, now - overflow.since)

    def _has_room(self, level: int, now: float) -> bool:
        self._room = min(BURST, self._room + max(0.0, now - self._filled_at) * RATE)
        self._filled_at = now
        return self._room >= (1.0 if level >= URGENT else 1.0 + RESERVE)


def like(cause: str) -> str:
    """A cause as it is compared: without pids, addresses, times and counts."""
    return _NUMBERS.sub("#", cause[:_CAUSE_LETTERS])
