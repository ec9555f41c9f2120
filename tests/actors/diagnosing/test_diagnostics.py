"""The gateway's own voice between root and spooler: news becomes records, silence of others stops nothing."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actors.diagnostics import Diagnostics, Work
from supervisors.records.crashes import Crash, Reports
from tests.actors import neighbours
from tests.actors.neighbours import SESSION, Neighbours
from tests.transports.desk import WITHIN_S, Desk
from transports import codec
from transports.clock import MachineClock
from transports.mailbox import Leave, Letter
from transports.messages import Append, Appended, Ledger, Message, Status
from transports.samples import Batch, Gap

NAME = "diagnostics"
LEDGER = {"rows": [["out", "press-1", "cloud", 3, 2, 1, 0]], "disk": ""}


def tree(phase: str = "running", restarts: int = 0) -> dict[str, Any]:
    """A gateway of one device."""
    known = {"held": False, "reason": "", "last_end": "", "state": {}}
    return {"uptime_s": 1.0, "children": [{"name": "press-1", "phase": phase, "restarts": restarts, **known}]}


class Answering(Desk):
    """Gives the answers of `known`; a question that is not in it is not answered."""

    known: dict[type[Message], Any]

    def step(self) -> None:
        envelope = self.mailbox.get()
        if isinstance(envelope.message, Letter) and envelope.reply_to is not None:
            kind = type(envelope.message.message)
            if kind in self.known:
                envelope.reply_to.set(self.known[kind])
        elif isinstance(envelope.message, Letter):
            self.letters.append(envelope.message)
        else:
            envelope.message.what()


class Stage(Neighbours):
    """The spooler keeps what is appended and acknowledges it at once, unless it is `mute`; `last` is what it has."""

    def __init__(self) -> None:
        super().__init__()
        self.root.known, self.spooler.known = {Status: tree()}, {Ledger: LEDGER}
        self.mute, self.last, self.last_ns = False, 0, 0
        self.reports = Reports(self.run_dir / "crashes", MachineClock())

    def start(self, **settings: Any) -> None:
        given = {"watch_period": 0.2, "host_period": "1h", **settings}
        self.actor = Diagnostics.start(self.place(NAME), self.fate, Work(given, str(self.run_dir)))

    def until(self, condition: Callable[[], Any]) -> None:
        """Play root and spooler until it is so."""
        deadline = time.monotonic() + WITHIN_S
        answered = 0
        while not condition():
            assert time.monotonic() < deadline, self.heard()
            assert not self.fate.over.is_set(), self.fate.error
            for desk in (self.root, self.spooler):
                look_again = desk.after(0.01, lambda: None)
                desk.step()
                look_again.cancel()
            appends = self.said(Append)
            for append in appends[answered:] if not self.mute else ():
                self.last = append.pseq + len(append.frames) - 1 if append.pseq else self.last
                self.spooler.mailbox.back(NAME, Appended("out", NAME, SESSION, self.last, self.last_ns))
            answered = len(appends) if not self.mute else answered

    def items(self) -> list[Batch | Gap]:
        return [codec.unpack(frame) for append in self.said(Append) for frame in append.frames]

    def heard(self) -> dict[str, Any]:
        """All that was told, the newest of each tag."""
        told: dict[str, Any] = {}
        for batch in self.items():
            if isinstance(batch, Batch):
                told |= dict(zip((tag.name for tag in batch.tags), next(batch.rows())[1], strict=True))
        return told


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(neighbours, "Desk", Answering)
    stage = Stage()
    yield stage
    stage.close()


def crash(name: str) -> Crash:
    return Crash(name, 7, "killed by SIGKILL", "", (), None, 1, 0.0, False, {})


def test_at_the_start_everything_is_told(stage: Stage) -> None:
    stage.start()
    stage.until(lambda: "tree/press-1/phase" in stage.heard() and "host/memory_available" in stage.heard())
    heard = stage.heard()
    assert (heard["tree/press-1/phase"], heard["tree/press-1/restarts"]) == ("running", 0)
    assert heard["ledger/out/press-1/cloud/delivered"] == 2
    assert heard["ledger/adds_up"] is True
    assert heard["host/data_free"] > 0
    assert {item.source for item in stage.items()} == {NAME}


def test_a_change_is_a_small_record_and_no_change_is_none(stage: Stage) -> None:
    stage.start()
    stage.until(lambda: "tree/press-1/phase" in stage.heard())
    before = len(stage.items())
    stage.root.known[Status] = tree("restarting", 1)
    stage.until(lambda: len(stage.items()) > before)
    *_, change = stage.items()
    assert isinstance(change, Batch)
    names = [tag.name for tag in change.tags]
    assert names == ["gateway/not_running", "tree/press-1/phase", "tree/press-1/restarts"]
    assert next(change.rows())[1] == (1, "restarting", 1)
    asked = len(stage.items())
    stage.reports.write(crash("oven"))  # comes with a later look at the tree, which is unchanged
    stage.until(lambda: len(stage.items()) > asked)
    assert [tag.name for tag in stage.items()[-1].tags] == ["crash/oven"]


def test_everything_is_told_again_each_period(stage: Stage) -> None:
    stage.start(period=1)
    stage.until(lambda: sum(any(tag.name == "tree/press-1/phase" for tag in b.tags) for b in stage.items()) >= 2)


def test_a_death_is_a_record_of_its_own_time(stage: Stage) -> None:
    stage.start()
    stage.until(lambda: stage.heard())
    stage.reports.write(crash("press-1"))
    stage.until(lambda: "crash/press-1" in stage.heard())
    (told,) = [item for item in stage.items() if item.tags[0].name == "crash/press-1"]
    assert '"how": "killed by SIGKILL"' in next(told.rows())[1][0]
    assert abs(told.times_ns[0] - MachineClock().utc_ns()) < 60e9


def test_a_root_and_a_spooler_that_say_nothing_take_nothing_away(stage: Stage) -> None:
    stage.root.known, stage.spooler.known, stage.mute = {}, {}, True
    stage.start()
    while not stage.state()["records"]:  # the machine, at least
        assert not stage.fate.over.is_set()
    assert stage.state()["waiting"] == 1
    stage.root.known, stage.mute = {Status: tree()}, False
    stage.spooler.known = {Ledger: LEDGER}
    stage.until(lambda: "tree/press-1/phase" in stage.heard())


def test_without_a_ledger_the_tree_is_told_all_the_same(stage: Stage) -> None:
    stage.spooler.known = {Ledger: {"rows": [], "disk": "it is full"}}
    stage.start()
    stage.until(lambda: "tree/press-1/phase" in stage.heard())
    assert "ledger/adds_up" not in stage.heard()


def test_after_its_own_death_it_says_so_and_tells_what_happened_meanwhile(stage: Stage) -> None:
    stage.reports.write(crash("before"))
    stage.last, stage.last_ns = 41, MachineClock().utc_ns() + 3600 * 10**9  # told up to a time after that death
    stage.start()
    stage.until(lambda: "tree/press-1/phase" in stage.heard())
    gap = stage.items()[0]
    assert isinstance(gap, Gap)
    assert gap.reason == "process ended: the gateway was not running"
    assert "crash/before" not in stage.heard()
    stage.reports.write(crash("after"))
    stage.until(lambda: "crash/after" in stage.heard())


def test_asked_to_leave_it_goes_when_what_it_said_is_durable(stage: Stage) -> None:
    stage.start()
    stage.until(lambda: "tree/press-1/phase" in stage.heard())
    stage.mute = True
    before = len(stage.items())
    stage.root.known[Status] = tree("restarting", 1)
    stage.until(lambda: len(stage.items()) > before)
    stage.actor.tell(Leave())
    stage.until(lambda: stage.actor.is_alive())
    stage.mute = False
    with pytest.raises(AssertionError):  # `until` sees its end
        stage.until(lambda: False)
    assert stage.fate.error is None
    assert stage.last >= before + 1
