"""Commands to a device's actor: executed once, between readings, within their time; and what came of them is told."""

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.actor import Fate
from actors.commanding import commands, reading_back
from actors.commanding.entries import begun
from actors.commanding.journal import LASTING, Journal
from actors.device import Device, Work
from tests.actors.neighbours import Neighbours
from tests.transports.desk import Desk
from transports.messages import Beat, Command, Deed, Outcome, Ready

TAGS = {
    "setpoint": {"wave": "constant", "writable": True, "min": 0, "max": 100},
    "echo": {"wave": "constant", "writable": True, "read_back": True},
    "level": {"wave": "sine"},
}


class Stage(Neighbours):
    """A device, and an operator who commands it."""

    def __init__(self) -> None:
        super().__init__()
        self.operator = Desk(self.run_dir, "operator")
        self.faults = self.run_dir / "faults"

    def start(self, **work: Any) -> None:
        settings = {"tags": TAGS, "faults": str(self.faults)}
        given = {"period_s": 0.01, "retry_first_s": 0.02, "journals": str(self.run_dir / "commands"), **work}
        self.actor = Device.start(self.place("press"), self.fate, Work("sim", settings, **given))
        self.root.until(lambda: any(isinstance(each, Ready) for each in self.root.messages))

    def again(self) -> None:
        """Another incarnation of the device."""
        self.actor.stop()
        assert self.fate.over.wait(30)  # `stop` alone comes back while the mailbox still has its lock
        self.root.letters.clear()
        self.fate = Fate()
        self.start()

    def tell(self, key: str, tag: str, value: Any, ttl_s: float = 20.0, **more: Any) -> None:
        until_s = self.operator.clock.now() + ttl_s
        self.operator.mailbox.tell("press", Command(key, tag, value, until_s, **more))

    def outcomes(self, key: str) -> list[Outcome]:
        return [each for each in self.operator.messages if isinstance(each, Outcome) and each.key == key]

    def outcome(self, key: str) -> Outcome:
        self.operator.until(lambda: self.outcomes(key))
        return self.outcomes(key)[-1]

    def send(self, key: str, tag: str, value: Any, **more: Any) -> tuple[str, str]:
        self.tell(key, tag, value, **more)
        said = self.outcome(key)
        return said.outcome, said.detail

    def close(self) -> None:
        self.operator.__exit__(None, None, None)
        super().close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def test_a_command_is_done_and_the_root_is_told_for_the_audit(stage: Stage) -> None:
    stage.start()
    assert stage.send("k", "setpoint", 42, who="anna", why="test") == ("done", "")
    stage.root.until(lambda: any(isinstance(each, Deed) for each in stage.root.messages))
    deed = next(each for each in stage.root.messages if isinstance(each, Deed))
    command = Command(*deed.command)
    assert (deed.device, deed.outcome, command.tag, command.value, command.who) == (
        "press",
        "done",
        "setpoint",
        42,
        "anna",
    )


def test_what_is_read_back_is_done_when_it_reads_so(stage: Stage) -> None:
    stage.start(period_s=60.0)
    assert stage.send("k", "echo", 7.5) == ("done", "reads 7.5")


def test_limits_and_undeclared_tags_reject(stage: Stage) -> None:
    stage.start()
    assert stage.send("a", "setpoint", 101)[0] == "rejected"
    assert "writable" in stage.send("b", "level", 1)[1]
    assert "did you mean 'setpoint'?" in stage.send("c", "setpont", 1)[1]


def test_without_a_link_a_command_waits_for_it(stage: Stage) -> None:
    stage.faults.write_text("down")
    stage.start()
    stage.tell("k", "setpoint", 5)
    while stage.state()["commands_waiting"] != 1:
        assert not stage.fate.over.is_set()
    stage.faults.write_text("")
    assert stage.outcome("k").outcome == "done"


def test_without_a_link_it_expires_and_is_never_executed(stage: Stage) -> None:
    stage.faults.write_text("down")
    stage.start()
    assert stage.send("k", "echo", 5, ttl_s=0.05)[0] == "expired"
    stage.faults.write_text("")
    assert stage.send("later", "setpoint", 1) == ("done", "")
    assert stage.send("k", "echo", 5)[0] == "expired"


def test_a_command_that_comes_too_late_is_not_executed(stage: Stage) -> None:
    stage.start()
    assert stage.send("k", "setpoint", 5, ttl_s=-0.001)[0] == "expired"


@pytest.mark.parametrize("lasting", [True, False])
def test_the_same_key_is_executed_once_and_its_outcome_told_each_time(stage: Stage, lasting: bool) -> None:
    stage.start()
    assert stage.send("k", "setpoint", 5, lasting=lasting) == ("done", "")
    assert stage.send("k", "setpoint", 5, lasting=lasting) == ("done", "")
    stage.again()
    assert stage.send("k", "setpoint", 5, lasting=lasting) == ("done", "")
    assert stage.state()["commands_done"] == 0


def test_what_a_dead_process_had_begun_is_unknown_and_not_executed_again(stage: Stage) -> None:
    book = Journal(stage.run_dir / "commands" / "press.journal", LASTING)
    book.load()
    book.begin(begun(Command("k", "setpoint", 5, 0.0), 1))
    book.close()
    stage.start()
    assert stage.send("k", "setpoint", 5)[0] == "unknown"
    assert stage.state()["commands_done"] == 0


def test_what_does_not_read_as_written_was_not_obeyed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_back, "WITHIN_S", 0.1)
    stage.faults.write_text("")
    stage.start(period_s=60.0)
    monkeypatch.setattr(reading_back, "reads_as", lambda written, read: False)
    outcome, detail = stage.send("k", "echo", 7.5)
    assert outcome == "rejected"
    assert "reads 7.5" in detail


def test_too_many_that_wait_are_refused_and_the_others_live(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "WAITING_MOST", 3)
    stage.faults.write_text("down")
    stage.start()
    for number in range(5):
        stage.tell(f"k{number}", "setpoint", number)
    assert stage.outcome("k4").outcome == "rejected"
    stage.faults.write_text("")
    assert [stage.outcome(f"k{number}").outcome for number in range(3)] == ["done"] * 3


def test_a_device_that_is_stopped_says_what_it_did_not_execute(stage: Stage) -> None:
    stage.faults.write_text("down")
    stage.start()
    stage.tell("k", "setpoint", 5)
    while stage.state()["commands_waiting"] != 1:
        assert not stage.fate.over.is_set()
    stage.actor.tell(_leave())
    assert stage.outcome("k") == Outcome("k", "rejected", "the device was stopped; it was not executed")


def _leave() -> object:
    from transports.mailbox import Leave

    return Leave()


def test_a_journal_that_cannot_be_written_keeps_the_command_from_the_device(stage: Stage) -> None:
    (stage.run_dir / "commands").write_text("in the way")
    stage.start()
    outcome, detail = stage.send("k", "setpoint", 5)
    assert outcome == "rejected"
    assert "cannot be written" in detail
    assert not Path(stage.run_dir / "commands").is_dir()
    assert stage.send("a rule's", "setpoint", 5, lasting=False) == ("done", "")


def test_a_journal_that_cannot_be_read_keeps_no_device_from_being_read(stage: Stage) -> None:
    (stage.run_dir / "commands" / "press.journal").mkdir(parents=True)
    stage.start()
    assert "cannot be read" in stage.send("k", "setpoint", 5)[1]
    scans = stage.state()["scans"]
    while stage.state()["scans"] <= scans:
        assert not stage.fate.over.is_set()


def test_what_makes_no_sense_is_no_death(stage: Stage) -> None:
    stage.start()
    hostile = [
        Command("a", "echo", (math.nan,), 1e9),
        Command("b", "echo", 1, math.nan),
        Command("c", "echo", 1, math.inf),
        Command("d", "echo", {"a": ()}, 1e9),
        Command("e", ("echo",), 1, 1e9),  # type: ignore[arg-type]
        Command("f" * 10_000, "echo", 1, 1e9),
        Command("g", "echo", 1, 1e9, origin=7),  # type: ignore[arg-type]
    ]
    for command in (Command(7, "echo", 1, 1e9), *hostile):  # type: ignore[arg-type]
        stage.operator.mailbox.tell("press", command)
    assert stage.send("next", "setpoint", 5) == ("done", "")
    assert [stage.outcome(command.key).outcome for command in hostile] == ["rejected"] * len(hostile)


def beats(stage: Stage) -> list[Beat]:
    return [each for each in stage.root.messages if isinstance(each, Beat)]


def test_a_burst_lets_readings_and_signs_of_life_come_between(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.faults.write_text("down")
    stage.start(period_s=0.02)
    for number in range(40):
        stage.tell(f"k{number}", "setpoint", number)
    while stage.state()["commands_waiting"] != 40:
        assert not stage.fate.over.is_set()
    execute = commands.Commands._execute

    def slowly(*given: Any) -> None:  # a device that takes its time over each
        threading.Event().wait(0.025)
        execute(*given)

    monkeypatch.setattr(commands.Commands, "_execute", slowly)
    stage.root.letters.clear()
    stage.faults.write_text("")
    stage.outcome("k39")
    stage.root.until(lambda: any(dict(each.state)["commands_done"] == 40 for each in beats(stage)))
    told = [dict(each.state) for each in beats(stage)]
    halfway = {each["commands_done"]: each["scans"] for each in told if 0 < each["commands_done"] < 40}
    assert len(halfway) > 5
    assert max(halfway.values()) > min(halfway.values())
