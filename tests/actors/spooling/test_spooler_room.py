"""The spooler and no room: each policy gives up what it says, says what it gave up, and keeps the order."""

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.spooling.writers import ROOM_AFTER_S
from tests.actors.spooling.hall import Hall, gaps, reading
from transports.messages import Appended, Commit, NoSession
from transports.samples import Batch
from transports.spool.settings import Policy

KIB = 1024
SMALL = {"segment_bytes": 64 * KIB, "out_bytes": 256 * KIB, "reserve_bytes": 32 * KIB}
SCANS = 100  # about 2.5 KiB a record


def _hall(tmp_path: Path, policy: Policy, **fields: Any) -> Hall:
    hall = Hall(tmp_path, **{**SMALL, "out_policy": policy, **fields})
    hall.append(0)
    return hall


def _say(hall: Hall, pseq: int, who: str = "plc") -> None:
    hall.append(pseq, reading((pseq - 1) * SCANS + 1, SCANS, who), who=who, counts=(2 * SCANS,))


def _fill(hall: Hall) -> int:
    """Append until nothing more is taken; the number of the first that was not."""
    for pseq in itertools.count(1):
        before = hall.state()["appended"]
        _say(hall, pseq)
        if hall.state()["appended"] == before:
            return pseq
        if pseq % 16 == 0:
            hall.settle()
    raise AssertionError


def _consume(hall: Hall) -> None:
    """The uplink delivers and commits everything; it begins anew, and its session is the last."""
    last = hall.spooler._desk.spool.end("out")  # type: ignore[union-attr]
    hall.fetch(session=77, first=True)
    hall.tell("cloud", Commit("out", "cloud", 77, tuple(last)))
    hall.rest(2.0)


def _scans(items: list[Any]) -> list[int]:
    """The numbers of the scans that are there or in a gap, in their order."""
    found: list[int] = []
    for item in items:
        if isinstance(item, Batch):
            found += range(item.seq, item.seq + len(item.times_ns))
        elif item.source == "plc":
            found += range(item.first_seq, item.last_seq + 1)
    return found


# --- block ------------------------------------------------------------------------------------------------------------


def test_blocked_appends_are_neither_taken_nor_acknowledged_until_there_is_room(tmp_path: Path) -> None:
    hall = _hall(tmp_path, Policy.BLOCK)
    refused = _fill(hall)
    for pseq in range(refused + 1, refused + 9):
        _say(hall, pseq)
    hall.until(lambda: hall.acknowledged() == refused - 1)
    assert "out" in hall.state()["disk"]
    assert hall.state()["sent_away"] == 1
    assert hall.acknowledged() == refused - 1
    assert hall.heard(NoSession) == []


def test_a_blocked_producer_is_called_each_second_and_goes_on_in_order_when_there_is_room(tmp_path: Path) -> None:
    hall = _hall(tmp_path, Policy.BLOCK)
    refused = _fill(hall)
    hall.rest(1.0)
    assert hall.heard(NoSession) == [NoSession("out", "plc", 7)]
    hall.append(0)
    _say(hall, refused)
    _say(hall, refused + 1)
    hall.rest(1.0)
    assert len(hall.heard(NoSession)) == 2
    _consume(hall)
    hall.append(0)
    for pseq in range(refused, refused + 3):
        _say(hall, pseq)
    hall.until(lambda: hall.acknowledged() == refused + 2)
    assert _scans(hall.records()) == list(range((refused - 1) * SCANS + 1, (refused + 2) * SCANS + 1))
    hall.rest(ROOM_AFTER_S + 1)
    assert hall.state()["disk"] == ""


def test_when_one_of_many_blocked_producers_finds_room_the_next_is_called_at_once(tmp_path: Path) -> None:
    hall = _hall(tmp_path, Policy.BLOCK)
    refused = _fill(hall)
    for number in range(20):
        hall.append(0, who=f"p{number}")
        _say(hall, 1, who=f"p{number}")
    _consume(hall)
    hall.append(0)
    begin = hall.clock.now()
    _say(hall, refused)
    for _ in range(20):  # each that is called comes again
        (called,) = [said for to, said in hall.line.said if isinstance(said, NoSession)][-1:]
        if called.producer != "plc":
            hall.append(0, who=called.producer)
            _say(hall, 1, who=called.producer)
    assert hall.clock.now() == begin
    assert hall.state()["sent_away"] == 0


# --- drop_newest ------------------------------------------------------------------------------------------------------


def test_new_readings_without_room_become_one_gap_and_are_acknowledged_with_it(tmp_path: Path) -> None:
    hall = _hall(tmp_path, Policy.DROP_NEWEST)
    refused = _fill(hall)
    for pseq in range(refused + 1, refused + 50):
        _say(hall, pseq)
        hall.line.advance(0.01)
    hall.until(lambda: hall.acknowledged() == refused - 1)
    assert "out" in hall.state()["disk"]
    hall.until(lambda: hall.acknowledged() == refused + 49, step_s=1.0)
    (gap,) = gaps(hall.records())
    first, last = (refused - 1) * SCANS + 1, (refused + 49) * SCANS
    assert (gap.source, gap.reason, gap.first_seq, gap.last_seq) == ("plc", "quota", first, last)
    assert (gap.count, gap.samples) == (50 * SCANS, 100 * SCANS)
    assert _scans(hall.records()) == list(range(1, last + 1))


def test_when_there_is_room_again_the_gap_comes_first_and_then_what_is_new(tmp_path: Path) -> None:
    hall = _hall(tmp_path, Policy.DROP_NEWEST)
    refused = _fill(hall)
    _say(hall, refused + 1)
    _consume(hall)
    hall.until(lambda: hall.acknowledged() == refused + 1)
    _say(hall, refused + 2)
    hall.until(lambda: hall.acknowledged() == refused + 2)
    gap, batch = hall.records()
    assert (gap.first_seq, gap.last_seq) == ((refused - 1) * SCANS + 1, (refused + 1) * SCANS)
    assert batch.seq == gap.last_seq + 1


def test_a_producer_that_begins_anew_is_told_of_what_was_given_up_and_does_not_send_it_again(tmp_path: Path) -> None:
    hall = _hall(tmp_path, Policy.DROP_NEWEST)
    refused = _fill(hall)
    _say(hall, refused + 1)
    hall.append(0, session=8)
    hall.until(lambda: hall.heard(Appended)[-1].session == 8)
    assert hall.heard(Appended)[-1].pseq == refused + 1
    assert len(gaps(hall.records())) == 1


def test_the_ledger_adds_up_while_new_readings_are_given_up(tmp_path: Path) -> None:
    hall = _hall(tmp_path, Policy.DROP_NEWEST)
    refused = _fill(hall)
    for pseq in range(refused + 1, refused + 5):
        _say(hall, pseq)
    hall.until(lambda: hall.acknowledged() == refused + 4, step_s=1.0)
    accounts = {account.producer: account for account in hall.spooler._desk.spool.ledger()}  # type: ignore[union-attr]
    plc = accounts["plc"]
    assert plc.read == (refused + 4) * 2 * SCANS == plc.delivered + plc.waiting + plc.gaps
    assert plc.gaps == 5 * 2 * SCANS


def test_the_oldest_readings_are_thinned_where_the_policy_says_so(tmp_path: Path) -> None:
    hall = _hall(tmp_path, Policy.THIN)
    for pseq in range(1, 201):
        _say(hall, pseq)
        if pseq % 4 == 0:
            hall.rest(1.0)
    hall.until(lambda: hall.acknowledged() == 200)
    hall.rest(2.0)
    thinned = [item for item in hall.records() if isinstance(item, Batch) and item.thinned_to]
    assert thinned[0].seq == 1, "nothing is given up: all of it is still in a sum"
    assert not gaps(hall.records())


# --- a full disk ------------------------------------------------------------------------------------------------------


class FullDisk:
    """A disk with room for so many bytes more; what is deleted makes room."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self._directory, self._write, self.number = directory, os.pwrite, errno.ENOSPC
        self.room_bytes: int | None = None
        patch.setattr(os, "pwrite", self._pwrite)

    @property
    def used_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._directory.rglob("*.seg*"))

    def _pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        grows = offset + len(data) - os.fstat(descriptor).st_size
        if self.room_bytes is not None and grows > 0 and self.used_bytes + grows > self.room_bytes:
            raise OSError(self.number, os.strerror(self.number))
        return self._write(descriptor, data, offset)


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    return FullDisk(tmp_path / "spool", monkeypatch)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_on_a_full_disk_the_oldest_is_given_up_and_a_gap_says_so(
    tmp_path: Path, full_disk: FullDisk, number: int
) -> None:
    hall = Hall(tmp_path, segment_bytes=64 * KIB)
    hall.append(0)
    full_disk.number, full_disk.room_bytes = number, 512 * KIB
    for pseq in range(1, 401):
        _say(hall, pseq)
        if pseq % 16 == 0:
            hall.settle()
    hall.until(lambda: hall.acknowledged() == 400)
    hall.rest(2.0)
    assert hall.state()["disk"] == ""
    items = hall.records()
    lost = [gap for gap in gaps(items) if gap.source.startswith("spool/out/")]
    kept = [item.seq for item in items if isinstance(item, Batch)]
    assert {gap.reason for gap in lost} == {"full"}
    assert kept == list(range(kept[0], 400 * SCANS, SCANS))
    assert sum(gap.count or 0 for gap in lost) >= (kept[0] - 1) // SCANS


def test_with_nothing_to_give_up_nothing_is_acknowledged_until_there_is_room(
    tmp_path: Path, full_disk: FullDisk
) -> None:
    hall = Hall(tmp_path)
    hall.append(0)
    _say(hall, 1)
    hall.until(lambda: hall.acknowledged() == 1)
    full_disk.room_bytes = 0
    _say(hall, 2)
    _say(hall, 3)
    hall.fetch(first=True)
    hall.tell("cloud", Commit("out", "cloud", 9, (1, 1)))
    for _ in range(10):  # it is called each second, and comes again
        hall.rest(1.0)
        hall.append(0)
        _say(hall, 2)
    assert os.strerror(errno.ENOSPC) in hall.state()["disk"]
    assert len(hall.heard(NoSession)) == 10
    assert hall.acknowledged() == 1
    full_disk.room_bytes = None
    hall.rest(1.0)
    assert hall.state()["topics"]["out"]["waiting"]["cloud"] == 0, "the commit was kept and tried again"
    hall.append(0)
    _say(hall, 2)
    _say(hall, 3)
    hall.until(lambda: hall.acknowledged() == 3)
    hall.rest(ROOM_AFTER_S + 1)
    assert hall.state()["disk"] == ""


def test_a_topic_that_blocks_gives_nothing_up_on_a_full_disk(tmp_path: Path, full_disk: FullDisk) -> None:
    hall = Hall(tmp_path, segment_bytes=64 * KIB, out_policy=Policy.BLOCK)
    hall.append(0)
    full_disk.room_bytes = 256 * KIB
    refused = _fill(hall)
    hall.until(lambda: hall.acknowledged() == refused - 1)
    assert _scans(hall.records()) == list(range(1, (refused - 1) * SCANS + 1))


# --- what can never be taken ------------------------------------------------------------------------------------------


def test_a_record_that_the_spool_can_never_take_becomes_a_gap_and_the_stream_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transports.spool.record.MAX_PAYLOAD_BYTES", 4 * KIB)
    hall = Hall(tmp_path)
    hall.append(0)
    _say(hall, 1)
    hall.append(2, reading(SCANS + 1, 10 * SCANS))
    hall.append(3, reading(11 * SCANS + 1))
    hall.until(lambda: hall.acknowledged() == 3)
    before, gap, after = hall.records()
    assert (gap.first_seq, gap.last_seq, gap.samples) == (SCANS + 1, 11 * SCANS, 20 * SCANS)
    assert gap.reason.startswith("refused")
    assert (before.seq, after.seq) == (1, 11 * SCANS + 1)


def test_a_bad_request_ends_nobody(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    hall.append(0)
    wrong: list[Callable[[], Any]] = [
        lambda: hall.append(0, topic="nosuch"),
        lambda: hall.append(1, reading(1), topic="nosuch"),
        lambda: hall.append(1, commit=("raw", "nobody", 9, 9, b"")),
        lambda: hall.fetch(who="nobody", first=True),
        lambda: hall.tell("nobody", Commit("out", "nobody", 9, (1, 1))),
        lambda: hall.fetch(after=("x", 1)),
        lambda: hall.fetch(until=(1,)),
    ]
    hall.fetch(first=True)
    for each in wrong:
        each()
    _say(hall, 1)
    hall.until(lambda: hall.acknowledged() == 1)
    assert hall.state()["disk"] == ""
