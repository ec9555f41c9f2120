"""The simulated device: scans or batches in time order, exact counters, and every fault when asked for."""

import multiprocessing
import os
import signal
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.lifeline import die_with_parent
from transports import codec
from transports.building import build
from transports.errors import LinkDown, LinkRefused, LinkTimeout, NotUnderstood, SettingsError
from transports.links.sim import Settings, SimLink, connect, spread
from transports.samples import Batch, DataType, Scan, batch_of

SINE = {"level": {"wave": "sine"}}
MIXED = {
    "flag": {"wave": "square", "type": "bool"},
    "seen": {"wave": "counter"},
    "hot": {"wave": "noise", "count": 3, "unit": "degC"},
    "whole": {"wave": "sawtooth", "type": "int64", "amplitude": 100},
    "up": {"wave": "sine", "type": "uint64", "amplitude": 10},
}


def link_to(tags: Any, **device: Any) -> SimLink:
    return connect(build(Settings, {"tags": tags, **device}, "device.s"))


def one_scan(link: SimLink) -> Scan:
    answer = link.read()
    assert not isinstance(answer, Batch)
    (scan,) = answer
    return scan


def one_batch(link: SimLink) -> Batch:
    answer = link.read()
    assert isinstance(answer, Batch)
    return answer


def mistakes(**table: Any) -> list[str]:
    with pytest.raises(SettingsError) as wrong:
        build(Settings, table, "device.s")
    return [str(problem) for problem in wrong.value.problems]


def test_a_scan_has_a_value_of_the_announced_type_for_every_tag() -> None:
    link = link_to(MIXED)
    before = time.time_ns()
    scan = one_scan(link)
    assert before <= scan.time_ns <= time.time_ns()
    assert [tag.name for tag in link.tags] == ["flag", "seen", "hot0", "hot1", "hot2", "whole", "up"]
    assert [type(value) for value in scan.values] == [bool, int, float, float, float, int, int]
    assert link.tags[2].unit == "degC"
    batch_of("s", 0, [scan])


@given(st.integers(2, 20))
def test_a_batch_is_what_its_scans_would_be_and_travels_like_any_other(scans: int) -> None:
    batch = one_batch(link_to(MIXED, batch=scans))
    rows = [Scan(at, batch.tags, values) for at, values, _ in batch.rows()]
    assert len(rows) == scans
    assert batch_of("", 0, rows) == batch == codec.unpack(codec.pack(batch))


@pytest.mark.parametrize("scans", [1, 7])
def test_the_counter_counts_every_scan_from_one_without_a_gap(scans: int) -> None:
    link = link_to({"seen": {"wave": "counter"}}, batch=scans)
    seen: list[Any] = []
    for _ in range(30):
        answer = link.read()
        rows = answer.rows() if isinstance(answer, Batch) else [(scan.time_ns, scan.values, ()) for scan in answer]
        seen += [values[0] for _, values, _ in rows]
    assert seen == list(range(1, 30 * scans + 1))


@given(st.integers(1, 2**62), st.integers(-(10**12), 10**12), st.integers(1, 50))
def test_the_scans_of_a_batch_lie_after_the_last_read_in_order(last_ns: int, passed_ns: int, scans: int) -> None:
    now_ns = max(last_ns + passed_ns, 10**12)
    times_ns = spread(last_ns, now_ns, scans).tolist()
    assert len(times_ns) == scans
    assert times_ns[-1] == now_ns
    assert all(one < following for one, following in pairwise(times_ns))
    if now_ns - last_ns >= scans:
        assert times_ns[0] > last_ns


def test_reads_one_after_the_other_are_one_line_in_time() -> None:
    link = link_to(SINE, batch=5)
    times_ns = [time_ns for _ in range(20) for time_ns in one_batch(link).times_ns]
    assert times_ns == sorted(times_ns)


def test_equal_seeds_give_equal_noise() -> None:
    noise = {"n": {"wave": "noise", "count": 4}}
    first, again, other = (one_scan(link_to(noise, seed=seed)).values for seed in (5, 5, 6))
    assert first == again != other


def test_the_signals_of_a_run_run_ahead_of_each_other() -> None:
    batch = one_batch(link_to({"s": {"wave": "sine", "count": 4, "period": "1s"}}, batch=2))
    row = batch.matrix(DataType.FLOAT64)[0]
    assert row[0] == pytest.approx(-row[2], abs=1e-9)
    assert row[1] == pytest.approx(-row[3], abs=1e-9)


def test_a_constant_keeps_what_is_written_to_it() -> None:
    tags = {
        name: {"wave": "constant", "type": name, "writable": True} for name in ("float64", "int64", "uint64", "bool")
    }
    link = link_to(tags)
    wanted = {"float64": 2.5, "int64": -7, "uint64": 2**53, "bool": True}
    for tag, value in wanted.items():
        link.write(tag, value)
    assert dict(zip(wanted, one_scan(link).values, strict=True)) == wanted


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        ("level", 1.0, "level: cannot be written; "),
        ("pum", 1, "did you mean 'pump'?"),
        ("pump", 2, "pump = 2: takes true or false"),
        ("pump", "on", "pump = 'on': takes true or false"),
        ("count", -1, "takes a whole number between 0"),
        ("count", 0.5, "takes a whole number"),
        ("set", float("nan"), "takes a number"),
        ("set", float("inf"), "takes a number"),
        ("set", 10**400, "takes a number"),
    ],
)
def test_what_cannot_be_written_is_refused(tag: str, value: Any, said: str) -> None:
    link = link_to(
        {
            **SINE,
            "pump": {"wave": "constant", "type": "bool", "writable": True},
            "count": {"wave": "constant", "type": "uint64", "writable": True},
            "set": {"wave": "constant", "writable": True},
        }
    )
    with pytest.raises(LinkRefused) as refused:
        link.write(tag, value)
    assert said in str(refused.value)


def test_mistakes_in_the_settings_are_named() -> None:
    assert mistakes(tags={}) == ["device.s.tags = {}: must name at least one tag"]
    assert "must be one of sine" in mistakes(tags={"a": {"wave": "cosine"}})[0]
    assert "device.s.tags.a.writable" in mistakes(tags={"a": {"wave": "sine", "writable": True}})[0]
    assert "makes a1 a second time" in mistakes(tags={"a": {"wave": "sine", "count": 2}, "a1": {"wave": "noise"}})[0]
    assert "device.s.batch = 10000: makes" in mistakes(tags={"a": {"wave": "sine", "count": 101}}, batch=10_000)[0]


def test_a_closed_device_is_down() -> None:
    link = link_to({"a": {"wave": "constant", "writable": True}})
    link.close()
    link.close()
    with pytest.raises(LinkDown):
        link.read()
    with pytest.raises(LinkDown):
        link.write("a", 1.0)


@pytest.fixture
def control(tmp_path: Path) -> Path:
    return tmp_path / "fault"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("down", LinkDown), ("timeout", LinkTimeout), ("crash", RuntimeError), ("typo", LinkDown), ("slow:x", LinkDown)],
)
def test_a_fault_comes_and_goes_with_the_control_file(control: Path, fault: str, expected: type[Exception]) -> None:
    link = link_to(SINE, faults=str(control))
    link.read()
    control.write_text(f"{fault}\n")
    with pytest.raises(expected):
        link.read()
    control.write_text("")
    link.read()
    control.unlink()
    link.read()


@pytest.mark.parametrize("fault", ["down", "connect", "typo"])
def test_a_device_that_cannot_be_reached_is_down(control: Path, fault: str) -> None:
    control.write_text(fault)
    with pytest.raises(LinkDown):
        link_to(SINE, faults=str(control))


@pytest.mark.parametrize("fault", ["timeout", "silence", "garbage"])
def test_a_fault_of_reading_leaves_connecting_alone(control: Path, fault: str) -> None:
    control.write_text(fault)
    link_to(SINE, faults=str(control))


def test_a_fault_of_connecting_leaves_an_open_link_alone(control: Path) -> None:
    link = link_to(SINE, faults=str(control))
    control.write_text("connect")
    one_scan(link)


def test_silence_brings_nothing_and_counts_nothing(control: Path) -> None:
    link = link_to({"seen": {"wave": "counter"}}, faults=str(control))
    control.write_text("silence")
    assert link.read() == []
    control.unlink()
    assert one_scan(link).values == (1,)


@pytest.mark.parametrize("tags", [SINE, MIXED])
def test_garbage_is_recognised_as_such(control: Path, tags: Any) -> None:
    link = link_to(tags, faults=str(control))
    control.write_text("garbage")
    with pytest.raises(NotUnderstood):
        batch_of("s", 0, [one_scan(link)])


def test_a_slow_device_takes_its_time_and_answers(control: Path) -> None:
    link = link_to(SINE, faults=str(control))
    control.write_text("slow:50ms")
    before = time.monotonic()
    one_scan(link)
    assert time.monotonic() - before >= 0.05


def start_reading(control: Path) -> "multiprocessing.process.BaseProcess":
    """A process that opens the device; returns when it is about to read."""
    context = multiprocessing.get_context("spawn")
    reading = context.Event()
    process = context.Process(target=_read_when_told, args=(os.getpid(), str(control), reading), daemon=True)
    process.start()
    assert reading.wait(30)
    return process


def _read_when_told(parent: int, control: str, reading: Any) -> None:
    die_with_parent(parent)
    link = link_to(SINE, faults=control)
    Path(control).write_text(Path(control + ".next").read_text())
    reading.set()
    link.read()


def test_a_segfault_ends_the_process_with_its_signal(control: Path) -> None:
    Path(f"{control}.next").write_text("segfault")
    process = start_reading(control)
    process.join(30)
    assert process.exitcode == -signal.SIGSEGV


def test_a_hang_never_returns(control: Path) -> None:
    Path(f"{control}.next").write_text("hang")
    process = start_reading(control)
    process.join(0.2)
    assert process.is_alive()
    process.kill()
    process.join(30)
