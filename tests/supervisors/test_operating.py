"""restart, stop, start, level, status and top, as an operator types them, against a real gateway with a supervisor."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.peers.gateway import Gateway
from tests.peers.lifeline import die_with_parent

WITHIN_S = 20.0
CONFIG = """
[gateway]
name = "line"
[supervision]
heartbeat = "100ms"
[supervisor.hall]
children = ["press-*"]
[device.press-1]
driver = "sim"
period = "50ms"
tags = { level = { wave = "sine" } }
[device.press-2]
driver = "sim"
period = "50ms"
tags = { level = { wave = "sine" } }
[device.mixer]
driver = "sim"
period = "50ms"
tags = { level = { wave = "sine" } }
[uplink.local]
type = "file"
path = "out.ndjson"
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("line")
    with Gateway(directory, CONFIG.replace("out.ndjson", str(directory / "out.ndjson"))) as running:
        running.wait(lambda status: all(child["state"] for child in processes(status)))
        yield running


@pytest.fixture(autouse=True)
def all_run(gateway: Gateway) -> Iterator[None]:
    """Whatever a test does, the next one finds everybody running."""
    yield
    asked(gateway, "start", "hall", "--subtree")
    asked(gateway, "start", "*")
    gateway.wait(lambda status: all(child["phase"] == "running" for child in status["children"]))


def processes(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [child for child in status["children"] if child["kind"] != "supervisor"]


def arguments(*words: str) -> list[str]:
    return [sys.executable, "-m", "supervisors.cli", *words]


def asked(gateway: Gateway, *words: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    done = subprocess.run(
        arguments(*words, "--run-dir", str(gateway.run_dir)),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "NO_COLOR": "1", **environment},
    )
    return done.returncode, done.stdout, done.stderr


def pids(gateway: Gateway) -> dict[str, int]:
    return {child["name"]: child["pid"] for child in processes(gateway.status())}


def names(printed: str) -> list[str]:
    return [line.partition(":")[0] for line in printed.splitlines()]


# --- restart, stop, start --------------------------------------------------------------------------------------------


def test_a_pattern_restarts_whoever_matches_and_nobody_else(gateway: Gateway) -> None:
    before = pids(gateway)
    code, out, err = asked(gateway, "restart", "press-*", "--why", "a new gasket")
    assert (code, err, names(out)) == (0, "", ["press-1", "press-2"])
    renewed = {"press-1", "press-2"}
    gateway.wait(lambda _: all(pids(gateway)[name] not in (None, before[name]) for name in renewed))
    assert {name: pid for name, pid in pids(gateway).items() if name not in renewed} == {
        name: pid for name, pid in before.items() if name not in renewed
    }


def test_a_supervisor_is_meant_only_with_subtree_and_then_with_all_below_it(gateway: Gateway) -> None:
    code, out, err = asked(gateway, "stop", "hall")
    assert (code, out) == (1, "")
    assert "--subtree" in err
    code, out, _ = asked(gateway, "stop", "hall", "--subtree")
    assert (code, names(out)) == (0, ["hall"])
    gateway.wait(lambda _: gateway.child("hall")["phase"] == "stopped")
    assert [gateway.child(name)["pid"] for name in ("press-1", "press-2", "mixer")][:2] == [None, None]
    code, _, _ = asked(gateway, "start", "hall", "--subtree")
    assert code == 0
    gateway.wait(lambda _: gateway.child("press-2")["phase"] == "running")


def test_who_asked_and_why_is_on_record_also_under_sudo(gateway: Gateway) -> None:
    assert asked(gateway, "stop", "mixer", "--why", "the motor smells", SUDO_USER="anna")[0] == 0
    lines = (gateway.data_dir / "audit.ndjson").read_text().splitlines()
    deed = next(told for line in reversed(lines) if (told := json.loads(line))["verb"] == "stop")
    assert (deed["names"], deed["why"]) == (["mixer"], "the motor smells")
    assert deed["who"].startswith(f"uid {os.getuid()}")
    assert deed["who"].endswith(" for anna")


def test_as_json_the_answer_is_the_root_s(gateway: Gateway) -> None:
    code, out, _ = asked(gateway, "restart", "mixer", "--json")
    assert (code, list(json.loads(out)["results"])) == (0, ["mixer"])
    code, out, err = asked(gateway, "restart", "mixxer", "--json")
    assert code == 1
    assert "did you mean 'mixer'?" in json.loads(out)["error"]
    assert "did you mean 'mixer'?" in err


@pytest.mark.parametrize("verb", ["restart", "stop", "start"])
def test_a_name_that_nobody_has_is_refused_with_the_nearest(gateway: Gateway, verb: str) -> None:
    code, out, err = asked(gateway, verb, "mixxer")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "did you mean 'mixer'?" in err


# --- level -----------------------------------------------------------------------------------------------------------


def test_a_level_is_set_for_whoever_matches_and_any_case_is_understood(gateway: Gateway) -> None:
    code, out, _ = asked(gateway, "level", "press-*", "debug")
    assert (code, names(out)) == (0, ["press-1", "press-2"])
    assert "DEBUG" in out


def test_an_unknown_level_is_a_usage_error(gateway: Gateway) -> None:
    code, out, err = asked(gateway, "level", "mixer", "LOUD")
    assert (code, out) == (2, "")
    assert "LOUD" in err


# --- status and top --------------------------------------------------------------------------------------------------


def test_status_draws_the_tree_and_says_what_each_uses(gateway: Gateway) -> None:
    gateway.wait(lambda status: all(child["rss_bytes"] for child in processes(status)))
    code, out, err = asked(gateway, "status", COLUMNS="200")
    assert (code, err) == (0, "")
    assert re.search(r"^hall +supervisor +running .* one_for_one, 2 of 2 are well *$", out, re.MULTILINE)
    assert re.search(r"^  press-1 +device +running .* \d+M +[\d.]+% .* connected, ", out, re.MULTILINE)
    assert re.search(r"^all use \d+M and [\d.]+% of a core", out, re.MULTILINE)


def test_status_of_some_shows_only_those(gateway: Gateway) -> None:
    code, out, _ = asked(gateway, "status", "hall", "--json")
    assert (code, [child["name"] for child in json.loads(out)["children"]]) == (0, ["hall", "press-1", "press-2"])
    code, out, _ = asked(gateway, "status", "mix*")
    assert code == 0
    assert "mixer" in out
    assert "press-1" not in out
    code, _, err = asked(gateway, "status", "mixxer")
    assert (code, "did you mean 'mixer'?" in err) == (1, True)


def test_top_without_a_terminal_is_one_table_by_name(gateway: Gateway) -> None:
    code, out, err = asked(gateway, "top", "--sort", "name", "-n", "0.5")
    assert (code, err) == (0, "")
    table = out.splitlines()[-5:]
    assert [line.split()[0] for line in table] == ["local", "mixer", "press-1", "press-2", "spooler"]
    assert re.search(r"readings/s, [\d.,]+ messages/s delivered", out)


def test_top_as_json_tells_how_fast_each_works(gateway: Gateway) -> None:
    code, out, _ = asked(gateway, "top", "--json", "-n", "0.5")
    mixer = next(child for child in json.loads(out)["children"] if child["name"] == "mixer")
    assert code == 0
    assert mixer["readings_s"] > 0


def test_top_lives_on_a_terminal_until_q_and_leaves_it_as_it_was(gateway: Gateway) -> None:
    with terminal("top", "-n", "0.2", "--run-dir", str(gateway.run_dir)) as (process, screen):
        read_until(screen, rb"readings/s.*readings/s.*readings/s")
        os.write(screen, b"q")
        read_until(screen, rb"\x1b\[\?1049l")  # the screen that was there before is back
        assert process.wait(WITHIN_S) == 0


def test_watching_ends_with_q(gateway: Gateway) -> None:
    with terminal("status", "--watch", "--run-dir", str(gateway.run_dir)) as (process, screen):
        read_until(screen, rb"press-2")
        os.write(screen, b"q")
        assert process.wait(WITHIN_S) == 0


@contextmanager
def terminal(*words: str) -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
    """A command on a terminal of its own: the process, and the terminal's other end."""
    ours, theirs = pty.openpty()
    parent = os.getpid()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "40"}
    with subprocess.Popen(
        arguments(*words),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(parent),
    ) as process:
        try:
            yield process, ours
        finally:
            process.kill()
            os.close(ours)
            os.close(theirs)


def read_until(screen: int, pattern: bytes) -> None:
    seen, deadline = b"", time.monotonic() + WITHIN_S
    while not re.search(pattern, seen, re.DOTALL):
        ready, _, _ = select.select([screen], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, seen[-3000:]
        seen += os.read(screen, 65_536)
