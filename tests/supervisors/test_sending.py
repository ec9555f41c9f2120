"""`holdfast send`, as an operator types it: mistakes are told before anything is sent, nobody is waited for in vain."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from supervisors import control, sending
from supervisors.verbs.sending import value_of
from tests.peers.gateway import Gateway
from transports.clock import MachineClock
from transports.errors import HoldfastError
from transports.messages import Command, Status

WITHIN_S = 30.0
CONFIG = """
[gateway]
name = "sending"
[supervision]
heartbeat = "100ms"
backoff_first = "3s"
backoff_jitter = 0
intensity = 100
[device.press]
driver = "sim"
period = "50ms"
tags = {{ speed = {{ wave = "constant", type = "int64", writable = true, max = 100 }} }}
[device.fan]
driver = "sim"
period = "50ms"
tags = {{ speed = {{ wave = "constant", type = "int64", writable = true }} }}
[uplink.file]
type = "file"
path = "{output}"
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("sending")
    with Gateway(directory, CONFIG.format(output=directory / "out.ndjson")) as running:
        running.wait(lambda _: all(running.child(name)["state"].get("connected") for name in ("press", "fan")))
        yield running


def send(gateway: Gateway, *words: str | bytes) -> tuple[int, str, str]:
    """Exit code, standard output, standard error without its frame."""
    done = subprocess.run(
        [sys.executable, "-m", "supervisors.cli", "send", *words, "--run-dir", str(gateway.run_dir)],
        capture_output=True,
        timeout=WITHIN_S,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "1000"},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("1.5", 1.5),
        ("true", True),
        ('"42"', "42"),
        ("[1, 2.5]", [1, 2.5]),
        ("auto", "auto"),
        ("", ""),
        ("{a = 1}", "{a = 1}"),
        ("1979-05-27", "1979-05-27"),
        ("1\nw = 2", "1\nw = 2"),
        ("1 # one", 1),
    ],
)
def test_a_value_is_written_as_in_toml_and_anything_else_is_a_text(text: str, value: object) -> None:
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


@pytest.mark.parametrize("text", ["[[[[", "[1, ", "[" * 5000 + "]" * 5000, "9" * 5000])
def test_what_can_only_be_a_mistake_is_told_as_one(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        value_of(text)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((f"speed={10**400}",), "at most 64 bits"),
        (("speed=[1979-05-27]",), "numbers only"),
        (("speed=[[1]]",), "numbers only"),
        ((b"speed=\xff",), "UTF-8"),
        ((b"spe\xffed=1",), "tag"),
        (("speed=1", "--key", "k" * 201), "1 to 200 characters"),
        (("speed=1", b"--why", b"\xff"), "why"),
        (("speed",), "TAG=VALUE"),
        (("speed=[[[[",), "no list"),
    ],
)
def test_a_mistake_is_one_of_usage_and_nothing_is_sent(
    gateway: Gateway, words: tuple[str | bytes, ...], told: str
) -> None:
    code, out, error = send(gateway, "press", "speed=7", *words)
    assert (code, out) == (2, "")
    assert told in error
    assert "Traceback" not in error
    assert gateway.child("press")["state"]["commands_waiting"] == 0


def test_a_command_is_done_and_another_value_under_its_key_is_not(gateway: Gateway) -> None:
    assert send(gateway, "press", "speed=7", "--key", "the key")[:2] == (0, "press.speed = 7: done\n")
    assert send(gateway, "press", "speed=7", "--key", "the key")[:2] == (0, "press.speed = 7: done\n")
    code, out, _ = send(gateway, "press", "speed=8", "--key", "the key")
    assert code == 1
    assert "another command's" in out
    assert "must be at most 100" in send(gateway, "press", "speed=101")[1]


def test_whoever_was_stopped_is_not_waited_for(gateway: Gateway) -> None:
    gateway.operate("stop", "press")
    gateway.wait(lambda _: gateway.child("press")["phase"] == "stopped")
    began = time.monotonic()
    code, out, error = send(gateway, "press", "speed=1", "--ttl", "1h")
    gateway.operate("start", "press")
    gateway.wait(lambda _: gateway.child("press")["state"].get("connected"))
    assert (code, out) == (1, "")
    assert "press is stopped: nothing was sent to it; start it: holdfast start press" in error
    assert time.monotonic() - began < WITHIN_S


@pytest.mark.parametrize(
    ("child", "told"),
    [
        ({"phase": "broken", "reason": "ImportError: no moody"}, "it cannot be built: ImportError: no moody"),
        ({"phase": "ended"}, "start it again: holdfast start odd"),
        ({"phase": "stopping", "held": True}, "start it: holdfast start odd"),
    ],
)
def test_whoever_will_not_run_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: dict[str, object], told: str
) -> None:
    status = {"children": [{"name": "odd", "kind": "device", "held": False, "reason": "", **child}]}
    monkeypatch.setattr(control, "ask", lambda run_dir, question: status)
    clock = MachineClock()
    with pytest.raises(HoldfastError, match=f"odd is {child['phase']}: nothing was sent to it; {told}"):
        sending.send(tmp_path, "odd", Command("k", "speed", 1, clock.now() + 3600.0), clock)


@pytest.mark.parametrize("phase", ["quarantined", "restarting", "pending"])
def test_whoever_may_run_again_is_waited_for_until_the_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    asked: list[float] = []
    clock = MachineClock()

    def status(run_dir: Path, question: Status) -> dict[str, object]:
        asked.append(clock.now())
        return {"children": [{"name": "odd", "kind": "device", "held": False, "phase": phase, "reason": ""}]}

    monkeypatch.setattr(control, "ask", status)
    monkeypatch.setattr(sending, "listens", lambda path: path.name == "root.ipc")
    until_s = clock.now() + 0.7
    with pytest.raises(HoldfastError, match=f"odd is {phase} and could not be told in time"):
        sending.send(tmp_path, "odd", Command("k", "speed", 1, until_s), clock)
    assert clock.now() >= until_s
    assert len(asked) > 1


def test_whoever_is_started_again_is_waited_for_as_long_as_the_command_lives(gateway: Gateway) -> None:
    first = gateway.child("fan")["pid"]
    os.kill(first, signal.SIGKILL)  # the first restart is immediate
    gateway.wait(lambda _: gateway.child("fan")["pid"] not in (first, None))
    os.kill(gateway.child("fan")["pid"], signal.SIGKILL)
    gateway.wait(lambda _: gateway.child("fan")["phase"] == "restarting")
    code, _, error = send(gateway, "fan", "speed=1", "--ttl", "100ms")
    assert code == 1
    assert "fan is restarting and could not be told in time: nothing was sent to it" in error
    assert send(gateway, "fan", "speed=2", "--ttl", "25s")[:2] == (0, "fan.speed = 2: done\n")
