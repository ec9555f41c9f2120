"""A spool with everything in it, what is where in its files, and what must hold after something was done to a file."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from zlib import crc32

from spool_disks import NOW_NS, MemoryFiles

from transports.spool import ALARM, GAP, Commit, Position, Settings, Spool
from transports.spool.examination import Damage
from transports.spool.inspection import Inspection
from transports.spool.record import Entry
from transports.spool.segment import Place, Segment, parse_name
from transports.spool.terms import NUMBERED
from transports.spool.viewing import SegmentView

PAGE_BYTES = 4096
SETTINGS = Settings(segment_bytes=3 * PAGE_BYTES)
WATCHER = "watcher"  # has committed nothing: everything waits for it
READERS = {"raw": ("agg", WATCHER), "out": ("cloud", WATCHER)}
TOPICS = tuple(READERS)
Change = Callable[[MemoryFiles, str], None]
Seqs = set[tuple[int, int]]  # (epoch, seq)


@dataclass
class Sector:
    """A record of any kind, or a header: where it is in its file, and which seq are gone with it."""

    start: int
    end: int
    entry: Entry | None


@dataclass
class File:
    """One segment as it was written: its topic, its place in it, and everything in it."""

    topic: str
    epoch: int
    first: int
    newest: bool
    away: bool
    sectors: list[Sector] = field(default_factory=list)

    def seqs(self) -> Seqs:
        """Of the records in it."""
        return {(self.epoch, each.entry.seq) for each in self.sectors if each.entry and each.entry.kind in NUMBERED}

    def hit(self, start: int, end: int) -> list[Sector]:
        """What a damage of these bytes touches."""
        return [each for each in self.sectors if each.start < end and start < each.end]


@dataclass
class Wreck:
    """A spool before and after: `files` and `payloads` are the truth."""

    disk: MemoryFiles
    files: dict[str, File]
    payloads: dict[str, dict[tuple[int, int], bytes]]

    def copy(self) -> "Wreck":
        return Wreck(self.disk.copy(), self.files, self.payloads)


def of_a_later_version(content: bytearray) -> None:
    """Make a segment one that only a newer Holdfast understands."""
    size = struct.calcsize("<8sHHIQQqI") + struct.unpack_from("<H", content, 10)[0]
    struct.pack_into("<H", content, 8, 99)
    struct.pack_into("<I", content, size, crc32(content[:size]))


def launched() -> Wreck:
    """Two topics of several segments from two openings, commits of one kept in the other, and one in quarantine."""
    disk = MemoryFiles()
    for _ in range(2):
        spool = open_wreck(disk)
        for _ in range(60):
            _work(spool)
        spool.close()
        if len(disk.names) and not any("quarantine" in name for name in disk.names):
            victim = sorted(name for name in disk.names if "/raw/" in name)[0]
            disk.edit(victim, of_a_later_version)
            spool = open_wreck(disk)
            spool.fetch("raw", WATCHER, 1 << 30)
            spool.close()
    wreck = Wreck(disk, dict(_files(disk)), {})
    for topic in TOPICS:
        spool = open_wreck(disk.copy())
        fetched = spool.fetch(topic, WATCHER, 1 << 30)
        wreck.payloads[topic] = {each.position: each.payload for each in fetched.records}
    return wreck


def open_wreck(disk: MemoryFiles) -> Spool:
    return Spool.open("spool", SETTINGS, READERS, NOW_NS, files=disk)


def _work(spool: Spool) -> None:
    """A little of everything: records, a gap, an alarm, and output with the commit of its input."""
    pseq = spool.producer("raw", "press")[0] + 1
    now_ns = NOW_NS + pseq * 1000
    spool.append("raw", "press", pseq, [bytes([pseq % 251]) * (pseq * 37 % 400), b"two"], now_ns, counts=[3, 1])
    if pseq % 10 == 1:
        spool.append("raw", "saw", spool.producer("raw", "saw")[0] + 1, [b"gap"], now_ns, kind=GAP, counts=[5])
    got = spool.fetch("raw", "agg", 2000)
    commit = Commit("raw", "agg", got.end, b"window %d" % pseq) if got.end > Position(0, 0) else None
    made = spool.producer("out", "agg")[0] + 1
    spool.append("out", "agg", made, [b"mean " * 20, b"%d" % pseq], now_ns, commit, counts=[2, 2])
    if pseq % 14 == 1:
        spool.append("out", "alarms", spool.producer("out", "alarms")[0] + 1, [b"hot"], now_ns, kind=ALARM, counts=[1])
    if pseq % 6 == 1:
        spool.commit(Commit("out", "cloud", spool.fetch("out", "cloud", 3000).end))
    if pseq % 8 == 1:
        spool.sync()


def _files(disk: MemoryFiles) -> Iterator[tuple[str, File]]:
    for name in sorted(disk.names):
        topic, parsed = PurePath(name).parent.name, parse_name(PurePath(name).name.removesuffix(".passed"))
        assert parsed is not None, name
        away, (epoch, first, _) = "quarantine" in name, parsed
        newest = max(each for each in disk.names if f"spool/{topic}/" in each)
        file = File(topic, epoch, first, name == newest, away)
        view = SegmentView(disk, Place("spool", topic), Segment(name, epoch, first, disk.size(name)))
        if view.head_bytes:
            file.sectors.append(Sector(0, view.head_bytes, None))
        file.sectors += [
            Sector(piece.offset, piece.end, piece.entry) for piece in view.pieces(view.head_bytes, disk.size(name))
        ]
        yield name, file


# --- what must hold --------------------------------------------------------------------------------------------------


@dataclass
class Told:
    """What a reader of a topic is told: its records, and the seq of its holes."""

    records: dict[tuple[int, int], bytes]
    holes: Seqs
    torn_bytes: int


def survive(wreck: Wreck) -> dict[str, Told]:
    """Open what is left of it and check what always holds: it opens, invents nothing, goes on, and tells what is lost.

    Raises AssertionError. `spool verify` must see the same before and after.
    """
    seen = {topic: verified(wreck.disk, topic) for topic in TOPICS}
    wreck.disk.read_bytes = 0
    spool = open_wreck(wreck.disk)
    little = 10 * 4 * PAGE_BYTES * len(TOPICS)  # a few times the newest segments
    assert wreck.disk.read_bytes < little, "opening reads the newest segments, and no others"
    told = {topic: _read(spool, topic) for topic in TOPICS}
    for topic, each in told.items():
        assert not each.holes & each.records.keys(), "a hole is where no record is"
        invented = {
            position for position, payload in each.records.items() if wreck.payloads[topic].get(position) != payload
        }
        assert not invented, f"records that were never written: {invented}"
        # what a consumer knows to have been before the oldest file, no file tells
        assert seen[topic] <= each.holes <= seen[topic] | set(_before(each)), "spool verify saw the same"
        assert verified(wreck.disk, topic) == seen[topic], "and sees it still"
        cursor = spool.cursor(topic, READERS[topic][0])[0]
        assert cursor < Position(spool.stat()[topic].epoch, 1), "what is appended now comes after every cursor"
    for account in spool.ledger():
        assert account.read == account.delivered + account.waiting + account.gaps, account
    _go_on(spool, wreck.disk)
    return told


def _read(spool: Spool, topic: str) -> Told:
    fetched = spool.fetch(topic, WATCHER, 1 << 30)
    assert spool.fetch(topic, WATCHER, 1 << 30).records == []
    seqs = [(hole.first.epoch, seq) for hole in fetched.holes for seq in range(hole.first.seq, hole.last.seq + 1)]
    assert len(seqs) == len(set(seqs)) == sum(hole.count for hole in fetched.holes), "a loss is told once"
    stat = spool.stat()[topic]
    return Told({each.position: each.payload for each in fetched.records}, set(seqs), stat.torn_bytes)


def _go_on(spool: Spool, disk: MemoryFiles) -> None:
    """No operator is needed: new records are taken, handed out and committed, now and after a restart."""
    for epoch in range(2):
        for topic in TOPICS:
            name = f"new-{epoch}"
            assert spool.append(topic, name, 1, [b"fresh"], NOW_NS, counts=[1]) == 1
            fetched = spool.fetch(topic, WATCHER, 1 << 30)
            assert fetched.records[-1].payload == b"fresh"
            spool.commit(Commit(topic, WATCHER, fetched.end))
        spool.sync()
        spool.enforce(NOW_NS)
        spool.close()
        spool = open_wreck(disk)
        assert all(not spool.fetch(topic, WATCHER, 1 << 30).records for topic in TOPICS)


def verified(disk: MemoryFiles, topic: str) -> Seqs:
    """The seq that `holdfast spool verify` calls lost."""
    lost: list[tuple[int, int]] = []
    for found in Inspection("spool", disk.copy()).examine(topic):
        if isinstance(found, Damage) and found.first and found.last:
            lost += [(found.first.epoch, seq) for seq in range(found.first.seq, found.last.seq + 1)]
    assert len(lost) == len(set(lost)), "a loss is told once"
    return set(lost)


def _before(told: Told) -> Iterator[tuple[int, int]]:
    oldest = min(told.records, default=(0, 0))
    return (position for position in told.holes if position < oldest)
