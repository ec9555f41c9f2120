"""Group commit: many appends share a sync, one runs at a time, and what a failed one was for is never acknowledged."""

import threading
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from actors.spooling.group_commit import LAZY_S, GroupCommit
from tests.actors.spooling.hall import Line
from transports.clock import HandClock
from transports.errors import SpoolError
from transports.mailbox import Mailbox
from transports.spool import Settings, Spool


class Job:
    """In the place of a SyncJob: returns when it is let, or raises."""

    def __init__(self, error: SpoolError | None) -> None:
        self.begun, self.go, self._error = threading.Event(), threading.Event(), error

    def run(self) -> None:
        self.begun.set()
        self.go.wait(10)
        if self._error:
            raise self._error


class Disk:
    """In the place of a spool: its jobs, the one that runs last."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.done: list[Job] = []
        self.error: SpoolError | None = None
        self.dirt = True

    def dirty(self) -> Any:
        if not self.dirt:
            return ()
        self.jobs.append(Job(self.error))
        return self.jobs[-1]

    def synced(self, job: Any) -> None:
        self.done.append(job)


class Office:
    """A group commit, and what came of it."""

    def __init__(self, **settings: Any) -> None:
        self.disk, self.clock = Disk(), HandClock()
        self.line = Line(self.clock)
        self.acknowledged: list[str] = []
        self.errors: list[SpoolError] = []
        self.group = GroupCommit[str](
            cast(Mailbox, self.line),
            self.clock,
            cast(Spool, self.disk),
            Settings(**settings),
            self._durable,
            self.errors.append,
        )

    def _durable(self, receipts: Iterable[str]) -> None:
        self.acknowledged += receipts

    def returns(self) -> None:
        """The job that runs returns."""
        self.disk.jobs[-1].go.set()
        assert self.line.poll(10)


@pytest.fixture
def office() -> Iterable[Callable[..., Office]]:
    made: list[Office] = []

    def make(**settings: Any) -> Office:
        made.append(Office(**settings))
        return made[-1]

    yield make
    for each in made:
        each.group.abandon()
        for job in each.disk.jobs:
            job.go.set()


def test_appends_within_the_window_share_one_sync(office: Callable[..., Office]) -> None:
    it = office(sync_s=0.05)
    for name in ("a", "b"):
        it.group.appended(name, name, 1)
    it.line.advance(0.049)
    assert it.disk.jobs == []
    it.line.advance(0.002)
    assert it.acknowledged == []
    it.returns()
    assert it.acknowledged == ["a", "b"]
    assert it.group.syncs == len(it.disk.jobs) == 1


def test_many_records_do_not_wait_for_the_window(office: Callable[..., Office]) -> None:
    it = office(sync_records=10)
    it.group.appended("a", "first", 6)
    assert it.disk.jobs == []
    it.group.appended("a", "second", 6)
    assert len(it.disk.jobs) == 1
    it.returns()
    assert it.acknowledged == ["second"], "of one producer the last receipt stands for all"


def test_what_comes_while_a_sync_runs_is_acknowledged_by_the_next(office: Callable[..., Office]) -> None:
    it = office(strict=True)
    it.group.appended("a", "before", 1)
    it.group.appended("a", "meanwhile", 1)
    assert len(it.disk.jobs) == 1
    it.returns()
    assert it.acknowledged == ["before"]
    assert len(it.disk.jobs) == 2
    it.returns()
    assert it.acknowledged == ["before", "meanwhile"]


def test_a_commit_waits_longer_and_goes_with_the_next_sync(office: Callable[..., Office]) -> None:
    it = office()
    it.group.committed()
    it.line.advance(LAZY_S / 2)
    assert it.disk.jobs == []
    it.group.written()
    it.line.advance(0.06)
    assert len(it.disk.jobs) == 1
    it.returns()
    it.line.advance(LAZY_S)
    assert len(it.disk.jobs) == 1


def test_a_failed_sync_acknowledges_nothing_and_is_told_once(office: Callable[..., Office]) -> None:
    it = office(strict=True)
    it.disk.error = SpoolError("sync /x: Input/output error")
    it.group.appended("a", "never", 1)
    it.returns()
    assert it.errors == [it.disk.error]
    it.group.abandon()
    it.line.advance(60.0)
    assert it.acknowledged == []
    assert it.line.readable == {}


def test_it_tells_how_long_a_sync_has_been_under_way(office: Callable[..., Office]) -> None:
    it = office(strict=True)
    assert it.group.under_way_s() == 0.0
    it.group.appended("a", "a", 1)
    it.line.advance(12.0)
    assert it.group.under_way_s() == 12.0
    it.returns()
    assert it.group.under_way_s() == 0.0


def test_it_tells_whose_records_are_not_durable_yet(office: Callable[..., Office]) -> None:
    it = office(strict=True)
    it.group.appended("a", "a", 1)
    it.group.appended("b", "b", 1)
    assert it.group.awaits("a")
    assert it.group.awaits("b")
    it.returns()
    assert not it.group.awaits("a")
    it.returns()
    assert not it.group.awaits("b")


def test_a_stop_hands_back_what_is_not_known_to_be_durable(office: Callable[..., Office]) -> None:
    it = office(strict=True)
    it.group.appended("a", "running", 1)
    it.group.appended("b", "waiting", 1)
    it.disk.jobs[0].go.set()
    assert it.group.stop(10.0) == ["running", "waiting"]


def test_a_stop_does_not_wait_for_ever_and_then_nothing_may_be_acknowledged(office: Callable[..., Office]) -> None:
    it = office(strict=True)
    it.group.appended("a", "running", 1)
    assert it.disk.jobs[0].begun.wait(10)
    assert it.group.stop(0.01) is None
