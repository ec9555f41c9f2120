"""A system that has nothing left to give: the root lives, says why, keeps the others, and all heals by itself.

The limits of real processes are lowered while they run (prlimit(2)) and lifted again. RLIMIT_NOFILE bounds the numbers
of descriptors, RLIMIT_FSIZE 0 refuses every write to a file as a full disk would. RLIMIT_NPROC binds no superuser, so
fork's EAGAIN is played by the puppets (see test_processes.py).
"""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.supervisors.family import Family, a_root, kill, new_home

ROOT_DIR = Path(__file__).parents[2]


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


@contextmanager
def limited(pid: int, what: int, most: int) -> Iterator[None]:
    """Let a process have so much, until the block ends."""
    soft, hard = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, what, (soft, hard))


def reserve_end(pid: int) -> int:
    """The number after the root's reserve: under this limit it has nothing but that (see transports/reserve.py)."""
    links = {int(path.name): os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    end = max(number for number, link in links.items() if link == "/dev/null" and number > 2) + 1
    assert set(range(end)) <= set(links), "a number below is free, and could be had"
    return end


def beats_on(family: Family, *names: str) -> None:
    """These children are heard."""
    before = {name: family.child(name)["progress"] for name in names}
    family.wait(lambda: all(family.child(name)["progress"] > before[name] for name in names))


def dies(family: Family, name: str) -> None:
    """Kill the child; it is another process afterwards, or none."""
    before = family.child(name)
    kill(before["pid"])
    family.wait(lambda: family.child(name)["restarts"] > before["restarts"])
    family.wait(lambda: family.child(name)["phase"] in ("running", "quarantined"))


def alone(family: Family) -> None:
    """Nobody lives below the root but its children, the zygote and one spare: no orphan, no second one of a name."""
    pids = set(family.running().values())
    family.wait(lambda: len({p.pid for p in psutil.Process(family.root).children(recursive=True)} - pids) <= 1)


# --- the root's own descriptors -------------------------------------------------------------------------------------


def test_a_root_without_descriptors_refuses_births_keeps_the_others_and_heals(home: Path) -> None:
    with a_root(home, child("a"), child("b"), child("c")) as family:
        before = family.running()
        with limited(family.root, resource.RLIMIT_NOFILE, reserve_end(family.root)):
            kill(before["a"])
            family.wait(lambda: family.child("a")["phase"] == "quarantined")
            assert "Too many open files" in family.child("a")["last_end"]
            assert "Too many open files" in family.log
            beats_on(family, "b", "c")
            family.operate("restart", "b")
            family.wait(lambda: family.child("b")["pid"] is None)
        after = family.running()
        assert (after["c"], after["zygote"]) == (before["c"], before["zygote"])
        assert family.child("c")["restarts"] == 0
        alone(family)


def test_a_child_that_was_born_but_cannot_be_watched_is_ended_before_another_is_made(home: Path) -> None:
    with a_root(home, child("a"), child("b")) as family:
        before = family.running()
        kill(before["zygote"], signal.SIGSTOP)  # it has the request, and does not answer yet
        kill(before["a"])
        family.wait(lambda: family.child("a")["phase"] == "starting")
        with limited(family.root, resource.RLIMIT_NOFILE, reserve_end(family.root)):
            kill(before["zygote"], signal.SIGCONT)
            family.wait(lambda: family.child("a")["restarts"] > 1)
            assert "the system refused to watch its process: Too many open files" in family.log
            beats_on(family, "b")
        after = family.running()
        assert (after["b"], after["zygote"]) == (before["b"], before["zygote"])
        alone(family)


def test_a_root_without_descriptors_cannot_start_a_zygote_and_does_when_it_can(home: Path) -> None:
    with a_root(home, child("a"), child("b")) as family:
        before = family.running()
        with limited(family.root, resource.RLIMIT_NOFILE, reserve_end(family.root)):
            kill(before["zygote"])
            family.wait(lambda: "the zygote died: it cannot be started" in family.log)
            kill(before["a"])
            family.wait(lambda: family.child("a")["pid"] is None)
            beats_on(family, "b")
        after = family.running()
        assert after["b"] == before["b"]
        assert after["zygote"] not in (0, before["zygote"])
        alone(family)


def test_a_root_that_may_open_nothing_at_all_lives_and_answers_later(home: Path) -> None:
    with a_root(home, child("a"), child("b")) as family:
        before = family.running()
        with limited(family.root, resource.RLIMIT_NOFILE, 3):
            kill(before["a"])
            kill(before["zygote"])
            gone = psutil.Process(family.root)
            deaths = ("a (pid", "the zygote died: it cannot be started")
            family.wait(lambda: all(death in family.log for death in deaths))
            assert gone.is_running()
        assert family.running()["b"] == before["b"]
        alone(family)


def test_descriptors_come_back_with_every_child_that_could_not_be_watched(home: Path) -> None:
    with a_root(home, child("a"), child("b")) as family:
        family.running()
        count = len(os.listdir(f"/proc/{family.root}/fd"))
        for _ in range(3):
            with limited(family.root, resource.RLIMIT_NOFILE, reserve_end(family.root)):
                dies(family, "a")
            family.running()
        family.wait(lambda: len(os.listdir(f"/proc/{family.root}/fd")) <= count + 1)  # 1: this question's connection


# --- the zygote's ---------------------------------------------------------------------------------------------------


def test_a_zygote_without_descriptors_refuses_births_and_heals(home: Path) -> None:
    with a_root(home, child("a"), child("b")) as family:
        before = family.running()
        with limited(before["zygote"], resource.RLIMIT_NOFILE, 3):
            dies(family, "a")
            if family.child("a")["phase"] == "running":  # a spare was there already
                dies(family, "a")
            family.wait(lambda: family.child("a")["phase"] == "quarantined")
            assert family.child("a")["last_end"] == "the system refused a new process: Too many open files"
            beats_on(family, "b")
        after = family.running()
        assert (after["b"], after["zygote"]) == (before["b"], before["zygote"])
        alone(family)


# --- memory ---------------------------------------------------------------------------------------------------------


def test_a_root_that_gets_no_memory_for_a_zygote_lives_and_starts_one_when_it_does(home: Path) -> None:
    with a_root(home, child("a"), child("b")) as family:
        before = family.running()
        with limited(family.root, resource.RLIMIT_AS, 16 * 2**20):  # less than it has: nothing can be added
            kill(before["zygote"])
            family.wait(lambda: family.log.count("the zygote died") >= 3)
            kill(before["a"])
            beats_on(family, "b")
        after = family.running()
        assert after["b"] == before["b"]
        alone(family)


# --- the disk -------------------------------------------------------------------------------------------------------


def test_a_root_whose_disk_takes_nothing_lives_and_heals(home: Path) -> None:
    with a_root(home, child("a"), child("b"), child("c")) as family:
        before = family.running()
        with limited(family.root, resource.RLIMIT_FSIZE, 0):
            kill(before["a"])
            family.wait(lambda: family.child("a")["pid"] not in (before["a"], None))  # a restart needs no disk
            family.running("a")
            assert "until the gateway is restarted" in str(family.operate("stop", "c"))
            family.wait(lambda: family.child("c")["phase"] == "stopped")
            beats_on(family, "b")
        family.operate("start", "c")
        assert family.running()["b"] == before["b"]
        alone(family)
