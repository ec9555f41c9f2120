"""Quotas and classes: what goes when there is no more room, and what outlives it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from conftest import Open
from spool_disks import NOW_NS, MemoryFiles

from transports.errors import QuotaFull
from transports.spool import ALARM, GAP, Commit, Policy, Position, Spool

OUT = {"raw": [], "out": ["cloud"]}
SMALL: dict[str, Any] = {"segment_bytes": 4000, "out_bytes": 65_536}  # of which an eighth is reserve
S = 10**9


def fill(spool: Spool, records: int, first: int = 1, size: int = 200, step_s: int = 1) -> None:
    for pseq in range(first, first + records):
        spool.append("out", "press", pseq, [bytes(size)], NOW_NS + pseq * step_s * S, counts=[1])
    spool.sync()


def rest(spool: Spool) -> list[int]:
    """The pseq of what is left, and every hole that reading it meets."""
    got = spool.fetch("out", "cloud", 10**6)
    assert got.holes == [], "what was given up on purpose was told of when it went"
    return [record.pseq for record in got.records]


def used(spool: Spool) -> int:
    return spool.stat()["out"].bytes


def test_each_drop_names_the_range_the_times_and_the_samples(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, **SMALL)
    fill(spool, 300)
    dropped = spool.enforce(NOW_NS)
    assert used(spool) <= 65_536
    assert dropped[0].first.seq == 1
    assert all(before.last.seq + 1 == after.first.seq for before, after in pairwise(dropped))
    assert all(each.samples == each.count == each.last.seq - each.first.seq + 1 for each in dropped)
    assert rest(spool)[0] == dropped[-1].last.seq + 1


def test_gaps_and_alarms_outlive_the_samples_around_them(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, **SMALL)
    fill(spool, 3)
    spool.append("out", "press", 4, [b"a gap"], NOW_NS, kind=GAP, counts=[5])
    spool.append("out", "boiler", 1, [b"overheated"], NOW_NS, kind=ALARM, counts=[1])
    fill(spool, 300, first=5)
    dropped = spool.enforce(NOW_NS)
    got = spool.fetch("out", "cloud", 10**6)
    assert got.holes == []
    assert [(each.kind, each.payload) for each in got.records[:2]] == [(GAP, b"a gap"), (ALARM, b"overheated")]
    assert got.records[0].position == Position(1, 4)
    assert got.records[2].position.seq == dropped[-1].last.seq + 1
    assert used(spool) <= 65_536
    (boiler,) = [each for each in spool.ledger() if (each.producer, each.topic) == ("boiler", "out")]
    assert (boiler.read, boiler.waiting, boiler.gaps) == (1, 1, 0)


def test_what_is_left_of_given_up_segments_never_outgrows_the_reserve(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, **SMALL)
    pseq = 1
    for _ in range(40):
        spool.append("out", "boiler", pseq, [b"overheated"], NOW_NS, kind=ALARM)
        fill(spool, 15, first=1 + 15 * (pseq - 1))
        pseq += 1
        spool.enforce(NOW_NS)
        assert used(spool) <= 65_536 + 4096, "a segment is written on until the next is begun"
    alarms = [each.pseq for each in spool.fetch("out", "cloud", 10**6).records if each.kind is ALARM]
    assert alarms == list(range(alarms[0], pseq)), "the newest of them are there"


def test_a_reader_in_the_middle_of_a_dropped_segment_goes_on_with_what_is_left_of_it(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, **SMALL)
    fill(spool, 2)
    spool.append("out", "boiler", 1, [b"overheated"], NOW_NS, kind=ALARM)
    fill(spool, 300, first=3)
    assert [each.pseq for each in spool.fetch("out", "cloud", 1).records] == [1]
    spool.enforce(NOW_NS)
    got = spool.fetch("out", "cloud", 10**6)
    assert got.records[0].payload == b"overheated"
    assert got.holes == []


def test_records_older_than_the_age_go_and_younger_stay(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, segment_bytes=1500, out_age_s=20.0)
    fill(spool, 40)
    dropped = spool.enforce(NOW_NS + 40 * S)
    assert {each.reason for each in dropped} == {"age"}
    left = rest(spool)
    assert left[-1] == 40
    assert 40 - 20 - 6 <= left[0] <= 40 - 20 + 1, "a segment goes when all of it is too old"


def test_drop_newest_takes_no_more_and_keeps_what_it_has(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, out_policy=Policy.DROP_NEWEST, **SMALL)
    with pytest.raises(QuotaFull):
        fill(spool, 600)
    held = spool.producer("out", "press")[0]
    assert spool.enforce(NOW_NS) == []
    spool.append("out", "press", held + 9, [b"gap"], NOW_NS, kind=GAP, counts=[9])  # there is a reserve for this
    assert rest(spool) == [*range(1, held + 1), held + 9]


@pytest.mark.parametrize("policy", [Policy.BLOCK, Policy.DROP_NEWEST])
def test_there_is_room_again_when_a_consumer_has_committed(open_spool: Open, policy: Policy) -> None:
    spool = open_spool(consumers=OUT, out_policy=policy, **SMALL)
    with pytest.raises(QuotaFull):
        fill(spool, 600)
    held = spool.producer("out", "press")[0]
    got = spool.fetch("out", "cloud", 10**6)
    spool.commit(Commit("out", "cloud", got.end))
    spool.sync()
    spool.append("out", "press", held + 1, [bytes(200)], NOW_NS)
    assert spool.producer("out", "press")[0] == held + 1


def test_a_total_takes_from_the_largest_topic(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, segment_bytes=1500, total_bytes=30_000)
    for pseq in range(1, 6):
        spool.append("raw", "press", pseq, [bytes(200)], NOW_NS)
    fill(spool, 60)
    (topic,) = {each.topic for each in spool.enforce(NOW_NS)}
    assert topic == "out"
    assert sum(each.bytes for each in spool.stat().values()) <= 30_000


def test_a_smaller_quota_after_a_restart_holds_at_once(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, segment_bytes=4000)
    fill(spool, 300)
    spool.close()
    for policy in Policy:
        spool = open_spool(consumers=OUT, out_policy=policy, **SMALL)
        spool.enforce(NOW_NS)
        assert used(spool) <= 65_536 + 4096
        spool.close()


@dataclass(frozen=True)
class Pair:
    """Two records as one: enough of a dilution to see what the spool makes of it."""

    payload: bytes
    last_index: int
    samples: int


def pairs(payloads: Any, interval_ns: int) -> list[Pair]:
    """As if two neighbours always lay within one interval."""
    return [
        Pair(b"%d s" % (interval_ns // S) + bytes(60), min(at + 1, len(payloads) - 1), 1)
        for at in range(0, len(payloads), 2)
    ]


THIN: dict[str, Any] = {"segment_bytes": 16_000, "out_bytes": 262_144, "out_policy": Policy.THIN, "dilute": pairs}


def test_thin_keeps_every_stretch_of_time_at_a_coarser_grain_before_anything_is_dropped(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, **THIN)
    told: list[Any] = []
    for first in range(1, 1501, 10):
        fill(spool, 10, first=first)
        told += spool.enforce(NOW_NS)
    got = spool.fetch("out", "cloud", 10**6)
    assert got.holes == []
    assert used(spool) <= 262_144
    read, delivered, waiting, gaps = next(
        (each.read, each.delivered, each.waiting, each.gaps) for each in spool.ledger() if each.topic == "out"
    )
    assert (read, delivered, read - waiting - gaps) == (1500, 0, 0)
    if not told:
        assert {each.pseq for each in got.records if each.payload.startswith(b"1 s")}, "the oldest are diluted"
        assert got.records[-1].payload == bytes(200), "the newest is whole"
    spool.commit(Commit("out", "cloud", got.end))
    spool.purge("out", "cloud")
    (end,) = [each for each in spool.ledger() if each.topic == "out"]
    assert (end.delivered, end.waiting) == (sum(each.samples for each in got.records), 0)
    assert end.gaps == 1500 - end.delivered


def test_a_diluted_segment_survives_a_restart_and_is_not_diluted_to_the_same_grain_again(
    open_spool: Open, disk: MemoryFiles
) -> None:
    spool = open_spool(consumers=OUT, **THIN)
    for first in range(1, 1501, 10):
        fill(spool, 10, first=first)
        spool.enforce(NOW_NS)
    for _ in range(6):
        spool.enforce(NOW_NS)
    before = rest(spool)
    writes = len(before)
    spool.close()
    calls: list[int] = []

    def counted(payloads: Any, interval_ns: int) -> list[Pair]:
        calls.append(interval_ns // S)
        return pairs(payloads, interval_ns)

    spool = open_spool(consumers=OUT, **{**THIN, "dilute": counted})
    assert rest(spool) == before
    assert writes < 1500
    spool.enforce(NOW_NS)
    assert all(grain > 1 for grain in calls[:1]) or used(spool) <= 262_144


def test_a_segment_that_cannot_be_read_is_not_in_the_way_of_thinning(open_spool: Open, disk: MemoryFiles) -> None:
    spool = open_spool(consumers=OUT, **THIN)
    fill(spool, 400)
    spool.close()
    name = min(name for name in disk.names if name.startswith("spool/out/"))
    disk.edit(name, lambda data: data.__setitem__(slice(0, None), bytes(len(data))))
    spool = open_spool(consumers=OUT, **THIN)
    for first in range(401, 1501, 10):
        fill(spool, 10, first=first)
        spool.enforce(NOW_NS)
    got = spool.fetch("out", "cloud", 10**6)
    assert [hole.reason for hole in got.holes] in ([], ["quarantined"]), "read over, or given up with a word"
    assert got.records[-1].pseq == 1500
    assert spool.stat()["out"].quarantined == 1


def test_what_a_consumer_has_begun_to_read_is_not_diluted_under_it(open_spool: Open) -> None:
    spool = open_spool(consumers=OUT, **THIN)
    fill(spool, 2)
    got = spool.fetch("out", "cloud", 1)
    spool.commit(Commit("out", "cloud", got.end))
    for first in range(3, 1503, 10):
        fill(spool, 10, first=first)
        spool.enforce(NOW_NS)
    seen = [record.pseq for record in spool.fetch("out", "cloud", 10**6).records]
    assert seen[:2] == [2, 3], "the rest of the first segment is as it was"


def test_the_raw_topic_may_lie_elsewhere_and_be_lost_there(open_spool: Open, disk: MemoryFiles) -> None:
    words: dict[str, Any] = {"consumers": {"raw": ["agg"], "out": ["cloud"]}, "raw_dir": "/memory"}
    spool = open_spool(**words)
    spool.append("raw", "press", 1, [b"a", b"b"], NOW_NS)
    spool.append("out", "agg", 1, [b"mean"], NOW_NS, commit=Commit("raw", "agg", Position(1, 2), b"windows"))
    spool.close()
    for name in [name for name in disk.names if name.startswith("/memory/")]:
        disk.unlink(name)
    spool = open_spool(**words)
    assert spool.cursor("raw", "agg") == (Position(1, 2), b"windows")
    spool.append("raw", "press", 3, [b"c"], NOW_NS)
    got = spool.fetch("raw", "agg", 1000)
    assert [each.payload for each in got.records] == [b"c"]
    assert got.records[0].position > Position(1, 2), "an id is not given again"
