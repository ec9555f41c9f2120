"""Whatever is done to the files of a spool: it starts, loses only what was hit, says which, and goes on by itself.

`HOLDFAST_DAMAGE_FULL=1` tries every byte and a thousand bits; without it a sample of them.
"""

import errno
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from spool_disks import NOW_NS, MemoryFiles
from spool_wreck import PAGE_BYTES, READERS, SETTINGS, TOPICS, WATCHER, File, Told, Wreck, launched, open_wreck, survive

from transports.spool import File as OpenFile
from transports.spool import Spool
from transports.spool.record import MORE
from transports.spool.terms import NUMBERED, Kind

FULL = os.environ.get("HOLDFAST_DAMAGE_FULL") == "1"
FLIPS = 1000 if FULL else 150
CUT_EVERY = 1 if FULL else 131  # bytes


@pytest.fixture(scope="module")
def whole() -> Wreck:
    return launched()


def change(wreck: Wreck, name: str, how: Callable[[bytearray], object]) -> Wreck:
    """The same spool with one file edited."""
    damaged = wreck.copy()
    damaged.disk.edit(name, lambda content: how(content) and None)
    return damaged


def lost_with(file: File, start: int, end: int) -> tuple[set[int], bool]:
    """The seq that may go with these bytes, and whether the end of the newest segment is judged as torn.

    A header takes its segment along. In the newest segment, what no mark behind the damage vouches for is torn.
    """
    hit = file.hit(start, end)
    numbers = {seq for _, seq in file.seqs()}
    if not hit or file.away:
        return set(), False
    if hit[0].entry is None:
        return numbers, False
    behind = file.sectors[file.sectors.index(hit[-1]) + 1 :]
    if file.newest and not any(each.entry and each.entry.kind == Kind.MARK for each in behind):
        at = file.sectors.index(hit[0])
        while (before := file.sectors[at - 1].entry) and before.flags & MORE:
            at -= 1
        return {each.entry.seq for each in file.sectors[at:] if each.entry and each.entry.kind in NUMBERED}, True
    return {each.entry.seq for each in hit if each.entry and each.entry.kind in NUMBERED}, False


def check(wreck: Wreck, told: dict[str, Told], file: File, allowed: set[int], may_be_silent: bool) -> None:
    """Lost is only what may be, and all of it is told."""
    for topic, each in told.items():
        missing = {seq for _, seq in wreck.payloads[topic].keys() - each.records.keys()}
        assert missing <= (allowed if topic == file.topic else set())
        if not (topic == file.topic and may_be_silent):
            assert missing <= {seq for _, seq in each.holes}


# --- bits, pages, cuts, files ----------------------------------------------------------------------------------------


def test_a_flipped_bit_in_any_file_loses_the_record_it_hit(whole: Wreck) -> None:
    luck = random.Random(4)
    for _ in range(FLIPS):
        name = luck.choice(sorted(whole.files))
        at, bit = luck.randrange(whole.disk.size(name)), luck.randrange(8)
        damaged = change(whole, name, lambda content, at=at, bit=bit: content.__setitem__(at, content[at] ^ 1 << bit))
        allowed, torn = lost_with(whole.files[name], at, at + 1)
        check(whole, survive(damaged), whole.files[name], allowed, torn)


def test_no_flipped_bit_of_a_head_makes_another_record_of_it(whole: Wreck) -> None:
    """The marker says how the head is laid out, so it is checked like everything else."""
    name = next(name for name, file in whole.files.items() if file.topic == "raw" and not file.newest and not file.away)
    record = next(each for each in whole.files[name].sectors if each.entry and each.entry.kind in NUMBERED)
    for at in range(record.start, record.start + 12):
        for bit in range(8):
            damaged = change(whole, name, lambda c, at=at, bit=bit: c.__setitem__(at, c[at] ^ 1 << bit))
            assert record.entry
            check(whole, survive(damaged), whole.files[name], {record.entry.seq}, False)


def test_a_page_of_zeros_loses_the_records_on_it(whole: Wreck) -> None:
    for name, file in whole.files.items():
        size = whole.disk.size(name)
        for at in range(0, size, PAGE_BYTES):
            end = min(at + PAGE_BYTES, size)
            damaged = change(whole, name, lambda c, at=at, end=end: c.__setitem__(slice(at, end), bytes(end - at)))
            allowed, torn = lost_with(file, at, end)
            check(whole, survive(damaged), file, allowed, torn)


@pytest.mark.timeout(900)
def test_a_cut_anywhere_in_the_newest_segment_loses_what_was_behind_it(whole: Wreck) -> None:
    for name, file in whole.files.items():
        if not file.newest:
            continue
        for size in range(0, whole.disk.size(name), CUT_EVERY):
            damaged = change(whole, name, lambda c, size=size: c.__delitem__(slice(size, None)))
            allowed = {each.entry.seq for each in file.sectors if each.entry and _behind(file, each.end, size)}
            check(whole, survive(damaged), file, allowed, may_be_silent=True)


def _behind(file: File, end: int, size: int) -> bool:
    """Whether the transaction in which the record ends there is not whole before a cut."""
    last = next((each for each in file.sectors if each.end >= end and each.entry and not each.entry.flags & MORE), None)
    return last is None or last.end > size


def test_a_file_that_is_gone_loses_what_was_in_it(whole: Wreck) -> None:
    """Which records these were tells the name of the next file. The oldest may have been consumed, so that is silent;
    and of the newest nobody knows how much was in it. The ledger knows of the oldest."""
    for name, file in whole.files.items():
        damaged = whole.copy()
        del damaged.disk.names[name]
        oldest = name == min(each for each in whole.files if f"spool/{file.topic}/" in each)
        allowed = set() if file.away else {seq for _, seq in file.seqs()}
        check(whole, survive(damaged), file, allowed, may_be_silent=file.newest or oldest)


def test_a_hit_header_costs_no_record(whole: Wreck) -> None:
    for name, file in whole.files.items():
        damaged = change(whole, name, lambda content: content.__setitem__(9, content[9] ^ 1))
        check(whole, survive(damaged), file, set(), may_be_silent=False)


# --- files that are none of ours -------------------------------------------------------------------------------------

STRANGE = "0000000009-00000000000000000400.seg"  # newer than everything


@pytest.mark.parametrize("content", [b"", b"\0" * 9000, random.Random(1).randbytes(9000), b"HOLDFAST"])
@pytest.mark.parametrize("topic", TOPICS)
def test_corruption_does_not_keep_it_from_starting(whole: Wreck, topic: str, content: bytes) -> None:
    wreck = whole.copy()
    name = f"spool/{topic}/{STRANGE}"
    wreck.disk.create(name).pwrite(content, 0)
    told = survive(wreck)
    for each in TOPICS:
        assert whole.payloads[each].keys() == told[each].records.keys()
    assert 400 in {seq for _, seq in told[topic].holes}, "something was there, or it would not have that name"


def test_what_is_no_segment_is_left_alone(whole: Wreck) -> None:
    wreck = whole.copy()
    names = ["notes.txt", "1-1.seg", "0000000001-00000000000000000001.seg~", ".seg", "core"]
    for name in names:
        wreck.disk.create(f"spool/out/{name}").pwrite(b"mine", 0)
    told = survive(wreck)
    assert whole.payloads["out"].keys() == told["out"].records.keys()
    assert all(wreck.disk.names[f"spool/out/{name}"].data == b"mine" for name in names)


class Refusing(MemoryFiles):
    """A disk on which some names cannot be opened: directories, links to themselves, files of somebody else."""

    def __init__(self, disk: MemoryFiles, code: int, *names: str) -> None:
        super().__init__()
        self.names, self.durable_names = disk.names, disk.durable_names
        self.refused, self.code = names, code

    def open(self, path: str) -> OpenFile:
        if path in self.refused:
            raise OSError(self.code, os.strerror(self.code), path)
        return super().open(path)


@pytest.mark.parametrize("which", ["newest", "older"])
@pytest.mark.parametrize("code", [errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO])
def test_a_file_that_cannot_be_opened_is_a_hole(whole: Wreck, which: str, code: int) -> None:
    names = sorted(name for name in whole.files if "spool/out/" in name)
    name = names[-1] if which == "newest" else names[1]
    disk = Refusing(whole.copy().disk, code, name)
    for _ in range(2):  # it is not a loop of failing and starting again
        spool = open_wreck(disk)
        fetched = spool.fetch("out", WATCHER, 1 << 30)
        missing = whole.payloads["out"].keys() - {record.position for record in fetched.records}
        assert missing <= whole.files[name].seqs()
        if which == "older":
            assert {seq for _, seq in missing} == {
                seq for hole in fetched.holes for seq in range(hole.first.seq, hole.last.seq + 1)
            }
        assert spool.append("out", "agg", spool.producer("out", "agg")[0] + 1, [b"on"], NOW_NS)
        spool.enforce(NOW_NS)
        spool.close()


@pytest.fixture
def real(whole: Wreck, tmp_path: Path) -> Path:
    """The same spool on a real disk."""
    for name, node in whole.disk.names.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(node.data)
    return tmp_path / "spool"


def as_directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "file").write_text("somebody's")


def as_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def as_loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def as_secret(path: Path) -> None:
    path.chmod(0)


def victims(spool: Path) -> Iterator[Path]:
    """One that is read at opening, one that is read much later."""
    names = sorted((spool / "out").glob("*.seg"))
    yield from (names[-1], names[1])


@pytest.mark.parametrize("become", [as_directory, as_pipe, as_loop])
def test_what_took_the_place_of_a_segment_does_not_keep_it_from_starting(
    real: Path, become: Callable[[Path], None]
) -> None:
    for victim in victims(real):
        become(victim)
    _reads_and_goes_on(real)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_segment_without_permission_does_not_keep_it_from_starting(real: Path) -> None:
    for victim in victims(real):
        as_secret(victim)
    _reads_and_goes_on(real)


def _reads_and_goes_on(directory: Path) -> None:
    for attempt in range(2):
        spool = Spool.open(str(directory), SETTINGS, READERS, NOW_NS)
        fetched = spool.fetch("out", WATCHER, 1 << 30)
        assert fetched.holes
        assert len(fetched.records) > 100
        assert spool.append("out", f"new-{attempt}", 1, [b"on"], NOW_NS) == 1
        spool.sync()
        spool.enforce(NOW_NS)
        spool.close()
