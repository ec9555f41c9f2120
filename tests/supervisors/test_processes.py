"""Real processes under a real root: whose they are, what becomes of them, and that nobody is forgotten."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import psutil
import pytest

from supervisors.process import Born, Exit, Process, Zygote, watched
from tests.supervisors.family import Family, a_root, alive, gone, kill, new_home

ROOT_DIR = Path(__file__).parents[2]
SOON_S = 10.0  # after SIGKILL of the root; it takes milliseconds


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


# --- one process ----------------------------------------------------------------------------------------------------


def ended(last_deed: Callable[[], object]) -> Exit:
    """How a process ends that does this."""
    pid = os.fork()
    if pid == 0:
        try:
            last_deed()
        finally:
            os._exit(99)
    return watched(pid).reap()


@pytest.mark.parametrize(
    ("deed", "end", "text"),
    [
        (lambda: os._exit(0), Exit(0), "exit code 0"),
        (lambda: os._exit(1), Exit(1), "exit code 1"),
        (lambda: os._exit(255), Exit(255), "exit code 255"),
        (lambda: kill(os.getpid()), Exit(None, 9), "killed by SIGKILL"),
        (lambda: kill(os.getpid(), signal.SIGTERM), Exit(None, 15), "killed by SIGTERM"),
        (lambda: kill(os.getpid(), signal.SIGRTMIN + 3), Exit(None, 37), "killed by signal 37"),
    ],
)
def test_an_end_is_told_as_an_exit_code_or_as_a_signal(deed: Callable[[], object], end: Exit, text: str) -> None:
    found = ended(deed)
    assert found == end
    assert str(found) == text


def test_a_signal_to_a_process_that_has_ended_reaches_nobody() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    process = watched(pid)
    os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | os.WNOWAIT)
    process.send(signal.SIGTERM)
    assert process.reap() == Exit(0)


# --- the line to a zygote -------------------------------------------------------------------------------------------


@pytest.fixture
def line() -> Iterator[tuple[Zygote, socket.socket]]:
    """A zygote's socket, with the test at the other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        zygote = Zygote(Process(0, -1), ours)
        yield zygote, theirs
        zygote.close()


def test_a_zygote_that_is_too_far_behind_or_gone_takes_no_request(line: tuple[Zygote, socket.socket]) -> None:
    zygote, theirs = line
    taken = 0
    while zygote.ask(taken, "press", ""):
        taken += 1
        assert taken < 1_000_000, "it must not take for ever"
    assert msgpack.unpackb(theirs.recv(4096)) == [0, "press", ""]
    assert zygote.ask(taken, "press", ""), "there is room again"
    theirs.close()
    assert not zygote.ask(taken, "press", "")


def test_what_a_zygote_answered_before_it_died_is_heard_though_it_died_with_requests_unread(
    line: tuple[Zygote, socket.socket],
) -> None:
    zygote, theirs = line
    for token in (1, 2):
        theirs.send(msgpack.packb([token, 1000 + token, ""]))
    zygote.ask(3, "press", "")
    theirs.close()
    assert zygote.answers() == [Born(1, 1001, ""), Born(2, 1002, "")]
    assert zygote.answers() == []


# --- whose children they are ----------------------------------------------------------------------------------------


def test_a_child_is_the_roots_own_in_a_group_of_its_own(home: Path) -> None:
    with a_root(home, child("a"), child("b")) as family:
        pids = family.running()
        for name in ("a", "b"):
            assert psutil.Process(pids[name]).ppid() == family.root
            assert os.getpgid(pids[name]) == pids[name]
        assert psutil.Process(pids["zygote"]).ppid() == family.root
        assert os.getpgid(pids["zygote"]) == pids["zygote"], "Ctrl-C is for the root alone"


def test_a_killed_zygote_takes_no_child_along_and_another_one_works(home: Path) -> None:
    with a_root(home, child("a"), child("b")) as family:
        before = family.running()
        kill(before["zygote"])
        family.wait(lambda: family.pids()["zygote"] not in (0, before["zygote"]))
        family.wait(lambda: family.status()["zygote"]["ready"])
        assert {**family.pids(), "zygote": 0} == {**before, "zygote": 0}
        kill(before["a"])
        family.wait(lambda: family.child("a")["restarts"] == 1)
        assert family.running()["a"] != before["a"]


def test_children_that_are_asked_for_while_there_is_no_zygote_come_with_the_next_one(home: Path) -> None:
    with a_root(home, *(child(f"c{n}") for n in range(10))) as family:
        before = family.running()
        for pid in (before["zygote"], *(before[f"c{n}"] for n in range(10))):
            kill(pid)
        family.wait(lambda: all(c["restarts"] for c in family.status()["children"]))
        after = family.running()
        assert not {pid for name, pid in after.items() if before[name] == pid}
        assert {c["restarts"] for c in family.status()["children"]} == {1}, "nobody was started twice"


def test_a_zygote_that_hangs_is_replaced_and_the_children_that_wait_for_it_come(home: Path) -> None:
    with a_root(home, child("a"), child("b"), child("c", grace_s=600.0), zygote_within_s=3.0) as family:
        before = family.running()
        kill(before["zygote"], signal.SIGSTOP)
        for name in ("a", "c"):
            kill(before[name])
            family.wait(lambda name=name: family.child(name)["phase"] == "starting")
        family.operate("stop", "c")
        family.wait(lambda: family.child("c")["phase"] == "stopped")
        after = family.running("a", "b")
        assert after["b"] == before["b"]
        assert after["zygote"] != before["zygote"]


def test_a_killed_root_leaves_no_process(home: Path) -> None:
    moods = ("well", "deaf", "late", "busy", "hang")
    with a_root(home, *(child(mood, mood) for mood in moods)) as family:
        family.running("well", "deaf")
        family.wait(lambda: set(moods) <= set(family.pids()))
        pids = [*family.pids().values(), *(each.pid for each in psutil.Process(family.root).children())]
        for pid in pids:  # not even those that would not hear of an end
            kill(pid, signal.SIGINT)
        assert len(set(pids)) >= len(moods) + 1
        kill(family.root)
        assert gone(pids, SOON_S), f"still there: {alive(pids)}"


def test_a_root_killed_while_it_starts_leaves_no_process(home: Path) -> None:
    for _ in range(3):
        with a_root(home, *(child(f"c{n}") for n in range(20))) as family:
            family.wait(lambda: len(family.pids()) > 3)
            pids = [each.pid for each in psutil.Process(family.root).children(recursive=True)]
            kill(family.root)
            assert gone(pids, SOON_S), f"still there: {alive(pids)}"
            deadline = time.monotonic() + SOON_S
            while (late := _of(home)) and time.monotonic() < deadline:
                time.sleep(0.01)  # polls a condition
            assert not late, "one that was just being made outlived the root"


def _of(home: Path) -> list[int]:
    """Every process that works in this home."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(home / "run") in word for word in process.cmdline()):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def test_strangers_among_the_roots_children_are_ended_when_a_zygote_has_died(home: Path) -> None:
    with a_root(home, child("a")) as family:
        pids = family.running()
        root, known = psutil.Process(family.root), set(pids.values())
        family.wait(lambda: {p.pid for p in root.children()} - known)  # the spare, that nobody has a use for yet
        strangers = [p.pid for p in root.children() if p.pid not in known]
        kill(pids["zygote"])
        assert gone(strangers)
        family.wait(lambda: family.status()["zygote"]["ready"])
        assert family.pids()["a"] == pids["a"]


def test_what_a_dead_child_had_started_by_itself_is_ended_and_does_not_keep_its_name(home: Path) -> None:
    with a_root(home, child("a"), child("b")) as family:
        before = family.running()
        for restarts in (1, 2):
            family.tell("a", "helper")
            family.wait(lambda restarts=restarts: family.child("a")["restarts"] == restarts)
            family.running()
        after = family.pids()
        assert after["b"] == before["b"]
        assert family.child("a")["restarts"] == 2, "nobody was in the way of its successor"
        spare = 1
        family.wait(lambda: len(psutil.Process(family.root).children()) <= len(after) + spare)


STRANGERS = """
import os, time
from supervisors.lifeline import adopt_orphans
from supervisors.process import end_strangers, strangers
adopt_orphans()
known = os.fork()
if known == 0:
    time.sleep(3600)
middle = os.fork()
if middle == 0:
    for _ in range(3):
        if os.fork() == 0:
            time.sleep(3600)
    os._exit(0)
os.waitpid(middle, 0)
found = strangers({known})
ended = end_strangers({known})
assert len(found) == 3 and set(ended) == found, (found, ended)
assert strangers({known}) == set() and strangers(set()) == {known}
os.kill(known, 9)
"""


def test_strangers_are_those_children_that_nobody_knows_and_are_all_ended() -> None:
    subprocess.run([sys.executable, "-c", STRANGERS], check=True, timeout=60)


# --- what becomes of them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mood", "how"),
    [
        ("raise", "exit code 1: RuntimeError: a bug of the puppet"),
        ("segfault", "killed by SIGSEGV"),
        ("exit", "exit code 7"),
        ("done", "exit code 0"),
    ],
)
def test_a_death_is_reported_with_how_it_came_and_the_child_comes_back(home: Path, mood: str, how: str) -> None:
    with a_root(home, child("a")) as family:
        pids = family.running()
        family.tell("a", mood)
        family.wait(lambda: family.child("a")["restarts"] == 1)
        family.running()
        family.wait(family.crashes)
        (report,) = family.crashes()
        assert (report["name"], report["pid"], report["how"], report["restart"]) == ("a", pids["a"], how, 1)
        assert (report["quarantined"], report["next_in_s"]) == (False, 0.0)
        assert family.child("a")["last_end"] == how
        assert f"a (pid {pids['a']}) died: {how}; it is restarted at once" in family.log


def test_a_crash_report_has_the_traceback_and_the_last_lines_of_the_log(home: Path) -> None:
    with a_root(home, child("a")) as family:
        family.running()
        family.tell("a", "raise")
        family.wait(family.crashes)
        (report,) = family.crashes()
        assert "in _raise" in report["traceback"]
        assert report["traceback"].rstrip().endswith("RuntimeError: a bug of the puppet")
        assert report["log"][0] == "the puppet a is well"
        assert report["state"] in ({"mood": "well"}, {"mood": "raise"}, {})
        assert not (home / "run" / "a.crash").exists(), "taken away: the next death is another one"


def test_a_crash_in_foreign_code_leaves_the_stacks_in_the_report(home: Path) -> None:
    with a_root(home, child("a")) as family:
        family.running()
        family.tell("a", "segfault")
        family.wait(family.crashes)
        assert any("Segmentation fault" in line for line in family.crashes()[0]["log"])
        assert any("string_at" in line for line in family.crashes()[0]["log"])


def test_a_hung_child_leaves_its_stacks_and_comes_back(home: Path) -> None:
    with a_root(home, child("a", hang_after_s=1.0), child("b")) as family:
        before = family.running()
        family.tell("a", "hang")
        family.wait(lambda: family.child("a")["restarts"] == 1)
        assert family.running()["b"] == before["b"]
        family.wait(family.crashes)
        (report,) = family.crashes()
        assert report["how"] == "hung: no sign of life for 1 s"
        assert any("puppets.py" in line for line in report["log"]), "where it hangs"
        assert report["beat_age_s"] >= 1.0


def test_a_child_that_does_not_get_ready_is_ended_and_tried_again(home: Path) -> None:
    with a_root(home, child("a", "late", start_within_s=1.0), child("b")) as family:
        family.running("b")
        family.wait(lambda: family.child("a")["restarts"] >= 2)
        assert family.child("a")["last_end"] == "not ready within 1 s"
        assert family.child("b")["restarts"] == 0


def test_a_child_that_does_not_hear_is_killed_after_its_grace(home: Path) -> None:
    with a_root(home, child("a", "deaf", grace_s=0.2), child("b", "busy", grace_s=0.2)) as family:
        pids = family.running("a")
        for name in ("a", "b"):
            family.wait(lambda name=name: family.child(name)["phase"] == "running")
            family.operate("stop", name)
            family.wait(lambda name=name: family.child(name)["phase"] == "stopped")
            assert family.child(name)["last_end"] == "killed by SIGKILL"
        assert gone([pids["a"]])


def test_a_system_without_processes_to_give_is_a_failed_start_and_heals(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = home / "refuse"
    monkeypatch.setenv("PUPPETS_REFUSE", str(refusing))
    for where in ("first", "second"):
        with a_root(home, child("a"), child("b")) as family:
            before = family.running()
            refusing.write_text(where)
            for _ in range(2):  # the first may be replaced by a spare that is there already
                family.wait(lambda: _killed(family, "a"))
            family.wait(lambda: family.child("a")["phase"] == "quarantined")
            assert "the system refused a new process" in family.child("a")["last_end"]
            refusing.unlink()
            assert family.running()["b"] == before["b"]
            assert family.child("b")["restarts"] == 0
            assert family.pids()["zygote"] == before["zygote"]


def _killed(family: Family, name: str) -> bool:
    """Kill the child if it lives; or it could not be made any more, which is as good."""
    state = family.child(name)
    if state["phase"] == "running":
        kill(state["pid"])
        family.wait(lambda: family.child(name)["restarts"] > state["restarts"])
    return "refused" in family.child(name)["last_end"] or state["phase"] == "running"


def test_two_hundred_children_at_once_start_die_and_come_back(home: Path) -> None:
    many = 200
    with a_root(home, *(child(f"c{n}") for n in range(many))) as family:
        before = family.running()
        assert len(set(before.values())) == many + 1
        for n in range(many):
            kill(before[f"c{n}"])
        family.wait(lambda: all(c["restarts"] for c in family.status()["children"]))
        after = family.running()
        assert len(after) == many + 1
        assert not set(after.values()) & (set(before.values()) - {before["zygote"]})


# --- the operator and the end ---------------------------------------------------------------------------------------


def test_a_child_can_be_stopped_before_it_has_a_process_and_started_again(home: Path) -> None:
    with a_root(home, *(child(f"c{n}") for n in range(30))) as family:
        for n in range(30):
            family.operate("stop", f"c{n}")
        family.wait(lambda: {c["phase"] for c in family.status()["children"]} == {"stopped"})
        root = psutil.Process(family.root)
        family.wait(lambda: len(root.children()) <= 2)  # the zygote and its spare
        for n in range(30):
            family.operate("start", f"c{n}")
        family.running()
        assert {c["on_probation"] for c in family.status()["children"]} == {False}
        assert family.crashes() == []


def test_a_child_can_be_stopped_while_its_process_is_being_made(home: Path) -> None:
    with a_root(home, child("a", grace_s=600.0)) as family:
        pids = family.running()
        kill(pids["zygote"], signal.SIGSTOP)  # it has the request, and does not answer yet
        kill(pids["a"])
        family.wait(lambda: family.child("a")["phase"] == "starting")
        family.operate("stop", "a")
        assert family.child("a")["phase"] == "stopping"
        kill(pids["zygote"], signal.SIGCONT)
        family.wait(lambda: family.child("a")["phase"] == "stopped")
        family.operate("start", "a")
        assert family.running()["zygote"] == pids["zygote"]


def test_what_an_operator_stopped_stays_stopped_when_the_root_is_killed_and_started_again(home: Path) -> None:
    with a_root(home, child("a"), child("b")) as family:
        family.running()
        family.operate("stop", "a")
        family.wait(lambda: family.child("a")["phase"] == "stopped")
        kill(family.root)
    with a_root(home, child("a"), child("b")) as family:
        family.running("b")
        assert family.child("a")["phase"] == "stopped"
        family.operate("start", "a")
        family.running("a")


def test_a_disk_that_takes_nothing_does_not_keep_an_operator_from_stopping(home: Path) -> None:
    (home / "data" / ".held.json.new").mkdir()  # writing there fails, for every user
    with a_root(home, child("a"), child("b")) as family:
        before = family.running()
        answer = family.operate("stop", "a")
        assert "until the gateway is restarted" in answer["results"]["a"]
        family.wait(lambda: family.child("a")["phase"] == "stopped")
        family.operate("start", "a")
        assert family.running()["b"] == before["b"]


def test_a_child_whose_spec_cannot_be_written_is_a_failed_start_and_heals(home: Path) -> None:
    blocker = home / "run" / "a.spec.new"
    blocker.mkdir()
    with a_root(home, child("a"), child("b")) as family:
        family.running("b")
        family.wait(lambda: family.child("a")["phase"] == "quarantined")
        assert "its spec cannot be written" in family.child("a")["last_end"]
        blocker.rmdir()
        family.running("a")


def test_the_roots_own_standstill_is_nobodys_silence(home: Path) -> None:
    with a_root(home, *(child(f"c{n}", hang_after_s=1.0) for n in range(3))) as family:
        before = family.running()
        kill(family.root, signal.SIGSTOP)
        time.sleep(2.0)  # the standstill itself
        kill(family.root, signal.SIGCONT)
        beats = family.child("c0")["progress"]
        family.wait(lambda: family.child("c0")["progress"] > beats + 10)
        assert family.pids() == before


def test_a_shutdown_ends_everybody_also_those_who_do_not_hear(home: Path) -> None:
    moods = ("well", "deaf", "late", "hang", "raise")
    with a_root(home, *(child(mood, mood, grace_s=0.5, waits=mood == "well") for mood in moods)) as family:
        family.wait(lambda: {"well", "deaf", "late", "hang"} <= set(family.pids()))
        pids = [each.pid for each in psutil.Process(family.root).children(recursive=True)]
        family.operate("shutdown")
        assert gone([family.root, *pids])
        assert _of(home) == []
