"""What is found after the process or the power went: torn ends, whole transactions, ids that never come again."""

import os
import random
from collections.abc import Callable
from contextlib import suppress

from spool_disks import NOW_NS, MemoryFiles, PowerCut

from transports.spool import Commit, Position, Spool

Open = Callable[..., Spool]


def everything(spool: Spool, topic: str = "raw", consumer: str = "agg") -> list[bytes]:
    return [record.payload for record in spool.fetch(topic, consumer, 1 << 30).records]


def newest(disk: MemoryFiles, topic: str) -> str:
    return max(name for name in disk.names if f"/{topic}/" in name)


def test_a_cut_at_any_byte_leaves_exactly_the_transactions_before_it(disk: MemoryFiles, open_spool: Open) -> None:
    spool = open_spool()
    spool.append("out", "agg", 1, [b"first epoch"], NOW_NS)
    spool.append("raw", "press", 1, [b"%d" % n for n in range(9)], NOW_NS)
    spool = open_spool()
    path = newest(disk, "out")
    ends = [(disk.size(path), 0)]
    for n in range(1, 4):
        batch = [b"a" * 10 * n, b"b" * n]
        spool.append("out", "agg", 2 * n, batch, NOW_NS, Commit("raw", "agg", Position(1, n), b"state %d" % n))
        ends.append((disk.size(path), n))
        if n == 2:
            spool.sync()
    written = everything(spool, "out", "cloud")
    for size in range(disk.size(path)):
        whole = max([n for end, n in ends if end <= size], default=0)
        found = open_spool(files=_cut(disk, path, size))
        assert everything(found, "out", "cloud") == written[: 1 + 2 * whole], size
        assert found.cursor("raw", "agg") == ((Position(1, whole), b"state %d" % whole) if whole else ((0, 0), b""))
        assert found.producer("out", "agg")[0] == 1 + 2 * whole
        assert found.append("out", "agg", 2 + 2 * whole, [b"again"], NOW_NS) == 2 + 2 * whole
        assert everything(found, "out", "cloud") == [b"again"]


def _cut(disk: MemoryFiles, path: str, size: int) -> MemoryFiles:
    twin = disk.copy()
    twin.edit(path, lambda data: data.__delitem__(slice(size, None)))
    return twin


def test_a_torn_tail_is_truncated_and_counted(disk: MemoryFiles, open_spool: Open) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [b"whole"], NOW_NS)
    size = disk.size(newest(disk, "raw"))
    spool.append("raw", "press", 2, [b"torn", b"in two"], NOW_NS)
    path = newest(disk, "raw")
    disk.edit(path, lambda data: data.__delitem__(slice(-3, None)))
    spool = open_spool()
    assert spool.stat()["raw"].torn_bytes == 57 + 4 + 57 + 6 - 3
    assert disk.size(path) == size
    assert everything(spool) == [b"whole"]
    assert open_spool().stat()["raw"].torn_bytes == 0


def test_unsynced_records_behind_a_lost_page_are_left_to_their_producers(disk: MemoryFiles, open_spool: Open) -> None:
    """Taking a later record while an earlier one is gone would make the resending of the earlier one a duplicate."""
    spool = open_spool()
    spool.append("raw", "press", 1, [b"synced"], NOW_NS)
    spool.sync()
    size = disk.size(newest(disk, "raw"))
    spool.append("raw", "press", 2, [b"lost page"], NOW_NS)
    spool.append("raw", "press", 3, [b"written by luck"], NOW_NS)
    disk.edit(newest(disk, "raw"), lambda data: data.__setitem__(slice(size + 10, size + 20), bytes(10)))
    spool = open_spool()
    assert spool.producer("raw", "press")[0] == 1
    spool.append("raw", "press", 2, [b"lost page", b"written by luck"], NOW_NS)
    fetched = spool.fetch("raw", "agg", 1 << 20)
    assert [record.payload for record in fetched.records] == [b"synced", b"lost page", b"written by luck"]
    assert fetched.holes == []


def test_an_id_is_never_given_twice_even_when_a_power_cut_took_what_was_handed_out(
    disk: MemoryFiles, open_spool: Open
) -> None:
    handed_out: dict[Position, bytes] = {}
    luck = random.Random(5)
    for round_ in range(40):
        spool = open_spool(segment_bytes=300)
        for _ in range(luck.randrange(4)):
            spool.append("raw", "press", spool.producer("raw", "press")[0] + 1, [b"round %d" % round_], NOW_NS)
            if luck.random() < 0.3:
                spool.sync()
        for record in spool.fetch("raw", "agg", 1 << 20).records:
            assert handed_out.setdefault(record.position, record.payload) == record.payload
        disk.power_cut(luck)
    assert len(handed_out) > 30


def test_a_consumer_ahead_of_a_power_cut_gets_what_comes_after_it_and_nothing_again(
    disk: MemoryFiles, open_spool: Open
) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [b"1", b"2"], NOW_NS)
    spool = open_spool()
    path = newest(disk, "raw")
    size = disk.size(path)
    spool.append("raw", "press", 3, [b"3", b"4", b"5"], NOW_NS)
    spool.append("out", "agg", 1, [b"sum"], NOW_NS, Commit("raw", "agg", Position(2, 5)))
    disk.edit(path, lambda data: data.__delitem__(slice(size, None)))  # written back: the commit, but not these three
    spool = open_spool()
    assert (spool.end("raw"), spool.waiting("raw", "agg")) == (Position(1, 2), 0)
    assert spool.fetch("raw", "agg", 1 << 20) == ([], [], Position(2, 5))
    spool.append("raw", "press", 3, [b"3", b"4"], NOW_NS)
    fetched = spool.fetch("raw", "agg", 1 << 20)
    assert [record.payload for record in fetched.records] == [b"3", b"4"]
    assert (fetched.end, fetched.holes, spool.waiting("raw", "agg")) == (Position(3, 4), [], 1)


def test_ids_go_on_when_a_topic_was_deleted_under_the_cursors_of_others(disk: MemoryFiles, open_spool: Open) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [b"1", b"2", b"3"], NOW_NS)
    spool.append("out", "agg", 1, [], NOW_NS, Commit("raw", "agg", Position(1, 3)))
    for name in [name for name in disk.names if "/raw/" in name]:
        del disk.names[name]
    spool = open_spool()
    spool.append("raw", "press", 4, [b"4"], NOW_NS)
    assert spool.fetch("raw", "agg", 100).end == Position(2, 4)


def test_three_hundred_crashes_leave_a_handful_of_files(open_real: Open, tmp_path: os.PathLike[str]) -> None:
    spool = open_real()
    spool.append("raw", "press", 1, [b"1"], NOW_NS)
    for _ in range(300):
        spool = open_real()
        spool.append("out", "agg", 1, [], NOW_NS, Commit("raw", "agg", Position(1, 1)))
    files = [name for _, _, names in os.walk(tmp_path) for name in names]
    assert len(files) == 3, files
    assert spool.stat()["raw"].epoch == 301
    assert spool.cursor("raw", "agg")[0] == Position(1, 1)


def test_a_crash_while_a_segment_is_made_leaves_nothing_behind(disk: MemoryFiles, open_spool: Open) -> None:
    for operations in range(30):
        twin = disk.copy()
        spool = open_spool(files=twin)
        spool.append("raw", "press", 1, [b"1"], NOW_NS)
        spool.sync()
        twin.operations_left = operations
        with suppress(PowerCut):
            open_spool(files=twin)
        twin.power_cut(random.Random(operations))
        spool = open_spool(files=twin)
        assert everything(spool) == [b"1"]
        assert not [name for name in twin.names if not name.endswith(".seg")]
        assert spool.stat()["raw"].quarantined == 0


def test_opening_reads_the_newest_segment_and_only_the_names_of_the_others(disk: MemoryFiles, open_spool: Open) -> None:
    spool = open_spool(segment_bytes=10_000)
    sizes = []
    for pseq in range(1, 2001):
        spool.append("raw", "press", pseq, [bytes(500)], NOW_NS)
        if pseq % 500 == 0:
            spool.sync()
            twin = disk.copy()
            open_spool(files=twin)
            sizes.append(twin.read_bytes)
    assert disk.size(newest(disk, "raw")) < 12_000
    assert max(sizes) < 40_000, "which does not grow with the backlog"
