"""`holdfast request`: what it prints is what a gateway takes, and what no gateway would take is not printed."""

import json
import stat
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from supervisors.cli import app
from tests.actors.steering.played import House
from transports.requests.envelope import Opened, opened

FOR = ["--principal", "scada", "--gateway", "plant", "--uplink", "cloud"]


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["request", *words])


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, str]:
    """The private key's file, and the line for the configuration."""
    done = run("--new-key", str(tmp_path / "scada.pem"))
    assert done.exit_code == 0, done.output
    return tmp_path / "scada.pem", tomllib.loads(done.stdout)["key"]


def test_what_is_signed_is_taken_by_the_gateway_that_has_the_key(tmp_path: Path, keys: tuple[Path, str]) -> None:
    scada: dict[str, Any] = {"uplinks": ["cloud"], "verbs": ["write"], "devices": ["*"], "tags": ["*"], "key": keys[1]}
    house = House(tmp_path, scada=scada)
    house.clock = type(house.clock)(0.0, time.time_ns())
    house.start()
    done = run("--key", str(keys[0]), *FOR, "--why", "shift change", "write", "press-1", "setpoint", "12.5")
    assert [told["result"] for told in house.say(done.stdout.encode())] == ["done"]
    (command,) = house.executed.values()
    assert (command.tag, command.value, command.why) == ("setpoint", 12.5, "shift change")


def test_a_private_key_is_nobody_elses_and_never_replaced(keys: tuple[Path, str]) -> None:
    text = keys[0].read_bytes()
    assert stat.S_IMODE(keys[0].stat().st_mode) == 0o600
    again = run("--new-key", str(keys[0]))
    assert again.exit_code == 1
    assert "name another file" in str(again.exception)
    assert keys[0].read_bytes() == text


@pytest.mark.parametrize(
    ("words", "members"),
    [
        (["write", "press-1", "mode", "auto"], {"device": "press-1", "tag": "mode", "value": "auto"}),
        (["write", "press-1", "open", "true"], {"value": True}),
        (["stop", "press-1"], {"name": "press-1"}),
        (["status"], {"verb": "status"}),
        (["crashes", "press-1"], {"verb": "crashes", "name": "press-1"}),
    ],
)
def test_without_a_key_it_is_the_bare_request(words: list[str], members: dict[str, Any]) -> None:
    done = run(*words)
    said = json.loads(done.stdout)
    assert {key: said[key] for key in members} == members
    assert isinstance(opened(done.stdout.encode()), Opened)


def test_a_configuration_is_carried_whole(tmp_path: Path) -> None:
    (tmp_path / "plant.toml").write_text('[gateway]\nname = "plänt"\n')
    said = json.loads(run("--confirm-within", "20s", "reload", str(tmp_path / "plant.toml")).stdout)
    assert (said["config"], said["confirm_within"]) == ('[gateway]\nname = "plänt"\n', 20)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["wirte", "press-1", "x", "1"], "is no verb"),
        (["write", "press-1", "x"], "write DEVICE TAG VALUE"),
        (["stop"], "write stop NAME"),
        (["write", "press-*", "x", "1"], "device: must be a name"),
        (["--expires", "soon", "status"], "--expires"),
        (["reload", "/no/such/file"], "cannot be read"),
        (["--expires", "2h", "status"], "at most 1h"),
        (["--expires", "0s", "status"], "more than 0s"),
        ([], "is no verb"),
    ],
)
def test_what_no_gateway_would_take_is_not_printed(words: list[str], why: str) -> None:
    done = run(*words)
    assert done.exit_code != 0
    assert done.stdout == ""
    assert why in " ".join((done.output + str(done.exception)).replace("│", "").split())


def test_a_signed_request_must_say_for_whom_it_is_good(keys: tuple[Path, str]) -> None:
    done = run("--key", str(keys[0]), "--principal", "scada", "status")
    assert done.exit_code == 2
    assert "--gateway" in done.output


def test_a_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no key")
    done = run("--key", str(tmp_path / "no.pem"), *FOR, "status")
    assert done.exit_code == 1
    assert "no.pem: is no private key" in str(done.exception)


def test_a_configuration_that_is_too_long_once_it_is_signed_is_not_printed(
    tmp_path: Path, keys: tuple[Path, str]
) -> None:
    (tmp_path / "plant.toml").write_text('# "quoted"\n' * 4000)
    assert run("reload", str(tmp_path / "plant.toml")).exit_code == 0
    done = run("--key", str(keys[0]), *FOR, "reload", str(tmp_path / "plant.toml"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "longer than 65536 bytes" in str(done.exception)


def test_letters_of_other_tongues_do_not_make_a_configuration_too_long(tmp_path: Path, keys: tuple[Path, str]) -> None:
    (tmp_path / "plant.toml").write_text("# Überdruckventil\n" * 2500, encoding="utf-8")
    done = run("--key", str(keys[0]), *FOR, "reload", str(tmp_path / "plant.toml"))
    assert done.exit_code == 0
    assert isinstance(opened(done.stdout.rstrip().encode()), Opened)


def test_a_value_below_zero_stands_behind_two_dashes() -> None:
    assert json.loads(run("write", "press-1", "setpoint", "--", "-5").stdout)["value"] == -5
