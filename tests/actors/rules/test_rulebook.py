"""The process of the rules, between devices that talk and devices that are commanded: exactly once, whatever dies."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from actors.actor import Fate, Place
from actors.rulebook import Rulebook, Work
from tests.actors.neighbours import Neighbours
from tests.transports.desk import Desk
from transports import codec
from transports.clock import MachineClock
from transports.feed import Publisher
from transports.messages import Command, Outcome, Rules
from transports.names import RULES
from transports.samples import Quality, Scan, Tag, batch_of

COOLING = {"when": "press.oil > 80", "clear": "press.oil < 75", "then": ["fan.speed = 100"], "else": ["fan.speed = 0"]}
OIL = (Tag("oil"),)


class Stage(Neighbours):
    """The rules, a press that talks, and a fan that is commanded."""

    def __init__(self) -> None:
        super().__init__()
        self.fan = Desk(self.run_dir, "fan")
        self.feeds: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.press = Publisher(self.feeds, self.run_dir, "press", 1)
        self.session = 100

    def start(self, **rules: Any) -> None:
        self.rules = rules or self.rules
        self.session += 1
        place = Place(RULES, self.run_dir, MachineClock(), self.context, 7, self.session, heartbeat_s=0.02)
        work = Work(self.rules, ["press", "fan"], str(self.run_dir / "rules.json"))
        self.fate = Fate()
        self.root.letters.clear()
        self.actor = Rulebook.start(place, self.fate, work)
        self.root.until(lambda: self.root.messages)

    def kill(self) -> None:
        """Gone when this returns: `stop` alone comes back while the mailbox still has its lock."""
        self.actor.stop()
        assert self.fate.over.wait(30)

    def says(self, oil: float | None) -> None:
        """The press says so until the rules have heard it."""
        quality = Quality.BAD_TIMEOUT if oil is None else Quality.GOOD
        batch = batch_of("press", 1, [Scan(time.time_ns(), OIL, [oil], quality)])
        self.press.publish(codec.pack(batch))

    def told(self, name: str = "cooling") -> dict[str, Any]:
        return next(row for row in self.rows() if row["name"] == name)

    def rows(self) -> list[dict[str, Any]]:
        """Asked again where the question went to a process that has ended: sending is no acceptance."""
        asks = 0

        def answered() -> bool:
            nonlocal asks
            if len(self.fan.failures) == asks:  # all that were asked before have failed
                self.fan.ask(RULES, Rules(), timeout_s=1.0)
                asks += 1
            return bool(self.fan.answers)

        self.fan.until(answered)
        self.fan.failures.clear()
        return list(self.fan.answers.pop())

    def until_heard(self, oil: float | None) -> None:
        """Say it again and again: the feed is lossy while it connects."""

        def heard() -> bool:
            reading = self.told()["readings"][0]
            if reading["age_s"] is not None and reading["value"] == oil:
                return True
            self.says(oil)
            return False

        self.fan.until(heard)

    def commands(self) -> list[Command]:
        return [each for each in self.fan.messages if isinstance(each, Command)]

    def keys(self) -> list[str]:
        return list(dict.fromkeys(command.key for command in self.commands()))

    def answer(self, key: str, outcome: str = "done", detail: str = "") -> None:
        self.fan.mailbox.back(RULES, Outcome(key, outcome, detail))

    def commanded(self, count: int) -> Command:
        self.fan.until(lambda: len(self.keys()) >= count)
        key = self.keys()[count - 1]
        return next(command for command in self.commands() if command.key == key)

    def close(self) -> None:
        self.press.close()
        self.feeds.destroy(linger=0)
        self.fan.__exit__(None, None, None)
        super().close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def test_what_becomes_true_commands_the_other_device_and_what_clears_it_takes_it_back(stage: Stage) -> None:
    stage.start(cooling=COOLING)
    stage.until_heard(70.0)
    stage.until_heard(85.0)
    hot = stage.commanded(1)
    assert (hot.tag, hot.value, hot.origin, hot.lasting) == ("speed", 100, "rule:cooling", False)
    stage.answer(hot.key)
    stage.until_heard(78.0)
    stage.until_heard(74.0)
    assert stage.commanded(2).value == 0


def test_a_command_is_told_again_under_its_key_until_its_outcome_is_known(stage: Stage) -> None:
    stage.start(cooling=COOLING)
    stage.until_heard(85.0)
    stage.fan.until(lambda: len(stage.commands()) >= 3)
    assert len(stage.keys()) == 1
    stage.answer(stage.keys()[0], "expired", "too late")
    stage.fan.until(lambda: stage.told()["last"])
    assert stage.told()["last"] == ["fan.speed = 100", "expired", "too late"] or tuple(stage.told()["last"])
    stage.fan.letters.clear()
    stage.until_heard(86.0)
    assert stage.commands() == []


def test_a_process_that_died_over_a_command_tells_it_again_under_the_same_key(stage: Stage) -> None:
    stage.start(cooling=COOLING)
    stage.until_heard(85.0)
    key = stage.commanded(1).key
    stage.kill()
    stage.fan.letters.clear()
    stage.start()
    stage.fan.until(stage.commands)
    assert stage.keys() == [key]


def test_what_was_acted_on_before_a_restart_is_not_acted_on_again(stage: Stage) -> None:
    stage.start(cooling=COOLING)
    stage.until_heard(85.0)
    stage.answer(stage.commanded(1).key)
    stage.fan.until(lambda: stage.told()["last"])
    stage.kill()
    stage.fan.letters.clear()
    stage.start()
    stage.until_heard(85.0)
    assert stage.commands() == []
    stage.until_heard(74.0)
    assert stage.commanded(1).value == 0


def test_bad_and_silence_leave_things_as_they_are_unless_the_rule_says_otherwise(stage: Stage) -> None:
    stage.start(cooling=COOLING, safe={**COOLING, "on_bad": "true", "then": ["fan.alarm = true"], "else": []})
    stage.until_heard(70.0)
    assert stage.commands() == [], "what was not heard yet is not silence"
    stage.until_heard(None)
    stage.fan.until(lambda: any(command.tag == "alarm" for command in stage.commands()))
    assert not [command for command in stage.commands() if command.tag == "speed"]


def test_a_reading_that_grew_old_is_no_reading(stage: Stage) -> None:
    old = {**COOLING, "on_bad": "true", "silent_after": "200ms", "clear": ""}
    stage.start(cooling={**old, "else": ["fan.speed = 0"]})
    assert stage.commanded(1).value == 100, "never heard"
    stage.answer(stage.commanded(1).key)
    stage.until_heard(70.0)
    stage.answer(stage.commanded(2).key)
    assert stage.commanded(3).value == 100


def test_a_rule_that_fails_waits_alone_with_its_reason(stage: Stage) -> None:
    stage.start(cooling=COOLING, broken={"when": "1 / (press.oil - 85) > 0", "then": ["fan.speed = 1"]})
    stage.until_heard(85.0)
    assert stage.commanded(1).origin == "rule:cooling"
    assert stage.told("broken")["quarantined"]
    assert not stage.told()["quarantined"]
    while stage.state()["quarantined"] != 1:  # signs of life from before may still lie there
        assert not stage.fate.over.is_set()


def test_commands_that_are_refused_again_and_again_quarantine_their_rule(stage: Stage) -> None:
    stage.start(cooling={**COOLING, "mode": "level", "repeat": "100ms"})
    stage.until_heard(85.0)
    for number in range(1, 4):
        stage.answer(stage.commanded(number).key, "rejected", "read only")
    stage.fan.until(lambda: stage.told()["quarantined"])
    assert "read only" in stage.told()["quarantined"]
