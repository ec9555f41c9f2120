"""A device's commands one after the other: none late, none in the way of other work, each read back with patience."""

from pathlib import Path

import pytest

from actors.commanding import reading_back
from tests.actors.commanding.hand import Bench
from transports.errors import LinkRefused, LinkTimeout


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_between_two_of_a_burst_there_is_time_for_other_work(bench: Bench) -> None:
    bench.valve.lasts_s = 0.4
    seen: list[int] = []

    def beat() -> None:
        seen.append(len(bench.valve.written))
        bench.mailbox.at(bench.clock.now() + 0.1, beat)

    bench.mailbox.at(bench.clock.now() + 0.1, beat)
    for number in range(20):
        bench.take(f"k{number}", number)
    assert bench.valve.written == []
    bench.mailbox.turn(9.0)
    assert bench.valve.written == [("x", number) for number in range(20)]
    assert set(range(1, 21)) <= set(seen)


def test_writes_without_an_answer_in_a_row_make_the_connection_suspect(bench: Bench) -> None:
    bench.valve.fails = LinkTimeout("no answer in 0.5 s")
    assert [bench.send(f"a{number}")[0] for number in range(2)] == ["unknown"] * 2
    bench.valve.fails = LinkRefused("no")
    bench.send("b")
    bench.valve.fails = LinkTimeout("no answer in 0.5 s")
    bench.send("c")
    bench.send("d")
    assert bench.lost == []
    bench.send("e")
    assert [str(down) for down in bench.lost] == ["no answer in 0.5 s (3 commands in a row)"]
    bench.commands.lost("it was told")
    bench.send("f")
    assert len(bench.lost) == 1


def test_a_command_whose_time_is_far_away_is_executed_when_the_link_comes(bench: Bench) -> None:
    bench.link = None
    bench.take("k", until_s=1e10)
    bench.take("short")
    bench.mailbox.turn(10_000.0)
    assert bench.mailbox.latest_s <= bench.clock.now() + 3600.0  # what a timer of the system can hold
    assert bench.outcomes("short") == ["expired"]
    bench.link = bench.valve
    bench.commands.go_on()
    bench.mailbox.turn()
    assert bench.outcomes("k") == ["done"]


def test_what_comes_too_late_does_not_even_begin(bench: Bench) -> None:
    assert bench.send("k", until_s=bench.clock.now() - 0.001)[0] == "expired"
    assert bench.valve.written == []
    assert b"begun" not in bench.lasting.read_bytes()


def test_what_comes_when_the_device_is_leaving_is_not_executed(bench: Bench) -> None:
    bench.commands.end()
    assert bench.send("k") == ("rejected", "the device was stopped; it was not executed")
    bench.mailbox.turn(10.0)
    bench.start()
    assert bench.send("k")[0] == "rejected"
    assert bench.valve.written == []


def test_a_valve_has_time_to_move_however_long_the_period_is(bench: Bench) -> None:
    start = bench.clock.now()
    for obeys_after_s in (0.0, 0.3, 1.5, 4.5):
        moved_s = bench.clock.now() + obeys_after_s
        bench.reads = lambda now, moved_s=moved_s: 1 if now >= moved_s else 0  # type: ignore[misc]
        key = f"after {obeys_after_s}"
        bench.take(key, read_back=True)
        bench.mailbox.turn(5.0)
        assert bench.outcomes(key) == ["done"]
    assert bench.clock.now() - start == pytest.approx(20.0)


def test_it_is_looked_at_again_and_again_and_no_more_when_it_has_moved(bench: Bench) -> None:
    start = bench.clock.now()
    bench.reads = lambda now: 1 if now >= start + 0.5 else 0
    bench.take("k", read_back=True)
    bench.mailbox.turn(10.0)
    assert [round(look - start, 2) for look in bench.looks] == [0.0, 0.2, 0.5]


def test_what_reads_something_else_in_the_end_was_not_obeyed(bench: Bench) -> None:
    bench.reads = lambda now: 0
    bench.take("k", read_back=True)
    bench.mailbox.turn(4.9)
    assert bench.outcomes("k") == []
    bench.mailbox.turn(0.2)
    assert bench.send("k") == ("rejected", "written, but 5 s later it reads 0")


def test_what_is_never_read_is_unknown(bench: Bench) -> None:
    for key in ("bad", "not in any scan"):
        bench.take(key, read_back=True)
        bench.mailbox.turn(5.0)
        assert bench.send(key) == ("unknown", "written, but it was not read within 5 s")
        bench.look = lambda: None  # type: ignore[method-assign]
        bench.start()


def test_the_next_waits_until_the_one_before_is_read_back(bench: Bench) -> None:
    bench.reads = lambda now: 0
    bench.take("first", read_back=True)
    bench.take("second", 2)
    bench.mailbox.turn(reading_back.WITHIN_S - 0.1)
    assert bench.valve.written == [("x", 1)]
    assert bench.commands.waiting == 2
    bench.mailbox.turn(0.2)
    assert bench.outcomes("second") == ["done"]
