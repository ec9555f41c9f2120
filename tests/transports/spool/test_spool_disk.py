"""The disk as a resource: syncing it, filling it, losing it, and giving back what is no longer needed."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from spool_disks import NOW_NS, HandOnDisk, MemoryFiles

from transports.building import build
from transports.errors import SpoolError, SpoolFull
from transports.spool import Commit, Dropped, Position, Settings, Spool, SyncJob

Open = Callable[..., Spool]


def fill(spool: Spool, count: int, topic: str = "raw", size: int = 100) -> None:
    start = spool.producer(topic, "press")[0] + 1
    for pseq in range(start, start + count):
        spool.append(topic, "press", pseq, [bytes(size)], NOW_NS + pseq)


def run_elsewhere(job: SyncJob) -> None:
    thread = threading.Thread(target=job.run)
    thread.start()
    thread.join()


def test_a_job_in_another_thread_makes_durable_what_was_written_when_it_was_made(open_real: Open) -> None:
    spool = open_real()
    fill(spool, 3)
    job = spool.dirty()
    fill(spool, 2)
    assert spool.durable("raw") == (0, 0)
    run_elsewhere(job)
    spool.synced(job)
    assert spool.durable("raw") == (1, 3)
    assert bool(spool.dirty())


def test_a_segment_that_rolls_while_a_job_is_under_way_is_synced_all_the_same(
    open_real: Open, real_disk: HandOnDisk
) -> None:
    spool = open_real(segment_bytes=1000)
    fill(spool, 3)
    job = spool.dirty()
    fill(spool, 20)
    assert spool.stat()["raw"].segments > 2
    closed = spool.durable("raw")
    assert closed.seq > 10, "what was closed is durable"
    run_elsewhere(job)  # its file is still open, though the spool has left it
    spool.synced(job)
    assert spool.durable("raw") == closed, "an old job takes nothing back"
    synced = [path for call, path in real_disk.calls if call == "fdatasync"]
    assert set(real_paths(synced)) >= {path for call, path in real_disk.calls if call == "pwrite" and "/raw/" in path}


def test_the_last_thing_that_happens_to_a_closed_segment_is_a_sync(open_real: Open, real_disk: HandOnDisk) -> None:
    spool = open_real(segment_bytes=1000)
    fill(spool, 6)
    spool.sync()
    fill(spool, 1)
    assert spool.stat()["raw"].segments == 2
    closed = max(
        path for call, path in real_disk.calls if call == "pwrite" and "/raw/" in path and path.endswith("1.seg.new")
    )
    assert [call for call, path in real_disk.calls if path == closed][-1] == "fdatasync"


def real_paths(paths: list[str]) -> list[str]:
    return paths + [path.removesuffix(".new") for path in paths]


def test_a_topic_is_synced_before_the_one_that_commits_it(open_real: Open, real_disk: HandOnDisk) -> None:
    spool = open_real(consumers={"out": ["cloud"], "raw": ["agg"]})
    spool.append("out", "agg", 1, [b"early"], NOW_NS)
    fill(spool, 1)
    spool.append("out", "agg", 2, [b"sum"], NOW_NS, Commit("raw", "agg", Position(1, 1)))
    real_disk.calls.clear()
    spool.dirty().run()
    assert [Path(path).parent.name for call, path in real_disk.calls if call == "fdatasync"] == ["raw", "out"]


def test_after_a_failed_sync_nothing_is_promised_until_the_spool_is_opened_again(
    open_real: Open, real_disk: HandOnDisk
) -> None:
    spool = open_real()
    fill(spool, 1)
    job = spool.dirty()
    real_disk.refuse["fdatasync"] = errno.EIO
    with pytest.raises(SpoolError, match=r"sync .*/raw/.*seg: Input/output error"):
        job.run()
    del real_disk.refuse["fdatasync"]
    for refused in (
        job.run,
        lambda: spool.synced(job),
        spool.dirty,
        lambda: fill(spool, 1),
        lambda: spool.fetch("raw", "agg", 100),
        lambda: spool.commit(Commit("raw", "agg", Position(1, 1))),
        lambda: spool.enforce(NOW_NS),
        lambda: spool.durable("raw"),
    ):
        with pytest.raises(SpoolError, match="Input/output error"):
            refused()
    spool.close()
    spool = open_real()
    fill(spool, 1)
    spool.sync()
    assert spool.durable("raw") == (2, 2)


def test_a_closed_spool_refuses_and_has_kept_everything(open_real: Open) -> None:
    spool = open_real()
    fill(spool, 2)
    descriptors = len(os.listdir("/proc/self/fd"))
    spool.fetch("raw", "agg", 100)
    spool.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors - 2
    with pytest.raises(SpoolError, match="closed"):
        fill(spool, 1)
    assert open_real().durable("raw") == (1, 2)


def test_rolling_a_thousand_segments_keeps_a_handful_of_descriptors(open_real: Open) -> None:
    spool = open_real(segment_bytes=500, raw_bytes=40_000)
    fill(spool, 1)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        fill(spool, 10)
        spool.fetch("raw", "agg", 10_000)
        spool.enforce(NOW_NS)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_a_full_disk_takes_nothing_and_loses_nothing(open_real: Open, real_disk: HandOnDisk) -> None:
    spool = open_real()
    fill(spool, 2)
    real_disk.room = 60
    with pytest.raises(SpoolFull, match="No space left"):
        spool.append("raw", "press", 3, [b"x" * 30, b"y" * 30], NOW_NS)
    assert spool.producer("raw", "press")[0] == 2
    real_disk.room = None
    spool = open_real()
    assert spool.stat()["raw"].torn_bytes == 0, "the half that fitted was taken back"
    spool.append("raw", "press", 3, [b"x", b"y"], NOW_NS)
    spool = open_real()
    assert spool.stat()["raw"].torn_bytes == 0
    assert [len(record.payload) for record in spool.fetch("raw", "agg", 1 << 20).records] == [100, 100, 1, 1]


def test_a_full_disk_is_relieved_by_the_oldest_segment(open_real: Open, real_disk: HandOnDisk) -> None:
    spool = open_real(segment_bytes=1000)
    fill(spool, 30)
    real_disk.room = 0
    with pytest.raises(SpoolFull):
        fill(spool, 10)
    (dropped,) = spool.shed("raw")
    assert (dropped.first, dropped.reason, dropped.count) == (Position(1, 1), "full", dropped.last.seq)
    fill(spool, 10)
    while len(spool.shed("raw")):
        if spool.stat()["raw"].segments == 1:
            break
    with pytest.raises(SpoolFull, match="nothing left"):
        spool.shed("raw")


def test_a_full_disk_does_not_keep_the_spool_from_opening(open_real: Open, real_disk: HandOnDisk) -> None:
    spool = open_real(segment_bytes=1000)
    fill(spool, 1)
    fill(spool, 30, "out")
    spool.close()
    real_disk.room = 0
    spool = open_real(segment_bytes=1000)
    (dropped,) = spool.enforce(NOW_NS)
    assert (dropped.topic, dropped.reason, dropped.first.seq) == ("out", "full", 1)
    assert len(spool.fetch("raw", "agg", 1 << 20).records) == 1
    assert len(spool.fetch("out", "cloud", 1 << 20).records) + dropped.count == 30


def test_an_error_while_writing_ends_the_spool(open_real: Open, real_disk: HandOnDisk) -> None:
    spool = open_real()
    real_disk.refuse["pwrite"] = errno.EIO
    with pytest.raises(SpoolError, match="append to"):
        fill(spool, 1)
    del real_disk.refuse["pwrite"]
    with pytest.raises(SpoolError, match="opened again"):
        fill(spool, 1)


def test_what_every_consumer_has_durably_committed_is_deleted(open_spool: Open, disk: MemoryFiles) -> None:
    spool = open_spool(segment_bytes=1000)
    fill(spool, 50, "out")
    segments = spool.stat()["out"].segments
    spool.commit(Commit("out", "cloud", Position(1, 50)))
    spool.sync()
    assert spool.enforce(NOW_NS) == []
    assert spool.stat()["out"].segments == segments, "archive has not had it"
    spool.commit(Commit("out", "archive", Position(1, 20)))
    assert spool.enforce(NOW_NS) == []
    assert spool.stat()["out"].segments == segments, "the commit may be lost in a power cut"
    spool.sync()
    assert spool.enforce(NOW_NS) == []
    assert 1 < spool.stat()["out"].segments < segments
    assert spool.stat()["out"].first <= Position(1, 21)
    spool.commit(Commit("out", "archive", Position(1, 50)))
    spool.sync()
    spool.enforce(NOW_NS)
    assert len([name for name in disk.names if "/out/" in name]) == spool.stat()["out"].segments == 1
    assert spool.waiting("out", "archive") == 0


def test_over_the_quota_the_oldest_goes_and_is_named_and_readers_go_on_behind_it(open_spool: Open) -> None:
    spool = open_spool(segment_bytes=1000, raw_bytes=20_000)
    fill(spool, 10)
    spool.commit(Commit("raw", "agg", Position(1, 3)))
    spool.sync()
    seen = [record.position.seq for record in spool.fetch("raw", "agg", 700).records]
    fill(spool, 90)
    dropped = spool.enforce(NOW_NS)
    assert spool.stat()["raw"].bytes <= 20_000
    assert dropped[0].first == Position(1, 4), "what was committed is not lost"
    assert [each.first.seq for each in dropped[1:]] == [each.last.seq + 1 for each in dropped[:-1]]
    assert all(each.reason == "quota" and each.count == each.last.seq - each.first.seq + 1 for each in dropped)
    last = dropped[-1]
    assert NOW_NS + last.first.seq - 1 <= last.since_ns <= last.until_ns <= NOW_NS + last.last.seq + 1
    fetched = spool.fetch("raw", "agg", 1 << 20)
    assert [record.position.seq for record in fetched.records] == list(range(last.last.seq + 1, 101))
    assert fetched.holes == [], "it was told of once"
    assert seen[0] == 4
    assert spool.waiting("raw", "agg") == len(fetched.records)
    assert spool.enforce(NOW_NS) == []


def test_without_consumers_everything_is_kept_until_the_quota(open_spool: Open) -> None:
    spool = open_spool(consumers={"raw": []}, segment_bytes=1000, raw_bytes=20_000)
    fill(spool, 20)
    spool.sync()
    assert spool.enforce(NOW_NS) == []
    fill(spool, 100)
    assert isinstance(spool.enforce(NOW_NS)[0], Dropped)


def test_a_consumer_that_comes_later_begins_with_what_is_there(open_spool: Open) -> None:
    spool = open_spool(consumers={"out": ["cloud"]}, segment_bytes=1000, out_bytes=20_000)
    fill(spool, 100, "out")
    spool.enforce(NOW_NS)
    spool = open_spool(consumers={"out": ["cloud", "new"]})
    fetched = spool.fetch("out", "new", 1 << 20)
    assert (fetched.records[0].position, fetched.holes) == (spool.stat()["out"].first, [])


def test_commits_alone_do_not_pile_up(open_spool: Open) -> None:
    spool = open_spool(segment_bytes=1000)
    fill(spool, 1)
    for n in range(500):
        spool.commit(Commit("raw", "agg", Position(1, 1), b"%d" % n))
        if n % 50 == 0:
            spool.sync()
    assert spool.stat()["raw"].segments == 2
    fill(spool, 1)
    assert [record.position.seq for record in spool.fetch("raw", "agg", 1 << 20).records] == [2]
    assert open_spool().cursor("raw", "agg")[1] == b"499"


def test_a_large_snapshot_does_not_make_every_record_a_segment(open_spool: Open) -> None:
    spool = open_spool(segment_bytes=1000)
    fill(spool, 1)
    spool.commit(Commit("raw", "agg", Position(1, 1), bytes(5000)))
    fill(spool, 60)
    assert spool.stat()["raw"].segments < 20
    assert open_spool().cursor("raw", "agg")[1] == bytes(5000)


def test_settings_read_as_they_are_written() -> None:
    settings = build(Settings, {"segment": "1MiB", "raw_max": "64MiB", "sync": "20ms", "strict": True}, "spool")
    assert (settings.segment_bytes, settings.quota("raw").max_bytes, settings.sync_s) == (1 << 20, 64 << 20, 0.02)
    assert settings.quota("out").max_bytes == 2 << 30
    with pytest.raises(Exception, match=r"spool.raw_max"):
        build(Settings, {"raw_max": "5MiB"}, "spool")
