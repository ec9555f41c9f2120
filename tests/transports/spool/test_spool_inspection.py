"""Looking into a spool from outside: it changes nothing, needs nobody, and takes no writing for damage."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from spool_disks import CONSUMERS, NOW_NS, HandOnDisk, MemoryFiles
from spool_wreck import READERS, SETTINGS, TOPICS, WATCHER, Wreck, launched, open_wreck

from transports.spool import ALARM, Commit, Hole, Position, Record, Settings, Spool
from transports.spool.examination import Damage, Torn
from transports.spool.inspection import Examined, Inspection
from transports.spool.record import MORE
from transports.spool.sights import sights

Open = Callable[..., Spool]


@pytest.fixture(scope="module")
def whole() -> Wreck:
    return launched()


def looking(disk: MemoryFiles) -> Inspection:
    """At a disk that takes no more changes: any would be an error."""
    disk.operations_left = 0
    return Inspection("spool", disk)


def newest(disk: MemoryFiles, topic: str) -> str:
    return max(name for name in disk.names if f"spool/{topic}/" in name)


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_what_is_seen_from_outside_is_what_the_spool_says_itself(whole: Wreck) -> None:
    disk = whole.disk.copy()
    spool = open_wreck(disk)
    spool.append("out", "agg", spool.producer("out", "agg")[0] + 1, [b"not synced yet"], NOW_NS + 1)
    for sight in sights(looking(disk), TOPICS):
        stat = spool.stat()[sight.topic]
        assert (sight.epoch, sight.first, sight.end) == (stat.epoch, stat.first, stat.end)
        assert (sight.segments + sight.quarantined, sight.bytes) == (stat.segments, stat.bytes)
        assert dict(sight.cursors) == dict(stat.cursors)
        assert {name: spool.waiting(sight.topic, name) for name in READERS[sight.topic]} == dict(sight.waiting)
        assert sight.versions == {2: sight.segments}
        assert NOW_NS < sight.oldest_ns <= NOW_NS + 100_000
    assert [sight.quarantined for sight in sights(looking(disk), TOPICS)] == [1, 0]


def test_a_cursor_is_found_where_its_commit_lies(whole: Wreck) -> None:
    """The aggregator's cursor in `raw` is kept in `out`, in the transaction of its output."""
    seen = {sight.topic: sight for sight in sights(looking(whole.disk.copy()), TOPICS)}
    assert seen["raw"].cursors["agg"] == open_wreck(whole.disk.copy()).cursor("raw", "agg")[0]


def test_numbers_cost_little_however_much_there_is(whole: Wreck) -> None:
    disk = whole.disk.copy()
    disk.read_bytes = 0
    sights(looking(disk), TOPICS)
    assert disk.read_bytes < sum(map(disk.size, disk.names))


# --- reading everything ----------------------------------------------------------------------------------------------


def test_a_whole_spool_has_no_damage_and_every_record(whole: Wreck) -> None:
    *found, examined = looking(whole.disk.copy()).examine("out")
    assert found == []
    assert isinstance(examined, Examined)
    assert (examined.records, examined.damages, examined.lost) == (len(whole.payloads["out"]), 0, 0)


def test_damage_is_named_with_file_bytes_and_seq(whole: Wreck) -> None:
    disk = whole.disk.copy()
    name, file = next((name, file) for name, file in whole.files.items() if file.topic == "out")
    at = next(at for at, each in enumerate(file.sectors) if each.entry and each.entry.flags & MORE and at > 9)
    hit = file.sectors[at : at + 2]  # two records of one transaction
    disk.edit(name, lambda content: content.__setitem__(hit[0].start + 30, content[hit[0].start + 30] ^ 4))
    disk.edit(name, lambda content: content.__setitem__(hit[1].start + 30, content[hit[1].start + 30] ^ 4))
    damage, examined = looking(disk).examine("out")
    assert isinstance(damage, Damage)
    first, last = (Position(1, each.entry.seq) for each in hit if each.entry)
    assert (damage.path, damage.offset, damage.first, damage.last) == (name, hit[0].start, first, last)
    assert damage.end >= hit[1].end
    assert damage.count == last.seq - first.seq + 1
    assert NOW_NS < damage.since_ns <= damage.until_ns
    assert isinstance(examined, Examined)
    assert (examined.damages, examined.lost) == (1, damage.count)


def test_what_lies_in_quarantine_is_read_too(whole: Wreck) -> None:
    damage, examined = looking(whole.disk.copy()).examine("raw")
    assert isinstance(damage, Damage)
    away = next(file for file in whole.files.values() if file.away)
    assert "quarantine" in damage.path
    assert damage.count == damage.readable == len(away.seqs()), "only its header is broken: by hand all can be had"
    assert isinstance(examined, Examined)
    assert examined.lost == damage.count


def test_the_end_that_is_being_written_is_no_damage(disk: MemoryFiles, open_spool: Open) -> None:
    spool = open_spool()
    spool.append("raw", "press", 1, [b"whole"], NOW_NS)
    end = disk.size(newest(disk, "raw"))
    spool.append("raw", "press", 2, [b"half" * 20, b"of it"], NOW_NS)
    disk.edit(newest(disk, "raw"), lambda content: content.__delitem__(slice(-9, None)))
    torn, examined = looking(disk).examine("raw")
    assert torn == Torn(newest(disk, "raw"), end, disk.size(newest(disk, "raw")))
    assert isinstance(examined, Examined)
    assert (examined.records, examined.damages, examined.torn_bytes) == (1, 0, torn.end - torn.offset)
    assert sights(looking(disk), ["raw"])[0].end == Position(1, 1)


def test_an_owner_who_writes_and_deletes_meanwhile_is_no_damage(disk: MemoryFiles, open_spool: Open) -> None:
    spool = open_spool(segment_bytes=2000)

    def work(first: int) -> None:
        for pseq in range(first, first + 50):
            spool.append("raw", "press", pseq, [bytes(100)], NOW_NS + pseq)
        spool.sync()

    work(1)
    found = Inspection("spool", disk).examine("raw")
    told = Inspection("spool", disk).records("raw")
    before = [next(told) for _ in range(20)]
    work(51)
    spool.commit(Commit("raw", "agg", spool.fetch("raw", "agg", 1 << 30).end))
    spool.sync()
    assert spool.enforce(NOW_NS) == []
    assert len([name for name in disk.names if "/raw/" in name]) < 3, "what had been listed is gone"
    after = list(told)
    assert all(isinstance(each, Record) for each in [*before, *after])
    assert all(isinstance(each, Examined) and not each.damages for each in found)


def test_reading_takes_no_more_memory_than_a_block_in_the_middle_of_garbage(open_real: Open, tmp_path: Path) -> None:
    spool = open_real()
    spool.append("raw", "press", 1, [b"before"], NOW_NS)
    spool.close()
    path = max((tmp_path / "spool" / "raw").iterdir())
    with path.open("r+b") as file:
        file.truncate(48 << 20)  # zeros: it takes no room
    (tmp_path / "spool" / "raw" / "0000000007-00000000000000000002.seg").write_bytes(b"")
    tracemalloc.start()
    try:
        found = list(Inspection(str(tmp_path / "spool")).examine("raw"))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 << 20
    assert sum(isinstance(each, Damage) for each in found) == 2


def test_a_bad_sector_costs_the_records_on_it(open_real: Open, real_disk: HandOnDisk, tmp_path: Path) -> None:
    spool = open_real()
    for pseq in range(1, 101):
        spool.append("raw", "press", pseq, [bytes(1000)], NOW_NS)
    spool.close()
    real_disk.bad_sectors = {8192}
    damage, examined = Inspection(str(tmp_path / "spool"), real_disk).examine("raw")
    assert isinstance(damage, Damage)
    assert isinstance(examined, Examined)
    assert 0 < damage.count <= 6
    assert damage.count + examined.records == 100


# --- records ---------------------------------------------------------------------------------------------------------


def test_records_and_holes_are_those_that_a_consumer_gets(whole: Wreck) -> None:
    fetched = open_wreck(whole.disk.copy()).fetch("raw", WATCHER, 1 << 30)
    told = list(looking(whole.disk.copy()).records("raw"))
    assert [each for each in told if isinstance(each, Record)] == fetched.records
    holes = [each for each in told if isinstance(each, Hole)]
    assert [(hole.first, hole.last, hole.reason) for hole in holes] == [
        (hole.first, hole.last, hole.reason) for hole in fetched.holes
    ]
    assert told.index(holes[0]) == sum(record.position < holes[0].first for record in fetched.records)


@pytest.mark.parametrize("after", [Position(0, 0), Position(1, 90), Position(3, 140), Position(3, 210), Position(9, 9)])
def test_records_after_a_position_are_told_from_there_on(whole: Wreck, after: Position) -> None:
    everything = list(looking(whole.disk.copy()).records("raw"))
    told = list(looking(whole.disk.copy()).records("raw", after))
    records = [each for each in told if isinstance(each, Record)]
    assert records == [each for each in everything if isinstance(each, Record) and each.position > after]
    assert all(hole.first > after for hole in told if isinstance(hole, Hole))
    assert [each.last for each in told if isinstance(each, Hole)] == [
        each.last for each in everything if isinstance(each, Hole) and each.last > after
    ]


def test_records_since_a_time_do_not_cost_the_segments_before(whole: Wreck) -> None:
    disk = whole.disk.copy()
    everything = [each for each in looking(disk).records("out") if isinstance(each, Record)]
    middle_ns = everything[-20].time_ns
    disk.read_bytes = 0
    told = list(looking(disk).records("out", since_ns=middle_ns))
    assert told == [each for each in everything if each.time_ns >= middle_ns]
    assert disk.read_bytes < sum(disk.size(name) for name in disk.names if "/out/" in name) // 2


@pytest.mark.parametrize("count", [1, 7, 60, 5000])
def test_the_last_records_are_found_from_the_end(whole: Wreck, count: int) -> None:
    everything = [each for each in looking(whole.disk.copy()).records("out") if isinstance(each, Record)]
    alarms = [each for each in everything if each.producer == "alarms"]
    disk = whole.disk.copy()
    disk.read_bytes = 0
    assert looking(disk).last_records("out", count, lambda _: True) == everything[-count:]
    if count == 1:
        assert disk.read_bytes < 3 * disk.size(newest(disk, "out"))
    assert looking(disk).last_records("out", count, lambda each: each.producer == "alarms") == alarms[-count:]


# --- on a real disk --------------------------------------------------------------------------------------------------


def test_topics_are_the_directories_that_can_be_topics(tmp_path: Path) -> None:
    spool = Spool.open(str(tmp_path), SETTINGS, {**CONSUMERS, "dead": ()}, NOW_NS)
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".trash").mkdir()
    (tmp_path / "file").write_text("")
    assert Inspection(str(tmp_path)).topics() == ["dead", "out", "raw"]
    spool.close()


def test_a_topic_in_a_directory_of_its_own_is_found(tmp_path: Path) -> None:
    settings = Settings(raw_dir=str(tmp_path / "memory"))
    spool = Spool.open(str(tmp_path / "spool"), settings, CONSUMERS, NOW_NS)
    spool.append("raw", "press", 1, [b"there"], NOW_NS)
    inspection = Inspection(str(tmp_path / "spool"), elsewhere={"raw": str(tmp_path / "memory")})
    assert inspection.topics() == ["out", "raw"]
    assert [each.payload for each in inspection.records("raw") if isinstance(each, Record)] == [b"there"]
    spool.close()


def test_looking_leaves_every_file_as_it_was(whole: Wreck, tmp_path: Path) -> None:
    for name, node in whole.disk.names.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(node.data)
    (tmp_path / "spool" / "out" / "0000000009-00000000000000000400.seg.new").write_bytes(b"leftover")

    def state() -> dict[str, tuple[int, int]]:
        seen = {path: os.stat(path) for path in (tmp_path / "spool").rglob("*")}
        return {str(path): (stat.st_mtime_ns, stat.st_size) for path, stat in seen.items()}

    before, inspection = state(), Inspection(str(tmp_path / "spool"))
    for topic in inspection.topics():
        assert list(inspection.examine(topic))
        assert list(inspection.records(topic))
    assert [sight.topic for sight in sights(inspection)] == ["out", "raw"]
    assert state() == before


def test_what_was_given_up_on_purpose_is_no_damage(disk: MemoryFiles, open_spool: Open) -> None:
    """The alarms of a dropped segment stay, and stand for what was between them (rewriting.py)."""
    spool = open_spool(segment_bytes=8000, out_bytes=64_000, reserve_bytes=32_000)
    for pseq in range(1, 401):
        spool.append("out", "press", pseq, [bytes(300)], NOW_NS + pseq, counts=[1])
        if pseq % 100 == 0:
            spool.append("out", "alarms", pseq, [b"hot"], NOW_NS + pseq, kind=ALARM, counts=[1])
    assert spool.enforce(NOW_NS + 500), "it is over its quota"
    fetched = spool.fetch("out", "cloud", 1 << 30)
    assert fetched.holes == []
    assert fetched.records[0].kind == ALARM, "kept, before everything else that is left"
    inspection = looking(disk)
    assert list(inspection.records("out")) == fetched.records
    (examined,) = inspection.examine("out")
    assert isinstance(examined, Examined)
    assert (examined.damages, examined.records) == (0, len(fetched.records))
