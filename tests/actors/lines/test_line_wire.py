"""The wire on a real terminal of which the test holds the far end."""

import os
import tempfile
import tty
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors.lines.settings import Settings
from actors.lines.standing import Ended
from actors.lines.wire import Over, Wire
from tests.actors.lines.stage import reading
from tests.transports.desk import Desk
from transports.building import build
from transports.errors import SettingsError
from transports.line_messages import Request
from transports.rtu_frames import with_crc

STALE = with_crc(b"\x01\x03\x04\xde\xad\xbe\xef")
FRESH = with_crc(b"\x01\x03\x04\0\1\0\2")


@dataclass
class Bench:
    desk: Desk
    far_end: int
    path: str
    wire: Wire = field(init=False)
    over: list[Over] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def ask(self, timeout_s: float = 30.0) -> None:
        self.wire.start(Request(1, reading(1), "rtu", timeout_s))


@pytest.fixture
def bench() -> Iterator[Bench]:
    far_end, near_end = os.openpty()
    tty.setraw(near_end)
    with tempfile.TemporaryDirectory(prefix="hf-") as run_dir, Desk(Path(run_dir)) as desk:
        bench = Bench(desk, far_end, os.ttyname(near_end))
        settings = build(Settings, {"port": bench.path, "timeout": "30s"}, "line.x")
        bench.wire = Wire(settings, desk.mailbox, desk.clock, bench.over.append, bench.lost.append)
        bench.wire.open()
        yield bench
        bench.wire.close()
    os.close(near_end)
    os.close(far_end)


def test_what_lay_in_the_port_before_is_never_the_answer(bench: Bench) -> None:
    os.write(bench.far_end, STALE)
    bench.ask()
    assert os.read(bench.far_end, 100) == reading(1)
    os.write(bench.far_end, FRESH)
    bench.desk.until(lambda: bench.over)
    assert (bench.over[0].how, bench.over[0].answer) == (Ended.ANSWERED, FRESH)
    assert bench.wire.garbage_bytes == len(STALE)


def test_after_each_exchange_the_line_is_silent_for_three_and_a_half_characters_or_more(bench: Bench) -> None:
    bench.ask()
    os.write(bench.far_end, FRESH)
    bench.desk.until(lambda: bench.over)
    assert bench.over[0].cost_s - bench.over[0].round_trip_s == pytest.approx(3.5 * 10 / 9600)
    bench.ask(timeout_s=0.01)
    bench.desk.until(lambda: len(bench.over) == 2)
    assert bench.over[1].how is Ended.MISSED
    assert bench.over[1].cost_s - bench.over[1].round_trip_s == pytest.approx(3.5 * 10 / 9600 + 0.02)


def test_a_late_answer_is_heard_to_its_end_before_the_next_request(bench: Bench) -> None:
    bench.ask(timeout_s=0.01)
    bench.desk.until(lambda: bench.over)
    free_at = bench.wire.free_at
    bench.desk.until(lambda: bench.desk.clock.now() >= free_at - 0.001)
    os.write(bench.far_end, STALE)
    bench.desk.until(lambda: bench.wire.garbage_bytes == len(STALE))
    assert bench.wire.free_at > free_at


def test_a_port_that_takes_no_bytes_is_lost_and_nothing_waits_for_it(bench: Bench) -> None:
    """Nobody reads at the far end, so the terminal fills up."""
    filling = os.open(bench.path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    while not bench.lost:  # the kernel moves what it holds on, which makes room once or twice
        with suppress(BlockingIOError):
            while os.write(filling, b"x" * 4096):
                pass
        if not bench.wire.is_running:
            bench.ask(timeout_s=0.001)
        else:
            bench.desk.step()
    os.close(filling)
    assert "bytes: the adapter hangs; it is opened again" in bench.lost[0]
    assert not bench.wire.is_running
    bench.desk.until(lambda: bench.wire.opened == 2)


@pytest.mark.parametrize(
    ("table", "cure"),
    [
        ({}, "line.x.port: is missing; write a string"),
        ({"port": "/dev/x", "parity": "evn"}, "line.x.parity = 'evn': must be one of none, even, odd, mark, space"),
        ({"port": "/dev/x", "baud": 0}, "line.x.baud = 0: must be at least 50 and at most 4000000"),
        ({"port": "/dev/x", "stop_bits": 3}, "line.x.stop_bits = 3: must be one of 1, 1.5, 2"),
        ({"port": "/dev/x", "timeout": "0s"}, "line.x.timeout = '0s': must be"),
        ({"port": "/dev/x", "turnaround": "-1s"}, "line.x.turnaround = '-1s': must be"),
        ({"port": "/dev/x", "baudrate": 9600}, "line.x.baudrate: unknown setting; did you mean 'baud'?"),
    ],
)
def test_each_mistake_in_the_settings_is_one_problem_with_its_cure(table: dict[str, object], cure: str) -> None:
    with pytest.raises(SettingsError) as error:
        build(Settings, table, "line.x")
    (problem,) = error.value.problems
    assert str(problem).startswith(cure)
