"""What a program can be told: which commands, signs of readiness and variables are taken, and which are refused."""

from typing import Any

import msgpack
import pytest

from actors.program_settings import STOP_SIGNALS, Ready, Settings
from transports.building import build
from transports.errors import SettingsError
from transports.settings import Secret


def made(**table: Any) -> Settings:
    return build(Settings, {"command": ["mosquitto"], **table}, "program.p")


def test_a_command_is_all_that_is_needed() -> None:
    settings = made()
    assert settings == Settings(("mosquitto",))
    assert (settings.ready, settings.settle_s, settings.stop_signal) == (None, 0.5, "SIGTERM")


def test_settings_are_the_same_when_their_table_has_travelled() -> None:
    table = {"ready": {"line": "ready$"}, "environment": {"A": "1", "B": {"file": "/b"}}, "settle": "2s"}
    assert made(**msgpack.unpackb(msgpack.packb(table))) == made(**table)
    assert made(**table).environment == {"A": "1", "B": Secret(file="/b")}


@pytest.mark.parametrize(
    ("port", "address"),
    [
        (1883, ("127.0.0.1", 1883)),
        ("1883", ("127.0.0.1", 1883)),
        (":1883", ("127.0.0.1", 1883)),
        ("broker:1", ("broker", 1)),
        ("10.0.0.1:65535", ("10.0.0.1", 65535)),
        ("[::1]:1883", ("::1", 1883)),
    ],
)
def test_readiness_by_port_has_a_host_and_a_number(port: int | str, address: tuple[str, int]) -> None:
    ready = made(ready={"port": port}).ready
    assert ready is not None
    assert ready.address == address


def test_readiness_by_file_or_line_has_no_address() -> None:
    assert Ready(line="x").address is None


@pytest.mark.parametrize("signal", STOP_SIGNALS)
def test_a_signal_is_named_as_the_system_names_it(signal: str) -> None:
    import signal as known

    assert known.Signals[made(stop_signal=signal).stop_signal] in known.Signals


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"command": []}, "command = []: must name a program"),
        ({"command": [""]}, "must name a program"),
        ({"command": ["./run.sh"]}, "with an absolute path"),
        ({"command": ["bin/run"]}, "looked for in PATH"),
        ({"command": ["a", "b\0"]}, "must not have the character"),
        ({"command": ["a", 1]}, "command[1] = 1: must be a string"),
        ({"ready": {}}, "ready = {}: must say exactly one of port, file and line"),
        ({"ready": {"port": 1, "line": "x"}}, "exactly one of port, file and line, not port and line"),
        ({"ready": {"port": 0}}, "ready.port = 0: must be a port from 1 to 65535"),
        ({"ready": {"port": -1}}, "must be a port"),
        ({"ready": {"port": True}}, "ready.port = True"),
        ({"ready": {"port": "host"}}, "must be a port"),
        ({"ready": {"port": "http://h:1"}}, "must be a port"),
        ({"ready": {"port": "h:99999"}}, "must be a port"),
        ({"ready": {"port": "9" * 5000}}, "must be a port"),
        ({"ready": {"line": "("}}, "must be a regular expression"),
        ({"ready": {"fil": "/x"}}, "did you mean 'file'?"),
        ({"ready": "port"}, "ready = 'port'"),
        ({"environment": {"A=B": "x"}}, "'A=B' cannot be set"),
        ({"environment": {"": "x"}}, "cannot be set"),
        ({"environment": {"A": "\0"}}, "'A' cannot be set"),
        ({"environment": {"A": 1}}, "environment.A = ***: must be a string"),
        ({"user": ""}, "user = '': must be the name of a user"),
        ({"user": "a:b"}, "must be the name of a user"),
        ({"stop_signal": "SIGTRM"}, "did you mean 'SIGTERM'?"),
        ({"settle": "-1s"}, "settle = '-1s'"),
    ],
)
def test_what_could_never_be_started_is_refused_with_its_cure(table: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        made(**table)
    (problem,) = error.value.problems
    assert str(problem).startswith("program.p.")
    assert said in str(problem)
