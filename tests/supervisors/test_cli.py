"""The command `holdfast` as an operator types it, against a real gateway in processes of its own."""

import json
import multiprocessing
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from supervisors.configuration.config import load
from supervisors.face.probe import probe
from tests.peers.gateway import Gateway
from tests.peers.lifeline import die_with_parent
from transports.errors import HoldfastError

WITHIN_S = 20.0

CONFIG = """
[gateway]
name = "line"
[supervision]
heartbeat = "100ms"
[device.press-1]
driver = "sim"
period = "50ms"
tags = {{ level = {{ wave = "sine", unit = "mm" }}, count = {{ wave = "counter" }} }}
[device.press-2]
driver = "sim"
period = "50ms"
faults = "{faults}"
tags = {{ on = {{ wave = "constant", type = "bool" }} }}
[uplink.local]
type = "file"
path = "{output}"
"""


def config(directory: Path) -> str:
    return CONFIG.format(faults=directory / "faults", output=directory / "out.ndjson")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("line")
    with Gateway(directory, config(directory)) as running:
        running.wait(lambda status: all(child["state"] for child in status["children"]))
        yield running


@contextmanager
def started(*arguments: str, stdout: int = subprocess.PIPE, **environment: str) -> "Iterator[subprocess.Popen[str]]":
    """`holdfast ARGUMENTS`, ended with the test."""
    parent = os.getpid()
    with subprocess.Popen(
        [sys.executable, "-m", "supervisors.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1", **environment},
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(parent),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def holdfast(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of one command."""
    with started(*arguments, **environment) as process:
        out, err = process.communicate(timeout=WITHIN_S)
    return process.returncode, out, err


def asked(gateway: Gateway, *arguments: str) -> tuple[int, str, str]:
    return holdfast(*arguments, "--run-dir", str(gateway.run_dir))


def is_one_line(text: str) -> bool:
    return len(text.splitlines()) == 1


# --- looking --------------------------------------------------------------------------------------------------------


def test_status_shows_every_child_with_what_it_does(gateway: Gateway) -> None:
    code, out, err = asked(gateway, "status")
    lines = {line.split()[0]: line for line in out.splitlines() if line.split()}
    assert (code, err) == (0, "")
    assert lines.keys() >= {"spooler", "local", "press-1", "press-2"}
    assert re.search(r"device +running +\d+ .* connected, [\d,]+ readings", lines["press-1"])
    assert re.search(r"uplink +running +\d+ .* connected, [\d,]+ messages, [\d,]+ samples, ", lines["local"])
    assert re.search(r"spooler +running +\d+ .* appended, waiting: local \d+, ", lines["spooler"])


def test_status_as_json_is_the_whole_tree_as_the_root_tells_it(gateway: Gateway) -> None:
    code, out, _ = asked(gateway, "status", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["gateway"], told["pid"]) == ("line", gateway.pid)
    assert [child["name"] for child in told["children"]] == ["spooler", "local", "press-1", "press-2"]


def test_status_finds_the_run_directory_in_the_environment(gateway: Gateway) -> None:
    code, out, _ = holdfast("status", HOLDFAST_RUN_DIR=str(gateway.run_dir))
    assert (code, "gateway line" in out) == (0, True)


def test_status_says_in_full_why_a_device_is_not_well(gateway: Gateway, request: pytest.FixtureRequest) -> None:
    faults = gateway.config.parent / "faults"
    request.addfinalizer(lambda: faults.unlink(missing_ok=True))
    faults.write_text("down")
    gateway.wait(lambda _: gateway.child("press-2")["state"]["last_error"])
    code, out, _ = asked(gateway, "status")
    assert code == 0
    assert re.search(r"^press-2: not connected: simulated: ", out, re.MULTILINE)
    faults.unlink()
    gateway.wait(lambda _: gateway.child("press-2")["state"]["connected"])


def test_status_needs_little_beside_the_answer() -> None:
    """What makes a command slow to start is loaded by the verbs that need it only."""
    heavy = (
        "numpy",
        "rich",
        "pykka",
        "psutil",
        "actors",
        "paho",
        "supervisors.configuration.config",
        "httpx",
        "asyncio",
    )
    seen = "import sys, supervisors.cli; print([m for m in sys.modules if m in sys.argv[1:]])"
    result = subprocess.run([sys.executable, "-c", seen, *heavy], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_tail_shows_live_values_with_their_units(gateway: Gateway) -> None:
    with started("tail", "press-1", "--run-dir", str(gateway.run_dir)) as tail:
        assert tail.stdout is not None
        lines = [tail.stdout.readline() for _ in range(3)]
        tail.send_signal(signal.SIGINT)
        _, err = tail.communicate(timeout=WITHIN_S)
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d press-1 level=-?[\d.e-]+ mm, count=(\d+)\n"
    matches = [re.fullmatch(form, line) for line in lines]
    counts = [int(match[1]) for match in matches if match]
    assert counts == list(range(counts[0], counts[0] + 3))
    assert (tail.returncode, err) == (0, "")


def test_tail_as_json_is_one_object_a_scan_and_tells_of_a_new_process(gateway: Gateway) -> None:
    with started("tail", "press-1", "--json", "--run-dir", str(gateway.run_dir)) as tail:
        assert tail.stdout is not None
        first = json.loads(tail.stdout.readline())
        assert asked(gateway, "restart", "press-1")[0] == 0
        scans = (json.loads(line) for line in tail.stdout)
        restarted = next(scan for scan in scans if scan["restarted"])
        after = next(scans)
        tail.send_signal(signal.SIGINT)
        tail.communicate(timeout=WITHIN_S)
    assert [each["tag"] for each in first["readings"]] == ["level", "count"]
    assert first["readings"][0]["unit"] == "mm"
    assert (first["device"], first["restarted"]) == ("press-1", False)
    assert restarted["time"] > first["time"]
    assert not after["restarted"]
    assert tail.returncode == 0


def test_tail_ends_quietly_when_its_reader_is_gone(gateway: Gateway) -> None:
    with started("tail", "--run-dir", str(gateway.run_dir)) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline()
        tail.stdout.close()
        assert tail.wait(WITHIN_S) == 0
        assert tail.stderr is not None
        assert tail.stderr.read() == ""


def test_tail_of_a_silent_device_ends_when_its_reader_is_gone(gateway: Gateway, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: asked(gateway, "start", "press-2"))
    assert asked(gateway, "stop", "press-2")[0] == 0
    gateway.wait(lambda _: gateway.child("press-2")["phase"] == "stopped")
    with started("tail", "press-2", "--run-dir", str(gateway.run_dir)) as tail:
        assert tail.stdout is not None
        tail.stdout.close()
        assert tail.wait(WITHIN_S) == 0


def test_watch_sees_the_gateway_go_and_come_back_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with Gateway(tmp_path, config(tmp_path)) as own, watching(own) as (watch, screen):
        read_until(screen, rb"gateway line \(pid \d+\).*press-2")
        assert own.stop() == 0
        read_until(screen, rb"no gateway runs in .*trying again")
        own.start()
        read_until(screen, rb"gateway line \(pid %d\)" % own.pid)
        watch.send_signal(signal.SIGINT)
        assert watch.wait(WITHIN_S) == 0


@contextmanager
def watching(gateway: Gateway) -> "Iterator[tuple[subprocess.Popen[str], int]]":
    """`holdfast status --watch` on a terminal: the process, and the terminal's other end."""
    ours, theirs = pty.openpty()
    try:
        arguments = ("status", "--watch", "--run-dir", str(gateway.run_dir))
        with started(*arguments, stdout=theirs, TERM="xterm", COLUMNS="160", LINES="40") as watch:
            yield watch, ours
    finally:
        os.close(ours)
        os.close(theirs)


def read_until(terminal: int, pattern: bytes) -> None:
    seen, deadline = b"", time.monotonic() + WITHIN_S
    while not re.search(pattern, seen, re.DOTALL):
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, seen[-3000:]
        seen += os.read(terminal, 65_536)


# --- operating ------------------------------------------------------------------------------------------------------


def test_restart_makes_a_new_process_of_the_same_name(gateway: Gateway) -> None:
    before = gateway.child("press-1")["pid"]
    code, out, _ = asked(gateway, "restart", "press-1")
    assert code == 0
    assert out.startswith("press-1: ")
    gateway.wait(lambda _: gateway.child("press-1")["pid"] not in (before, None))
    gateway.wait(lambda _: gateway.child("press-1")["phase"] == "running")


def test_what_is_stopped_stays_stopped_across_a_restart_of_the_gateway_until_start(tmp_path: Path) -> None:
    with Gateway(tmp_path, config(tmp_path)) as own:
        assert asked(own, "stop", "press-2")[0] == 0
        own.wait(lambda _: own.child("press-2")["phase"] == "stopped")
        assert own.stop() == 0
        own.start()
        assert own.child("press-2")["phase"] == "stopped"
        assert "holdfast start press-2 lets it run" in asked(own, "status")[1]
        assert asked(own, "start", "press-2")[0] == 0
        own.wait(lambda _: own.child("press-2")["phase"] == "running")


@pytest.mark.parametrize("verb", ["restart", "stop", "start", "tail"])
def test_a_misspelt_name_is_answered_with_the_nearest(gateway: Gateway, verb: str) -> None:
    code, out, err = asked(gateway, verb, "pres-1")
    assert (code, out) == (1, "")
    assert "'pres-1'; did you mean 'press-1'?" in err
    assert is_one_line(err)


@pytest.mark.parametrize("words", [("status",), ("status", "--json"), ("stop", "press-1"), ("tail",)])
def test_without_a_gateway_the_exit_code_is_three(tmp_path: Path, words: tuple[str, ...]) -> None:
    code, out, err = holdfast(*words, "--run-dir", str(tmp_path))
    assert (code, out) == (3, "")
    assert f"no gateway runs in {tmp_path}" in err
    assert is_one_line(err)


def test_a_second_run_on_the_same_run_directory_is_refused_with_the_pid_of_the_first(
    gateway: Gateway, tmp_path: Path
) -> None:
    words = ("run", str(gateway.config), "--run-dir", str(gateway.run_dir), "--data-dir", str(tmp_path / "other"))
    code, _, err = holdfast(*words)
    assert code == 1
    assert f"running process {gateway.pid};" in err
    assert is_one_line(err)
    assert asked(gateway, "status")[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("statsu",), "did you mean 'status'"),
        (("stop",), "missing argument 'name'"),
        (("status", "--jsn"), "--json"),
        (("status", "--json", "--watch"), "choose one of"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_two(words: tuple[str, ...], said: str) -> None:
    code, out, err = holdfast(*words)
    assert (code, out) == (2, "")
    assert said in err.lower()
    assert is_one_line(err)


def test_holdfast_alone_lists_its_verbs_without_colours() -> None:
    code, out, err = holdfast()
    assert code == 2
    assert "Traceback" not in err
    assert "\x1b" not in out + err
    assert "restart" in out + err


# --- commissioning --------------------------------------------------------------------------------------------------


def test_drivers_lists_all_and_explains_one_with_every_setting() -> None:
    code, out, _ = holdfast("drivers")
    assert code == 0
    assert re.search(r"^sim +A slow sine", out, re.MULTILINE)
    code, out, _ = holdfast("drivers", "modbus")
    assert code == 0
    assert re.search(r"^tags +required .*what to read", out, re.MULTILINE)
    assert re.search(r"^period +\"1s\" ", out, re.MULTILINE)
    assert "holdfast[modbus]" in out


def test_drivers_as_json_has_every_key_of_a_driver() -> None:
    assert {"sim", "modbus"} <= {each["name"] for each in json.loads(holdfast("drivers", "--json")[1])}
    page = json.loads(holdfast("drivers", "sim", "--json")[1])
    assert {"tags", "batch"} <= {field["key"] for field in page["fields"]}


def test_an_unknown_driver_is_answered_with_the_nearest() -> None:
    code, _, err = holdfast("drivers", "modbsu")
    assert (code, is_one_line(err)) == (1, True)
    assert "did you mean 'modbus'?" in err


def test_probe_reads_a_device_once_without_a_gateway(tmp_path: Path) -> None:
    file = written(tmp_path, config(tmp_path))
    code, out, _ = holdfast("probe", str(file), "press-1")
    assert code == 0
    assert re.search(r"^level +-?[\d.e-]+ +mm +float64 +Good +\d{4}-", out, re.MULTILINE)
    code, out, _ = holdfast("probe", str(file), "press-1", "--json")
    told: dict[str, Any] = json.loads(out)
    assert code == 0
    assert [(each["tag"], each["quality"]) for each in told["readings"]] == [("level", 0), ("count", 0)]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("down", "device.press-2: simulated: "),
        ("timeout", "device.press-2: simulated: no answer"),
        ("silence", "device.press-2: connected, but the device said nothing"),
        ("garbage", "the driver must return a value for every tag"),
        ("crash", "the driver 'sim' failed: exit code 1, its traceback is above"),
        ("segfault", "the driver 'sim' failed: killed by SIGSEGV"),
    ],
)
def test_probe_says_why_there_is_nothing(tmp_path: Path, fault: str, said: str) -> None:
    file = written(tmp_path, config(tmp_path))
    (tmp_path / "faults").write_text(fault)
    code, out, err = holdfast("probe", str(file), "press-2")
    assert (code, out) == (1, "")
    assert said in err.splitlines()[-1]


def test_probe_does_not_wait_for_ever_for_a_driver_that_blocks(tmp_path: Path) -> None:
    file = written(tmp_path, config(tmp_path))
    (tmp_path / "faults").write_text("hang")
    with pytest.raises(HoldfastError, match=r"did not return within 0\.3 s"):
        probe(load(file), "press-2", as_json=False, deadline_s=0.3)
    assert multiprocessing.active_children() == []


def test_probe_of_an_unknown_or_disabled_device_says_so(tmp_path: Path) -> None:
    file = written(tmp_path, config(tmp_path).replace("[device.press-2]\n", "[device.press-2]\nenabled = false\n"))
    assert "did you mean 'press-1'?" in holdfast("probe", str(file), "pres-1")[2]
    code, _, err = holdfast("probe", str(file), "press-2")
    assert (code, "is disabled" in err) == (1, True)


def test_check_names_every_mistake_on_a_line_of_its_own(tmp_path: Path) -> None:
    text = config(tmp_path).replace("50ms", "fast").replace('type = "file"', 'type = "fiel"')
    code, out, err = holdfast("check", str(written(tmp_path, text)))
    lines = err.splitlines()
    assert (code, out) == (2, "")
    assert [line.split(":")[2].split(" = ")[0].strip() for line in lines] == [
        "device.press-1.period",
        "device.press-2.period",
        "uplink.local.type",
    ]


def test_what_init_writes_is_good_and_runs(tmp_path: Path) -> None:
    file = tmp_path / "shop-floor.toml"
    assert holdfast("init", str(file))[0] == 0
    code, out, err = holdfast("check", str(file))
    assert (code, err) == (0, "")
    assert "gateway shop-floor" in out
    with Gateway(tmp_path, file.read_text()) as own:
        own.wait(lambda _: own.child("local")["state"].get("samples", 0) > 0)
        assert own.stop() == 0


def test_init_never_replaces_a_file_unasked(tmp_path: Path) -> None:
    file = written(tmp_path, "# mine\n")
    code, _, err = holdfast("init", str(file))
    assert (code, is_one_line(err), file.read_text()) == (1, True, "# mine\n")
    assert holdfast("init", str(file), "--force")[0] == 0
    assert file.read_text() != "# mine\n"
    code, _, err = holdfast("init", str(tmp_path / "no" / "where.toml"))
    assert (code, is_one_line(err)) == (1, True)


def written(directory: Path, text: str) -> Path:
    file = directory / "line.toml"
    file.write_text(text)
    return file
