"""An aggregator between two topics: what it makes is counted, fits a record, and is told with how far it has read."""

from collections.abc import Iterator
from typing import Any

import pytest

from actors.aggregator import Aggregator, Work
from tests.actors.neighbours import SESSION, Neighbours
from transports import codec
from transports.mailbox import Leave
from transports.messages import Append, Appended, Fetch, Fetched
from transports.samples import Batch, Gap, Scan, Tag, batch_of

SECOND = 1_000_000_000
OIL = Tag("oil")


def readings(first: int, count: int) -> bytes:
    """One reading a second."""
    scans = [Scan(1_700_000_000 * SECOND + n * SECOND, (OIL,), [float(n)]) for n in range(first, first + count)]
    return codec.pack(batch_of("press", first, scans))


class Stage(Neighbours):
    """A root and a spooler that listen, and an aggregator's actor in a thread of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.handed_out = self.begun = 0

    def start(self, **work: Any) -> None:
        settings = {"from": ["press"], "window": "10s"}
        self.actor = Aggregator.start(self.place("tens"), self.fate, Work(settings, **work))
        self.spooler.until(lambda: self.said(Fetch) and self.said(Append))
        self.spooler.mailbox.back("tens", Appended("out", "tens", SESSION, 0))

    def welcomed(self) -> bool:
        """Answer each beginning of a session; whether the aggregator asks for records."""
        beginnings = [each.session for each in self.said(Fetch) if each.first]
        for session in beginnings[self.begun :]:
            self.spooler.mailbox.back("tens", Fetched("raw", "tens", session, (), (1, 0)))
        self.begun = len(beginnings)
        return not self.said(Fetch)[-1].first

    def hand_out(self, *payloads: bytes) -> None:
        self.spooler.until(self.welcomed)
        places = [(1, self.handed_out + n) for n in range(1, len(payloads) + 1)]
        self.handed_out += len(payloads)
        session = self.said(Fetch)[-1].session
        self.spooler.mailbox.back("tens", Fetched("raw", "tens", session, places, frames=payloads))

    def appended(self) -> Append:
        """Its first append with something in it."""
        self.spooler.until(lambda: any(append.frames for append in self.said(Append)))
        return next(append for append in self.said(Append) if append.frames)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def test_each_output_counts_its_samples_and_a_gap_that_goes_through_none(stage: Stage) -> None:
    stage.start()
    gap = codec.pack(Gap("press", "buffer full", 1, 2, samples=12))
    stage.hand_out(readings(0, 20), gap, readings(20, 10))
    append = stage.appended()
    items = [codec.unpack(frame) for frame in append.frames]
    assert [isinstance(item, Batch) for item in items] == [True, False, True]
    assert append.counts == (5, 0, 5), "count, min, max, mean, last"
    assert append.commit is not None
    assert append.commit[:4] == ("raw", "tens", 1, 3)
    assert not append.gaps


def test_a_gap_alone_is_kept_as_gaps_are(stage: Stage) -> None:
    stage.start()
    stage.hand_out(codec.pack(Gap("press", "buffer full", 1, 2, samples=12)))
    append = stage.appended()
    assert (append.gaps, append.counts) == (True, (0,))


def test_a_window_too_large_for_a_record_is_a_gap_in_its_place(stage: Stage) -> None:
    stage.start(max_record_bytes=60)
    stage.hand_out(readings(0, 11))
    append = stage.appended()
    (gap,) = map(codec.unpack, append.frames)
    assert isinstance(gap, Gap)
    assert (gap.source, gap.aggregate, gap.reason) == ("press", "tens", "larger than a record may be")
    assert (gap.first_seq, gap.last_seq, gap.count, gap.samples) == (1, 1, 1, 5)
    while stage.state()["too_large"] < 1:
        assert not stage.fate.over.is_set()


def test_asked_to_leave_it_goes_when_its_last_output_is_durable(stage: Stage) -> None:
    stage.start()
    stage.hand_out(readings(0, 11))
    append = stage.appended()
    stage.actor.tell(Leave())
    while stage.state()["waiting_samples"] != 5:
        assert not stage.fate.over.is_set()
    stage.spooler.mailbox.back("tens", Appended("out", "tens", SESSION, append.pseq))
    stage.root.until(stage.fate.over.is_set)
    assert stage.fate.error is None
