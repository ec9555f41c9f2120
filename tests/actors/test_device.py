"""A device between its link and the spool: what it tells of what it read is exact, whatever the spool does."""

from collections.abc import Iterator
from typing import Any

import pytest

from actors.device import Device, Work
from tests.actors.neighbours import SESSION, Neighbours
from transports import codec
from transports.mailbox import Leave
from transports.messages import Append, Appended
from transports.samples import Batch, Gap

TAGS = {"level": {"wave": "sine"}, "n": {"wave": "counter"}}


class Stage(Neighbours):
    """A root and a spooler that listen, and a device's actor in a thread of this process."""

    def start(self, **work: Any) -> None:
        settings = {"tags": TAGS, **work.pop("settings", {})}
        self.actor = Device.start(self.place("press"), self.fate, Work("sim", settings, period_s=0.01, **work))

    def open(self) -> None:
        """Answer the handshakes."""
        topics = {"out"}
        self.spooler.until(lambda: topics <= {append.topic for append in self.appends(handshakes=True)})
        for topic in topics:
            self.acknowledge(topic, 0)

    def acknowledge(self, topic: str, pseq: int) -> None:
        self.spooler.mailbox.back("press", Appended(topic, "press", SESSION, pseq))

    def appends(self, handshakes: bool = False) -> list[Append]:
        said = self.said(Append)
        return said if handshakes else [append for append in said if append.pseq]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def test_what_is_read_is_acknowledged_or_waits_to_the_sample(stage: Stage) -> None:
    stage.start()
    stage.open()
    stage.spooler.until(lambda: len(stage.appends()) >= 5)
    first, *_ = stage.appends()
    assert (first.pseq, first.counts) == (1, (2,))
    stage.acknowledge("out", 3)
    while (state := stage.state())["ledger"]["out"]["acknowledged"] < 6:
        assert not stage.fate.over.is_set()
    account = state["ledger"]["out"]
    assert state["samples"] == account["taken"] == account["acknowledged"] + state["waiting_samples"]
    assert (account["acknowledged"], state["dropped_samples"]) == (6, 0)


def test_without_a_spooler_what_is_given_up_is_counted_in_samples(stage: Stage) -> None:
    stage.start(outbox_bytes=2000)
    while (state := stage.state())["dropped_samples"] < 20:
        assert not stage.fate.over.is_set()
    account = state["ledger"]["out"]
    assert state["samples"] == state["waiting_samples"] + account["missing"]
    assert account["missing"] == state["dropped_samples"] == 2 * state["dropped"]


def test_a_scan_too_large_to_be_kept_is_told_and_the_device_goes_on(stage: Stage) -> None:
    stage.start(max_record_bytes=100, settings={"tags": {"n": {"wave": "counter", "count": 50}}})
    stage.open()
    stage.spooler.until(lambda: len(stage.appends()) >= 3)
    for number, append in enumerate(stage.appends(), 1):
        gap = codec.unpack(append.frames[0])
        assert isinstance(gap, Gap)
        assert (gap.reason, gap.first_seq, gap.last_seq) == ("larger than a record may be", number, number)
        assert (gap.count, gap.samples, append.gaps, append.counts) == (1, 50, True, (50,))
    while stage.state()["too_large"] < 3:
        assert not stage.fate.over.is_set()


def test_what_is_kept_is_compressed_if_asked(stage: Stage) -> None:
    pytest.importorskip("backports.zstd")
    stage.start(compress=True, settings={"tags": {"n": {"wave": "constant", "count": 200}}})
    stage.open()
    stage.spooler.until(stage.appends)
    (frame,) = stage.appends()[0].frames
    assert codec.is_compressed(frame)
    batch = codec.unpack(frame)
    assert isinstance(batch, Batch)
    assert (batch.source, batch.samples) == ("press", 200)


def test_asked_to_leave_it_goes_when_the_last_reading_is_durable(stage: Stage) -> None:
    stage.start(batch_wait_s=60.0)
    stage.open()
    while not stage.state()["waiting_samples"]:
        assert not stage.fate.over.is_set()
    assert stage.appends() == [], "it is still collected"
    stage.actor.tell(Leave())
    stage.spooler.until(stage.appends)
    assert not stage.fate.over.is_set()
    (append,) = stage.appends()
    stage.acknowledge("out", append.pseq + len(append.frames) - 1)
    stage.root.until(stage.fate.over.is_set)
    assert stage.fate.error is None


def test_readings_go_through_the_devices_stages_before_anybody_hears_of_them(stage: Stage) -> None:
    tags = {"level": {"wave": "constant", "offset": 5}}
    stage.start(settings={"tags": tags}, stages=[{"stage": "scale", "factor": 2.0, "offset": 1.0}])
    stage.open()
    stage.spooler.until(stage.appends)
    batch = codec.unpack(stage.appends()[0].frames[0])
    assert isinstance(batch, Batch)
    assert [values for _, values, _ in batch.rows()] == [(11.0,)]
    assert (batch.source, batch.seq) == ("press", 1)
