"""What the disk does to bytes that were durable: only what is hit is lost, and the loss has an exact range."""

from collections.abc import Callable

from hypothesis import assume, given
from hypothesis import strategies as st
from spool_disks import CONSUMERS, NOW_NS, HandOnDisk, MemoryFiles

from transports.spool import Commit, Hole, Position, Settings, Spool

Open = Callable[..., Spool]


def written(disk: MemoryFiles) -> tuple[str, list[tuple[int, int]], int]:
    """A synced topic of 20 records in one segment: its path, where each record lies, where the records begin."""
    spool = Spool.open("spool", Settings(), CONSUMERS, NOW_NS, files=disk)
    path = max(name for name in disk.names if "/raw/" in name)
    begin, spans = disk.size(path), []
    for pseq in range(1, 21):
        start = disk.size(path)
        spool.append("raw", "press", pseq, [bytes([pseq]) * (pseq * 7 % 90)], NOW_NS + pseq)
        spans.append((start, disk.size(path)))
        if pseq % 5 == 0:
            spool.sync()
    spool.close()
    return path, spans, begin


@given(st.data())
def test_a_flipped_bit_loses_the_record_it_hit_and_the_hole_is_exact(data: st.DataObject) -> None:
    disk = MemoryFiles()
    path, spans, begin = written(disk)
    bits = data.draw(st.lists(st.integers(begin * 8, disk.size(path) * 8 - 1), min_size=1, max_size=4, unique=True))

    def flip(content: bytearray) -> None:
        for bit in bits:
            content[bit // 8] ^= 1 << bit % 8

    disk.edit(path, flip)
    hit = {seq for seq, (start, end) in enumerate(spans, 1) if any(start <= bit // 8 < end for bit in bits)}
    last_mark = spans[-1][1]
    assume(all(bit // 8 < last_mark for bit in bits))  # without it, what follows the mark before is judged as torn
    for _ in range(2):  # the same again from the next epoch
        spool = Spool.open("spool", Settings(), CONSUMERS, NOW_NS, files=disk)
        fetched = spool.fetch("raw", "agg", 1 << 20)
        assert {record.position.seq for record in fetched.records} == set(range(1, 21)) - hit
        assert {seq for hole in fetched.holes for seq in range(hole.first.seq, hole.last.seq + 1)} == hit
        assert all(hole.count == hole.last.seq - hole.first.seq + 1 for hole in fetched.holes)
        assert fetched.end == Position(1, 20)
        assert spool.stat()["raw"].torn_bytes == 0
        assert spool.append("raw", "press", 21, [], NOW_NS) == (20 if 20 not in hit else max(set(range(20)) - hit))


def test_a_hole_says_between_which_times_it_lies(disk: MemoryFiles, open_spool: Open) -> None:
    path, spans, _ = written(disk)
    disk.edit(
        path,
        lambda content: content.__setitem__(
            slice(spans[6][0], spans[8][1] - 2), b"x" * (spans[8][1] - 2 - spans[6][0])
        ),
    )
    spool = open_spool()
    hole = Hole("raw", Position(1, 7), Position(1, 9), 3, NOW_NS + 6, NOW_NS + 10, "damaged")
    assert spool.fetch("raw", "agg", 1 << 20).holes == [hole]
    assert spool.stat()["raw"].damaged >= 1
    spool.rewind("raw", "agg")
    damaged = spool.stat()["raw"].damaged
    assert spool.fetch("raw", "agg", 1 << 20).holes == [hole]
    assert spool.stat()["raw"].damaged == damaged


def test_a_record_whose_payload_is_a_piece_of_a_spool_cannot_be_mistaken(disk: MemoryFiles, open_spool: Open) -> None:
    path, spans, _ = written(disk)
    piece = bytes(disk.names[path].data)
    spool = open_spool()
    inner = max(name for name in disk.names if "/raw/" in name)
    start = disk.size(inner)
    spool.append("raw", "press", 21, [piece, b"after"], NOW_NS)
    spool.close()
    disk.edit(inner, lambda content: content.__setitem__(start + 20, content[start + 20] ^ 1))
    fetched = open_spool().fetch("raw", "agg", 1 << 20)
    assert [hole.first.seq for hole in fetched.holes] == [21]
    assert [record.payload for record in fetched.records[-1:]] == [b"after"]
    assert len(fetched.records) == 21
    assert len(spans) == 20


def filled(open_spool: Open, disk: MemoryFiles) -> list[str]:
    """A spool of several segments in raw, with a commit in each of them."""
    spool = open_spool(segment_bytes=400)
    for pseq in range(1, 31):
        spool.append("raw", "press", pseq, [bytes(40)], NOW_NS + pseq)
        spool.commit(Commit("raw", "agg", Position(1, 1), b"%d" % pseq))
    spool.close()
    return sorted(name for name in disk.names if "/raw/" in name)


def test_an_unreadable_segment_is_put_into_quarantine_and_is_a_hole(disk: MemoryFiles, open_spool: Open) -> None:
    names = filled(open_spool, disk)
    disk.edit(names[2], lambda content: content.__setitem__(slice(0, None), bytes(len(content))))
    first, after = (int(name[-24:-4]) for name in names[2:4])
    spool = open_spool(segment_bytes=400)
    for attempt in range(3):
        fetched = spool.fetch("raw", "agg", 1 << 20)
        (hole,) = fetched.holes
        assert (hole.first, hole.last, hole.reason) == (Position(1, first), Position(1, after - 1), "quarantined")
        assert hole.count + len(fetched.records) == 29
        assert NOW_NS < hole.since_ns <= hole.until_ns <= NOW_NS + after
        stat = spool.stat()["raw"]
        assert (stat.quarantined, stat.end.seq) == (1, 30)
        if attempt == 0:
            spool.rewind("raw", "agg")
        else:
            spool = open_spool(segment_bytes=400)
    away = [name for name in disk.names if "quarantine" in name]
    assert len(away) == 1
    assert len(disk.names[away[0]].data) > 300, "it is kept as it was"
    spool.commit(Commit("raw", "agg", fetched.end))
    spool.sync()
    assert spool.enforce(NOW_NS) == []
    assert spool.stat()["raw"].segments == 1
    spool = open_spool(segment_bytes=400)
    assert spool.fetch("raw", "agg", 1 << 20).holes == []
    stat = spool.stat()["raw"]
    assert (stat.quarantined, stat.segments) == (1, 1), "its file stays, its hole has been told of"


def test_the_newest_segment_without_its_header_still_tells_cursors_and_producers(
    disk: MemoryFiles, open_spool: Open
) -> None:
    names = filled(open_spool, disk)
    disk.edit(names[-1], lambda content: content.__setitem__(slice(0, 20), bytes(20)))
    spool = open_spool()
    assert spool.producer("raw", "press") == (30, NOW_NS + 30)
    assert spool.cursor("raw", "agg") == (Position(1, 1), b"30")
    fetched = spool.fetch("raw", "agg", 1 << 20)
    assert (len(fetched.records), fetched.holes) == (29, []), "the header says nothing that the records do not"
    assert spool.stat()["raw"].damaged == 1
    spool.append("raw", "press", 31, [b"x"], NOW_NS)
    assert [record.position for record in spool.fetch("raw", "agg", 100).records] == [Position(2, 31)]


def test_nothing_but_zeros_in_the_newest_segment_is_a_hole_of_at_least_one(disk: MemoryFiles, open_spool: Open) -> None:
    names = filled(open_spool, disk)
    disk.edit(names[-1], lambda content: content.__setitem__(slice(0, None), bytes(len(content))))
    spool = open_spool()
    (hole,) = spool.fetch("raw", "agg", 1 << 20).holes
    assert hole.first.seq == int(names[-1][-24:-4])
    spool.append("raw", "press", 31, [b"x"], NOW_NS)
    assert [record.payload for record in spool.fetch("raw", "agg", 100).records] == [b"x"]


def test_a_damaged_snapshot_is_made_up_for_by_the_segment_before(disk: MemoryFiles, open_spool: Open) -> None:
    names = filled(open_spool, disk)
    spool = open_spool()  # its newest segment is empty: all it knows is in its snapshot
    del spool
    newest = max(name for name in disk.names if "/raw/" in name)
    disk.edit(newest, lambda content: content.__setitem__(70, content[70] ^ 1))
    spool = open_spool()
    assert spool.producer("raw", "press") == (30, NOW_NS + 30)
    assert spool.cursor("raw", "agg") == (Position(1, 1), b"30")
    fetched = spool.fetch("raw", "agg", 1 << 20)
    assert (len(fetched.records), fetched.holes) == (29, [])
    assert len(names) > 3


def test_a_segment_that_somebody_took_away_is_a_hole(disk: MemoryFiles, open_spool: Open) -> None:
    names = filled(open_spool, disk)
    spool = open_spool()
    del disk.names[names[1]]
    for _ in range(2):
        fetched = spool.fetch("raw", "agg", 1 << 20)
        assert sum(hole.count for hole in fetched.holes) + len(fetched.records) == 29
        assert len(fetched.holes) == 1
        spool = open_spool()


def test_a_bad_sector_costs_the_records_on_it(open_real: Open, real_disk: HandOnDisk) -> None:
    spool = open_real()
    for pseq in range(1, 101):
        spool.append("raw", "press", pseq, [bytes(1000)], NOW_NS)
    spool.close()
    real_disk.bad_sectors = {8192}
    spool = open_real()
    fetched = spool.fetch("raw", "agg", 1 << 20)
    assert fetched.end == Position(1, 100)
    assert 0 < sum(hole.count for hole in fetched.holes) <= 6
    assert sum(hole.count for hole in fetched.holes) + len(fetched.records) == 100
