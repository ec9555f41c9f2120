"""Once, and in time: whatever the disk and the clock do, and whatever a sender calls its requests."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.actors.steering.played import NOW_NS, TRUSTED, House, wish
from transports.uplinks import Asked

HOUR_S = 3600.0


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def opened(**members: Any) -> bytes:
    """As whoever is trusted writes it."""
    return json.dumps({"id": "7", **wish(**members)}).encode()


def slow_disk(house: House, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: house.clock.advance(seconds))


# --- a disk that takes its time --------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [{"ttl": 5}, {"ttl": 30, "expires": NOW_NS / 1e9 + 5}])
def test_what_is_late_when_it_has_been_written_down_is_not_executed(
    house: House, monkeypatch: pytest.MonkeyPatch, members: dict[str, Any]
) -> None:
    slow_disk(house, monkeypatch, 6)
    answer = house.write(**members)
    assert (answer["result"], answer["reason"]) == ("expired", "disk")
    assert not house.executed
    assert ["expired" in told.result for told in house.audit] == [True]


def test_a_verb_whose_time_is_over_when_it_has_been_written_down_is_not_executed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_disk(house, monkeypatch, 6)
    assert house.ask(verb="stop", name="press-1", expires=NOW_NS / 1e9 + 5)["result"] == "expired"
    assert not house.operated


def test_a_slow_disk_takes_from_the_time_that_a_command_has(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_disk(house, monkeypatch, 2)
    before_s = house.clock.now()
    assert house.write(ttl=5)["result"] == "done"
    assert [command.until_s for command in house.executed.values()] == [before_s + 5]


def test_those_that_wait_behind_others_on_a_slow_disk_grow_no_older_than_they_may(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_disk(house, monkeypatch, 2)
    house.above.came += [Asked(house.sealed(**wish(ttl=5, value=value)), "back") for value in range(4)]
    house.serve()
    late = [told for _, told in house.above.answers if told.get("reason") == "disk"]
    assert [told["result"] for told in late] == ["expired"] * 2, "each took 2 s, so the third was 6 s old"


# --- what a sender calls its requests --------------------------------------------------------------------------------


def test_an_id_that_is_used_again_after_an_hour_is_another_command_to_the_device(tmp_path: Path) -> None:
    house = House(tmp_path, host=TRUSTED)
    assert house.say(opened(value=1))[0]["result"] == "done"
    house.clock.advance(HOUR_S + 61)
    assert house.say(opened(value=1))[0]["result"] == "done"
    assert len(house.executed) == 2, "the device knows the first one's key, and would only tell what came of that"


def test_an_id_that_was_used_twice_is_known_after_a_restart(tmp_path: Path) -> None:
    house = House(tmp_path, host=TRUSTED)
    house.say(opened())
    house.clock.advance(HOUR_S + 61)
    assert house.say(opened())[0]["result"] == "done"
    house.start()
    assert house.say(opened())[0]["reason"] == "replayed"


def test_a_nonce_that_was_used_twice_keeps_nobody_out_after_a_restart(house: House) -> None:
    house.write(nonce="once", expires=house.clock.utc_ns() / 1e9 + 60)
    house.clock.advance(HOUR_S + 61)
    house.write(nonce="once", expires=house.clock.utc_ns() / 1e9 + 3000)
    house.start()
    assert house.write()["result"] == "done"


def test_the_longest_names_make_a_key_that_a_device_takes(tmp_path: Path) -> None:
    name = "p" * 41
    house = House(tmp_path, **{name: TRUSTED})
    house.say(opened(principal=name, id="i" * 64))
    (key,) = house.executed
    assert len(key) - len("cloud") + 41 <= 200


# --- a clock that is set ---------------------------------------------------------------------------------------------


def test_a_clock_that_is_set_ahead_makes_no_open_request_a_new_one(tmp_path: Path) -> None:
    house = House(tmp_path, host=TRUSTED)
    house.clock = type(house.clock)(100.0, NOW_NS - 3 * 86_400 * 10**9)  # as it stood when the machine was switched off
    house.start()
    house.say(opened())
    house.clock._utc_ns = NOW_NS  # it is set, and no time passes
    house.say(opened(id="8"))
    assert house.say(opened())[0]["reason"] == "replayed"
    house.clock.advance(HOUR_S + 61)
    assert house.say(opened())[0]["result"] == "done"


def test_a_time_before_all_time_is_no_leave_to_be_late(tmp_path: Path) -> None:
    house = House(tmp_path, host=TRUSTED)
    for number, expires in enumerate([0, 0.0, 1e-10, "1970-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59"]):
        (answer,) = house.say(opened(id=f"{number}", expires=expires))
        assert (answer["result"], answer["reason"]) == ("refused", "expired"), expires
    assert not house.executed


def test_a_clock_that_stands_before_what_was_taken_is_named_with_the_cure(house: House) -> None:
    house.write()
    house.clock = type(house.clock)(house.clock.now(), NOW_NS - 31_536_000 * 10**9)
    house.start()
    assert "set it" in house.write()["why"]
