"""A consumer that reads in several places at once."""

from collections.abc import Sequence
from typing import cast

from actors.fetching.lane_consumer import Arrived, LaneConsumer
from actors.fetching.session import Position, Wanted
from tests.actors.fetching.test_consumer import Line
from transports.mailbox import Mailbox, PeerDown, PeerUp
from transports.messages import Fetch, Fetched
from transports.names import SPOOLER


class Side:
    """A consumer of `out` with the lanes that a test places, and what its owner was told."""

    def __init__(self) -> None:
        self.line = Line()
        self.begun: list[Position] = []
        self.got: list[tuple[str, list[Position]]] = []
        wanted = Wanted("out", "cloud", 1000)
        self.consumer = LaneConsumer(cast(Mailbox, self.line), wanted, 7, self._begin, self._arrived)
        self.consumer.open()
        self.begins()

    def _begin(self, cursor: Position, state: bytes) -> None:
        self.begun.append(cursor)

    def _arrived(self, lane: str, records: Sequence[Arrived]) -> None:
        self.got.append((lane, [place for place, _, _ in records]))

    def begins(self) -> None:
        self.consumer.hear(Fetched("out", "cloud", self.line.session, (), (1, 5), b"", "", (1, 50)))
        self.line.taken()

    def answered(self, lane: str, *places: Position, end: Position = (1, 50)) -> None:
        frames, times = [b"x"] * len(places), [9] * len(places)
        fetched = Fetched("out", "cloud", self.line.session, places, None, b"", lane, end, times, frames)
        assert self.consumer.hear(fetched)

    def asked(self) -> list[tuple[str, Position | None, Position | None]]:
        return [(item.lane, item.after, item.until) for item in self.line.taken() if isinstance(item, Fetch)]


def test_a_lane_is_placed_with_its_first_fetch_and_goes_on_from_there() -> None:
    side = Side()
    side.consumer.place("backfill", (1, 5), (1, 20))
    side.consumer.fetch("backfill")
    side.consumer.fetch("backfill")
    assert side.asked() == [("backfill", (1, 5), (1, 20))], "one answer is awaited at a time"
    side.answered("backfill", (1, 6), (1, 7))
    side.consumer.fetch("backfill")
    assert side.asked() == [("backfill", None, (1, 20))]
    assert side.consumer.seen("backfill") == (1, 7)


def test_lanes_do_not_wait_for_each_other() -> None:
    side = Side()
    side.consumer.place("", (1, 50))
    side.consumer.place("backfill", (1, 5), (1, 50))
    side.consumer.fetch("")
    side.consumer.fetch("backfill")
    assert len(side.asked()) == 2
    side.answered("backfill", (1, 6))
    side.answered("", (1, 51), end=(1, 51))
    assert side.got == [("backfill", [(1, 6)]), ("", [(1, 51)])]
    assert side.consumer.end == (1, 51)


def test_nothing_left_is_told_and_nothing_new_is_not() -> None:
    side = Side()
    side.consumer.place("backfill", (1, 5), (1, 20))
    side.consumer.fetch("backfill")
    side.answered("backfill", (1, 4), (1, 5))
    assert side.got == [], "what was seen says nothing of what is left"
    assert side.consumer.awaits("backfill"), "so it is asked again"
    side.answered("backfill")
    assert side.got == [("backfill", [])]


def test_when_the_spooler_returns_each_lane_goes_on_behind_what_it_has_seen() -> None:
    side = Side()
    side.consumer.place("", (1, 50))
    side.consumer.place("backfill", (1, 5), (1, 20))
    for lane, place in (("", (1, 51)), ("backfill", (1, 6))):
        side.consumer.fetch(lane)
        side.answered(lane, place)
    side.consumer.hear(PeerDown(SPOOLER))
    side.line.taken()
    side.consumer.fetch("")
    assert side.asked() == [], "there is no session"
    side.consumer.hear(PeerUp(SPOOLER))
    side.begins()
    side.consumer.fetch("")
    side.consumer.fetch("backfill")
    assert side.asked() == [("", (1, 51), None), ("backfill", (1, 6), (1, 20))]
    assert side.begun == [(1, 5), (1, 5)]


def test_after_a_close_no_lane_is_known() -> None:
    side = Side()
    side.consumer.place("", (1, 50))
    side.consumer.fetch("")
    side.consumer.close()
    side.answered("", (1, 51))
    assert side.got == []
    side.consumer.open()
    side.begins()
    side.consumer.fetch("")
    assert side.asked() == []
