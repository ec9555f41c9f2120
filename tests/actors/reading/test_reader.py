"""The reading of a device: each tag on its own period, receipts only for what is durable, silence never passed over."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from actors.reading.reader import Hearer, Manner, Reader
from tests.transports.desk import Desk
from transports.backoff import Backoff
from transports.errors import LinkDown
from transports.links import Link
from transports.samples import Batch, Quality, Scan, Tag, Value, is_bad

FAST, SLOW = (Tag("fast"),), (Tag("slow"),)


class Paced:
    """A link of which one tag has a period of its own."""

    tags, paces = FAST + SLOW, (0.05,)

    def __init__(self) -> None:
        self.reads: list[float | None] = []

    def read(self) -> Sequence[Scan]:
        self.reads.append(None)
        return [Scan(1, FAST, [1.0])]

    def read_pace(self, period_s: float) -> Sequence[Scan]:
        self.reads.append(period_s)
        return [Scan(1, SLOW, [2.0])]

    def write(self, tag: str, value: Value) -> None: ...

    def close(self) -> None: ...


class Talking:
    """A link whose far end keeps what it said until it is acknowledged."""

    tags = FAST

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        self.receipts: list[int] = []
        self.closed = False

    def say(self, count: int = 1) -> None:
        os.write(self._in, b"." * count)

    def fileno(self) -> int:
        return self._out

    def read(self) -> Sequence[Scan]:
        return [Scan(1, FAST, [1.0])] if os.read(self._out, 1) == b"." else []

    def kept(self, reads: int) -> None:
        self.receipts.append(reads)

    def write(self, tag: str, value: Value) -> None: ...

    def close(self) -> None:
        if not self.closed:
            os.close(self._out)
            os.close(self._in)
        self.closed = True


class Stage:
    """A reader at a desk; what it takes lies in `taken`, with marks, until `durable` says that it is."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="hf-"))
        self.desk = Desk(self.home)
        self.taken: list[tuple[Batch, int]] = []
        self.waiting: list[int] = []
        self.full = False
        self.unmet: list[str] = []

    def start(self, connect: Callable[[], Link], silent_after_s: float = 0.0) -> Reader:
        manner = Manner(0.01, silent_after_s, Backoff(0.01, ceiling_s=0.02))
        hearer = Hearer(
            self._take, self.unmet.append, lambda: None, lambda _: None, lambda: self.full, lambda: iter(self.waiting)
        )
        self.reader = Reader(self.desk.mailbox, self.desk.clock, "press", connect, manner, hearer)
        self.reader.open()
        return self.reader

    def durable(self, up_to: int) -> None:
        self.waiting = [mark for mark in self.waiting if mark > up_to]
        self.reader.progressed()

    def _take(self, batches: Sequence[Batch], mark: int) -> None:
        self.taken += [(batch, mark) for batch in batches]
        self.waiting += [mark] if mark else []

    def close(self) -> None:
        self.reader.close()
        self.desk.__exit__(None, None, None)
        shutil.rmtree(self.home)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def test_each_tag_is_read_on_its_own_period(stage: Stage) -> None:
    link = Paced()
    stage.start(lambda: link)
    assert link.reads == [None, 0.05], "both at once at the beginning"
    stage.desk.until(lambda: link.reads.count(0.05) >= 4)
    assert link.reads.count(None) > 2 * link.reads.count(0.05)


def test_a_receipt_is_given_for_what_is_durable_and_for_no_more(stage: Stage) -> None:
    link = Talking()
    stage.start(lambda: link)
    link.say(3)
    stage.desk.until(lambda: len(stage.taken) == 3)
    assert link.receipts == []
    stage.durable(2)
    assert link.receipts == [2]
    stage.durable(2)
    assert link.receipts == [2], "once"
    stage.durable(3)
    assert link.receipts == [2, 3]


def test_what_a_former_link_read_gives_no_receipt_to_the_present_one(stage: Stage) -> None:
    links = [Talking(), Talking()]
    later = iter(links)
    reader = stage.start(lambda: next(later))
    links[0].say(2)
    stage.desk.until(lambda: len(stage.taken) == 2)
    reader.lose("unplugged")
    stage.desk.until(lambda: reader.link is links[1])
    links[1].say()
    stage.desk.until(lambda: stage.taken[-1][1] == 3)
    stage.durable(2)
    assert links[1].receipts == []
    stage.durable(3)
    assert links[1].receipts == [1]


def test_a_full_spool_holds_a_link_back_that_can_wait_and_it_goes_on_after(stage: Stage) -> None:
    link = Talking()
    stage.start(lambda: link)
    stage.full = True
    link.say(5)
    stage.desk.until(lambda: len(stage.taken) == 1)
    stage.desk.step() if not stage.desk.mailbox.empty() else None
    assert len(stage.taken) == 1
    stage.full = False
    stage.durable(1)
    stage.desk.until(lambda: len(stage.taken) == 5)
    stage.durable(5)
    assert link.receipts[-1] == 5


def test_asked_to_leave_it_gives_the_last_receipts_before_it_closes(stage: Stage) -> None:
    link = Talking()
    reader = stage.start(lambda: link)
    link.say()
    stage.desk.until(lambda: stage.taken)
    reader.leave()
    assert not link.closed
    stage.waiting.clear()
    reader.close()
    assert (link.receipts, link.closed) == ([1], True)


def test_silence_is_said_once_and_again_after_it_was_broken(stage: Stage) -> None:
    link = Talking()
    stage.start(lambda: link, silent_after_s=0.05)
    bad = lambda: [batch for batch, _ in stage.taken if is_bad(int(batch.quality))]  # type: ignore[arg-type]  # noqa: E731
    stage.desk.until(bad)
    assert bad()[0].quality == Quality.BAD_NO_COMMUNICATION
    link.say()
    stage.desk.until(lambda: len(bad()) == 2)
    assert [is_bad(int(batch.quality)) for batch, _ in stage.taken] == [True, False, True]  # type: ignore[arg-type]


def test_a_device_that_was_never_met_is_a_gap_and_is_tried_again(stage: Stage) -> None:
    link, tries = Paced(), iter([True, True, False])

    def connect() -> Link:
        if next(tries):
            raise LinkDown("nobody there")
        return link

    stage.start(connect)
    stage.desk.until(lambda: link.reads)
    assert stage.unmet == ["nobody there"]
