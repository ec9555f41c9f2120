"""Every command on docs/operation.md is run, in its order, against a gateway with the names that the page uses."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from tests.docs.pages import blocks, commands
from tests.peers.gateway import Gateway

COMMANDS = [words for text in blocks("docs/operation.md", "sh") for words in commands(text)]
# Until Ctrl-C, and what they say before
ENDLESS = {"run": " starts", "tail": "press-1", "receive": "into readings.sqlite"}
WITHIN_S = 60.0
CONFIG = """
[gateway]
name = "operated"
[device.press-1]
driver = "sim"
period = "200ms"
tags = { force = { wave = "sine" }, setpoint = { wave = "constant", writable = true, min = 0, max = 100 } }
[device.press-2]
driver = "sim"
period = "200ms"
tags = { force = { wave = "sine" } }
[rule.relief]
when = "press-1.force > 0"
then = ["press-1.setpoint = 10"]
[device.oven]
driver = "sim"
period = "200ms"
tags = { heat = { wave = "sine" } }
[supervisor.cell-2]
strategy = "rest_for_one"
children = ["oven"]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that has seen a crash."""
    with Gateway(tmp_path_factory.mktemp("operated"), CONFIG) as gateway:
        gateway.wait(lambda status: all(child["phase"] == "running" for child in status["children"]))
        os.kill(gateway.child("press-1")["pid"], signal.SIGKILL)
        gateway.wait(lambda _: [*(gateway.data_dir / "crashes").glob("*.json")])
        gateway.wait(lambda status: all(child["phase"] == "running" for child in status["children"]))
        yield gateway


def begun(gateway: Gateway, words: Sequence[str]) -> "subprocess.Popen[str]":
    arguments = [str(gateway.config) if word == "gateway.toml" else word for word in words[1:]]
    command = [sys.executable, "-u", "-m", "supervisors.cli", *arguments]
    if arguments[0] == "run":
        command += ["--data-dir", str(gateway.home / "data2"), "--run-dir", str(gateway.home / "run2")]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=gateway.home,  # what a command writes is not for the project's own folder
        env={**os.environ, "HOLDFAST_RUN_DIR": str(gateway.run_dir)},
    )


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_the_page_does_what_it_says(gateway: Gateway, words: Sequence[str]) -> None:
    with begun(gateway, words) as command:
        assert command.stdout is not None
        said = ""
        if words[1] in ENDLESS:
            while ENDLESS[words[1]] not in said:
                said += command.stdout.readline() or pytest.fail(said)
            command.send_signal(signal.SIGINT)
        said += command.communicate(timeout=WITHIN_S)[0]
    assert command.returncode == 0, said
    assert said.strip(), "it says something"


def test_the_page_shows_every_verb() -> None:
    from typer.main import get_command

    from supervisors.cli import app

    shown = {words[1] for words in COMMANDS if words[0] == "holdfast"}
    verbs = {name for name, verb in get_command(app).commands.items() if not verb.hidden}  # type: ignore[attr-defined]
    assert verbs - shown == {"drivers", "init", "demo", "browse"}, "those are for whoever configures a gateway"
