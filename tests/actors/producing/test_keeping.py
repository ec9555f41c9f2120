"""From reading to outbox: every sample is acknowledged, waits, or is in a gap; at any time, in every topic."""

from collections import deque
from collections.abc import Callable
from typing import cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.producing.keeping import Keeping
from actors.producing.outbox import Outbox
from actors.producing.producer import Producer
from actors.routes import Routes
from transports import codec
from transports.clock import HandClock
from transports.mailbox import Mailbox, PeerDown, PeerUp, Timer
from transports.messages import Append, Appended, Message
from transports.names import SPOOLER
from transports.samples import Batch, DataType, Gap, Scan, Tag, batch_of

BIG, SMALL = Tag("picture", DataType.BYTES), Tag("n", DataType.INT64)
MAX_RECORD_BYTES = 600


class Line:
    """In the place of a mailbox: what was offered, and the timers."""

    def __init__(self) -> None:
        self.offered: deque[Append] = deque()
        self.timers: list[Timer] = []

    def watch(self, name: str) -> None:
        assert name == SPOOLER

    def offer(self, to: str, item: Message) -> bool:
        assert isinstance(item, Append)
        self.offered.append(item)
        return True

    def at(self, when: float, what: Callable[[], None]) -> Timer:
        self.timers.append(Timer(when, len(self.timers), what))
        return self.timers[-1]


class Side:
    """The keeping of one device: its small tag goes to `raw` and `out`, the other to `out` only."""

    def __init__(self, wait_s: float = 0.0, max_samples: int = 10**6, max_bytes: int = 10**6) -> None:
        self.line = Line()
        mailbox = cast(Mailbox, self.line)
        routes = Routes("camera", ["camera.n"], ["camera.n"])
        boxes = {topic: Outbox("camera", codec.pack, max_bytes) for topic in routes.topics}
        self.producer = Producer(mailbox, "camera", 7, boxes, lambda *_: None)
        self.keeping = Keeping(
            mailbox, HandClock(), self.producer, routes, wait_s, max_samples, MAX_RECORD_BYTES, level=0
        )
        self.seq = 1

    def batch(self, *sizes_bytes: int) -> Batch:
        first = self.seq
        self.seq += len(sizes_bytes)
        scans = [Scan(first + n, (BIG, SMALL), [bytes(size), n]) for n, size in enumerate(sizes_bytes)]
        return batch_of("camera", first, scans)

    def open(self) -> None:
        self.producer.hear(PeerUp(SPOOLER))
        for topic in self.producer.outboxes:
            self.producer.hear(Appended(topic, "camera", 7, 0))

    def appended(self, topic: str) -> list[Append]:
        """What the spooler got of a topic, without the handshakes."""
        return [append for append in self.line.offered if append.topic == topic and append.pseq]


def test_what_waits_to_be_batched_is_in_the_ledger_already() -> None:
    side = Side(wait_s=5.0)
    side.keeping.take([side.batch(10, 10)])
    nothing = {"acknowledged": 0, "missing": 0, "dropped": 0}
    assert side.keeping.ledger() == {
        "out": {"taken": 4, "waiting": 4, **nothing},
        "raw": {"taken": 2, "waiting": 2, **nothing},
    }
    before = side.keeping.ledger()
    side.line.timers[0].fire()
    assert side.keeping.ledger() == before, "handing on changes no number"
    assert side.producer.waiting == 2


def test_enough_samples_are_handed_on_before_the_wait_is_over() -> None:
    side = Side(wait_s=5.0, max_samples=6)
    side.keeping.take([side.batch(10)])
    side.keeping.take([side.batch(10)])
    assert side.producer.waiting == 0
    side.keeping.take([side.batch(10)])
    assert side.producer.waiting == 2, "one transaction in each topic"


def test_a_scan_larger_than_a_record_is_told_with_its_seq_its_samples_and_the_reason() -> None:
    side = Side()
    side.open()
    side.keeping.take([side.batch(10, 5000, 10)])
    first, gap, last = side.appended("out")
    assert codec.unpack(gap.frames[0]) == Gap("camera", "larger than a record may be", 2, 2, 2, 2, 1, samples=2)
    assert (gap.gaps, gap.counts) == (True, (2,))
    assert [codec.unpack(append.frames[0]).seq for append in (first, last)] == [1, 3]  # type: ignore[union-attr]
    assert side.keeping.too_large == 1
    assert [append.counts for append in side.appended("raw")] == [(3,)], "where it fits, it is kept"


def test_a_batch_larger_than_a_record_is_kept_in_several() -> None:
    side = Side()
    side.open()
    batch = side.batch(*[200] * 10)
    side.keeping.take([batch])
    frames = [frame for append in side.appended("out") for frame in append.frames]
    assert all(len(frame) <= MAX_RECORD_BYTES for frame in frames)
    assert sum(codec.unpack(frame).samples or 0 for frame in frames) == batch.samples


def test_the_devices_own_gap_comes_behind_what_was_read_before_it() -> None:
    side = Side(wait_s=5.0)
    side.open()
    side.keeping.take([side.batch(10)])
    side.keeping.tell(Gap("camera", "not connected", 1, 2))
    assert [(append.gaps, append.counts) for append in side.appended("out")] == [(False, (2,)), (True, (0,))]


class Life(RuleBasedStateMachine):
    """Readings of any size, a ring that is too small, and a spooler that comes and goes and forgets its last second."""

    @initialize(wait=st.booleans(), max_bytes=st.integers(300, 4000))
    def begin(self, wait: bool, max_bytes: int) -> None:
        self.side = Side(wait_s=5.0 if wait else 0.0, max_samples=12, max_bytes=max_bytes)
        self.read = {"out": 0, "raw": 0}
        self.open = False
        self.last = {"out": 0, "raw": 0}
        self.kept: dict[str, dict[int, int]] = {"out": {}, "raw": {}}  # what each number accounts for

    @rule(sizes=st.lists(st.sampled_from([1, 50, 300, 2000]), min_size=1, max_size=4))
    def reads(self, sizes: list[int]) -> None:
        batch = self.side.batch(*sizes)
        self.read["out"] += 2 * len(sizes)
        self.read["raw"] += len(sizes)
        self.side.keeping.take([batch])

    @rule()
    def waits(self) -> None:
        for timer in self.side.line.timers:
            timer.fire()

    @precondition(lambda self: not self.open)
    @rule()
    def spooler_comes(self) -> None:
        self.open = True
        self.side.line.offered.clear()
        self.side.producer.hear(PeerUp(SPOOLER))
        for topic in self.read:
            self.side.producer.hear(Appended(topic, "camera", 7, self.last[topic]))

    @rule(data=st.data())
    def spooler_takes(self, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(0, len(self.side.line.offered)))):
            append = self.side.line.offered.popleft()
            for number, count in enumerate(append.counts, append.pseq or 10**9):
                if self.last[append.topic] < number < 10**9:
                    self.kept[append.topic][number] = count
                    self.last[append.topic] = number

    @precondition(lambda self: self.open)
    @rule()
    def spooler_syncs(self) -> None:
        for topic in self.read:
            self.side.producer.hear(Appended(topic, "camera", 7, self.last[topic]))

    @precondition(lambda self: self.open)
    @rule()
    def spooler_dies(self) -> None:
        self.open = False
        self.side.producer.hear(PeerDown(SPOOLER))
        self.side.line.offered.clear()

    @invariant()
    def the_ledger_adds_up_to_the_sample(self) -> None:
        """read = acknowledged + waiting + what the gaps in the outbox stand for."""
        for topic, account in self.side.keeping.ledger().items():
            assert account["taken"] == self.read[topic]
            assert account["taken"] == account["acknowledged"] + account["waiting"] + account["missing"]
            assert account["dropped"] <= account["taken"]

    def teardown(self) -> None:
        """With a spooler that stays, nothing waits in the end, and the spool's numbers are the device's."""
        if not hasattr(self, "side"):
            return
        self.waits()
        if self.open:
            self.spooler_dies()
        self.spooler_comes()
        while self.side.producer.waiting:
            while self.side.line.offered:
                append = self.side.line.offered.popleft()
                for number, count in enumerate(append.counts, append.pseq):
                    if number > self.last[append.topic]:
                        self.kept[append.topic][number] = count
                        self.last[append.topic] = number
            self.spooler_syncs()
        for topic, account in self.side.keeping.ledger().items():
            assert account["acknowledged"] == self.read[topic] == sum(self.kept[topic].values())


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30)
