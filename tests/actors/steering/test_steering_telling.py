"""What is told to whom: no names of those whom a principal may not see, no paths, and no flood of answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.actors.steering.played import SCADA, STRANGERS_KEY, House, child, wish
from transports.messages import Operate, Status
from transports.uplinks import Asked

RELOAD = {
    "attempt": 3,
    "phase": "confirming",
    "touched": ["oven", "press-1"],
    "waits_for": {"oven": "is starting"},
    "left_s": 4.0,
    "number": 7,
    "outcome": "",
    "why": "oven is broken: no such port /dev/ttyOVEN",
}
CONFIG = {"file": "/etc/holdfast/plant.toml", "number": 7, "passed_over": "oven failed", "directory": "/var/lib/x"}


class Telling(House):
    """A gateway in the middle of a reload, which answers an unknown name as the root does: with all that there are."""

    def root(self, question: Any) -> Any:
        match question:
            case Status() if self.root_answers:
                return {**super().root(question), "config": CONFIG, "reload": RELOAD}
            case Operate(name=name) if name not in [each["name"] for each in self.children]:
                return {"error": f"unknown name {name!r}; allowed here: {', '.join(e['name'] for e in self.children)}"}
        return super().root(question)


@pytest.fixture
def house(tmp_path: Path) -> Telling:
    return Telling(tmp_path, scada={**SCADA, "verbs": [verb for verb in SCADA["verbs"] if verb != "reload"]})


def test_the_status_names_nobody_whom_the_principal_may_not_see(house: Telling) -> None:
    told = house.ask(verb="status")
    assert "oven" not in json.dumps(told)
    assert "/" not in json.dumps(told), "a path"
    assert (told["value"]["reload"]["phase"], told["value"]["config"]["number"]) == ("confirming", 7)


def test_whoever_may_reload_is_told_all_of_it(tmp_path: Path) -> None:
    told = Telling(tmp_path).ask(verb="status")["value"]
    assert (told["reload"], told["config"]) == (RELOAD, CONFIG)


@pytest.mark.parametrize("verb", ["restart", "stop", "start"])
def test_an_unknown_name_is_refused_without_the_names_of_others(house: Telling, verb: str) -> None:
    answer = house.ask(verb=verb, name="press-xyz-9")
    assert (answer["result"], answer["reason"]) == ("refused", "absent")
    assert "oven" not in json.dumps(answer)
    assert ["refused (absent)" in told.result for told in house.audit] == [True]


def test_a_key_that_cannot_be_read_tells_a_stranger_no_path(tmp_path: Path) -> None:
    house = House(tmp_path, scada={**SCADA, "key": "", "key_file": str(tmp_path / "secret-place.pub")})
    answer = house.write()
    assert answer["reason"] == "signature"
    assert "secret-place" not in json.dumps(answer)


def test_a_tag_of_many_lines_is_one_line_in_the_audit(house: Telling) -> None:
    house.write(tag="setpoint\n2026-01-01 all is well\x1b[2J", value=1)
    house.write(tag="setpoint\n2026-01-01 all is well\x1b[2J", value=-1, device="press-9")
    assert house.audit
    assert all("\n" not in text and "\x1b" not in text for told in house.audit for text in (*told.names, told.result))


# --- floods that need no key -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [{}, {"gateway": "another"}, {"expires": 1_767_225_500}])
def test_old_messages_that_anybody_sends_again_are_answered_seldom(house: Telling, members: dict[str, Any]) -> None:
    message = house.sealed(**wish(**members))
    for _ in range(500):
        house.say(message)
    assert len(house.above.answers) <= 21
    assert house.desk.state()["refused"] >= 499
    house.clock.advance(1.0)
    assert len(house.say(message)) == 1, "whoever asks again later is told"


def test_a_flood_of_old_messages_keeps_no_new_one_from_its_answer(house: Telling) -> None:
    message = house.sealed(**wish())
    for _ in range(500):
        house.say(message)
    assert house.write()["result"] == "done"
    assert house.write(tag="speed")["reason"] == "tag"


def test_whoever_asks_too_often_over_one_request_is_not_told_that_it_is_forgotten(house: Telling) -> None:
    house.devices["press-1"] = lambda command: None
    house.children[0] = child("press-1")
    message = house.sealed(**wish())
    answers = [house.say(message) for _ in range(6)]
    (told,) = answers[-1]
    assert told["reason"] == "replayed"
    assert "under way" in told["why"]


# --- the end of the process ------------------------------------------------------------------------------------------


def test_an_answer_that_waits_when_the_process_ends_is_sent(house: Telling) -> None:
    house.above.came.append(Asked(house.sealed(**wish()), "back"))
    house.desk.serve(house.above)
    house.mailbox.turn()
    assert house.above.answers == []
    house.desk.end(house.above)
    assert [told["result"] for _, told in house.above.answers] == ["done"]


def test_nothing_new_is_begun_when_the_process_ends(house: Telling) -> None:
    house.above.came.append(Asked(house.sealed(**wish()), "back"))
    house.desk.end(house.above)
    assert (house.above.answers, house.executed) == ([], {})


def test_an_answer_that_comes_back_as_a_request_is_not_answered(house: Telling) -> None:
    """Where somebody has both on one topic, the gateway would talk to itself for ever."""
    house.say(json.dumps({"id": "1", "verb": "nothing"}).encode())
    (_, told) = house.above.answers[-1]
    assert house.say(json.dumps(told).encode()) == []
    assert house.desk.state()["refused"] == 2


def test_strangers_keep_no_principals_refusal_out_of_the_audit(house: Telling) -> None:
    for verb in SCADA["verbs"]:
        need = {"write": wish(), "reload": {"config": "x"}}.get(verb, {"name": "press-1"} if verb[0] in "rs" else {})
        for _ in range(4):
            house.ask(key=STRANGERS_KEY, **{"verb": verb, **need})
            house.ask(principal="mallory", **{"verb": verb, **need})
            house.say(json.dumps({"id": "1", "principal": "scada", "verb": verb, **need}).encode())
            house.clock.advance(1)
    assert len(house.audit) == 60
    house.write(tag="speed")
    assert "refused (tag)" in house.audit[-1].result
