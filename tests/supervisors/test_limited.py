"""Real children that use too much, or hang where Python cannot see it, under a real root."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.supervisors.family import Family, a_root, kill, new_home

ROOT_DIR = Path(__file__).parents[2]
MIB = 2**20


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zygote loads the puppets from here."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT_DIR))


@pytest.fixture
def home() -> Iterator[Path]:
    with new_home() as home:
        yield home


def child(name: str, mood: str = "well", **fields: object) -> dict[str, object]:
    return {"name": name, "mood": mood, "waits": False, **fields}


def restarted(family: Family, name: str, mood: str) -> str:
    """Change its mood, wait until it is another process that runs; how the one before ended, as its report has it."""
    family.running()
    reports = len(family.crashes())
    family.tell(name, mood)
    family.wait(lambda: family.child(name)["restarts"] >= 1)
    family.running()
    family.wait(lambda: len(family.crashes()) > reports)
    return str(family.crashes()[-1]["how"])


@pytest.mark.parametrize(
    ("mood", "limits", "what"),
    [
        ("eat", {"memory_soft_bytes": 120 * MIB, "memory_hard_bytes": 180 * MIB}, "MiB of memory, more than 180.0 MiB"),
        ("open", {"descriptors_soft": 100, "descriptors_hard": 300}, "descriptors, more than 300 descriptors"),
        ("burn", {"cpu_soft": 0.2, "cpu_hard": 0.4, "cpu_over_s": 2.0}, "% of a core, more than 40 % of a core"),
    ],
)
def test_a_child_over_its_hard_limit_is_restarted_and_its_report_says_why(
    home: Path, mood: str, limits: dict[str, float], what: str
) -> None:
    with a_root(home, child("a", limits=limits), child("b")) as family:
        before = family.running()
        how = restarted(family, "a", mood)
        assert how.startswith("over its limit: it uses ")
        assert what in how
        assert family.child("a")["last_end"] == how
        assert family.pids()["b"] == before["b"]


def test_a_child_over_its_soft_limit_is_told_of_once_and_lives(home: Path) -> None:
    with a_root(home, child("a", limits={"descriptors_soft": 100}), child("b")) as family:
        before = family.running()
        family.tell("a", "open")
        family.wait(lambda: "its soft limit is 100 descriptors" in family.log)
        family.wait(lambda: len(os.listdir(f"/proc/{before['a']}/fd")) > 1000)
        assert family.running() == before
        assert family.log.count("its soft limit is 100 descriptors") == 1


@pytest.mark.parametrize("mood", ["hang", "clib"])
def test_a_child_that_hangs_even_in_foreign_code_leaves_its_stacks_and_comes_back(home: Path, mood: str) -> None:
    with a_root(home, child("a", hang_after_s=1.0), child("b")) as family:
        before = family.running()
        assert restarted(family, "a", mood) == "hung: no sign of life for 1 s"
        assert any("puppets.py" in line for line in family.crashes()[-1]["log"]), "where it hangs"
        assert family.pids()["b"] == before["b"]


def test_a_child_that_computes_but_beats_is_left_alone(home: Path) -> None:
    with a_root(home, child("a", "burn", hang_after_s=1.0)) as family:
        before = family.running()
        beats = family.child("a")["progress"]
        family.wait(lambda: family.child("a")["for_s"] > 2.5)
        assert family.child("a")["progress"] > beats
        assert family.running() == before


def test_a_stopped_child_is_killed_and_another_one_comes(home: Path) -> None:
    with a_root(home, child("a", hang_after_s=1.0), child("b")) as family:
        before = family.running()
        kill(before["a"], signal.SIGSTOP)
        family.wait(lambda: family.child("a")["restarts"] == 1)
        after = family.running()
        assert after["b"] == before["b"]
        assert not psutil.pid_exists(before["a"]), "two of one name at once"
        family.wait(family.crashes)
        assert family.crashes()[-1]["how"] == "hung: no sign of life for 1 s"
