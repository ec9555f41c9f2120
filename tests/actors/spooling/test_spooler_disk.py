"""The spooler and a disk that fails: it stays, says what is wrong, acknowledges nothing, and opens the spool again."""

import errno
import logging
import os
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors import spooler
from tests.actors.spooling.hall import Hall, gaps, reading
from transports.messages import Appended, Commit, Fetched, Ledger, NoSession, Purge

OPERATIONS = {"write": ("pwrite",), "sync": ("fdatasync",), "rename": ("rename",), "open": ("open", "mkdir")}


class Faults:
    """Has file operations fail, in this process: of the machine's other files none is touched meanwhile."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch, self._real = patch, {name: getattr(os, name) for names in OPERATIONS.values() for name in names}

    def begin(self, number: int, *operations: str) -> None:
        def failing(*_: Any, **__: Any) -> Any:
            raise OSError(number, os.strerror(number))

        for name in (name for operation in operations for name in OPERATIONS[operation]):
            self._patch.setattr(os, name, failing)

    def end(self) -> None:
        for name, real in self._real.items():
            self._patch.setattr(os, name, real)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    made = Faults(monkeypatch)
    yield made
    made.end()


def _opened(hall: Hall, session: int = 7) -> None:
    """A producer that has said one thing, which is durable, and a consumer that waits."""
    hall.append(0, session=session)
    hall.append(1, reading(1), session=session)
    hall.settle()
    hall.fetch(first=True)
    hall.fetch()
    hall.fetch()
    assert not hall.state()["disk"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
@pytest.mark.parametrize("operation", ["write", "sync"])
def test_after_an_error_the_spooler_says_so_and_goes_on_when_the_disk_is_well(
    tmp_path: Path, faults: Faults, number: int, operation: str
) -> None:
    hall = Hall(tmp_path)
    _opened(hall)
    faults.begin(number, operation)
    hall.append(2, reading(2))
    hall.until(lambda: hall.state()["disk"])
    assert os.strerror(number) in hall.state()["disk"]
    assert hall.state()["disk_next_try_s"] <= 5.0
    assert hall.state()["topics"]["out"]["waiting"]["cloud"] in (1, 2), "as it was seen last"
    hall.line.advance(60.0)
    assert hall.acknowledged() == 1
    assert hall.heard(NoSession) == []
    faults.end()
    hall.until(lambda: not hall.state()["disk"])
    assert hall.heard(NoSession) == [NoSession("out", "plc", 7)]
    assert hall.heard(NoSession, "cloud") == [NoSession("out", "cloud", 9)]
    hall.append(0)
    hall.append(hall.acknowledged() + 1, *(reading(seq) for seq in range(hall.acknowledged() + 1, 4)))
    hall.settle()
    assert hall.acknowledged() == 3
    assert [item.seq for item in hall.records()] == [1, 2, 3]


def test_what_waited_for_the_sync_that_failed_is_never_acknowledged(tmp_path: Path, faults: Faults) -> None:
    hall = Hall(tmp_path)
    _opened(hall)
    said = len(hall.heard(Appended))
    hall.append(2, reading(2))
    faults.begin(errno.EIO, "sync")
    hall.until(lambda: hall.state()["disk"])
    faults.end()
    hall.until(lambda: not hall.state()["disk"])
    hall.line.advance(60.0)
    assert len(hall.heard(Appended)) == said


def test_pages_that_a_failed_sync_may_have_lost_are_written_again_before_they_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page cache after a failed fdatasync: all pages count as clean, and a second one succeeds without writing."""
    hall = Hall(tmp_path)
    _opened(hall)
    real_write, real_sync = os.pwrite, os.fdatasync
    dirty, on_disk, fails = set[int](), set[int](), [True]
    watched = next((tmp_path / "spool" / "out").glob("*.seg"))
    inode = watched.stat().st_ino

    def write(descriptor: int, data: bytes, offset: int) -> int:
        if os.fstat(descriptor).st_ino == inode:
            dirty.update(range(offset, offset + len(data)))
        return real_write(descriptor, data, offset)

    def sync(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == inode:
            if fails.pop() if fails else False:
                dirty.clear()
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            on_disk.update(dirty)
            dirty.clear()
        real_sync(descriptor)

    monkeypatch.setattr(os, "pwrite", write)
    monkeypatch.setattr(os, "fdatasync", sync)
    before = watched.stat().st_size
    hall.append(2, reading(2))
    hall.until(lambda: hall.state()["disk"])
    hall.until(lambda: not hall.state()["disk"])
    hall.append(0)
    assert hall.acknowledged() == 2, "it is in the file, so it is told as kept"
    assert on_disk >= set(range(before, watched.stat().st_size)), "and then it must be on the disk"


def test_a_disk_that_cannot_be_opened_at_the_start_is_tried_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    hall = Hall(tmp_path)
    assert "spool" in hall.state()["disk"]
    hall.append(0)
    hall.fetch(first=True)
    hall.tell("cloud", Commit("out", "cloud", 9, (1, 1)))
    hall.line.advance(60.0)
    assert hall.line.said == []
    (tmp_path / "spool").unlink()
    hall.until(lambda: not hall.state()["disk"])
    assert hall.heard(NoSession) == [NoSession("out", "plc", 7)]
    assert hall.heard(NoSession, "cloud") == [NoSession("out", "cloud", 9)]
    _opened(hall)
    assert hall.acknowledged() == 1


def test_a_disk_that_is_pulled_out_under_a_reader_is_named_and_read_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall = Hall(tmp_path)
    _opened(hall)
    real = os.pread

    def gone(*_: Any) -> bytes:
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))

    monkeypatch.setattr(os, "pread", gone)
    hall.fetch(first=True)
    hall.fetch()
    assert os.strerror(errno.ENXIO) in hall.state()["disk"]
    monkeypatch.setattr(os, "pread", real)
    hall.until(lambda: not hall.state()["disk"])
    assert [item.seq for item in hall.records()] == [1]


def test_a_full_disk_at_the_start_is_tried_until_there_is_room(tmp_path: Path, faults: Faults) -> None:
    faults.begin(errno.ENOSPC, "write")
    hall = Hall(tmp_path)
    assert os.strerror(errno.ENOSPC) in hall.state()["disk"]
    faults.end()
    hall.until(lambda: not hall.state()["disk"])


def test_who_speaks_on_in_an_old_session_is_told_to_begin_anew_and_then_waits(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    hall = Hall(tmp_path)
    hall.append(5, reading(5))
    hall.fetch()
    assert hall.heard(NoSession) == [NoSession("out", "plc", 7)]
    assert hall.heard(NoSession, "cloud") == [NoSession("out", "cloud", 9)]
    hall.append(0)
    for pseq in range(5, 100):
        hall.append(pseq, reading(pseq))
    assert len(hall.heard(NoSession)) == 1, "no storm: it will be called"


def test_the_log_says_each_trouble_once_and_its_end(
    tmp_path: Path, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "holdfast.spooler")
    hall = Hall(tmp_path)
    _opened(hall)
    faults.begin(errno.EIO, "sync")
    hall.append(2, reading(2))
    hall.until(lambda: hall.state()["disk"])
    hall.line.advance(300.0)
    faults.end()
    hall.until(lambda: not hall.state()["disk"])
    hall.append(0)
    hall.append(hall.acknowledged() + 1, reading(9))
    hall.settle()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) <= 3, said  # the sync that failed, what fails when opening, and that it is well again
    assert said[-1].startswith("the disk is well again")


def test_operators_are_answered_with_the_trouble(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    hall = Hall(tmp_path)
    disk = hall.state()["disk"]
    assert hall.tell("root", Ledger()) == {"rows": [], "disk": disk}
    assert hall.tell("root", Purge("out", who="me", why="a test")) == {"dropped": [], "error": disk}


def test_twenty_faults_in_a_row_leave_neither_threads_nor_descriptors(tmp_path: Path, faults: Faults) -> None:
    hall = Hall(tmp_path)
    _opened(hall)
    threads, counts = threading.active_count(), []
    for turn in range(20):
        faults.begin(errno.EIO, "sync")
        hall.append(0, session=100 + turn)
        hall.append(2 + turn, reading(2 + turn), session=100 + turn)
        hall.until(lambda: hall.state()["disk"])
        faults.end()
        hall.until(lambda: not hall.state()["disk"], step_s=1.0)
        hall.append(0, session=100 + turn)
        hall.append(2 + turn, reading(2 + turn), session=100 + turn)
        hall.until(lambda turn=turn: hall.acknowledged() == 2 + turn)
        hall.until(lambda: threading.active_count() <= threads)
        counts.append(len(os.listdir("/proc/self/fd")))
    assert counts[-1] <= counts[1]
    assert [item.seq for item in hall.records()] == list(range(1, 22))


# --- a disk that hangs ------------------------------------------------------------------------------------------------


class Hang:
    """An fdatasync that returns when it is told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._real, self._go = os.fdatasync, threading.Event()
        self.begun = threading.Event()
        patch.setattr(os, "fdatasync", self._wait)

    def _wait(self, descriptor: int) -> None:
        self.begun.set()
        self._go.wait()
        self._real(descriptor)

    def end(self) -> None:
        self._go.set()


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Hang]]:
    made: list[Hang] = []

    def begin() -> Hang:
        made.append(Hang(monkeypatch))
        return made[-1]

    yield begin
    for each in made:
        each.end()


def test_while_a_sync_does_not_return_the_loop_goes_on_and_nothing_is_acknowledged_or_lost(
    tmp_path: Path, hang: Callable[[], Hang]
) -> None:
    hall = Hall(tmp_path)
    _opened(hall)
    hung = hang()
    hall.append(2, reading(2))
    hall.line.advance(0.1)
    assert hung.begun.wait(5)
    hall.append(3, reading(3))
    assert len(hall.heard(Fetched, "cloud")[-1].records) == 1, "what is written is handed out"
    hall.line.advance(12.0)
    assert hall.state()["disk"] == "a sync has been under way for 12 s"
    for pseq in range(4, 8):
        hall.append(pseq, reading(pseq))
    hall.tell("cloud", Commit("out", "cloud", 9, (1, 2)))
    hall.append(0, who="press")
    hall.line.advance(60.0)
    assert hall.acknowledged() == 1
    assert hall.heard(Appended, "press") == []
    hung.end()
    hall.until(lambda: hall.heard(NoSession) and hall.heard(NoSession, "press"))
    assert not hall.state()["disk"]
    hall.append(0)
    hall.until(lambda: hall.acknowledged() == 3)
    hall.append(4, *(reading(seq) for seq in range(4, 8)))
    hall.settle()
    assert hall.acknowledged() == 7
    hall.until(lambda: hall.state()["topics"]["out"]["waiting"]["cloud"] == 5)
    assert [item.seq for item in hall.records()] == [3, 4, 5, 6, 7]
    assert not gaps(hall.records())


def test_a_stop_does_not_wait_for_a_disk_that_hangs(
    tmp_path: Path, hang: Callable[[], Hang], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooler, "END_WITHIN_S", 0.05)
    hall = Hall(tmp_path)
    _opened(hall)
    hung = hang()
    hall.append(2, reading(2))
    hall.line.advance(0.1)
    assert hung.begun.wait(5)
    hall.line.advance(5.0)
    hall.spooler.end()
    assert hall.acknowledged() == 1


def test_a_stop_makes_everything_durable_and_acknowledges_it(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    _opened(hall)
    hall.append(2, reading(2))
    hall.spooler.end()
    assert hall.acknowledged() == 2


def test_a_stop_acknowledges_nothing_when_the_last_sync_fails(tmp_path: Path, faults: Faults) -> None:
    hall = Hall(tmp_path, strict=True)
    hall.append(0)
    faults.begin(errno.EIO, "sync")
    hall.append(1, reading(1))
    assert select.select(list(hall.line.readable), (), (), 10)[0], "it has failed, and nobody has heard of it yet"
    hall.spooler.end()
    assert hall.acknowledged() == 0
