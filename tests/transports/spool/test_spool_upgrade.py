"""A spool that the previous version wrote: it opens, drains, goes on, and can be read back.

The bytes are made here from the tables of that version (record.py and segment.py at format 1), not by its code.
"""

import struct
from collections.abc import Mapping
from zlib import crc32

import msgpack
from spool_disks import NOW_NS, MemoryFiles

from transports.spool import GAP, Commit, Position, Record, Settings, Spool

MARKER_1 = b"\xf5\xc1HR"
CONSUMERS = {"raw": ["agg"], "out": ["cloud"]}


def record_1(seed: int, kind: int, payload: bytes, seq: int, name: bytes = b"", pseq: int = 0) -> bytes:
    rest = struct.pack("<BBHQQq", kind, 0, len(name), pseq, seq, NOW_NS) + name + payload
    return MARKER_1 + struct.pack("<II", len(rest), crc32(rest, seed)) + rest


def segment_1(topic: str, epoch: int, first: int, state: list, records: list[tuple]) -> tuple[str, bytes]:
    """A file of format 1: its path and bytes."""
    name = f"{epoch:010d}-{first:020d}"
    seed = crc32(f"{topic}/{name}".encode())
    snapshot = record_1(seed, 3, msgpack.packb(state), first - 1)
    body = 40 + len(topic) + 4 + len(snapshot)
    header = struct.pack("<8sHHIQQq", b"HOLDFAST", 1, len(topic), body, epoch, first, NOW_NS) + topic.encode()
    data = header + struct.pack("<I", crc32(header)) + snapshot
    return f"spool/{topic}/{name}.seg", data + b"".join(record_1(seed, *each) for each in records)


def a_spool_of_version_1() -> MemoryFiles:
    """Two closed segments and the last one: five records, the cloud has committed two of them, the last is a gap."""
    disk = MemoryFiles()
    cursor = ["out", "cloud", 1, 2, b"where it was", 7]
    files = [
        segment_1("out", 1, 1, ["s1", {}, [], [0, 0], 0], [(0, b"a", 1, b"press", 1), (0, b"b", 2, b"press", 2)]),
        segment_1(
            "out", 1, 3, ["s1", {"press": [2, NOW_NS]}, [], [1, 2], NOW_NS], [(2, msgpack.packb(["c1", *cursor]), 2)]
        ),
        segment_1(
            "out",
            2,
            3,
            ["s1", {"press": [2, NOW_NS]}, [cursor], [1, 2], NOW_NS],
            [(0, b"c", 3, b"press", 3), (0, b"d", 4, b"oven", 1), (1, b"e", 5, b"oven", 2)],
        ),
    ]
    for path, data in files:
        file = disk.create(path)
        file.pwrite(data, 0)
        file.fdatasync()
        disk.fsync_dir("spool/out")
    return disk


def opened(disk: MemoryFiles, consumers: Mapping[str, list[str]] = CONSUMERS) -> Spool:

    return Spool.open("spool", Settings(), consumers, NOW_NS, files=disk)


def test_a_spool_of_the_previous_version_drains_from_where_it_was() -> None:
    spool = opened(a_spool_of_version_1())
    assert spool.cursor("out", "cloud") == (Position(1, 2), b"where it was")
    got = spool.fetch("out", "cloud", 10_000)
    assert [(each.payload, each.producer, each.pseq) for each in got.records] == [
        (b"c", "press", 3),
        (b"d", "oven", 1),
        (b"e", "oven", 2),
    ]
    assert got.records[2].kind is GAP
    assert got.holes == []
    assert isinstance(got.records[0], Record)


def test_it_goes_on_in_the_new_format_with_the_old_ids_and_numbers() -> None:
    disk = a_spool_of_version_1()
    spool = opened(disk)
    assert spool.append("out", "press", 3, [b"c", b"f"], NOW_NS, counts=[10, 10]) == 4, "the third is known already"
    spool.commit(Commit("out", "cloud", Position(2, 4), b"further"))
    spool.close()
    spool = opened(disk)
    got = spool.fetch("out", "cloud", 10_000)
    assert [(each.position, each.payload) for each in got.records] == [(Position(2, 5), b"e"), (Position(3, 6), b"f")]


def test_the_ledger_begins_with_the_upgrade_because_older_records_count_no_samples() -> None:
    spool = opened(a_spool_of_version_1())
    spool.append("out", "press", 4, [b"f"], NOW_NS, counts=[10])
    (account,) = [each for each in spool.ledger() if each.topic == "out"]
    assert (account.producer, account.read, account.waiting, account.gaps) == ("press", 10, 10, 0)


def test_damage_in_an_old_segment_costs_the_record_that_was_hit() -> None:
    disk = a_spool_of_version_1()
    path = "spool/out/0000000001-00000000000000000001.seg"
    disk.edit(path, lambda data: data.__setitem__(len(data) - 1, data[-1] ^ 1))
    spool = opened(disk, {"out": ["new"]})
    got = spool.fetch("out", "new", 10_000)
    assert [each.payload for each in got.records] == [b"a", b"c", b"d", b"e"]
    assert [(hole.first.seq, hole.last.seq) for hole in got.holes] == [(2, 2)]
