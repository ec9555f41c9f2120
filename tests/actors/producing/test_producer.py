"""A producer and the spool: what was said is sent until it is durable, whatever becomes of the spooler."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.producing.account import Account
from actors.producing.outbox import Entry, Outbox
from actors.producing.producer import Producer
from transports import codec
from transports.mailbox import Mailbox, PeerDown, PeerUp, Timer
from transports.messages import Append, Appended, Fetched, Message, NoSession
from transports.names import SPOOLER
from transports.samples import Gap

SESSION = 77


@dataclass
class Line:
    """In the place of a mailbox: what was offered, and whether there is room for it."""

    offered: deque[Append] = field(default_factory=deque)
    watched: list[str] = field(default_factory=list)
    room: int = 10**6
    timers: list[Timer] = field(default_factory=list)

    def at(self, when: float, what: Callable[[], None]) -> Timer:
        self.timers.append(Timer(when, len(self.timers), what))
        return self.timers[-1]

    def watch(self, name: str) -> None:
        self.watched.append(name)

    def offer(self, to: str, item: Message) -> bool:
        assert to == SPOOLER
        assert isinstance(item, Append)
        if len(self.offered) >= self.room:
            return False
        self.offered.append(item)
        return True

    def taken(self) -> list[Append]:
        appends = list(self.offered)
        self.offered.clear()
        return appends


class Side:
    """A producer with one line and the topics `out` and `raw`."""

    def __init__(self, *topics: str, max_bytes: int = 10**6) -> None:
        self.line = Line()
        self.first: list[tuple[str, int, int]] = []
        boxes = {topic: Outbox("press", codec.pack, max_bytes) for topic in topics or ("out",)}
        self.producer = Producer(cast(Mailbox, self.line), "press", SESSION, boxes, self.meet)

    def meet(self, topic: str, last_pseq: int, time_ns: int) -> None:
        self.first.append((topic, last_pseq, time_ns))

    def hear(self, message: Message) -> list[Append]:
        assert self.producer.hear(message)
        return self.line.taken()

    def say(self, *payloads: bytes, topic: str = "out") -> list[Append]:
        self.producer.add(topic, Entry(payloads))
        return self.line.taken()

    def open(self, last_pseq: int = 0) -> list[Append]:
        self.hear(PeerUp(SPOOLER))
        return self.hear(acknowledged(last_pseq))


def acknowledged(pseq: int, topic: str = "out", session: int = SESSION, time_ns: int = 0) -> Appended:
    return Appended(topic, "press", session, pseq, time_ns)


def numbers(appends: list[Append]) -> list[tuple[int, int]]:
    return [(append.pseq, len(append.frames)) for append in appends]


def test_the_spooler_is_watched_from_the_beginning() -> None:
    assert Side().line.watched == [SPOOLER]


def test_each_topic_is_opened_by_a_handshake_before_anything_is_sent() -> None:
    side = Side("out", "raw")
    assert side.say(b"a") == []
    assert side.hear(PeerUp(SPOOLER)) == [
        Append("out", "press", SESSION, 0),
        Append("raw", "press", SESSION, 0),
    ]
    assert numbers(side.hear(acknowledged(0))) == [(1, 1)]


def test_the_first_handshake_tells_what_a_former_incarnation_got_kept_and_only_the_first() -> None:
    side = Side()
    side.hear(PeerUp(SPOOLER))
    side.hear(acknowledged(41, time_ns=9))
    side.hear(PeerDown(SPOOLER))
    side.open(41)
    assert side.first == [("out", 41, 9)]


def test_what_is_announced_at_the_first_handshake_is_sent_before_everything_else() -> None:
    side = Side()
    gap = Gap("press", "process ended", 0, 5)

    def announce(topic: str, last_pseq: int, time_ns: int) -> None:
        side.producer.outboxes[topic].announce(gap)

    side.producer._on_first_session = announce
    side.say(b"a")
    side.hear(PeerUp(SPOOLER))
    first, second = side.hear(acknowledged(41))
    assert (first.pseq, first.gaps, list(first.frames)) == (42, True, [codec.pack(gap)])
    assert (second.pseq, second.gaps, list(second.frames)) == (43, False, [b"a"])


def test_what_is_said_while_a_session_stands_is_sent_at_once() -> None:
    side = Side()
    side.open()
    assert numbers(side.say(b"a", b"b")) == [(1, 2)]
    assert numbers(side.say(b"c")) == [(3, 1)]
    assert side.producer.waiting == 2
    side.hear(acknowledged(2))
    assert side.producer.waiting == 1


def test_a_commit_travels_with_its_payloads() -> None:
    side = Side()
    side.open()
    commit = ("raw", "agg", 1, 7, b"state")
    side.producer.add("out", Entry((b"window",), commit=commit))
    assert [append.commit for append in side.line.taken()] == [commit]


def test_nothing_is_sent_to_a_spooler_that_is_gone_and_all_of_it_to_its_successor() -> None:
    side = Side()
    side.open()
    side.say(b"a")
    side.say(b"b")
    assert side.hear(PeerDown(SPOOLER)) == []
    assert side.say(b"c") == []
    assert numbers(side.open(1)) == [(2, 1), (3, 1)]


def test_a_spooler_that_knows_of_no_session_gets_a_handshake_and_then_everything_again() -> None:
    side = Side()
    side.open()
    side.say(b"a")
    assert side.hear(NoSession("out", "press", SESSION)) == [Append("out", "press", SESSION, 0)]
    assert numbers(side.hear(acknowledged(0))) == [(1, 1)]


def test_words_to_a_former_incarnation_are_not_for_this_one() -> None:
    side = Side()
    side.open()
    side.say(b"a")
    assert side.hear(acknowledged(1, session=SESSION - 1)) == []
    assert side.producer.waiting == 1
    assert side.hear(NoSession("out", "press", SESSION - 1)) == []
    assert numbers(side.say(b"b")) == [(2, 1)], "the session still stands"


def test_what_found_no_room_is_sent_when_there_is_some() -> None:
    side = Side()
    side.open()
    side.line.room = 2
    for payload in (b"a", b"b", b"c", b"d"):
        side.producer.add("out", Entry((payload,)))
    assert numbers(side.line.taken()) == [(1, 1), (2, 1)]
    assert numbers(side.hear(acknowledged(1))) == [(3, 1), (4, 1)]


def test_a_message_of_another_kind_is_left_to_others() -> None:
    assert not Side().producer.hear(Fetched("raw", "agg", SESSION, ()))


def test_topics_do_not_wait_for_each_other() -> None:
    side = Side("out", "raw")
    side.hear(PeerUp(SPOOLER))
    side.hear(acknowledged(0, "raw"))
    assert side.say(b"a", topic="out") == []
    assert numbers(side.say(b"a", topic="raw")) == [(1, 1)]


def test_what_each_payload_accounts_for_is_told_with_it() -> None:
    side = Side()
    side.open()
    side.producer.add("out", Entry((b"a", b"b"), (1, 2, 10, 20), counts=(8, 4)))
    side.producer.give_up("out", Entry((), (3, 3, 30, 30), counts=(5,)), "too large")
    assert [(append.gaps, append.counts) for append in side.line.taken()] == [(False, (8, 4)), (True, (5,))]
    side.hear(acknowledged(2))
    assert side.producer.accounts() == {"out": Account(17, 12, 0, 5, 5)}


# --- the end --------------------------------------------------------------------------------------------------------


def test_the_end_comes_once_when_everything_is_durable() -> None:
    side, ends = Side(), list[str]()
    side.open()
    side.say(b"a")
    side.say(b"b")
    side.producer.finish(lambda: ends.append("end"), latest=9.0)
    side.hear(acknowledged(1))
    assert ends == []
    side.hear(acknowledged(2))
    assert ends == ["end"]
    for timer in side.line.timers:
        timer.fire()
    side.hear(PeerDown(SPOOLER))
    assert ends == ["end"], "once is enough"


def test_nothing_to_wait_for_is_the_end_at_once() -> None:
    side, ends = Side(), list[str]()
    side.producer.finish(lambda: ends.append("end"), latest=9.0)
    assert ends == ["end"]


def test_a_spooler_that_stays_away_does_not_hold_up_the_end_for_ever() -> None:
    side, ends = Side(), list[str]()
    side.say(b"a")
    side.producer.finish(lambda: ends.append("end"), latest=9.0)
    (timer,) = side.line.timers
    assert (timer.at, ends) == (9.0, [])
    timer.fire()
    assert ends == ["end"]
    side.open(0)
    side.hear(acknowledged(1))
    assert ends == ["end"], "and it does not come again with what arrives late"


# --- against a spooler that comes and goes --------------------------------------------------------------------------


class Spooler:
    """The spooler's promises in twenty lines: sessions, no number twice, acknowledged when durable."""

    def __init__(self, kept: list[tuple[int, bytes]]) -> None:
        self.kept, self.session = kept, 0

    @property
    def last(self) -> int:
        return self.kept[-1][0] if self.kept else 0

    def take(self, append: Append) -> Message | None:
        if append.pseq == 0:
            self.session = append.session
            return acknowledged(self.last)
        if self.session != append.session:
            return NoSession("out", "press", append.session)
        assert append.pseq <= self.last + 1, "a hole, although nothing was dropped"
        for number, payload in enumerate(append.frames, append.pseq):
            if number > self.last:
                self.kept.append((number, payload))
        return None


class Life(RuleBasedStateMachine):
    """Both directions are in order, and what is on its way when the spooler dies is gone."""

    @initialize(before=st.integers(0, 50))
    def begin(self, before: int) -> None:
        self.side = Side()
        self.spooler: Spooler | None = None
        self.kept: list[tuple[int, bytes]] = [(n, b"of a former life") for n in range(1, before + 1)]
        self.answers: deque[Message] = deque()
        self.said = 0
        self.before = before

    @rule(count=st.integers(1, 3))
    def says(self, count: int) -> None:
        payloads = tuple(b"%d" % n for n in range(self.said + 1, self.said + count + 1))
        self.said += count
        self.side.producer.add("out", Entry(payloads))

    @rule(room=st.integers(0, 5))
    def the_line_is_narrow(self, room: int) -> None:
        self.side.line.room = room or 10**6

    @precondition(lambda self: self.spooler is None)
    @rule()
    def spooler_comes(self) -> None:
        self.spooler = Spooler(self.kept)
        self.side.line.offered.clear()
        self.answers.append(PeerUp(SPOOLER))

    @precondition(lambda self: self.spooler is not None)
    @rule(heard=st.booleans())
    def spooler_dies(self, heard: bool) -> None:
        """Its last answers may come before the news of its death, or be lost."""
        self.spooler = None
        self.side.line.offered.clear()
        if not heard:
            self.answers.clear()
        self.answers.append(PeerDown(SPOOLER))

    @precondition(lambda self: self.spooler is not None and self.side.line.offered)
    @rule(data=st.data())
    def spooler_takes(self, data: st.DataObject) -> None:
        assert self.spooler is not None
        for _ in range(data.draw(st.integers(1, len(self.side.line.offered)))):
            answer = self.spooler.take(self.side.line.offered.popleft())
            if answer is not None:
                self.answers.append(answer)

    @precondition(lambda self: self.spooler is not None and self.spooler.session)
    @rule()
    def spooler_syncs(self) -> None:
        assert self.spooler is not None
        self.answers.append(acknowledged(self.spooler.last))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def producer_hears(self, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(1, len(self.answers)))):
            self.side.producer.hear(self.answers.popleft())
        if self.spooler is None:
            self.side.line.offered.clear()  # nobody is there to get it

    @invariant()
    def kept_once_and_in_order(self) -> None:
        payloads = [payload for _, payload in self.kept[self.before :]]
        assert payloads == [b"%d" % n for n in range(1, len(payloads) + 1)]

    def teardown(self) -> None:
        """With a spooler that stays, everything is kept in the end, and nothing waits."""
        if not hasattr(self, "side"):
            return
        self.the_line_is_narrow(0)
        if self.spooler is not None:
            self.spooler_dies(heard=False)
        self.spooler_comes()
        assert self.spooler is not None
        for _ in range(20):
            while self.answers:
                self.side.producer.hear(self.answers.popleft())
            while self.side.line.offered:
                answer = self.spooler.take(self.side.line.offered.popleft())
                if answer is not None:
                    self.answers.append(answer)
            self.spooler_syncs()
        self.kept_once_and_in_order()
        assert len(self.kept) == self.before + self.said
        assert self.side.producer.waiting == 0


TestLife = Life.TestCase
