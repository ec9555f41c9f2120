"""A program's life as its actor tells it: ready at the right moment, heard in the log, and no end of it is silent."""

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from pykka import ActorRef

from actors.actor import Fate, Place
from actors.program import Program, Work
from tests.peers.mosquitto import free_port
from tests.supervisors.family import gone
from tests.transports.desk import WITHIN_S, Desk
from transports.clock import MachineClock
from transports.errors import HoldfastError, SettingsError
from transports.mailbox import Leave
from transports.messages import Beat, Ready
from transports.names import ROOT

UP = {"ready": {"line": "up"}}
PYTHON = [sys.executable, "-I", "-S", "-u", "-c"]


class Stage:
    """A root that listens, and one program's actor in a thread of this process; it ends with the test."""

    def __init__(self) -> None:
        self.run_dir = Path(tempfile.mkdtemp(prefix="hf-"))
        self.root = Desk(self.run_dir, ROOT)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.fate = Fate()
        self.actor: ActorRef[Program] | None = None

    def start(self, *command: str, **settings: Any) -> None:
        place = Place("press", self.run_dir, MachineClock(), self.context, 7, 1, heartbeat_s=0.02)
        table = {"settings": {"command": list(command), **settings}}
        self.actor = Program.start(place, self.fate, Work(**table))

    @property
    def is_ready(self) -> bool:
        return any(isinstance(message, Ready) for message in self.root.messages)

    def until_ready(self) -> None:
        self.root.until(lambda: self.is_ready or self.fate.over.is_set())
        assert self.is_ready, f"it died: {self.fate.error!r}"

    def state(self) -> dict[str, Any]:
        """What its next sign of life tells."""
        self.root.letters.clear()
        self.root.until(lambda: any(isinstance(message, Beat) for message in self.root.messages))
        beat = next(message for message in self.root.messages if isinstance(message, Beat))
        return dict(beat.state)

    def until_state(self, **wanted: Any) -> dict[str, Any]:
        """What it tells, once it tells this."""
        while not (state := self.state()).items() >= wanted.items():
            assert not self.fate.over.is_set(), f"it died: {self.fate.error!r}"
        return state

    def until_over(self) -> str:
        """The error that it died of, or "" when its end was an orderly one."""
        self.root.until(self.fate.over.is_set)
        return f"{self.fate.error}" if self.fate.error else ""

    def leave(self) -> str:
        assert self.actor is not None
        self.actor.tell(Leave())
        return self.until_over()

    def close(self) -> None:
        if self.actor is not None and self.actor.is_alive():
            self.actor.stop()
        self.context.destroy(linger=0)
        self.root.__exit__(None, None, None)
        shutil.rmtree(self.run_dir, ignore_errors=True)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def printed(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the log has of it."""
    caplog.set_level(logging.INFO, "holdfast.program")
    return caplog


def lines(printed: pytest.LogCaptureFixture) -> list[str]:
    """In order, what it and its actor said."""
    return [record.getMessage() for record in list(printed.records) if record.name == "holdfast.program"]


# --- ready ----------------------------------------------------------------------------------------------------------


def test_a_broker_is_ready_when_it_takes_connections_and_ends_when_it_is_asked_to(stage: Stage, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    stage.start("mosquitto", "-c", str(config), ready={"port": port})
    stage.until_ready()
    with socket.create_connection(("127.0.0.1", port), WITHIN_S):
        pid = stage.state()["program_pid"]
    assert stage.leave() == ""
    assert gone([pid])


def test_a_stranger_on_its_port_is_not_taken_for_it(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        stage.start("/bin/sleep", "3600", ready={"port": port})
        assert f"program.press.ready.port = '127.0.0.1:{port}': another program listens there" in stage.until_over()
    assert not stage.is_ready


def test_a_port_that_nobody_opens_keeps_it_waiting_and_its_end_names_it(stage: Stage) -> None:
    port = free_port()
    stage.start("/bin/sh", "-c", "sleep 0.2; exit 1", ready={"port": port})
    assert stage.until_over() == (
        f"press: exit code 1 before it was ready: it did not take connections on 127.0.0.1:{port}"
    )


def test_a_name_with_two_addresses_is_tried_at_both(stage: Stage) -> None:
    script = (
        "import socket,time\ns=socket.socket()\ns.bind(('127.0.0.1',{}))\ns.listen()\nprint('there')\ntime.sleep(3600)"
    )
    port = free_port()
    stage.start(*PYTHON, script.format(port), ready={"port": f"localhost:{port}"})
    stage.until_ready()


def test_it_is_not_ready_before_it_says_so(stage: Stage, tmp_path: Path, printed: pytest.LogCaptureFixture) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    script = f'echo "not yet ready"; read x <{go}; echo "all is ready"; sleep 3600'
    stage.start("/bin/sh", "-c", script, ready={"line": "is ready$"})
    stage.root.until(lambda: "not yet ready" in lines(printed))
    assert not stage.is_ready
    go.write_text("go\n")
    stage.until_ready()
    assert lines(printed)[1:] == ["not yet ready", "all is ready"]


def test_a_file_of_an_earlier_run_says_nothing_and_one_of_this_run_does(stage: Stage, tmp_path: Path) -> None:
    go, pid_file = tmp_path / "go", tmp_path / "program.pid"
    os.mkfifo(go)
    pid_file.write_text("1\n")
    script = f"sleep 0.2; read x <{go}; echo $$ >program.pid; sleep 3600"
    stage.start("/bin/sh", "-c", script, directory=str(tmp_path), ready={"file": "program.pid"})
    stage.root.until(lambda: stage.actor is not None)
    with go.open("w") as told:  # returns when the program listens, long after the first looks
        assert not stage.is_ready
        told.write("go\n")
    stage.until_ready()
    assert int(pid_file.read_text()) == stage.state()["program_pid"]


def test_without_a_sign_of_its_own_it_is_ready_when_it_has_run_for_a_while(stage: Stage) -> None:
    began = stage.root.clock.now()
    stage.start("/bin/sleep", "3600", settle="100ms")
    stage.until_ready()
    assert stage.root.clock.now() - began >= 0.1


# --- what it prints -------------------------------------------------------------------------------------------------


def test_its_output_and_its_errors_are_in_the_log_line_by_line(stage: Stage, printed: pytest.LogCaptureFixture) -> None:
    script = r"printf 'out\nerr \033[31m\377\n' >&2; printf 'half '; sleep 0.05; printf 'a line\nno end'"
    stage.start("/bin/sh", "-c", script)
    assert stage.until_over() == ""
    assert lines(printed)[1:5] == ["out", "err \\x1b[31m\\xff", "half a line", "no end"]


def test_a_flood_is_read_to_the_end_and_told_as_a_number(stage: Stage, printed: pytest.LogCaptureFixture) -> None:
    count = 2_000_000
    stage.start("/bin/sh", "-c", f"yes 'the same again' | head -n {count}; echo the end >&2; exit 9")
    assert stage.until_over() == "press: exit code 9; it printed last: the end"
    logged = sum(line in ("the same again", "the end") for line in lines(printed))
    left_out = [int(line.split()[0]) for line in lines(printed) if "are left out" in line]
    assert logged + sum(left_out) == count + 1
    assert logged < count / 10


def test_a_line_without_an_end_takes_no_memory(stage: Stage, printed: pytest.LogCaptureFixture) -> None:
    stage.start("/bin/sh", "-c", "head -c 30000000 /dev/zero | tr '\\0' x; sleep 0.01; echo; exit 1")
    assert "xxx" in stage.until_over()
    long = [line for line in lines(printed) if line.startswith("xxx")]
    assert [len(line) for line in long] == [4096 + len(" [and 29995904 bytes]")]


def test_one_that_closes_its_output_lives_on(stage: Stage) -> None:
    stage.start("/bin/sh", "-c", "exec >/dev/null 2>&1; exec sleep 3600", settle="50ms")
    stage.until_ready()
    before = stage.state()
    assert before["processes"] == 1
    assert stage.leave() == ""


# --- its end --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "settings", "error"),
    [
        ("echo one; echo two; exit 3", {}, "press: exit code 3; it printed last: two"),
        ("kill -SEGV $$", {}, "press: killed by SIGSEGV"),
        ("exit 1", UP, "press: exit code 1 before it was ready: it did not print a line with 'up'"),
        ("exit 0", UP, "press: exit code 0 before it was ready: it did not print a line with 'up'"),
        (
            "setsid sleep 3600 & sleep 0.05; exit 0",
            {},
            "press: exit code 0; 1 of its processes ran on in the background and were ended: "
            "it must stay in the foreground",
        ),
    ],
)
def test_an_end_that_is_no_success_is_its_death_with_its_reason(
    stage: Stage, script: str, settings: dict[str, Any], error: str
) -> None:
    stage.start("/bin/sh", "-c", script, **settings)
    assert stage.until_over() == error
    assert isinstance(stage.fate.error, HoldfastError)
    assert not stage.is_ready


def test_a_death_after_it_was_ready_is_told_alike(stage: Stage) -> None:
    stage.start("/bin/sh", "-c", "echo up; exec sleep 3600", ready={"line": "up"})
    stage.until_ready()
    os.kill(stage.state()["program_pid"], signal.SIGKILL)
    assert stage.until_over() == "press: killed by SIGKILL; it printed last: up"


@pytest.mark.parametrize("settings", [{}, {"ready": {"line": "up"}}])
def test_one_that_has_done_its_work_was_ready_and_ends_in_order(stage: Stage, settings: dict[str, Any]) -> None:
    stage.start("/bin/sh", "-c", "echo up; exit 0", **settings)
    assert stage.until_over() == ""
    stage.root.until(lambda: stage.is_ready)


def test_the_stop_signal_is_the_one_that_was_chosen(stage: Stage, printed: pytest.LogCaptureFixture) -> None:
    script = "trap 'echo asked; exit 5' USR1; echo up; while :; do sleep 0.01; done"
    stage.start("/bin/sh", "-c", script, ready={"line": "up"}, stop_signal="SIGUSR1")
    stage.until_ready()
    assert stage.leave() == "", "what it answers to an order is no death"
    assert "asked" in lines(printed)


def test_asked_to_leave_before_it_is_ready_it_leaves(stage: Stage) -> None:
    stage.start("/bin/sleep", "3600", ready={"line": "never"})
    assert stage.leave() == ""
    assert not stage.is_ready


def test_a_keeper_that_is_killed_is_the_death_of_both(stage: Stage) -> None:
    import psutil

    stage.start("/bin/sleep", "3600", settle=0)
    stage.until_ready()
    pid = stage.until_state(processes=1)["program_pid"]
    keeper = psutil.Process(pid).parent()
    assert keeper is not None
    keeper.kill()
    assert "the keeper of the program was killed" in stage.until_over()
    assert gone([pid])


@pytest.mark.parametrize(
    ("command", "settings", "text"),
    [
        ("no-such-program", {}, "program.press.command = 'no-such-program': there is no such program in /"),
        ("/etc/passwd", {}, "program.press.command = ['/etc/passwd']: cannot be executed: Permission denied"),
        ("/bin/true", {"directory": "/no/place"}, "program.press.directory = '/no/place': cannot be entered: No such"),
        ("/bin/true", {"user": "no-such-user"}, "program.press.user = 'no-such-user': is no user of this machine"),
        ("/bin/true", {"ready": {}}, "program.press.ready = {}: must say exactly one of port, file and line"),
    ],
)
def test_what_cannot_be_started_is_a_mistake_in_its_settings_with_a_cure(
    stage: Stage, command: str, settings: dict[str, Any], text: str
) -> None:
    try:
        stage.start(command, **settings)
        error: BaseException | str | None = stage.until_over() and stage.fate.error
    except SettingsError as wrong:  # seen before there is an actor
        error = wrong
    assert isinstance(error, SettingsError)
    assert text in str(error)


# --- what is told of it ---------------------------------------------------------------------------------------------


def test_its_signs_of_life_tell_of_the_program(stage: Stage) -> None:
    stage.start("/bin/sh", "-c", "echo one; echo two; sleep 3600 & wait", settle=0)
    stage.until_ready()
    state = stage.until_state(lines=2, processes=2)
    assert state["rss_bytes"] > 100_000
    assert state["left_out"] == 0
    assert state["program_pid"] > 0
