"""`holdfast reload` and `holdfast config`, as an operator types them, on a real gateway in processes of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.gateway import Gateway

STRANGERS = Path(__file__).parents[2] / "peers" / "strangers"
CONFIG = """[gateway]
name = "site"
[supervision]
heartbeat = "100ms"
backoff_first = "50ms"
backoff_ceiling = "200ms"
[uplink.local]
type = "file"
path = "{output}"
"""
DEVICE = '[device.{name}]\ndriver = "sim"\nperiod = "{period}"\ntags = {{ level = {{ wave = "counter" }} }}\n'
NAMES = [f"press-{number}" for number in range(12)]
WITHIN_S = 60.0


def config(directory: Path, period: str = "500ms", changed: str = "", names: list[str] | None = None) -> str:
    """Twelve devices; the `changed` one has another period."""
    devices = (
        DEVICE.format(name=name, period="250ms" if name == changed else period)
        for name in (NAMES if names is None else names)
    )
    return CONFIG.format(output=directory / "out.ndjson") + "".join(devices)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """For the tests that change nothing: they all find it as the first one did."""
    directory = tmp_path_factory.mktemp("calm")
    with Gateway(directory, config(directory)) as running:
        running.wait(_all_run)
        yield running


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    mood = tmp_path / "mood"
    mood.write_text("well")
    environment = {
        "MOODY": str(mood),
        "PYTHONPATH": os.pathsep.join([str(STRANGERS), os.environ.get("PYTHONPATH", "")]),
    }
    with Gateway(tmp_path, config(tmp_path), environment) as running:
        running.wait(_all_run)
        yield running


def _all_run(status: dict[str, Any]) -> bool:
    return all(child["phase"] == "running" for child in status["children"])


def holdfast(gateway: Gateway, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    command = [sys.executable, "-m", "supervisors.cli", *arguments, "--run-dir", str(gateway.run_dir)]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        env={**os.environ, "NO_COLOR": "1"},
    )
    return done.returncode, done.stdout, done.stderr


def periods(gateway: Gateway) -> dict[str, int]:
    """What each device's process was started with."""
    import msgpack

    specs = {name: gateway.run_dir / f"{name}.spec" for name in NAMES}
    return {
        name: msgpack.unpackb(path.read_bytes())["table"]["period_s"] for name, path in specs.items() if path.exists()
    }


def test_one_changed_device_of_many_is_the_only_process_that_is_restarted(gateway: Gateway, tmp_path: Path) -> None:
    before = gateway.pids()
    gateway.config.write_text(config(tmp_path, changed="press-7"))
    code, out, err = holdfast(gateway, "reload", "--confirm-within", "2s", "--why", "faster")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == ["changed: press-7", "untouched: 13 children; configuration 2 is tried"]
    assert out.splitlines()[-1] == "confirmed"
    after = gateway.pids()
    assert {name for name in before if before[name] != after[name]} == {"press-7"}
    assert periods(gateway)["press-7"] == 0.25
    code, out, _ = holdfast(gateway, "config", "history", "--json")
    assert [(e["number"], e["outcome"], e["why"], e["in_force"]) for e in json.loads(out)] == [
        (1, "started", "the gateway was started with it", False),
        (2, "confirmed", "faster", True),
    ]


def test_a_device_can_be_added_and_taken_out_while_the_others_go_on(gateway: Gateway, tmp_path: Path) -> None:
    before = gateway.pids()
    gateway.config.write_text(config(tmp_path, names=[*NAMES[1:], "press-12"]))
    assert holdfast(gateway, "reload", "--confirm-within", "2s")[0] == 0
    after = gateway.pids()
    assert before.keys() ^ after.keys() == {"press-0", "press-12"}
    assert all(before[name] == after[name] for name in before.keys() & after.keys())


def test_a_dry_run_shows_the_plan_and_changes_nothing(calm: Gateway) -> None:
    before = calm.pids()
    calm.config.write_text(config(calm.config.parent, changed="press-7", names=NAMES[1:]))
    code, out, err = holdfast(calm, "reload", "--dry-run")
    assert (code, err, out.splitlines()) == (
        0,
        "",
        ["removed: press-0", "changed: press-7", "untouched: 12 children; nothing was done"],
    )
    assert calm.pids() == before


def test_a_broken_file_changes_nothing_and_lists_its_mistakes_as_check_does(calm: Gateway) -> None:
    before = calm.pids()
    calm.config.write_text(config(calm.config.parent, changed="press-7").replace("driver", "drivr"))
    code, out, err = holdfast(calm, "reload")
    checked = subprocess.run(
        [sys.executable, "-m", "supervisors.cli", "check", str(calm.config)], capture_output=True, text=True
    )
    assert (code, out, err) == (2, "", checked.stderr)
    assert len(err.splitlines()) >= len(NAMES)
    assert calm.pids() == before
    assert calm.status()["reload"]["phase"] == "idle"


def test_a_change_that_is_not_well_in_time_is_taken_back_with_its_reason(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "mood").write_text("connect-raise")
    before = gateway.pids()
    gateway.config.write_text(config(tmp_path, changed="press-7") + '[device.guest]\ndriver = "moody"\n')
    code, out, err = holdfast(gateway, "reload", "--confirm-within", "2s")
    assert (code, out.splitlines()[0]) == (1, "changed: press-7")
    assert err.startswith("rolled back: after 2 s guest ")
    after = gateway.wait(_all_run)
    assert {child["name"]: child["pid"] for child in after["children"]}.keys() == {*NAMES, "spooler", "local"}
    assert {name for name, pid in gateway.pids().items() if before[name] != pid} == {"press-7"}
    assert periods(gateway)["press-7"] == 0.5
    assert "was tried and taken back" in after["config"]["passed_over"]


def test_sighup_reloads(gateway: Gateway, tmp_path: Path) -> None:
    before = gateway.pids()
    gateway.config.write_text(config(tmp_path, changed="press-7"))
    os.kill(gateway.pid, signal.SIGHUP)
    gateway.wait(lambda status: status["reload"]["phase"] == "confirming" and _all_run(status))
    after = gateway.pids()
    assert {name for name in before if before[name] != after[name]} == {"press-7"}
    code, out, _ = holdfast(gateway, "config", "history", "--json")
    assert (code, json.loads(out)[-1]["who"]) == (0, "SIGHUP")


@pytest.mark.parametrize("phase", ["reading", "confirming"])
def test_a_root_that_is_killed_in_the_middle_starts_again_with_one_whole_configuration(
    gateway: Gateway, tmp_path: Path, phase: str
) -> None:
    gateway.config.write_text(config(tmp_path, period="250ms", names=NAMES[2:]))
    with subprocess.Popen(
        [sys.executable, "-m", "supervisors.cli", "reload", "--run-dir", str(gateway.run_dir)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as waiting:
        gateway.wait(lambda status: status["reload"]["phase"] == phase)
        gateway.kill()
        assert waiting.wait(WITHIN_S) == 3
    gateway.start()
    status = gateway.wait(_all_run)
    old = phase == "confirming"  # tried and not confirmed; before that it was only a file that was edited
    names = {child["name"] for child in status["children"]} - {"spooler", "local"}
    assert names == (set(NAMES) if old else set(NAMES[2:]))
    assert {periods(gateway)[name] for name in names} == {0.5 if old else 0.25}
    assert bool(status["config"]["passed_over"]) is old


def test_a_rejected_file_is_not_started_by_a_restart_until_it_is_edited(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "mood").write_text("connect-raise")
    text = config(tmp_path) + '[device.guest]\ndriver = "moody"\n'
    gateway.config.write_text(text)
    assert holdfast(gateway, "reload", "--confirm-within", "1s")[0] == 1
    gateway.stop()
    gateway.start()
    assert "guest" not in {child["name"] for child in gateway.status()["children"]}
    assert "was tried as configuration 2 and not confirmed" in gateway.output.read_text()
    gateway.stop()
    gateway.config.write_text(text + "# mended\n")
    gateway.start()
    assert "guest" in {child["name"] for child in gateway.status()["children"]}


def test_an_earlier_configuration_can_be_shown_and_brought_back_for_good(gateway: Gateway, tmp_path: Path) -> None:
    first = gateway.config.read_text()
    gateway.config.write_text(config(tmp_path, changed="press-7"))
    assert holdfast(gateway, "reload", "--confirm-within", "2s")[0] == 0
    assert holdfast(gateway, "config", "show", "1") == (0, first, "")
    code, out, _ = holdfast(gateway, "config", "rollback", "1", "--confirm-within", "2s", "--json")
    told = json.loads(out)
    assert (code, told["outcome"], told["changes"]) == (0, "confirmed", {"changed": ["press-7"]})
    assert gateway.config.read_text() == first
    code, _, err = holdfast(gateway, "config", "rollback", "99")
    assert (code, "there is no configuration 99; 1 to 3 are kept" in err) == (1, True)


def test_a_second_reload_is_refused_while_the_first_is_being_confirmed(gateway: Gateway, tmp_path: Path) -> None:
    gateway.config.write_text(config(tmp_path, changed="press-7"))
    code, out, _ = holdfast(gateway, "reload", "--no-wait", "--confirm-within", "60s")
    assert (code, out.splitlines()[-1]) == (0, "untouched: 13 children; configuration 2 is tried")
    code, _, err = holdfast(gateway, "reload")
    assert (code, "another reload is in progress" in err) == (1, True)


def test_what_cannot_change_while_it_runs_is_a_mistake_with_its_cure(calm: Gateway) -> None:
    calm.config.write_text(config(calm.config.parent).replace('name = "site"', 'name = "other"'))
    code, _, err = holdfast(calm, "reload")
    assert (code, err.startswith("gateway.name = 'other': cannot change while the gateway runs ('site' now)")) == (
        2,
        True,
    )


@pytest.mark.parametrize("duration", ["soon", "0s", "2d"])
def test_a_time_to_confirm_that_makes_no_sense_is_refused(calm: Gateway, duration: str) -> None:
    assert holdfast(calm, "reload", "--confirm-within", duration)[0] in (1, 2)
