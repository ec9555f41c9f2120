"""Random lives of a gateway's spool, with crashes and power cuts, quotas and damage, held against what was promised.

A life without losses: two producers append to raw and resend what was not acknowledged; the aggregator copies each
durable raw record into out, with the commit in the same transaction; the cloud reads out, in two lanes. In the end out
has every reading of every producer exactly once and in order, and no id stood for two things.

A life with losses: a topic that is always too small, with every policy, on a disk that now and then loses a bit, a page
or a file. Whatever happens: each record that was made durable is handed out, or in a hole, or in what was given up.
"""

import random
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from spool_disks import NOW_NS, MemoryFiles, PowerCut

from transports.errors import QuotaFull, SpoolFull
from transports.spool import ALARM, DATA, GAP, Commit, Dropped, Hole, Kind, Policy, Position, Record, Settings, Spool

SETTINGS = Settings(segment_bytes=600)
CONSUMERS = {"raw": ["agg"], "out": ["cloud"]}


class Gateway(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.disk = MemoryFiles()
        self.made = {"press": 0, "oven": 0}  # readings taken so far; each says its own number
        self.acknowledged = {"press": 0, "oven": 0}
        self.ids: dict[tuple[str, Position], bytes] = {}
        self.committed = Position(0, 0)
        self.open()

    def open(self) -> None:
        self.spool = Spool.open("spool", SETTINGS, CONSUMERS, NOW_NS, files=self.disk)
        for name, promised in self.acknowledged.items():
            assert self.spool.producer("raw", name)[0] >= promised, "acknowledged, then lost"

    @initialize()
    def begin(self) -> None:
        self.take_readings("press", 1)

    @rule(name=st.sampled_from(["press", "oven"]), count=st.integers(1, 4))
    def take_readings(self, name: str, count: int) -> None:
        self.made[name] += count
        first = self.acknowledged[name] + 1  # resends everything that was not acknowledged
        self.spool.append("raw", name, first, [b"%d" % n * 20 for n in range(first, self.made[name] + 1)], NOW_NS)

    @rule()
    def sync(self) -> None:
        held = {name: self.spool.producer("raw", name)[0] for name in self.made}
        self.spool.sync()
        self.acknowledged = held

    @rule(max_bytes=st.integers(1, 800))
    def aggregate(self, max_bytes: int) -> None:
        fetched = self.spool.fetch("raw", "agg", max_bytes, durable=True)
        assert fetched.holes == []
        copies = [record.producer.encode() + b" " + record.payload for record in fetched.records]
        self.see("raw", [(record.position, record.payload) for record in fetched.records])
        if copies:
            first = self.spool.producer("out", "agg")[0] + 1
            self.spool.append("out", "agg", first, copies, NOW_NS, Commit("raw", "agg", fetched.end, b"state"))

    @rule(max_bytes=st.integers(1, 800))
    def deliver(self, max_bytes: int) -> None:
        fetched = self.spool.fetch("out", "cloud", max_bytes)
        assert fetched.holes == []
        self.see("out", [(record.position, record.payload) for record in fetched.records])

    @rule(max_bytes=st.integers(1, 800), back=st.integers(0, 3))
    def deliver_late(self, max_bytes: int, back: int) -> None:
        """Another lane of the same consumer begins somewhere, and finds what the first one finds there."""
        seen = sorted(position for topic, position in self.ids if topic == "out")
        after = seen[-1 - back] if len(seen) > back else None
        if after is None or after < self.spool.cursor("out", "cloud")[0]:
            return
        fetched = self.spool.fetch("out", "cloud", max_bytes, lane="late", after=after)
        assert all(record.position > after for record in fetched.records)
        self.see("out", [(record.position, record.payload) for record in fetched.records])

    @rule()
    def restart_consumers(self) -> None:
        self.spool.rewind("raw", "agg")
        self.spool.rewind("out", "cloud")

    @rule()
    def clean(self) -> None:
        assert self.spool.enforce(NOW_NS) == []

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        if clean:
            self.spool.close()
        self.open()

    @rule(seed=st.integers(0, 1 << 32), operations=st.integers(0, 12))
    def lose_power(self, seed: int, operations: int) -> None:
        self.disk.operations_left = operations
        try:
            self.take_readings("press", 1)
            self.sync()
            self.aggregate(800)
            self.sync()
            self.clean()
            self.open()
        except PowerCut:
            pass
        self.disk.power_cut(random.Random(seed))
        self.open()

    @invariant()
    def nothing_is_called_damaged(self) -> None:
        for topic in self.spool.stat().values():
            assert (topic.damaged, topic.quarantined) == (0, 0)

    def see(self, topic: str, records: list[tuple[Position, bytes]]) -> None:
        for position, payload in records:
            assert self.ids.setdefault((topic, position), payload) == payload

    def teardown(self) -> None:
        for name in self.made:
            self.take_readings(name, 1)
        self.sync()
        while self.spool.waiting("raw", "agg"):
            self.aggregate(10_000)
        self.spool.rewind("out", "cloud")
        delivered = [record.payload for record in self.spool.fetch("out", "cloud", 1 << 30).records]
        for name, made in self.made.items():
            mine = [payload for payload in delivered if payload.startswith(name.encode())]
            assert mine == [b"%s %s" % (name.encode(), b"%d" % n * 20) for n in range(1, made + 1)]
        assert len(delivered) == sum(self.made.values())


class Crowd(RuleBasedStateMachine):
    """One topic, two consumers, and never enough room. `durable` is what must be found, or be told of."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = MemoryFiles()
        self.now_ns = NOW_NS
        self.given: dict[Position, bytes] = {}
        self.unsynced: set[Position] = set()
        self.durable: set[Position] = set()
        self.told: list[Hole | Dropped] = []
        self.cursors = {"cloud": Position(0, 0), "archive": Position(0, 0)}
        self.ends: dict[str, Position] = {}

    @initialize(policy=st.sampled_from(Policy), age_s=st.sampled_from([0.0, 50.0]))
    def begin(self, policy: Policy, age_s: float) -> None:
        sizes = {"segment_bytes": 600, "out_bytes": 5 * 4096, "reserve_bytes": 4096}
        self.settings = Settings(**sizes, out_policy=policy, out_age_s=age_s)
        self.open()

    def open(self) -> None:
        self.spool = Spool.open("spool", self.settings, {"out": ["cloud", "archive"]}, self.now_ns, files=self.disk)
        self.ends = {}
        for name, committed in self.cursors.items():
            assert self.spool.cursor("out", name)[0] <= committed
            self.cursors[name] = self.spool.cursor("out", name)[0]

    @rule(
        name=st.sampled_from(["press", "oven"]), count=st.integers(1, 4), kind=st.sampled_from([DATA, DATA, GAP, ALARM])
    )
    def append(self, name: str, count: int, kind: Kind) -> None:
        before, pseq = self.spool.end("out"), self.spool.producer("out", name)[0] + 1
        payloads = [b"%s %d %d" % (name.encode(), n, before.epoch) * 8 for n in range(pseq, pseq + count)]
        try:
            self.spool.append("out", name, pseq, payloads, self.now_ns, kind=kind, counts=[3] * count)
        except QuotaFull:
            assert self.settings.out_policy in (Policy.BLOCK, Policy.DROP_NEWEST)
            assert (self.spool.end("out"), self.spool.producer("out", name)[0]) == (before, pseq - 1)
            return
        end = self.spool.end("out")
        for at, payload in enumerate(payloads):
            position = Position(end.epoch, before.seq + 1 + at)
            assert position not in self.given, "an id is given twice"
            self.given[position] = payload
            self.unsynced.add(position)

    @rule()
    def sync(self) -> None:
        self.spool.sync()
        self.durable |= self.unsynced
        self.unsynced.clear()

    @rule(name=st.sampled_from(["cloud", "archive"]), max_bytes=st.integers(1, 2000))
    def fetch(self, name: str, max_bytes: int) -> None:
        fetched = self.spool.fetch("out", name, max_bytes)
        self.told += fetched.holes
        self.see(fetched.records)
        self.ends[name] = fetched.end

    @rule(name=st.sampled_from(["cloud", "archive"]))
    def commit(self, name: str) -> None:
        """Only what was synced: a commit of what a power cut takes is told of nowhere."""
        if name in self.ends and self.ends[name] <= self.spool.durable("out"):
            self.spool.commit(Commit("out", name, self.ends[name]))
            self.cursors[name] = max(self.ends[name], self.cursors[name])

    @rule(seconds=st.integers(0, 40))
    def enforce(self, seconds: int) -> None:
        self.sync()
        self.now_ns += seconds * 10**9
        self.told += self.spool.enforce(self.now_ns)

    @rule()
    def shed(self) -> None:
        self.sync()
        try:
            self.told += self.spool.shed("out")
        except SpoolFull:
            assert self.spool.stat()["out"].segments == 1

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        if clean:
            self.sync()
            self.spool.close()
        self.open()

    @rule(seed=st.integers(0, 1 << 32))
    def lose_power(self, seed: int) -> None:
        self.disk.power_cut(random.Random(seed))
        self.unsynced.clear()  # no promise was given for them; their ids are used
        self.open()

    @rule(at=st.integers(0, 1 << 16), bit=st.integers(0, 7), which=st.integers(0, 20))
    def lose_a_bit(self, at: int, bit: int, which: int) -> None:
        """In any segment."""

        def flip(data: bytearray) -> None:
            data[at % len(data)] ^= 1 << bit

        self.damage(self.segments(), which, flip)

    @rule(at=st.integers(0, 1 << 16), which=st.integers(0, 20))
    def lose_a_page(self, at: int, which: int) -> None:
        """In a closed segment; in the newest one it could take the mark along, without which nobody can know."""

        def clear(data: bytearray) -> None:
            start = at % len(data) // 128 * 128
            data[start : start + 128] = bytes(len(data[start : start + 128]))

        self.damage(self.segments()[:-1], which, clear)

    @rule(which=st.integers(0, 20))
    def lose_a_segment(self, which: int) -> None:
        """One between two others."""
        self.damage(self.segments()[1:-1], which, None)

    def damage(self, paths: list[str], which: int, change: Callable[[bytearray], None] | None) -> None:
        self.sync()
        self.spool.close()
        if paths and change:
            self.disk.edit(paths[which % len(paths)], change)
        elif paths:
            del self.disk.names[paths[which % len(paths)]]
            self.disk.fsync_dir("spool/out")
        self.open()
        for name in self.cursors:  # before the next damage, which might take what tells of this one
            self.told += self.spool.fetch("out", name, 1 << 30).holes
            self.spool.rewind("out", name)

    def segments(self) -> list[str]:
        return sorted(name for name in self.disk.names if "/out/" in name and "quarantine" not in name)

    def see(self, records: list[Record]) -> None:
        positions = [record.position for record in records]
        assert positions == sorted(set(positions))
        for record in records:
            assert self.given.get(record.position, record.payload) == record.payload

    def teardown(self) -> None:
        self.told += self.spool.enforce(self.now_ns)
        for name in self.cursors:
            self.spool.rewind("out", name)
            fetched = self.spool.fetch("out", name, 1 << 30)
            self.see(fetched.records)
            here = {record.position for record in fetched.records}
            told = [*self.told, *fetched.holes]
            for position in self.durable - here:
                had = position <= self.cursors[name]
                # by seq: a lost file takes with it the epoch in which it was written
                assert had or any(each.first.seq <= position.seq <= each.last.seq for each in told), (name, position)
        for account in self.spool.ledger():
            assert account.read == account.delivered + account.waiting + account.gaps
            assert min(account.read, account.delivered, account.waiting, account.gaps) >= 0


Gateway.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
Crowd.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestARandomLife = Gateway.TestCase
TestALifeWithLosses = Crowd.TestCase
