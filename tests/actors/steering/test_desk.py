"""Requests from above: each is executed once, or refused with its reason; whatever comes, an answer goes back."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.actors.steering.played import KEY, NOW_NS, SCADA, STRANGERS_KEY, TRUSTED, House, child, wish
from transports.messages import Command, Outcome


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_write_is_executed_as_it_was_signed_and_answered(house: House) -> None:
    answer = house.write(why="shift change", read_back=True)
    assert answer == {"id": "r1", "result": "done", "gateway": "plant"}
    (command,) = house.executed.values()
    assert (command.tag, command.value, command.read_back) == ("setpoint", 12.5, True)
    assert (command.origin, command.who) == ("uplink:cloud", "principal scada via cloud")
    assert (command.why, command.lasting) == ("shift change", True)


@pytest.mark.parametrize(
    ("value", "told"),
    [(2**63 + 1, 2**63 + 1), (-(2**63), -(2**63)), ({"base64": "AP8="}, b"\0\xff"), ([1, 2.5], (1, 2.5)), (True, True)],
)
def test_values_are_exact(house: House, value: Any, told: Any) -> None:
    assert house.write(tag="setpoint_raw", value=value)["result"] == "done"
    assert [command.value for command in house.executed.values()] == [told]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("signature", wish(key=STRANGERS_KEY)),
    ("stranger", wish(principal="mallory")),
    ("stranger", wish(principal=None)),
    ("elsewhere", wish(gateway="another")),
    ("elsewhere", wish(gateway=None)),
    ("elsewhere", wish(uplink="other")),
    ("elsewhere", wish(uplink=None)),
    ("unsigned", wish(nonce=None)),
    ("unsigned", wish(expires=None)),
    ("expired", wish(expires=NOW_NS / 1e9 - 1)),
    ("expired", wish(expires="2025-12-31T23:59:59Z")),
    ("expired", wish(expires=NOW_NS / 1e9 + 3700)),
    ("device", wish(device="oven")),
    ("tag", wish(tag="speed")),
    ("limits", wish(value=80.5)),
    ("limits", wish(value=-1)),
    ("limits", wish(value="12")),
    ("limits", wish(value=True)),
    ("absent", wish(device="press-9")),
    ("device", {"verb": "stop", "name": "oven"}),
    ("device", {"verb": "crashes", "name": "oven"}),
    ("itself", {"verb": "restart", "name": "cloud"}),
    ("absent", {"verb": "restart", "name": "press-9"}),
    ("root", {"verb": "start", "name": "press-2"}),
    ("malformed", wish(device="../root")),
    ("malformed", wish(device="press-*")),
    ("malformed", wish(readback=True)),
    ("malformed", wish(value={"base64": "!"})),
    ("malformed", wish(value=2**64)),
    ("malformed", wish(value=None)),
    ("malformed", {"verb": "shutdown"}),
]


@pytest.mark.parametrize(("reason", "members"), REFUSED, ids=lambda given: given if isinstance(given, str) else "")
def test_what_may_not_be_is_refused_with_its_reason_and_audited(
    house: House, reason: str, members: dict[str, Any]
) -> None:
    answer = house.ask(**members)
    assert (answer["result"], answer["reason"]) == ("refused", reason)
    assert answer["why"]
    assert answer["id"] == "r1"
    assert not house.executed
    assert not house.operated
    if reason != "root":  # which audits it itself
        assert [f"refused ({reason})" in told.result for told in house.audit] == [True]


def test_an_unsigned_request_of_a_principal_with_a_key_is_refused(house: House) -> None:
    (answer,) = house.say(json.dumps({"id": "1", "principal": "scada", **wish()}).encode())
    assert (answer["result"], answer["reason"]) == ("refused", "unsigned")
    assert not house.executed


def test_a_text_that_was_changed_after_it_was_signed_is_refused(house: House) -> None:
    (answer,) = house.say(house.sealed(**wish()).replace(b"12.5", b"13.5"))
    assert answer["reason"] == "signature"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"phase": "stopped", "held": True}, "held"),
        ({"phase": "stopping", "held": True}, "held"),
        ({"phase": "broken", "reason": "no such port"}, "broken"),
        ({"phase": "ended"}, "held"),
    ],
)
def test_a_device_that_is_not_coming_is_refused_at_once(house: House, more: dict[str, Any], reason: str) -> None:
    house.children[0] = child("press-1", **more)
    del house.devices["press-1"]
    answer = house.write()
    assert (answer["result"], answer["reason"]) == ("refused", reason)
    assert more.get("reason", "") in answer["why"]
    assert [f"refused ({reason})" in told.result for told in house.audit] == [True]


def test_a_device_that_is_being_restarted_is_waited_for(house: House) -> None:
    house.children[0] = child("press-1", phase="restarting")
    del house.devices["press-1"]
    assert house.say(house.sealed(**wish())) == []
    house.devices["press-1"] = house.obeys
    house.serve(0.1)
    assert [told["result"] for _, told in house.above.answers] == ["done"]


def test_a_device_that_cannot_be_told_in_time_is_told_nothing(house: House) -> None:
    del house.devices["press-1"]
    answer = house.write(ttl=2, for_s=3)
    assert (answer["result"], answer["reason"]) == ("expired", "down")
    assert "nothing was sent" in answer["why"]
    assert [told.result.startswith("expired") for told in house.audit] == [True]
    house.devices["press-1"] = house.obeys
    house.serve(10)
    assert not house.executed


def test_a_device_that_is_stopped_while_it_is_waited_for_is_refused(house: House) -> None:
    del house.devices["press-1"]
    house.say(house.sealed(**wish(ttl=30)))
    house.children[0] = child("press-1", phase="stopped", held=True)
    house.serve(2)
    assert [(told["result"], told["reason"]) for _, told in house.above.answers] == [("refused", "held")]


def test_a_device_that_dies_over_it_is_told_again_under_the_same_key(house: House) -> None:
    house.devices["press-1"] = lambda command: None
    house.say(house.sealed(**wish()))
    house.devices["press-1"] = house.obeys
    house.serve(0.5)
    assert [told["result"] for _, told in house.above.answers] == ["done"]
    assert len({command.key for _, command in house.mailbox.commands}) == 1


def test_a_device_that_never_says_is_unknown_in_bounded_time(house: House) -> None:
    house.devices["press-1"] = lambda command: None
    answer = house.write(ttl=1, for_s=12)
    assert answer["result"] == "unknown"


@pytest.mark.parametrize("outcome", ["rejected", "expired", "unknown"])
def test_what_the_device_says_is_answered(house: House, outcome: str) -> None:
    house.devices["press-1"] = lambda command: Outcome(command.key, outcome, "it says so")
    answer = house.write()
    assert (answer["result"], answer["reason"], answer["why"]) == (outcome, "device-says", "it says so")
    assert not house.audit, "the device tells the audit"


def test_a_root_that_does_not_answer_is_a_failure_in_time(house: House) -> None:
    house.root_answers = False
    assert house.write(for_s=6)["result"] == "failed"
    assert house.ask(verb="restart", name="press-1", for_s=6)["reason"] == "down"


# --- replays -------------------------------------------------------------------------------------------------------


def test_a_replay_is_refused_with_the_earlier_answer_and_executed_once(house: House) -> None:
    message = house.sealed(**wish())
    (first,) = house.say(message)
    (second,) = house.say(message)
    assert first["result"] == "done"
    assert (second["result"], second["reason"]) == ("refused", "replayed")
    assert second["earlier"] == {"id": "r1", "result": "done"}
    assert len(house.mailbox.commands) == 1
    assert ["refused (replayed)" in told.result for told in house.audit] == [True]


def test_after_a_restart_a_replay_is_refused_too(house: House) -> None:
    message = house.sealed(**wish())
    house.say(message)
    house.start()
    (answer,) = house.say(message)
    assert (answer["result"], answer["reason"]) == ("refused", "replayed")
    assert not house.mailbox.commands
    assert "earlier" not in answer


def test_a_restart_asked_for_twice_happens_once(house: House) -> None:
    message = house.sealed(verb="restart", name="press-1")
    house.say(message)
    house.say(message)
    house.start()
    house.say(message)
    assert [wish.name for wish in house.operated] == ["press-1"]
    assert house.operated[0].who == "principal scada via cloud"


def test_whoever_asks_again_before_it_has_ended_hears_how_it_ended(house: House) -> None:
    house.devices["press-1"] = lambda command: None
    message = house.sealed(**wish())
    assert house.say(message) == house.say(message) == []
    house.devices["press-1"] = house.obeys
    house.serve(0.5)
    (_, first), (_, again) = house.above.answers
    assert first["result"] == "done"
    assert again["earlier"]["result"] == "done"


def test_another_request_under_a_used_nonce_is_refused_and_hears_nothing_of_the_first(house: House) -> None:
    house.write(nonce="once")
    answer = house.write(nonce="once", value=13)
    assert answer["reason"] == "replayed"
    assert "earlier" not in answer
    assert [command.value for command in house.executed.values()] == [12.5]


def test_what_was_once_refused_is_not_executed_later(house: House) -> None:
    house.children[0] = child("press-1", phase="stopped", held=True)
    message = house.sealed(**wish())
    house.say(message)
    house.children[0] = child("press-1")
    (answer,) = house.say(message)
    assert answer["earlier"]["reason"] == "held"
    assert not house.executed


def test_a_clock_that_is_set_back_makes_no_old_request_a_new_one(house: House) -> None:
    message = house.sealed(**wish())
    house.say(message)
    house.clock.advance(120)  # it has expired
    house.write()  # whereupon it is forgotten
    house.clock.advance(-120)
    (answer,) = house.say(message)
    assert answer["result"] == "refused"
    assert "may have come before" in answer["why"]
    house.start()
    assert house.say(message)[0]["result"] == "refused"


@pytest.mark.parametrize("years", [56, 1])
def test_without_a_clock_that_is_set_signed_requests_are_refused(house: House, years: int) -> None:
    house.write()
    house.clock = type(house.clock)(house.clock.now(), NOW_NS - years * 31_536_000 * 10**9)
    house.start()
    answer = house.write()
    assert (answer["result"], answer["reason"]) == ("refused", "clock")


def test_when_the_disk_refuses_nothing_is_executed(house: House) -> None:
    (house.directory / "state").write_text("in the way")
    answer = house.write()
    assert (answer["result"], answer["reason"]) == ("refused", "disk")
    assert not house.executed


# --- bounds --------------------------------------------------------------------------------------------------------


def test_no_more_than_so_many_a_minute(tmp_path: Path) -> None:
    house = House(tmp_path, scada={**SCADA, "max_per_minute": 3})
    assert [house.write().get("reason") for _ in range(5)] == [None, None, None, "rate", "rate"]
    house.clock.advance(60)
    assert house.write()["result"] == "done"


def test_replays_of_others_use_up_no_ones_rate(tmp_path: Path) -> None:
    house = House(tmp_path, scada={**SCADA, "max_per_minute": 2})
    message = house.sealed(**wish())
    for _ in range(20):
        house.say(message)
    assert house.write()["result"] == "done"


def test_only_so_many_are_under_way(tmp_path: Path) -> None:
    house = House(tmp_path, scada={**SCADA, "max_per_minute": 600})
    house.devices["press-1"] = lambda command: None
    for _ in range(32):
        assert house.say(house.sealed(**wish())) == []
    assert house.write()["reason"] == "busy"
    assert house.ask(verb="status")["reason"] == "busy"


def test_a_flood_of_strangers_is_answered_seldom_and_fills_no_audit(house: House) -> None:
    for number in range(2000):
        house.say(json.dumps({"id": f"{number}", "verb": "restart", "name": "press-1"}).encode())
    assert len(house.above.answers) <= 20
    assert len(house.audit) <= 3
    assert house.desk.state()["refused"] == 2000
    house.mailbox.turn(3700)
    assert "1996 more like it" in house.audit[-1].result


# --- verbs ---------------------------------------------------------------------------------------------------------


def test_the_status_has_only_whom_the_principal_may_see(house: House) -> None:
    value = house.ask(verb="status")["value"]
    assert [child["name"] for child in value["children"]] == ["press-1", "press-2", "cloud"]
    assert "state" not in value["children"][0]
    (one,) = house.ask(verb="status", name="press-1")["value"]["children"]
    assert one["state"] == {"well": True}


def test_the_ledger_is_exact_and_has_only_whom_the_principal_may_see(house: House) -> None:
    (row,) = house.ask(verb="ledger")["value"]["rows"]
    assert (row["producer"], row["consumer"], row["read"]) == ("press-1", "cloud", 2**63)


def test_the_newest_crashes_are_told_without_those_of_others(house: House) -> None:
    crashes = house.directory / "crashes"
    crashes.mkdir()
    for at, name in enumerate(["press-1", "oven", "press-1", "press-2"]):
        report = {"time": f"2026-01-01T00:00:0{at}", "name": name, "how": f"exit {at}", "traceback": "x" * 9000}
        (crashes / f"20260101T00000{at}-{name}.json").write_text(json.dumps(report))
    (crashes / "20260101T000009-press-1.json").write_text('{"torn')
    told = house.ask(verb="crashes", last=3)["value"]["crashes"]
    assert [(each["name"], each["how"]) for each in told] == [("press-2", "exit 3"), ("press-1", "exit 2")]
    assert len(told[0]["traceback"]) == 2000
    (one,) = house.ask(verb="crashes", name="press-2")["value"]["crashes"]
    assert one["how"] == "exit 3"
    everything = house.ask(verb="crashes", last=20)["value"]["crashes"]
    assert {each["name"] for each in everything} == {"press-1", "press-2"}, "the oven is not theirs to see"


def test_a_reload_hands_over_the_text_and_who_wants_it(house: House) -> None:
    answer = house.ask(verb="reload", config="[gateway]\n", confirm_within=20, why="a new press")
    assert (answer["result"], answer["value"]["attempt"]) == ("done", 1)
    (renewed,) = house.renewed
    assert (renewed.text, renewed.confirm_within_s) == (b"[gateway]\n", 20)
    assert (renewed.who, renewed.why) == ("principal scada via cloud", "a new press")


def test_looks_are_audited_but_those_that_repeat_are_counted(house: House) -> None:
    for _ in range(30):
        house.ask(verb="status")
    assert [told.verb for told in house.audit] == ["status"] * 3
    house.desk.end()
    assert "26 more like it" in house.audit[-1].result


# --- principals without a key --------------------------------------------------------------------------------------


def opened(**members: Any) -> bytes:
    return json.dumps({"id": "7", **wish(**members)}).encode()


def test_whoever_can_publish_is_the_principal_that_the_uplink_is_trusted_for(tmp_path: Path) -> None:
    house = House(tmp_path, host=TRUSTED)
    assert [told["result"] for told in house.say(opened())] == ["done"]
    assert next(iter(house.executed.values())).who == "principal host via cloud"
    (again,) = house.say(opened())
    assert (again["reason"], again["earlier"]["result"]) == ("replayed", "done")
    (expired,) = house.say(opened(id="8", expires=NOW_NS / 1e9 - 5))
    assert expired["reason"] == "expired"


def test_a_signature_is_no_way_in_for_a_principal_without_a_key(tmp_path: Path) -> None:
    house = House(tmp_path, host=TRUSTED)
    for key in (STRANGERS_KEY, KEY):
        assert house.write(principal="host", key=key)["reason"] == "signature"
    assert not house.executed


def test_whom_the_transport_names_is_believed_over_what_the_text_says(tmp_path: Path) -> None:
    house = House(tmp_path, host=TRUSTED, other=TRUSTED)
    assert house.say(opened(principal="host"), sender="other")[0]["reason"] == "stranger"
    assert house.say(opened())[0]["reason"] == "stranger", "which of the two it is cannot be told"
    assert house.say(opened(), sender="other")[0]["result"] == "done"
    assert next(iter(house.executed.values())).who == "principal other via cloud"


def test_a_key_in_a_file_is_read_each_time(tmp_path: Path) -> None:
    key_file = tmp_path / "scada.pub"
    house = House(tmp_path, scada={**SCADA, "key": "", "key_file": str(key_file)})
    assert house.write()["reason"] == "signature"
    key_file.write_text(str(SCADA["key"]) + "\n")
    assert house.write()["result"] == "done"


def test_a_principal_that_is_disabled_may_nothing(tmp_path: Path) -> None:
    assert House(tmp_path, scada={**SCADA, "enabled": False}).write()["reason"] == "stranger"


def test_commands_of_two_requests_reach_a_device_in_their_order(house: House) -> None:
    heard: list[Command] = []
    house.devices["press-1"] = lambda command: heard.append(command)
    house.say(house.sealed(**wish(value=1)))
    house.say(house.sealed(**wish(value=2)))
    assert {command.value for command in heard} == {1}
    house.desk.heard("press-1", Outcome(heard[0].key, "done"))
    assert heard[-1].value == 2
