"""Random lives of a gateway's spool, with crashes and power cuts, held against what was promised.

Two producers append to raw and resend what was not acknowledged; the aggregator copies each durable raw record into
out, with the commit in the same transaction; the cloud reads out. Whatever happens: in the end out has every reading
of every producer exactly once and in order, and no id ever stood for two things.
"""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from spool_disks import NOW_NS, MemoryFiles, PowerCut

from transports.spool import Commit, Position, Settings, Spool

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


Gateway.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestARandomLife = Gateway.TestCase
