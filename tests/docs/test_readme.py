"""README.md: its commands are run, in its order, as a newcomer would type them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, blocks, commands
from tests.peers.lifeline import die_with_parent
from transports import catalog

BIN = Path(sys.executable).parent
_, OWN_GATEWAY, OPERATION = blocks("README.md", "sh")
WITHIN_S = 60.0


class Newcomer:
    """Types commands in an empty directory, with a home of their own; what still runs at the end is ended."""

    def __init__(self, home: Path) -> None:
        self._home = home
        places = {"XDG_STATE_HOME": str(home / "state"), "XDG_RUNTIME_DIR": str(home)}
        here = {"HOLDFAST_RUN_DIR": str(home / "holdfast" / "gateway")}  # not one that this machine may run besides
        self._environment = {**os.environ, **places, **here, "PATH": f"{BIN}:{os.environ['PATH']}"}
        self._running: list[subprocess.Popen[str]] = []

    def types(self, words: Sequence[str]) -> str:
        """What the command prints; it must succeed."""
        done = subprocess.run(
            words, cwd=self._home, env=self._environment, capture_output=True, text=True, timeout=WITHIN_S
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def begins(self, words: Sequence[str]) -> "subprocess.Popen[str]":
        """A command that runs until it is told to end."""
        running = subprocess.Popen(
            words,
            cwd=self._home,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        self._running.append(running)
        return running

    def leaves(self) -> None:
        for running in self._running:
            running.kill()
            running.wait()


@pytest.fixture
def newcomer() -> Iterator[Newcomer]:
    home = Path(tempfile.mkdtemp(prefix="hf-"))  # short: a socket's path has 107 bytes
    person = Newcomer(home)
    yield person
    person.leaves()
    shutil.rmtree(home, ignore_errors=True)


def said(running: "subprocess.Popen[str]", word: str) -> str:
    """The first line with that word; pytest's time-out ends the wait for one that never comes."""
    assert running.stdout is not None
    seen = []
    for line in running.stdout:
        seen.append(line)
        if word in line:
            return line
    raise AssertionError(f"ended without {word!r}: {''.join(seen)}")


def test_the_commands_of_the_readme_work_in_its_order(newcomer: Newcomer) -> None:
    activate, *before, run = commands(OWN_GATEWAY)
    assert activate == [".", ".venv/bin/activate"]
    for words in before:
        newcomer.types(words)
    gateway = newcomer.begins(run)
    said(gateway, "sine is running")
    for words in commands(OPERATION):
        if words[1] == "tail":
            tail = newcomer.begins(words)
            assert "level=" in said(tail, "sine")
            tail.send_signal(signal.SIGINT)
            assert tail.wait(WITHIN_S) == 0
        else:
            assert newcomer.types(words)
    gateway.send_signal(signal.SIGTERM)
    said(gateway, "has stopped")
    assert gateway.wait(WITHIN_S) == 0


def test_the_drivers_that_the_readme_names_are_those_there_are() -> None:
    named = PAGES["README.md"].partition("lists the device drivers (")[2].partition(")")[0]
    assert sorted(named.replace("`", "").replace("\n", " ").split(", ")) == catalog.names(catalog.LINKS)
