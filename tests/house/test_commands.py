"""make, .ci/run and the script for Debian packages: they are there, say what they do, and leave no traces."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.sources import ROOT

TARGETS = {"demo", "test", "check", "bench", "chaos"}
SCRIPT = ROOT / "deploy" / "debian-packages.sh"


def make(*words: str) -> str:
    """What make prints; as if it was not itself started by one."""
    ours = re.findall(r"^(\w+) \?=", (ROOT / "Makefile").read_text(), re.MULTILINE)
    environment = {name: value for name, value in os.environ.items() if name not in (*ours, "MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_alone_lists_every_target_with_what_it_does() -> None:
    assert make() == make("help")
    listed = dict(re.findall(r"^make (\w+) +(\w.*)$", make(), re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(listed) == set(phony[1].split())
    assert set(listed) >= TARGETS


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["demo"], ".venv/bin/holdfast demo"),
        (["demo", "FOR=20s"], ".venv/bin/holdfast demo --for 20s"),
        (["bench"], ".venv/bin/python -m tests.bench --json bench.json"),
        (
            ["bench", "QUICK=1", "ONLY=latency"],
            ".venv/bin/python -m tests.bench --json bench.json --quick --only latency",
        ),
        (
            ["chaos", "CHAOS_S=5"],
            'HOLDFAST_CHAOS_S=5 HOLDFAST_STORM_S=300 .venv/bin/python -m pytest -m "slow or not slow" tests/chaos',
        ),
        (
            ["chaos"],
            'HOLDFAST_CHAOS_S=600 HOLDFAST_STORM_S=300 .venv/bin/python -m pytest -m "slow or not slow" tests/chaos',
        ),
        (["test"], '.venv/bin/python -m pytest -m "not slow" tests'),
        (["test", "TESTS=tests/house"], '.venv/bin/python -m pytest -m "not slow" tests/house'),
    ],
)
def test_a_target_runs_its_command(words: list[str], command: str) -> None:
    lines = [" ".join(line.split()) for line in make("--dry-run", *words).splitlines()]
    assert command in lines[-3:], "beside it, chaos looks at damage and at crashes of the disk"


def test_the_demo_asks_for_no_debian_package() -> None:
    assert "debian-packages" in make("--dry-run", "test")
    assert "debian-packages" not in make("--dry-run", "demo")


@pytest.mark.parametrize("script", [SCRIPT, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_a_script_can_be_executed_and_stops_at_the_first_failure(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()


def test_ci_runs_the_commands_of_the_readme() -> None:
    commands = set(re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))
    assert commands == {"check", "test"}
    assert "Tests: `make test`" in (ROOT / "README.md").read_text()


@dataclass
class Debian:
    """A machine with a few commands, where the script looks for what `needed` names (command:package)."""

    directory: Path

    @property
    def policy(self) -> Path:
        return self.directory / "policy-rc.d"

    @property
    def asked(self) -> str:
        """What was asked of apt-get, a line a call."""
        log = self.directory / "apt.log"
        return log.read_text() if log.exists() else ""

    def has(self, commands: Mapping[str, str]) -> None:
        """Commands with their text."""
        for name, text in commands.items():
            path = self.directory / "bin" / name
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)

    def installs(self, needed: str) -> "subprocess.CompletedProcess[str]":
        text = re.sub(r'^NEEDED="[^"]*"', f'NEEDED="{needed}"', SCRIPT.read_text(), flags=re.MULTILINE)
        text = re.sub(r'^LIBRARIES="[^"]*"', 'LIBRARIES=""', text, flags=re.MULTILINE)
        text = re.sub(r"^POLICY=\S+", f"POLICY={self.policy}", text, flags=re.MULTILINE)
        script = self.directory / "script"
        script.write_text(text)
        return subprocess.run(
            ["/bin/bash", script],
            env={"PATH": str(self.directory / "bin")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )


@pytest.fixture
def debian(tmp_path: Path) -> Debian:
    """One where apt-get notes what it is asked and what the policy would say; the user is root."""
    (tmp_path / "bin").mkdir()
    for name in ("rm", "chmod", "cat"):
        (tmp_path / "bin" / name).symlink_to(f"/bin/{name}")
    machine = Debian(tmp_path)
    asks = f'"{machine.policy}" mosquitto.service start; mosquitto=$?; "{machine.policy}" ssh start; ssh=$?'
    notes = f'echo "$* mosquitto=$mosquitto ssh=$ssh" >>"{tmp_path}/apt.log"'
    machine.has({"id": "echo 0", "apt-get": f"{asks}; {notes}", "socat": ""})
    return machine


def test_nothing_is_asked_for_when_nothing_is_missing(debian: Debian) -> None:
    done = debian.installs("socat:socat")
    assert (done.returncode, done.stdout, done.stderr, debian.asked) == (0, "", "", "")


def test_only_what_is_missing_is_installed_each_once(debian: Debian) -> None:
    assert debian.installs("socat:socat no-such-a:a no-such-b:b no-such-b2:b").returncode == 0
    update, install = debian.asked.splitlines()
    assert update.startswith("update")
    assert install.partition(" mosquitto=")[0].endswith(" a b")


def test_only_the_broker_may_not_be_started_and_only_while_it_is_installed(debian: Debian) -> None:
    assert debian.installs("no-such-a:a").returncode == 0
    assert debian.asked.splitlines()[-1].endswith("mosquitto=101 ssh=0")
    assert not debian.policy.exists()


def test_a_policy_that_is_there_stays_as_it_is(debian: Debian) -> None:
    debian.policy.write_text("#!/bin/sh\nexit 7\n")
    debian.policy.chmod(0o755)
    assert debian.installs("no-such-a:a").returncode == 0
    assert debian.policy.read_text() == "#!/bin/sh\nexit 7\n"


def test_a_failed_installation_says_what_to_do_and_leaves_no_policy(debian: Debian) -> None:
    debian.has({"apt-get": "exit 100"})
    done = debian.installs("no-such-a:a")
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends a" in done.stderr
    assert not debian.policy.exists()


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ({"id": "echo 1000"}, "not root and there is no sudo"),
        ({"id": "echo 1000", "sudo": "exit 1"}, "sudo asks for a password"),
    ],
)
def test_without_the_rights_to_install_it_says_so(debian: Debian, commands: Mapping[str, str], reason: str) -> None:
    debian.has(commands)
    done = debian.installs("no-such-a:a")
    assert (done.returncode, debian.asked) == (1, "")
    assert reason in done.stderr


def test_a_system_that_is_no_debian_is_told_which_packages(debian: Debian) -> None:
    (debian.directory / "bin" / "apt-get").unlink()
    done = debian.installs("no-such-a:a")
    assert done.returncode == 1
    assert "no apt-get" in done.stderr
