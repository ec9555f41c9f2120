"""What real processes use, read in small portions."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from supervisors.limits import Usage
from supervisors.usage import AT_ONCE, Usages
from transports.clock import HandClock, MachineClock

# Does what each line of its input says, and answers when it is done.
BODY = """
import os, sys, time
kept = []
for line in sys.stdin:
    deed, amount = line.split()
    if deed == "eat":
        kept.append(b"x" * int(amount))
    elif deed == "open":
        kept += [os.open("/dev/null", os.O_RDONLY) for _ in range(int(amount))]
    elif deed == "burn":
        until = time.process_time() + float(amount)
        while time.process_time() < until:
            pass
    print("done", flush=True)
"""


class Body:
    """A process that uses what it is told to."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", BODY, "a name) with (odd 1 2 3"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.does("eat", 0)

    def does(self, deed: str, amount: float) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{deed} {amount}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def ends(self, reaped: bool = True) -> None:
        self._process.kill()
        if reaped:
            self._process.communicate()
        else:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def __enter__(self) -> "Body":
        return self

    def __exit__(self, *_: object) -> None:
        self.ends()


@pytest.fixture
def body() -> Iterator[Body]:
    with Body() as body:
        yield body


def read(usages: Usages, clock: HandClock, after_s: float = 2.0) -> dict[str, Usage]:
    clock.advance(after_s)
    return dict(usages.look(clock.now()))


def test_memory_cpu_and_descriptors_of_a_process_are_read_as_they_are(body: Body) -> None:
    clock = HandClock()
    usages = Usages(clock)
    usages.watch("press", body.pid, descriptors=True)
    before = read(usages, clock)["press"]
    body.does("eat", 50_000_000)
    body.does("open", 20)
    body.does("burn", 0.5)
    after = read(usages, clock)["press"]
    seen = psutil.Process(body.pid)
    assert after.rss_bytes - before.rss_bytes == pytest.approx(50_000_000, rel=0.05)
    assert after.rss_bytes == pytest.approx(seen.memory_info().rss, rel=0.05)
    assert after.descriptors == seen.num_fds()
    assert before.descriptors == seen.num_fds() - 20
    assert after.cpu_s - before.cpu_s == pytest.approx(0.5, abs=0.1)
    assert after.cpu == pytest.approx((after.cpu_s - before.cpu_s) / 2.0), "a share of the time by the clock handed in"
    assert usages.last("press") == after


def test_a_name_that_holds_brackets_and_numbers_does_not_shift_the_fields() -> None:
    source = "import sys, ctypes; ctypes.CDLL(None).prctl(15, b') R 1 2 (x'); print(); sys.stdin.read()"
    odd = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    clock = HandClock()
    usages = Usages(clock)
    try:
        assert odd.stdout is not None
        odd.stdout.readline()
        usages.watch("odd", odd.pid)
        times = psutil.Process(odd.pid).cpu_times()
        assert read(usages, clock)["odd"].cpu_s == pytest.approx(times.user + times.system, abs=0.05)
    finally:
        odd.kill()
        odd.communicate()


def test_descriptors_are_counted_only_where_they_are_limited(body: Body) -> None:
    clock = HandClock()
    usages = Usages(clock)
    usages.watch("press", body.pid)
    assert read(usages, clock)["press"].descriptors is None


def test_cpu_time_from_before_it_was_watched_is_not_its_share_now(body: Body) -> None:
    body.does("burn", 0.5)
    clock = HandClock()
    usages = Usages(clock)
    usages.watch("press", body.pid)
    assert read(usages, clock)["press"].cpu < 0.05


@pytest.mark.parametrize("reaped", [True, False])
def test_a_process_that_has_ended_has_no_usage_and_disturbs_nobody(reaped: bool) -> None:
    clock = HandClock()
    usages = Usages(clock)
    with Body() as dead, Body() as alive:
        usages.watch("dead", dead.pid)
        usages.watch("alive", alive.pid)
        dead.ends(reaped)
        assert list(read(usages, clock)) == ["alive"]
    usages.watch("late", dead.pid)
    assert "late" not in read(usages, clock)


def test_each_has_its_turn_and_no_look_reads_more_than_a_few() -> None:
    clock = HandClock()
    usages = Usages(clock, every_s=2.0)
    names = [f"c{number}" for number in range(3 * AT_ONCE + 1)]
    for name in names:
        usages.watch(name, os.getpid())
    assert usages.pause_s == pytest.approx(0.5)
    clock.advance(2.0)
    for _ in range(3):
        turns: list[str] = []
        for _ in range(4):
            seen = usages.look(clock.now())
            assert len(seen) <= AT_ONCE
            turns += [name for name, _ in seen]
            clock.advance(usages.pause_s)
        assert sorted(turns) == sorted(names), "everybody once in two seconds"


def test_looking_more_often_reads_nobody_more_often() -> None:
    clock = HandClock()
    usages = Usages(clock, every_s=2.0)
    usages.watch("a", os.getpid())
    turns = 0
    for _ in range(100):
        clock.advance(0.1)
        turns += len(usages.look(clock.now()))
    assert turns <= 10


def test_a_restarted_child_is_read_under_its_name_and_a_forgotten_one_no_more(body: Body) -> None:
    clock = HandClock()
    usages = Usages(clock)
    usages.watch("press", os.getpid())
    usages.watch("press", body.pid)
    assert read(usages, clock)["press"].rss_bytes < psutil.Process().memory_info().rss
    usages.forget("press")
    usages.forget("press")
    assert read(usages, clock) == {}
    assert usages.last("press") is None


def test_the_machines_clock_will_do() -> None:
    usages = Usages(MachineClock(), every_s=0.0)
    usages.watch("self", os.getpid(), descriptors=True)
    ((name, usage),) = usages.look(MachineClock().now())
    assert name == "self"
    assert usage.descriptors is not None
    assert abs(usage.descriptors - psutil.Process().num_fds()) <= 1, "counting itself takes one"
