"""One uplink and its links over hours of whatever can happen to networks: it never stays on a dead one, nor hops.

The world is played: a check of a link is answered as its cable, its far end and the resolver are at that time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.networks import check
from actors.networks.budget import Reading
from actors.networks.choosing import HOPS, WITHIN_S
from actors.networks.link import Link
from actors.networks.settings import Settings
from actors.networks.traveller import Traveller
from tests.actors.networks.post import Post
from transports.interfaces.cards import Card
from transports.messages import Way, WhichWay

NAMES = ("ethernet", "wifi", "cellular")
LEFT_WITHIN_S = 10.0  # three checks of 2 s, their time-outs of 1 s, and one of the other link
SETTLED_WITHIN_S = 1500.0  # the longest wait before a return is 600 s, and two returns may follow each other
MONTH = 1000


@dataclass
class World:
    """`alive`: packets come back; `cables`: their index, 0 for none."""

    post: Post = field(default_factory=Post)
    alive: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(NAMES, True))
    cables: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 1))
    server: bool = True
    resolver: bool = True
    looks: int = 0


class Look:
    """A check under way, in the place of a thread of its own."""

    def __init__(self, world: World, name: str, patience_s: float, begun: Callable[[float, Callable[[], None]], Any]):
        self._world, self._name, self._patience_s, self._again = world, name, patience_s, begun
        world.looks += 1
        self._number, self._error, self._began = 1000 + world.looks, None, world.post.clock.now()
        self._go_on()

    def _go_on(self) -> None:
        world, now = self._world, self._world.post.clock.now()
        if not world.resolver:
            self._again(now + 5.0, self._go_on)
        elif world.alive[self._name] and world.cables[self._name]:
            self._error = None if world.server else ConnectionRefusedError(111, "Connection refused")
            self._again(now + 0.05, self._over)
        else:
            self._error = TimeoutError("no answer")
            self._again(now + self._patience_s, self._over)

    def _over(self) -> None:
        if self._number in self._world.post.readable:
            self._world.post.readable[self._number]()

    def fileno(self) -> int:
        return self._number

    def abandon(self) -> None:
        pass

    def result(self) -> bool:
        if self._error is not None:
            raise self._error
        return True


class Journey:
    """A traveller in that world; `ways` is what its uplink was told, and when."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.ways = World(), list[tuple[float, Way]]()
        post = self.world.post
        post.clock.advance(1000.0)
        self._counters = dict.fromkeys(NAMES, 0)
        self.links = [
            Link(name, Settings(interface=name, monthly_bytes=MONTH, over_budget="none"), None, lambda *_: None)
            for name in NAMES
        ]
        monkeypatch.setattr(check, "probe", self._probe)
        self._look_at_cards()
        self._month = 1
        self.counts({})
        asked = WhichWay([], [("server", 1)])
        self.traveller = Traveller(cast(Any, post), post.clock, asked, self.links, self._tell)
        self.traveller.begin()

    def _probe(self, _: str, servers: object, timeout_s: float, interface: str) -> Look:
        return Look(self.world, interface, timeout_s, self.world.post.at)

    def _tell(self, way: Way, is_news: bool) -> None:
        self.ways.append((self.now, way))

    @property
    def now(self) -> float:
        return self.world.post.clock.now()

    @property
    def link(self) -> str:
        return self.ways[-1][1].link

    def _look_at_cards(self) -> list[Link]:
        cards = {name: Card("" if index else "no carrier", index) for name, index in self.world.cables.items()}
        return [link for link in self.links if link.looked(cards[link.name], self.now)]

    def interfaces_changed(self) -> None:
        changed = self._look_at_cards()
        if changed:
            self.traveller.carry(changed)

    def counts(self, more: dict[str, int]) -> None:
        changed = False
        for link in self.links:
            self._counters[link.name] += more.get(link.name, 0)
            reading = Reading("boot", 1, self._counters[link.name])
            changed |= link.counted(reading, f"{self._month:06}")
        if changed:
            self.traveller.look()

    def next_month(self) -> None:
        self._month += 1
        self.counts({})

    def passes(self, seconds: float) -> None:
        """So much later, with all that was due in its order; once a second the uplink tells how it fares."""
        post, end = self.world.post, self.now + seconds
        while self.now < end:
            due = min((timer.at for timer in post.timers if timer.what is not None), default=end)
            post.timers = [timer for timer in post.timers if timer.what is not None]
            post.wait(min(max(0.0, due - self.now), end - self.now))

    def does(self, act: str, dice: Random) -> None:
        world, name = self.world, dice.choice(NAMES)
        match act:
            case "dies":
                world.alive[name] = False
            case "lives":
                world.alive[name] = True
            case "cut":
                world.cables[name] = 0
                self.interfaces_changed()
            case "plug":
                world.cables[name] = world.cables[name] or dice.randint(1, 9)
                self.interfaces_changed()
            case "flap":
                for _ in range(dice.randint(1, 20)):
                    self.does(dice.choice(["cut", "plug"]), dice)
                    self.passes(0.05)
            case "server" | "resolver":
                setattr(world, act, dice.random() < 0.6)
            case "stir":
                for link in self.links:
                    self.traveller.moved(link)
            case "fared":
                works = world.server and self.link and world.alive[self.link] and world.cables[self.link]
                self.traveller.fared(self.link, bool(works))
            case "count":
                self.counts({name: dice.choice([100, MONTH])})
            case "month":
                self.next_month()
            case "again":
                self.traveller.again()
            case "wait":
                self.passes(dice.choice([0.01, 0.3, 2.0, 2.0, 35.0, 200.0]))


ACTS = ("dies", "lives", "cut", "plug", "flap", "server", "resolver", "stir", "fared", "count", "month", "again") + (
    "wait",
) * 6


def _history(monkeypatch: pytest.MonkeyPatch, seed: int, acts: int) -> tuple[Journey, Random]:
    dice, journey = Random(seed), Journey(monkeypatch)
    for act in dice.choices(ACTS, k=acts):
        journey.does(act, dice)
    journey.world.server = journey.world.resolver = True
    return journey, dice


@given(st.integers(0, 2**32), st.integers(0, 120))
def test_whatever_was_before_the_best_link_that_works_is_used_in_the_end_and_kept(seed: int, acts: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        journey, dice = _history(monkeypatch, seed, acts)
        journey.next_month()
        world = journey.world
        world.alive |= {name: dice.random() < 0.5 for name in NAMES}
        works = dice.choice(NAMES)
        world.alive[works], world.cables[works] = True, world.cables[works] or 3
        journey.interfaces_changed()
        journey.passes(SETTLED_WITHIN_S)
        best = next(name for name in NAMES if world.alive[name] and world.cables[name])
        assert journey.link == best
        told, looks = len(journey.ways), world.looks
        journey.passes(600.0)
        assert len(journey.ways) == told, "it hops"
        assert world.looks - looks <= 600 / 2 * len(NAMES) + 10, "more checks than were asked for"


@given(st.integers(0, 2**32), st.integers(0, 120))
def test_whatever_was_before_a_link_that_dies_is_left_within_seconds(seed: int, acts: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        journey, dice = _history(monkeypatch, seed, acts)
        journey.next_month()
        world = journey.world
        world.alive, world.cables = dict.fromkeys(NAMES, True), {name: world.cables[name] or 4 for name in NAMES}
        journey.interfaces_changed()
        journey.passes(dice.choice([70.0, SETTLED_WITHIN_S]))
        before = journey.link
        if dice.random() < 0.5:
            world.alive[before] = False
            journey.passes(LEFT_WITHIN_S)
        else:
            world.cables[before] = 0
            journey.interfaces_changed()
        assert journey.link != before
        assert world.alive[journey.link]


@given(st.integers(0, 2**32))
def test_where_all_links_come_and_go_ten_times_a_second_the_uplink_does_not(seed: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        journey, dice = Journey(monkeypatch), Random(seed)
        journey.passes(30.0)
        told, looks = len(journey.ways), journey.world.looks
        for _ in range(600):
            name = dice.choice(NAMES)
            journey.world.cables[name] = 0 if journey.world.cables[name] else 1
            journey.interfaces_changed()
            journey.passes(0.1)
        assert len(journey.ways) - told <= (60 / WITHIN_S + 1) * HOPS
        assert journey.world.looks - looks <= 60 * 2 * len(NAMES)


@given(st.integers(0, 2**32), st.integers(0, 120))
@example(138, 138)
def test_nothing_goes_over_a_link_whose_bytes_are_used_up(seed: int, acts: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        journey, _ = _history(monkeypatch, seed, acts)
        journey.counts(dict.fromkeys(NAMES, MONTH))
        assert (journey.ways[-1][1].link, journey.ways[-1][1].may_pass) == ("", "nothing")
        journey.passes(20.0)  # what was under way ends
        looks = journey.world.looks
        journey.does("stir", Random(0))
        journey.passes(3600.0)
        assert journey.world.looks == looks, "no check, either"
        journey.next_month()
        journey.passes(0.0)
        assert journey.link
