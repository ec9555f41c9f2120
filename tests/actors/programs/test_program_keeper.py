"""Nothing of a program outlives its actor: not when either of them, or the keeper between them, is killed."""

import gc
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from actors.programs.kept import Ended, Failed, Kept, Lost, News, Started
from actors.programs.launch import Account, Launch
from tests.supervisors.family import gone

WITHIN_S = 30.0
ROOT_DIR = Path(__file__).parents[3]
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user of a program")
NOBODY = Account(65534, 65534, (65534,), "/nonexistent")

# A program, one of its children, and a daemon of it in a session of its own; deaf, if asked, to SIGTERM
TRIBE = """
import os, signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
if os.fork() == 0:
    print(os.getpid(), flush=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            time.sleep(3600)
        os._exit(0)
    time.sleep(3600)
time.sleep(3600)
"""

HOLDER = """
import sys
from actors.programs.kept import Kept
from actors.programs.launch import Account, Launch
who = Account(65534, 65534, (65534,), "/") if sys.argv[1] == "nobody" else None
kept = Kept(Launch(tuple(sys.argv[2:]), {}, "/", who))
import os, select
print(kept._keeper.pid, flush=True)
while True:
    select.select([kept.output], [], [])
    os.write(1, os.read(kept.output, 4096))
"""

LIBC_S_OWN = (
    3 << 31
)  # signals 32 and 33, for its threads (nptl(7)): no program can block, ignore or restore them by itself


def launch(*command: str, account: Account | None = None, directory: str = "", **environment: str) -> Launch:
    return Launch(command, environment, directory, account)


@contextmanager
def kept_program(launch: Launch) -> Iterator[Kept]:
    kept = Kept(launch)
    try:
        yield kept
    finally:
        kept.close()


def next_news(kept: Kept) -> News:
    ready, _, _ = select.select([kept], [], [], WITHIN_S)
    assert ready, "nothing was heard of the program"
    news = kept.news()
    assert news is not None
    return news


def said(kept: Kept, lines: int) -> list[str]:
    """So many lines of its output."""
    text = b""
    while text.count(b"\n") < lines:
        ready, _, _ = select.select([kept.output], [], [], WITHIN_S)
        assert ready, f"it printed only {text!r}"
        chunk = kept.printed()
        assert chunk != b"", f"it printed only {text!r}"
        text += chunk or b""
    return text.decode().split()


def tribe(kept: Kept) -> list[int]:
    assert isinstance(next_news(kept), Started)
    pids = list(map(int, said(kept, 3)))
    assert set(pids) <= kept.processes()
    return pids


PYTHON = (sys.executable, "-I", "-S", "-c")


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 0", Ended(0)),
        ("exit 3", Ended(3)),
        ("kill -9 $$", Ended(None, 9)),
        ("kill -15 $$", Ended(None, 15)),
    ],
)
def test_an_end_is_told_as_it_was(script: str, end: Ended) -> None:
    with kept_program(launch("/bin/sh", "-c", script)) as kept:
        started = next_news(kept)
        assert isinstance(started, Started)
        assert next_news(kept) == end
        assert kept.processes() == set()


@pytest.mark.parametrize(
    ("how", "failed"),
    [
        (launch("/no/such/program"), Failed("command", 2)),
        (launch("/etc/passwd"), Failed("command", 13)),
        (launch("/bin/true", directory="/no/such/place"), Failed("directory", 2)),
    ],
)
def test_what_kept_it_from_starting_is_told(how: Launch, failed: Failed) -> None:
    with kept_program(how) as kept:
        assert next_news(kept) == failed


def test_it_is_started_as_a_program_expects() -> None:
    script = "echo $PWD $A; cat; ps -o pid=,pgid=,sid= -p $$; ls /proc/self/fd; grep -E 'Sig(Ign|Blk)' /proc/$$/status"
    with kept_program(launch("/bin/bash", "-c", script, directory="/usr", A="b")) as kept:
        started = next_news(kept)
        assert isinstance(started, Started)
        words = said(kept, 8)
    pid = str(started.pid)
    assert words[:5] == ["/usr", "b", pid, pid, pid], "nothing to read, and a session of its own"
    assert words[5:9] == ["0", "1", "2", "3"], "no descriptor of ours (3 is the folder being listed)"
    assert words[9::2] == ["SigBlk:", "SigIgn:"]
    assert [int(mask, 16) & ~LIBC_S_OWN for mask in words[10::2]] == [0, 0]


def test_it_may_open_as_many_files_as_programs_expect_and_more_when_it_asks() -> None:
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        with kept_program(launch("/bin/sh", "-c", "ulimit -S -n; ulimit -H -n")) as kept:
            limits = said(kept, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))
    assert limits == [str(min(1024, most)), "unlimited" if most == resource.RLIM_INFINITY else str(most)]


@is_root
def test_another_user_is_that_user_entirely() -> None:
    with kept_program(launch("/usr/bin/id", account=NOBODY)) as kept:
        assert said(kept, 1)[:2] == ["uid=65534(nobody)", "gid=65534(nogroup)"]
    with kept_program(launch("/bin/sh", "-c", "id -G; grep Cap[EP] /proc/self/status", account=NOBODY)) as kept:
        assert said(kept, 3) == ["65534", "CapPrm:", "0" * 16, "CapEff:", "0" * 16]


def test_asked_to_stop_the_whole_group_ends() -> None:
    with kept_program(launch(*PYTHON, TRIBE)) as kept:
        pids = tribe(kept)
        kept.stop(signal.SIGTERM)
        ended = next_news(kept)
        assert isinstance(ended, Ended)
        assert (ended.code, ended.signal) == (None, signal.SIGTERM)
        assert gone(pids), "its daemon, too"


def test_one_that_is_stopped_in_its_tracks_still_hears_the_end() -> None:
    with kept_program(launch(*PYTHON, TRIBE)) as kept:
        pids = tribe(kept)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        kept.stop(signal.SIGTERM)
        assert isinstance(next_news(kept), Ended)
        assert gone(pids)


def test_what_it_leaves_behind_is_ended_and_counted_before_its_end_is_told() -> None:
    with kept_program(launch("/bin/sh", "-c", "setsid sleep 3600 & sleep 3600 & echo $$ $!")) as kept:
        pid, second = map(int, said(kept, 1))
        assert isinstance(next_news(kept), Started)
        assert next_news(kept) == Ended(0, 0, 2)
        assert gone([pid, second])
        assert kept.processes() == set()


def test_letting_go_kills_even_who_is_deaf() -> None:
    with kept_program(launch(*PYTHON, TRIBE, "deaf")) as kept:
        pids = tribe(kept)
    assert gone(pids)


@contextmanager
def holder(user: str, script: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that has a kept program and only passes on what it prints, after the pid of the keeper."""
    command = [sys.executable, "-c", HOLDER, user, "/bin/sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT_DIR) as process:
        try:
            yield process
        finally:
            process.kill()


def pids_from(process: "subprocess.Popen[str]", count: int) -> list[int]:
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(count)]


@pytest.mark.parametrize("user", ["same", pytest.param("nobody", marks=is_root)])
def test_when_the_actor_is_killed_nothing_of_the_program_is_left(user: str) -> None:
    script = "trap '' TERM; echo $$; setsid sleep 3600 & echo $!; sleep 3600 & echo $!; wait"
    with holder(user, script) as actor:
        pids = pids_from(actor, 4)
        actor.kill()
        assert gone(pids)


@pytest.mark.parametrize("user", ["same", pytest.param("nobody", marks=is_root)])
def test_when_the_keeper_is_killed_the_program_dies_with_nobody_s_help(user: str) -> None:
    with holder(user, "trap '' TERM; echo $$; exec sleep 3600") as actor:
        keeper, program = pids_from(actor, 2)
        os.kill(keeper, signal.SIGKILL)
        assert gone([program])


def test_when_the_keeper_is_killed_the_program_dies_and_that_is_news() -> None:
    with kept_program(launch("/bin/sleep", "3600")) as kept:
        started = next_news(kept)
        assert isinstance(started, Started)
        kept._keeper.send_signal(signal.SIGKILL)
        assert next_news(kept) == Lost()
        assert gone([started.pid])


def test_a_keeper_minds_no_signal_of_the_terminal() -> None:
    with kept_program(launch("/bin/cat", "/dev/zero")) as kept:
        assert isinstance(next_news(kept), Started)
        assert kept.processes()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            kept._keeper.send_signal(number)
        kept.stop(signal.SIGKILL)
        assert next_news(kept) == Ended(None, 9)


def test_nothing_is_left_open_when_no_keeper_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()  # what tests before this one have forgotten must not be closed just now
    before = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(FileNotFoundError):
        Kept(launch("/bin/true"))
    assert set(os.listdir("/proc/self/fd")) <= before


def test_orphans_of_a_running_program_are_reaped() -> None:
    script = "for n in 1 2 3 4 5; do (sleep 0.01 & echo $!); done; echo done; exec sleep 3600"
    with kept_program(launch("/bin/sh", "-c", script)) as kept:
        *orphans, _ = said(kept, 6)
        deadline = time.monotonic() + WITHIN_S
        while any(psutil.pid_exists(int(pid)) for pid in orphans):
            assert time.monotonic() < deadline, "zombies pile up"
            time.sleep(0.005)  # polls a condition
