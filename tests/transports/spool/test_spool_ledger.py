"""The ledger: for each producer and consumer, read = delivered + waiting + gaps, whatever became of the segments."""

from typing import Any

import pytest
from conftest import Open
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from spool_disks import NOW_NS, MemoryFiles

from transports.errors import NotUnderstood
from transports.spool import ALARM, DATA, GAP, Commit, Position, Settings, Spool

OUT = {"raw": [], "out": ["cloud"]}


def account(spool: Spool, producer: str = "press", consumer: str = "cloud") -> tuple[int, int, int, int]:
    """(read, delivered, waiting, gaps)."""
    for each in spool.ledger():
        if (each.topic, each.producer, each.consumer) == ("out", producer, consumer):
            return each.read, each.delivered, each.waiting, each.gaps
    return 0, 0, 0, 0


def appended(spool: Spool, pseq: int, records: int, samples: int = 10, size: int = 200) -> None:
    for at in range(records):
        spool.append("out", "press", pseq + at, [bytes(size)], NOW_NS, counts=[samples])
    spool.sync()


def taken(spool: Spool, records: int, refused: Any = ()) -> None:
    for _ in range(records):
        got = spool.fetch("out", "cloud", 1)
        spool.commit(Commit("out", "cloud", got.end, refused=refused))
    spool.sync()


def test_what_is_read_is_waiting_until_it_is_delivered(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT)
    appended(spool, 1, 5)
    assert account(spool) == (50, 0, 50, 0)
    taken(spool, 2)
    assert account(spool) == (50, 20, 30, 0)


def test_a_producer_s_own_gap_is_read_and_missing(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT)
    appended(spool, 1, 2)
    spool.append("out", "press", 3, [b"gap"], NOW_NS, kind=GAP, counts=[70])
    assert account(spool) == (90, 0, 20, 70)
    taken(spool, 3)
    assert account(spool) == (90, 20, 0, 70)


def test_what_the_far_end_refused_is_a_gap(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT)
    appended(spool, 1, 4)
    taken(spool, 1, refused=[("press", 10)])
    assert account(spool) == (40, 0, 30, 10)


def test_what_the_quota_took_is_a_gap_and_what_was_had_of_it_is_not(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, segment_bytes=1500, out_bytes=12_288)
    appended(spool, 1, 8)
    taken(spool, 2)
    appended(spool, 9, 30)
    dropped = spool.enforce(NOW_NS)
    read, delivered, waiting, gaps = account(spool)
    assert (read, delivered) == (380, 20)
    assert gaps == 10 * sum(each.count for each in dropped) > 0
    assert waiting == 10 * (38 - 2) - gaps
    spool = open_spool(consumers=OUT, segment_bytes=1500, out_bytes=12_288)
    assert account(spool) == (380, 20, waiting, gaps), "and a restart forgets none of it"


def test_an_alarm_that_outlives_its_segment_is_delivered_and_the_samples_around_it_are_as_they_were(
    open_spool: Open,
) -> None:
    words: Any = {"consumers": OUT, "segment_bytes": 4000, "out_bytes": 65_536}
    spool = open_spool(**words)
    appended(spool, 1, 4)
    taken(spool, 2)
    spool.append("out", "press", 5, [b"overheated"], NOW_NS, kind=ALARM, counts=[7])
    appended(spool, 6, 300)
    lost = 10 * sum(each.count for each in spool.enforce(NOW_NS))
    assert account(spool)[:2] == (3047, 20)
    got = spool.fetch("out", "cloud", 10**6)
    assert got.records[0].payload == b"overheated"
    spool.commit(Commit("out", "cloud", got.records[0].position))
    spool.enforce(NOW_NS)
    read, delivered, waiting, gaps = account(open_spool(**words))
    assert (read, delivered) == (3047, 27)
    spool = open_spool(**words)
    taken(spool, 300)
    spool.purge("out", "cloud")
    read, delivered, waiting, gaps = account(spool)
    assert (waiting, delivered) == (0, 20 + 7 + 10 * sum(each.kind is DATA for each in got.records))
    assert gaps == read - delivered <= lost


def test_consumed_segments_leave_and_their_samples_stay_delivered(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, segment_bytes=1500)
    appended(spool, 1, 40)
    taken(spool, 40)
    spool.enforce(NOW_NS)
    assert spool.stat()["out"].segments <= 2
    assert account(spool) == (400, 400, 0, 0)
    assert account(open_spool(consumers=OUT, segment_bytes=1500)) == (400, 400, 0, 0)


def test_a_damaged_record_is_a_gap_when_its_segment_has_been_passed(open_spool: Open, disk: MemoryFiles) -> None:
    spool = open_spool(consumers=OUT, segment_bytes=1500)
    appended(spool, 1, 12)
    spool.close()
    path = sorted(name for name in disk.names if name.startswith("spool/out/"))[0]
    disk.edit(path, lambda data: data.__setitem__(len(data) // 2, data[len(data) // 2] ^ 1))
    spool = open_spool(consumers=OUT, segment_bytes=1500)
    assert account(spool) == (120, 0, 120, 0), "nobody has met it yet"
    taken(spool, 11)
    spool.enforce(NOW_NS)
    assert account(spool) == (120, 110, 0, 10)


def test_what_was_damaged_in_the_last_segment_is_told_by_the_next_record_of_its_producer(
    open_spool: Open, disk: MemoryFiles
) -> None:
    spool = open_spool(consumers=OUT)
    appended(spool, 1, 9)
    spool.close()
    path = sorted(name for name in disk.names if name.startswith("spool/out/"))[-1]
    disk.edit(path, lambda data: data.__setitem__(len(data) // 2, data[len(data) // 2] ^ 1))
    spool = open_spool(consumers=OUT)
    assert account(spool)[0] == 90
    taken(spool, 8)
    spool.enforce(NOW_NS)
    assert account(spool) == (90, 80, 0, 10)


def test_who_comes_later_has_an_account_from_then_on(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT)
    appended(spool, 1, 5)
    spool.close()
    both = {"raw": [], "out": ["cloud", "late"]}
    spool = open_spool(consumers=both, starts={"late": "now"})
    appended(spool, 6, 2)
    assert account(spool, consumer="late") == (20, 0, 20, 0)
    assert account(spool, consumer="cloud") == (70, 0, 70, 0)
    assert [each.pseq for each in spool.fetch("out", "late", 10_000).records] == [6, 7]


def test_an_uplink_begins_at_a_time_also_in_the_middle_of_a_segment(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT)
    for pseq in range(1, 7):
        spool.append("out", "press", pseq, [b"x"], NOW_NS + pseq * 10**9, counts=[10])
    spool.close()
    spool = open_spool(
        consumers={"raw": [], "out": ["cloud", "late"]}, starts={"late": "2023-11-14T22:13:24+00:00"}
    )  # NOW_NS and 4 s
    assert [each.pseq for each in spool.fetch("out", "late", 10_000).records] == [4, 5, 6]
    assert account(spool, consumer="late") == (30, 0, 30, 0)


def test_an_uplink_of_another_name_goes_on_where_the_old_one_was(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT)
    appended(spool, 1, 5)
    taken(spool, 3)
    spool.close()
    spool = open_spool(consumers={"raw": [], "out": ["azure"]}, starts={"azure": "after cloud"})
    assert [each.pseq for each in spool.fetch("out", "azure", 10_000).records] == [4, 5]
    assert account(spool, consumer="azure") == (50, 30, 20, 0)


def test_what_a_removed_uplink_has_not_had_waits_for_it_until_it_is_forgotten(open_spool: Open) -> None:
    spool = open_spool(consumers={"raw": [], "out": ["cloud", "old"]}, segment_bytes=1500)
    appended(spool, 1, 20)
    spool.commit(Commit("out", "old", Position(1, 2)))
    spool.close()
    spool = open_spool(consumers=OUT, segment_bytes=1500)
    taken(spool, 20)
    spool.enforce(NOW_NS)
    assert account(spool, consumer="old") == (200, 20, 180, 0)
    with pytest.raises(NotUnderstood):
        spool.forget("out", "cloud")
    spool.forget("out", "old")
    spool.enforce(NOW_NS)
    assert spool.stat()["out"].segments <= 2
    spool.close()
    spool = open_spool(consumers={"raw": [], "out": ["cloud", "old"]}, segment_bytes=1500)
    assert account(spool, consumer="old")[0] == 0, "it comes back as a new one"


def test_what_is_purged_is_a_gap_for_those_who_had_it_not(open_spool: Open) -> None:
    spool = open_spool(consumers={"raw": [], "out": ["cloud", "other"]})
    appended(spool, 1, 6)
    taken(spool, 2)
    (dropped,) = spool.purge("out", "other")
    assert (dropped.first.seq, dropped.last.seq, dropped.count, dropped.reason) == (1, 6, 6, "purged")
    assert account(spool, consumer="other") == (60, 0, 0, 60)
    assert account(spool) == (60, 20, 40, 0)
    (dropped,) = spool.purge("out")
    assert (dropped.first.seq, dropped.last.seq) == (3, 6)
    assert account(spool) == (60, 20, 0, 40)
    assert spool.fetch("out", "cloud", 10_000).records == []
    appended(spool, 7, 1)
    assert [each.pseq for each in spool.fetch("out", "cloud", 10_000).records] == [7]


class Books(RuleBasedStateMachine):
    """Anything may happen to a spool: the accounts add up, and `delivered` is what was handed out and committed."""

    @initialize()
    def begin(self) -> None:
        self.disk = MemoryFiles()
        self.pseq = {"press": 0, "oven": 0}
        self.read = {"press": 0, "oven": 0}
        self.delivered = {"press": 0, "oven": 0}
        self.pending: list[Any] = []
        self.open()

    def open(self) -> None:
        self.spool = Spool.open(
            "spool", Settings(segment_bytes=1200, out_bytes=16_384, keep_removed_s=0.0), OUT, NOW_NS, files=self.disk
        )
        self.pending = []

    @rule(name=st.sampled_from(["press", "oven"]), counts=st.lists(st.integers(0, 50), min_size=1, max_size=6))
    def append(self, name: str, counts: list[int]) -> None:
        self.spool.append("out", name, self.pseq[name] + 1, [bytes(60)] * len(counts), NOW_NS, counts=counts)
        self.pseq[name] += len(counts)
        self.read[name] += sum(counts)

    @rule(room=st.integers(1, 2000))
    def fetch(self, room: int) -> None:
        got = self.spool.fetch("out", "cloud", room)
        self.pending += [(each.position, each.producer, each.samples) for each in got.records]

    @rule(part=st.floats(0, 1))
    def commit(self, part: float) -> None:
        done, self.pending = self.pending[: (n := round(part * len(self.pending)))], self.pending[n:]
        if done:
            self.spool.commit(Commit("out", "cloud", done[-1][0]))
            for _, name, samples in done:
                self.delivered[name] += samples

    @rule()
    def enforce(self) -> None:
        """What is given up while it is on its way counts as a gap, although it arrives."""
        for dropped in self.spool.enforce(NOW_NS):
            self.pending = [
                (position, name, samples * (not dropped.first <= position <= dropped.last))
                for position, name, samples in self.pending
            ]

    @rule()
    def reopen(self) -> None:
        self.spool.close()
        self.open()

    @rule(hurt=st.integers(0, 10**6), back=st.integers(2, 4))
    def damage(self, hurt: int, back: int) -> None:
        """A bit of a closed segment that the consumer has not begun to read."""
        paths = sorted(name for name in self.disk.names if name.startswith("spool/out/") and name.endswith(".seg"))
        self.spool.close()
        if len(paths) > back:
            path, cursor = paths[-back], self.spool._cursors.at("out", "cloud").position
            key = tuple(int(part) for part in path.removesuffix(".seg").rpartition("/")[2].split("-"))
            if cursor < key:
                self.disk.edit(path, lambda data: data.__setitem__(hurt % len(data), data[hurt % len(data)] ^ 4))
        self.open()

    @invariant()
    def the_books_add_up(self) -> None:
        for name in self.read:
            read, delivered, waiting, gaps = account(self.spool, name)
            assert read == self.read[name]
            assert delivered == self.delivered[name]
            assert read == delivered + waiting + gaps
            assert min(waiting, gaps) >= 0

    def teardown(self) -> None:
        """When everything has been taken nothing waits."""
        if not hasattr(self, "spool"):
            return
        while (got := self.spool.fetch("out", "cloud", 10_000)).records or got.holes:
            self.spool.commit(Commit("out", "cloud", got.end))
        self.spool.purge("out", "cloud")
        for name in self.read:
            assert account(self.spool, name)[2] == 0


TestBooks = Books.TestCase
TestBooks.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)
