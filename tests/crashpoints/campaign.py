"""Which states are looked at: points of all lives, at each of them some decisions, some of them cut a second time.

A state has a name, `life.point.number`, and `life.point.number+number` when the opening was cut as well; with the same
seed of the workload it is the same state again.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tests.crashpoints.check import Verdict, check
from tests.crashpoints.disk import Image
from tests.crashpoints.facts import Knowledge
from tests.crashpoints.lives import Life
from tests.crashpoints.pending import Pending
from tests.crashpoints.promises import Strictness

EXHAUSTIVE = 64  # up to so many decisions of a point are all looked at, of more this many
AGAIN = 0.2  # how often a state is cut again while it is opened


@dataclass(frozen=True, slots=True)
class Name:
    """Of a state."""

    life: int
    point: int
    number: int
    again: int | None = None

    def __str__(self) -> str:
        return f"{self.life}.{self.point}.{self.number}" + ("" if self.again is None else f"+{self.again}")

    @classmethod
    def parse(cls, text: str) -> "Name":
        """Raises ValueError for other words."""
        first, _, again = text.partition("+")
        life, point, number = map(int, first.split("."))
        return cls(life, point, number, int(again) if again else None)


@dataclass(frozen=True, slots=True)
class Violation:
    """A state in which something was promised that does not hold."""

    name: Name
    wrong: Sequence[str]


class Campaign:
    """Looks at states of these lives, each only once; `seen` are the images that were different."""

    def __init__(self, lives: Sequence[Life], strict: bool = False) -> None:
        self._lives, self._strict = lives, strict
        self._points = lru_cache(maxsize=4)(self._point)
        self.seen: set[int] = set()
        ends = [Name(at, len(life.operations), 0) for at, life in enumerate(lives)]
        self.violations = [Violation(end, [life.broken]) for end, life in zip(ends, lives, strict=True) if life.broken]

    def sampled(self, states: int, seed: int) -> None:
        """So many states by chance, all points alike."""
        luck = random.Random(seed)
        everywhere = [
            (life, point) for life, each in enumerate(self._lives) for point in range(len(each.operations) + 1)
        ]
        while len(self.seen) < states:
            life, point = luck.choice(everywhere)
            pending, _ = self._points(life, point)
            for number in (0, pending.drawn(luck), pending.everything() if luck.random() < 0.2 else 0):
                self._look(Name(life, point, number), states)

    def exhausted(self) -> None:
        """Every point, and every decision where they are few."""
        for life, each in enumerate(self._lives):
            for point in range(len(each.operations) + 1):
                pending, _ = self._points(life, point)
                for number in _numbers(pending, random.Random(point)):
                    self._look(Name(life, point, number), None)

    def look_again(self, name: Name) -> Verdict:
        """At one state of this name."""
        pending, knowledge = self._points(name.life, name.point)
        verdict = self._checked(name, pending.image(name.number), knowledge, name.number == 0)
        if name.again is None:
            return verdict
        return self._checked(name, verdict.opening.image(name.again), knowledge, False)

    def _look(self, name: Name, states: int | None) -> None:
        pending, knowledge = self._points(name.life, name.point)
        image = pending.image(name.number)
        if not self._new(name, image, states):
            return
        verdict = self._checked(name, image, knowledge, name.number == 0)
        luck = random.Random(f"again {name}")
        if luck.random() < AGAIN and not verdict.wrong:
            again = Name(name.life, name.point, name.number, verdict.opening.drawn(luck))
            image = verdict.opening.image(again.again or 0)
            if self._new(again, image, states):
                self._checked(again, image, knowledge, False)

    def _new(self, name: Name, image: Image, states: int | None) -> bool:
        """The same bytes at another point are another state: the world knows more there."""
        key = hash((name.life, name.point, image.key()))
        if key in self.seen or (states is not None and len(self.seen) >= states):
            return False
        self.seen.add(key)
        return True

    def _checked(self, name: Name, image: Image, knowledge: Knowledge, only_synced: bool) -> Verdict:
        first = Name(name.life, name.point, name.number)
        how = Strictness(only_synced, self._strict)
        verdict = check(image, knowledge, random.Random(str(first)), how)
        if verdict.wrong:
            self.violations.append(Violation(name, verdict.wrong))
        return verdict

    def _point(self, life: int, point: int) -> tuple[Pending, Knowledge]:
        return self._lives[life].pending(point), self._lives[life].knowledge(point)


def _numbers(pending: Pending, luck: random.Random) -> Iterator[int]:
    if pending.states <= EXHAUSTIVE:
        yield from range(pending.states)
        return
    yield 0
    yield pending.everything()
    for _ in range(EXHAUSTIVE - 2):
        yield pending.drawn(luck)
