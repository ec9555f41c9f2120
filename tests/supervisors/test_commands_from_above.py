"""Requests from above over a real broker into a running gateway: executed, or refused with the reason; all audited."""

import json
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.actors.steering.asker import Asker
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from transports.requests.signing import new_pair, signed

KEY, PUBLIC = new_pair()
STRANGERS_KEY, _ = new_pair()
HOSTILE = 3000
CONFIG = f"""
[gateway]
name = "plant"
[supervision]
heartbeat = "100ms"
backoff_first = "50ms"
[device.press-1]
driver = "sim"
period = "50ms"
[device.press-1.tags]
setpoint = {{{{ wave = "constant", writable = true, min = 0, max = 100, read_back = true }}}}
serial = {{{{ wave = "constant", type = "int64", writable = true, read_back = true }}}}
force = {{{{ wave = "sine" }}}}
[device.press-2]
driver = "sim"
period = "50ms"
tags = {{{{ setpoint = {{{{ wave = "constant", writable = true }}}} }}}}
[device.oven]
driver = "sim"
period = "50ms"
tags = {{{{ heat = {{{{ wave = "constant", writable = true }}}} }}}}
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {{port}}
request_topic = "plant/requests"
response_topic = "plant/answers"
[principal.scada]
key = "{PUBLIC}"
uplinks = ["cloud"]
verbs = ["write", "restart", "stop", "start", "status", "ledger", "crashes", "reload"]
devices = ["press-*"]
tags = ["setpoint", "serial", "force"]
limits = {{{{ setpoint = {{{{ min = 10, max = 200 }}}} }}}}
max_per_minute = 600
"""


class Plant:
    """A gateway, and somebody above who may ask it."""

    def __init__(self, gateway: Gateway, asker: Asker) -> None:
        self.gateway, self.asker = gateway, asker
        self._numbers = iter(range(1, 10**6))

    def sealed(self, key: bytes = KEY, **members: Any) -> bytes:
        """A signed request; None leaves a member out."""
        number = f"{next(self._numbers)}"
        frame = {"id": number, "principal": "scada", "gateway": "plant", "uplink": "cloud"}
        said = {**frame, "nonce": f"nonce-{number}", "expires": time.time() + 60, **members}
        return signed(json.dumps({key: value for key, value in said.items() if value is not None}), key)

    def ask(self, key: bytes = KEY, **members: Any) -> dict[str, Any]:
        answer = self.asker.ask(self.sealed(key, **members))
        assert answer is not None, "no answer came"
        return answer

    def write(self, **members: Any) -> dict[str, Any]:
        return self.ask(**wish(**members))

    def audit(self) -> list[dict[str, Any]]:
        """The record as it stands, oldest first."""
        lines = (self.gateway.data_dir / "audit.ndjson").read_text().splitlines()
        return [json.loads(line) for line in lines]


def wish(**members: Any) -> dict[str, Any]:
    return {"verb": "write", "device": "press-1", "tag": "setpoint", "value": 12.5, **members}


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    directory = tmp_path_factory.mktemp("above")
    with (
        Mosquitto(directory) as broker,
        Gateway(directory, CONFIG.format(port=broker.port)) as gateway,
        Asker(broker.port, "plant/requests", "plant/answers") as asker,
    ):
        gateway.wait(lambda _: gateway.child("cloud")["state"].get("connected"))
        gateway.wait(lambda _: all(gateway.child(name)["state"].get("connected") for name in ("press-1", "press-2")))
        yield Plant(gateway, asker)


def test_a_write_reaches_the_device_is_answered_and_audited_under_who_wanted_it(plant: Plant) -> None:
    answer = plant.write(value=17.5, why="shift change")
    assert (answer["result"], answer["gateway"]) == ("done", "plant")
    plant.gateway.wait(lambda _: any(each["why"] == "shift change" for each in plant.audit()))
    (deed,) = [each for each in plant.audit() if each["why"] == "shift change"]
    assert (deed["who"], deed["names"]) == ("principal scada via cloud", ["press-1.setpoint = 17.5"])
    assert deed["result"].startswith("done")


def test_whole_numbers_arrive_exactly(plant: Plant) -> None:
    answer = plant.write(tag="serial", value=2**53 - 1)
    assert answer["result"] == "done", answer  # it was read back


@pytest.mark.parametrize(
    ("reason", "members"),
    [
        ("expired", wish(expires=1_767_225_600)),
        ("signature", wish(key=STRANGERS_KEY)),
        ("stranger", wish(principal="nobody")),
        ("elsewhere", wish(gateway="another")),
        ("limits", wish(value=9)),
        ("tag", wish(tag="other")),
        ("device", wish(device="oven", tag="setpoint")),
        ("absent", wish(device="press-7")),
        ("malformed", wish(device="../../etc")),
    ],
)
def test_what_may_not_be_is_refused_with_the_reason_and_audited(
    plant: Plant, reason: str, members: dict[str, Any]
) -> None:
    answer = plant.ask(**members)
    assert (answer["result"], answer["reason"]) == ("refused", reason)
    plant.gateway.wait(lambda _: any(f"refused ({reason})" in each["result"] for each in plant.audit()))


def test_an_unsigned_request_is_refused_and_audited(plant: Plant) -> None:
    answer = plant.asker.ask(json.dumps({"id": "open", "principal": "scada", **wish()}).encode())
    assert answer is not None
    assert (answer["result"], answer["reason"]) == ("refused", "unsigned")
    plant.gateway.wait(lambda _: any("refused (unsigned)" in each["result"] for each in plant.audit()))


def test_the_devices_own_limits_hold_beside_those_of_the_principal(plant: Plant) -> None:
    answer = plant.write(value=150)
    assert (answer["result"], answer["reason"]) == ("rejected", "device-says")
    assert "at most 100" in answer["why"]
    assert plant.write(tag="force", value=1)["result"] == "rejected", "not declared writable"


def test_a_held_device_is_refused_at_once_and_stop_and_start_are_audited(plant: Plant) -> None:
    assert plant.ask(verb="stop", name="press-2", why="cleaning")["result"] == "done"
    answer = plant.write(device="press-2")
    assert (answer["result"], answer["reason"]) == ("refused", "held")
    assert plant.ask(verb="start", name="press-2")["result"] == "done"
    plant.gateway.wait(lambda _: plant.gateway.child("press-2")["state"].get("connected"))
    assert plant.write(device="press-2")["result"] == "done"
    plant.gateway.wait(lambda _: any("refused (held)" in each["result"] for each in plant.audit()))
    told = [(each["verb"], each["names"], each["why"]) for each in plant.audit() if each["names"] == ["press-2"]]
    assert ("stop", ["press-2"], "cleaning") in told
    assert ("start", ["press-2"], "") in told


def test_a_replay_is_refused_also_after_a_crash_and_nothing_is_executed_again(plant: Plant) -> None:
    message = plant.sealed(**wish(why="only once"))
    first, again = plant.asker.ask(message), plant.asker.ask(message)
    assert first is not None
    assert again is not None
    assert first["result"] == "done"
    assert (again["reason"], again["earlier"]["result"]) == ("replayed", "done")
    cloud = plant.gateway.child("cloud")
    os.kill(cloud["pid"], signal.SIGKILL)
    plant.gateway.wait(lambda _: plant.gateway.child("cloud")["pid"] not in (None, cloud["pid"]))
    plant.gateway.wait(lambda _: plant.gateway.child("cloud")["state"].get("connected"))
    after = plant.asker.ask(message)
    assert after is not None
    assert (after["result"], after["reason"]) == ("refused", "replayed")
    plant.gateway.wait(lambda _: any("refused (replayed)" in each["result"] for each in plant.audit()))
    executed = [each for each in plant.audit() if each["why"] == "only once" and each["result"].startswith("done")]
    assert len(executed) == 1


def test_status_ledger_and_crashes_tell_what_may_be_seen(plant: Plant) -> None:
    status = plant.ask(verb="status")["value"]
    assert [child["name"] for child in status["children"]] == ["press-1", "press-2"]
    rows = plant.ask(verb="ledger")["value"]["rows"]
    assert {(row["producer"], row["consumer"]) for row in rows} == {("press-1", "cloud"), ("press-2", "cloud")}
    assert all(row["read"] == row["delivered"] + row["waiting"] + row["gaps"] for row in rows)
    os.kill(plant.gateway.child("press-1")["pid"], signal.SIGKILL)
    plant.gateway.wait(lambda _: [*(plant.gateway.data_dir / "crashes").glob("*-press-1.json")])
    (crash,) = plant.ask(verb="crashes", name="press-1")["value"]["crashes"]
    assert "SIGKILL" in crash["how"]
    plant.gateway.wait(lambda _: plant.gateway.child("press-1")["state"].get("connected"))


def test_thousands_of_hostile_messages_change_nothing(plant: Plant) -> None:
    dice, before = random.Random(8), plant.gateway.child("cloud")
    good = [plant.sealed(**wish(expires=1_767_225_600, value=99)) for _ in range(5)]
    executed = sum(each["verb"] == "send" for each in plant.audit())
    for _ in range(HOSTILE):
        body = bytearray(dice.choice(good))
        for _ in range(dice.randrange(1, 4)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        plant.asker.say(bytes(body[: dice.randrange(1, len(body))] if dice.random() < 0.3 else body))
    assert plant.write(value=21)["result"] == "done", "it still hears whoever may"
    after = plant.gateway.child("cloud")
    assert (after["pid"], after["restarts"]) == (before["pid"], before["restarts"])
    assert after["state"]["requests"]["refused"] > before["state"]["requests"]["refused"]
    assert sum(each["verb"] == "send" for each in plant.audit()) == executed + 1
    assert len(plant.audit()) < 200, "a flood fills no record"


def test_a_new_configuration_is_tried_confirmed_and_takes_the_files_place(plant: Plant) -> None:
    text = plant.gateway.config.read_text()
    mistaken = plant.ask(verb="reload", config=text.replace('driver = "sim"', 'driver = "simm"', 1))
    assert (mistaken["result"], mistaken["reason"]) == ("refused", "root")
    assert "did you mean 'sim'" in mistaken["why"]
    assert plant.gateway.config.read_text() == text
    more = f'{text}[device.press-3]\ndriver = "sim"\ntags = {{ n = {{ wave = "counter" }} }}\n'
    answer = plant.ask(verb="reload", config=more, confirm_within=20, why="a third press")
    assert (answer["result"], answer["value"]["result"]) == ("done", "under way")
    plant.gateway.wait(lambda status: status["reload"]["outcome"] == "confirmed")
    assert plant.gateway.config.read_text() == more
    reload = plant.ask(verb="status", name="press-3")["value"]
    assert (reload["reload"]["outcome"], reload["children"][0]["phase"]) == ("confirmed", "running")
    told = [each for each in plant.audit() if each["verb"] == "reload" and each["why"] == "a third press"]
    assert [each["who"] for each in told] == ["principal scada via cloud"]


def test_a_configuration_that_is_not_well_is_taken_back_and_the_file_stays(plant: Plant) -> None:
    text = plant.gateway.config.read_text()
    sick = f'{text}[program.sick]\ncommand = ["/bin/false"]\n'
    plant.ask(verb="reload", config=sick, confirm_within=2)
    plant.gateway.wait(lambda status: status["reload"]["outcome"] == "rolled back")
    assert plant.gateway.config.read_text() == text
    assert "sick" not in [child["name"] for child in plant.gateway.status()["children"]]


def test_a_reload_that_replaces_the_uplink_itself_is_answered_and_the_uplink_hears_again(plant: Plant) -> None:
    before, text = plant.gateway.child("cloud"), plant.gateway.config.read_text()
    for seconds in range(2, 6):  # a race that is lost now and then
        changed = text.replace('type = "mqtt"', f'type = "mqtt"\nretry_first = "{seconds}00ms"')
        answer = plant.ask(verb="reload", config=changed, confirm_within=20)
        assert (answer["result"], answer["value"]["changes"]) == ("done", {"changed": ["cloud"]})
        plant.gateway.wait(lambda status: status["reload"]["outcome"] == "confirmed")
        plant.gateway.wait(lambda _: plant.gateway.child("cloud")["state"].get("connected"))
    assert plant.gateway.child("cloud")["pid"] != before["pid"]
    assert plant.write(value=33)["result"] == "done"


def test_the_text_of_a_reload_is_not_left_lying_about(plant: Plant) -> None:
    text = plant.gateway.config.read_text()
    assert plant.ask(verb="reload", config=text + "# as it was\n", dry_run=True)["value"]["result"] == "dry run"
    assert plant.ask(verb="reload", config="mistaken")["reason"] == "root"
    assert not [*plant.gateway.run_dir.rglob("*.toml")]


def test_a_configuration_that_cuts_the_way_it_came_by_is_taken_back(plant: Plant) -> None:
    text = plant.gateway.config.read_text()
    cut = re.sub(r"^port = .*$", "port = 1", text, flags=re.MULTILINE)
    answer = plant.ask(verb="reload", config=cut, confirm_within=8)
    assert answer["result"] == "done"
    plant.gateway.wait(lambda status: status["reload"]["outcome"] == "rolled back")
    assert "cloud does not reach its far end" in plant.gateway.status()["reload"]["why"]
    assert plant.gateway.config.read_text() == text
    plant.gateway.wait(lambda _: plant.gateway.child("cloud")["state"].get("connected"))
    assert plant.write(value=34)["result"] == "done"
