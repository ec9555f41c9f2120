"""A consumer and the spool: each record once while it is open, and none left out, whatever the spooler does."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from actors.fetching.consumer import Consumer, Position, Wanted
from transports.clock import HandClock
from transports.mailbox import Mailbox, PeerDown, PeerUp
from transports.messages import Commit, Fetch, Fetched, Message, NoSession
from transports.names import SPOOLER

SESSION = 7


@dataclass
class Line:
    """In the place of a mailbox: what was offered, and whether the spooler is there to take it."""

    offered: deque[Message] = field(default_factory=deque)
    there: bool = True
    session: int = SESSION

    def watch(self, name: str) -> None:
        assert name == SPOOLER

    def offer(self, to: str, item: Message) -> bool:
        if self.there:
            self.offered.append(item)
            if isinstance(item, Fetch):
                self.session = item.session
        return self.there

    def taken(self) -> list[Message]:
        items = list(self.offered)
        self.offered.clear()
        return items


class Side:
    """A consumer of `out`, with what its owner was told."""

    def __init__(self) -> None:
        self.line, self.clock = Line(), HandClock()
        self.begun: list[tuple[Position, bytes]] = []
        self.got: list[Position] = []
        wanted = Wanted("out", "cloud", 1000)
        self.consumer = Consumer(cast(Mailbox, self.line), self.clock, wanted, SESSION, self._begin, self._records)

    def _begin(self, cursor: Position, state: bytes) -> None:
        self.begun.append((cursor, state))

    def _records(self, records: Sequence[tuple[Position, bytes]]) -> None:
        self.got += [position for position, _ in records]

    def answered(self, *positions: Position, cursor: Position | None = None, session: int | None = None) -> None:
        """An answer in the session that was opened last, or in another one."""
        frames, session = [b"x"] * len(positions), session or self.line.session
        assert self.consumer.hear(Fetched("out", "cloud", session, positions, cursor, b"", frames=frames))


def _opened(cursor: Position = (0, 0)) -> Side:
    side = Side()
    side.consumer.open()
    side.answered(cursor=cursor)
    side.line.taken()
    return side


def test_it_begins_at_the_committed_cursor_with_its_state() -> None:
    side = Side()
    side.consumer.open()
    (first,) = side.line.taken()
    assert isinstance(first, Fetch)
    assert first.first
    side.consumer.hear(Fetched("out", "cloud", first.session, (), (3, 9), b"open windows"))
    assert side.begun == [((3, 9), b"open windows")]
    assert side.consumer.seen == (3, 9)


def test_one_answer_is_awaited_at_a_time() -> None:
    side = _opened()
    assert side.consumer.fetch()
    assert not side.consumer.fetch()
    side.answered((1, 1))
    assert side.consumer.fetch()
    assert len(side.line.taken()) == 2


def test_what_a_returned_spooler_hands_out_again_is_passed_over() -> None:
    side = _opened()
    side.consumer.fetch()
    side.answered((1, 1), (1, 2), (1, 3))
    side.consumer.hear(PeerDown(SPOOLER))
    side.consumer.hear(PeerUp(SPOOLER))
    side.answered(cursor=(0, 0))  # nothing was committed
    side.consumer.fetch()
    side.answered((1, 1), (1, 2), (1, 3), (2, 4))
    assert side.got == [(1, 1), (1, 2), (1, 3), (2, 4)]
    assert len(side.begun) == 1, "its owner goes on, it does not begin again"


def test_what_was_not_committed_comes_again_after_a_close() -> None:
    side = _opened()
    side.consumer.fetch()
    side.answered((1, 1), (1, 2))
    side.consumer.commit((1, 1))
    side.consumer.close()
    side.answered((1, 3))  # was on its way, for a session that is over
    side.consumer.open()
    side.answered(cursor=(1, 1))
    side.consumer.fetch()
    side.answered((1, 2), (1, 3))
    assert side.got == [(1, 1), (1, 2), (1, 2), (1, 3)]


def test_a_commit_that_was_lost_with_the_spooler_is_said_again() -> None:
    side = _opened()
    side.consumer.fetch()
    side.answered((1, 1), (1, 2))
    side.consumer.commit((1, 2))
    side.line.taken()
    side.consumer.hear(NoSession("out", "cloud", side.line.session))
    side.answered((1, 1), cursor=(0, 0))
    commits = [item for item in side.line.taken() if isinstance(item, Commit)]
    assert [commit.place for commit in commits] == [(1, 2)]
    assert side.got == [(1, 1), (1, 2)], "and is not handed out again"


def test_without_a_spooler_nothing_is_awaited_and_its_return_begins_the_session() -> None:
    side = Side()
    side.line.there = False
    side.consumer.open()
    assert not side.consumer.fetching
    side.line.there = True
    side.consumer.hear(PeerUp(SPOOLER))
    assert side.consumer.fetching


def test_a_closed_consumer_asks_for_nothing() -> None:
    side = _opened()
    side.consumer.close()
    side.consumer.hear(PeerUp(SPOOLER))
    assert not side.consumer.fetch()
    assert side.line.taken() == []


def test_messages_for_others_are_left_to_them() -> None:
    side = _opened()
    assert not side.consumer.hear(Fetched("raw", "cloud", SESSION, (), (0, 0)))
    assert not side.consumer.hear(NoSession("out", "another", SESSION))
    assert not side.consumer.hear(PeerUp(SPOOLER))


def test_an_answer_of_the_session_before_is_passed_over() -> None:
    side = _opened()
    side.consumer.fetch()
    before = side.line.session
    side.consumer.hear(PeerUp(SPOOLER))
    side.answered((1, 1), session=before)
    assert side.got == []
    side.answered(cursor=(0, 0))
    side.consumer.fetch()
    side.answered((1, 1))
    assert side.got == [(1, 1)]


def test_a_lost_commit_is_said_again_with_its_state_and_all_refused_samples_that_were_lost_with_it() -> None:
    side = _opened()
    side.consumer.commit((1, 2), b"a", [("press", 5)])
    side.consumer.commit((1, 3), b"b", [("oven", 1)])
    side.consumer.commit((1, 3), b"c")
    side.line.taken()
    side.consumer.hear(PeerUp(SPOOLER))
    session = side.line.session
    side.consumer.hear(Fetched("out", "cloud", session, (), (1, 2), b"a"))
    commits = [item for item in side.line.taken() if isinstance(item, Commit)]
    assert [(each.place, each.state, each.refused) for each in commits] == [((1, 3), b"c", [("oven", 1)])]


def test_whoever_has_not_committed_yet_does_not_overwrite_what_a_former_process_did() -> None:
    side = Side()
    side.consumer.open()
    side.line.taken()
    side.consumer.hear(Fetched("out", "cloud", side.line.session, (), (0, 0), b"its state"))
    assert side.line.taken() == []
