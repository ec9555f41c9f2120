"""deploy/install.sh below a directory of the test's own: what it installs, keeps, refuses and takes away.

Most tests install a Holdfast of a few lines (wheels.py), which takes seconds; one installs the real one from the real
requirements.lock.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.wheels import holdfast, locked, seeded_python, wheel

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "install.sh"
DEVELOPERS = {"pytest", "mypy", "ruff", "hypothesis", "import-linter", "hatchling", "amqtt"}


@dataclass
class Machine:
    """A directory that the installer takes for a machine, and wheels for it."""

    home: Path
    python: Path

    @property
    def root(self) -> Path:
        return self.home / "machine"

    @property
    def base(self) -> Path:
        return self.root / "opt" / "holdfast"

    @property
    def config(self) -> Path:
        return self.root / "etc" / "holdfast" / "gateway.toml"

    @property
    def reading(self) -> Path:
        """Something in the data directory."""
        return self.root / "var" / "lib" / "holdfast" / "spool" / "1.seg"

    @property
    def releases(self) -> list[str]:
        return sorted(path.name for path in (self.base / "releases").iterdir())

    def runs(self, *words: str, path: str = "") -> "subprocess.CompletedProcess[str]":
        """install.sh with these words."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment["PATH"] = f"{path}:{environment['PATH']}" if path else environment["PATH"]
        return subprocess.run(
            [str(SCRIPT), *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
        )

    def does(self, *words: str) -> str:
        """What it says; it must succeed."""
        done = self.runs("--root", str(self.root), *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def refuses(self, *words: str) -> str:
        """Why it did nothing."""
        done = self.runs("--root", str(self.root), *words)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def words(self, package: Path, *more: str, lock: str = "") -> list[str]:
        """To install this wheel from this lock, with nothing from the network."""
        (self.home / "lock").write_text(lock)
        (self.home / "packages").mkdir(exist_ok=True)
        offline = ["--packages", str(self.home / "packages"), "--lock", str(self.home / "lock")]
        return ["--python", str(self.python), "--wheel", str(package), *offline, *more]

    def version(self) -> str:
        """What the installed command says of itself."""
        command = self.root / "usr" / "local" / "bin" / "holdfast"
        return subprocess.run([command, "version"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeded_python(tmp_path_factory.mktemp("python"))


@pytest.fixture
def machine(tmp_path: Path, python: Path) -> Machine:
    return Machine(tmp_path, python)


@pytest.fixture(scope="module")
def _first(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Machine:
    machine = Machine(tmp_path_factory.mktemp("first"), python)
    machine.does(*machine.words(holdfast(machine.home, "1")))
    return machine


@pytest.fixture
def installed(_first: Machine, tmp_path: Path) -> Machine:
    """A machine with release 1, an edited configuration and data: moved here whole, as an image may be."""
    shutil.copytree(_first.home, tmp_path / "moved", symlinks=True)
    machine = Machine(tmp_path / "moved", _first.python)
    machine.config.write_text('name = "mine"\n')
    machine.reading.parent.mkdir()
    machine.reading.write_text("a reading")
    return machine


# --- the real one ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The wheel of this checkout, and what it needs from the package index or pip's cache."""
    machine = Machine(tmp_path_factory.mktemp("real"), Path(sys.executable))
    pip = [sys.executable, "-m", "pip", "--quiet"]
    here = subprocess.run([*pip, "download", "--no-deps", "-d", str(machine.home), "six"], capture_output=True)
    if here.returncode != 0:
        pytest.skip("the package index cannot be reached from here")
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(machine.home), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    (package,) = machine.home.glob("holdfast-*.whl")
    machine.does("--python", sys.executable, "--wheel", str(package))
    yield machine
    shutil.rmtree(machine.root)


def test_the_real_one_has_its_locked_packages_and_none_of_the_developers(real: Machine) -> None:
    frozen = subprocess.run(
        [real.base / "current" / "bin" / "python", "-I", "-m", "pip", "freeze"], capture_output=True, text=True
    )
    listed = re.findall(r"^([\w.-]+)==(\S+)$", frozen.stdout, re.MULTILINE)
    found = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in listed}  # as PEP 503 has names
    pinned = set(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {"pykka", "pyzmq", "numpy", "pymodbus", "pyserial", "paho-mqtt"} <= set(found)
    assert set(found) & DEVELOPERS == set()
    assert set(found.items()) - pinned == set()


def test_the_real_one_takes_its_starter_configuration_and_keeps_what_it_writes_in_the_data_directory(
    real: Machine,
) -> None:
    command = real.root / "usr" / "local" / "bin" / "holdfast"
    checked = subprocess.run([command, "check", real.config], capture_output=True, text=True, cwd="/")
    assert checked.returncode == 0, checked.stderr
    assert 'path = "/var/lib/holdfast/gateway.ndjson"' in real.config.read_text()
    misused = subprocess.run([command, "fly"], capture_output=True, text=True, cwd="/")
    assert (misused.returncode, misused.stderr) == (2, "holdfast: No such command 'fly'; see holdfast --help\n")


# --- the first time, again, and the next release --------------------------------------------------------------------


def test_everything_is_where_the_service_looks_for_it(installed: Machine) -> None:
    assert installed.version() == "1"
    assert (installed.base / "bin" / "holdfast").exists()
    unit = installed.root / "etc" / "systemd" / "system" / "holdfast.service"
    assert unit.read_text() == (ROOT / "deploy" / "holdfast.service").read_text()
    for private in (installed.config.parent, installed.root / "var" / "lib" / "holdfast"):
        assert private.stat().st_mode & 0o777 == 0o750


def test_a_second_time_changes_nothing(installed: Machine) -> None:
    said = installed.does(*installed.words(installed.home / "holdfast-1-py3-none-any.whl"))
    assert "installed already" in said
    assert installed.releases == ["1"]
    assert installed.config.read_text() == 'name = "mine"\n'


def test_an_upgrade_keeps_configuration_and_data_and_one_step_back(installed: Machine) -> None:
    for version in ("2", "3"):
        installed.does(*installed.words(holdfast(installed.home, version)))
        assert installed.version() == version
    assert installed.releases == ["2", "3"]
    assert installed.config.read_text() == 'name = "mine"\n'
    assert installed.reading.read_text() == "a reading"
    completion = installed.root / "usr" / "local" / "share" / "bash-completion" / "completions" / "holdfast"
    assert completion.read_text() == "complete holdfast\n"
    installed.does("--rollback")
    assert installed.version() == "2"
    installed.does("--rollback")
    assert installed.version() == "3"


def test_without_an_earlier_release_there_is_no_way_back(installed: Machine) -> None:
    assert "no release before" in installed.refuses("--rollback")
    assert installed.version() == "1"


# --- what must not happen -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ImportError('a library is missing')", "a library is missing"),
        ("def main(): return 1", "does not work"),
    ],
)
def test_a_release_that_does_not_work_leaves_the_old_one(installed: Machine, code: str, why: str) -> None:
    assert why in installed.refuses(*installed.words(holdfast(installed.home, "2", code=code)))
    assert (installed.version(), installed.releases) == ("1", ["1"])


def test_a_release_that_refuses_the_configuration_is_not_switched_to_unasked(installed: Machine) -> None:
    package = holdfast(installed.home, "2", refuses="mine")
    said = installed.refuses(*installed.words(package))
    assert "mine is not allowed any more" in said
    assert "--force" in said
    assert (installed.version(), installed.releases) == ("1", ["1"])
    installed.does(*installed.words(package, "--force"))
    assert installed.version() == "2"


def test_what_an_interrupted_installation_left_is_cleared_away(installed: Machine) -> None:
    (installed.base / "releases" / "2" / "bin").mkdir(parents=True)
    installed.does(*installed.words(holdfast(installed.home, "2")))
    assert (installed.version(), installed.releases) == ("2", ["1", "2-2"])


def test_packages_come_from_the_lock_verified_by_their_hash_or_not_at_all(machine: Machine) -> None:
    thing = wheel(machine.home / "packages", "thing", "1.5", {"thing.py": ""}, needs=["part"])
    part = wheel(machine.home / "packages", "part", "7", {"part.py": ""})
    wheel(machine.home / "packages", "part", "8", {"part.py": "raise SystemExit"})
    tool = wheel(machine.home / "packages", "tool", "1", {"tool.py": ""})
    package = holdfast(machine.home, "1", needs=["thing>=1"])
    tampered = locked(thing, part, tool).replace(locked(part).partition("sha256:")[2], "0" * 64 + "\n")
    assert "HASHES" in machine.refuses(*machine.words(package, lock=tampered))
    unhashed = locked(thing, part).replace(" \\\n", "").replace("    --hash", "\n# --hash")
    assert "hash" in machine.refuses(*machine.words(package, lock=unhashed))
    assert "not in requirements.lock: part" in machine.refuses(*machine.words(package, lock=locked(thing, tool)))
    assert not (machine.base / "current").exists()
    machine.does(*machine.words(package, lock=locked(thing, part, tool)))
    packages = machine.base / "current" / "lib"
    found = {path.name.partition(".dist-info")[0] for path in packages.rglob("*.dist-info")}
    assert {"thing-1.5", "part-7", "holdfast-1"} <= found
    assert "tool-1" not in found, "nobody needs it"


def test_a_driver_of_ones_own_stays_in_all_later_releases(installed: Machine) -> None:
    first = wheel(installed.home, "own", "1", {"own.py": ""})
    newer = wheel(installed.home, "own", "2", {"own.py": "", "more.py": ""})
    installed.does(*installed.words(holdfast(installed.home, "2"), "--add", str(first)))
    assert list((installed.base / "current").rglob("own.py"))
    package = holdfast(installed.home, "3")
    installed.does(*installed.words(package, "--add", str(newer)))
    assert list((installed.base / "current").rglob("more.py"))
    assert [path.name for path in (installed.base / "added").iterdir()] == [newer.name]
    assert "installed already" in installed.does(*installed.words(package)), "nothing would change without --add"


# --- the end --------------------------------------------------------------------------------------------------------


def test_uninstall_keeps_configuration_and_data_and_says_so_and_purge_does_not(installed: Machine) -> None:
    said = installed.does("--uninstall")
    assert str(installed.config.parent) in said
    assert "--purge" in said
    left = {str(path.relative_to(installed.root)) for path in installed.root.rglob("*") if not path.is_dir()}
    assert left == {"etc/holdfast/gateway.toml", "var/lib/holdfast/spool/1.seg"}
    installed.does("--uninstall")
    installed.does("--purge")
    assert [path for path in installed.root.rglob("*") if not path.is_dir()] == []


def test_a_new_installation_takes_up_what_uninstall_has_kept(installed: Machine) -> None:
    installed.does("--uninstall")
    installed.does(*installed.words(installed.home / "holdfast-1-py3-none-any.whl"))
    assert installed.config.read_text() == 'name = "mine"\n'
    assert installed.reading.read_text() == "a reading"


# --- errors name the cure -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["--wheel", "/nowhere/holdfast.whl"], "name a wheel with --wheel FILE"),
        (["--wheel", __file__], "not a wheel of Holdfast"),
        (["--lock", "/nowhere/requirements.lock"], "name it with --lock FILE"),
        (["--packages", "/nowhere"], "not a directory"),
        (["--python", "no-such-python"], "apt-get install python3 python3-venv"),
    ],
)
def test_a_missing_piece_is_named_with_its_cure(machine: Machine, words: list[str], cure: str) -> None:
    assert cure in machine.refuses("--python", sys.executable, *words)


@pytest.mark.parametrize("words", [["--fly"], ["--wheel"]])
def test_a_word_that_it_does_not_know_is_a_usage_error(machine: Machine, words: list[str]) -> None:
    done = machine.runs(*words)
    assert done.returncode == 2
    assert "--help" in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "words", "cure"),
    [
        ("id", "echo 1000", [], "sudo"),
        ("python3", 'case "$*" in *version_info*) exit 1 ;; -V) echo Python 3.9.2 ;; esac', ["--root", "."], "3.11"),
        ("python3", 'case "$*" in *ensurepip*) exit 1 ;; esac', ["--root", "."], "apt-get install python3-venv"),
    ],
)
def test_a_machine_that_is_not_ready_is_told_what_it_lacks(
    machine: Machine, name: str, text: str, words: list[str], cure: str
) -> None:
    (machine.home / name).write_text(f"#!/bin/sh\n{text}\n")
    (machine.home / name).chmod(0o755)
    words = [str(machine.root) if word == "." else word for word in words]
    done = machine.runs(*words, path=str(machine.home))
    assert done.returncode == 1
    assert cure in done.stderr


def test_two_at_once_do_not_meet(installed: Machine) -> None:
    with (installed.base / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another install.sh" in installed.refuses("--rollback")


def test_help_explains_every_option() -> None:
    said = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"--[a-z-]+", SCRIPT.read_text().partition("understand() {")[2].partition("\n}")[0]))
    assert options - {"--help"} <= set(re.findall(r"--[a-z-]+", said))


def test_the_script_is_executable_and_stops_at_the_first_failure() -> None:
    assert os.access(SCRIPT, os.X_OK)
    assert "set -euo pipefail" in SCRIPT.read_text()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="this machine has no shellcheck")
def test_shellcheck_has_nothing_to_say() -> None:
    done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
