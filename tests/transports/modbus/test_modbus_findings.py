"""The search for what a device refuses, against devices with any set of holes and limits."""

import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transports.clock import HandClock
from transports.errors import LinkTimeout
from transports.modbus import pdu
from transports.modbus.findings import AGAIN_S, Findings, refused
from transports.modbus.plan import MOST, Block, plan
from transports.modbus.reading import SEARCH, TRIALS, Reading
from transports.modbus.tags import BITS, Point
from transports.samples import Quality, Scan

TABLES = {function: register for register, function in pdu.READ.items()}
Address = tuple[str, int]


@dataclass
class Device:
    """A device that has every address but the holes, takes `most` registers at once, and counts what it is asked."""

    holes: set[Address] = field(default_factory=set)
    most: int = 2000
    code: int = 2
    answered: int = 0
    refused: int = 0
    largest: dict[str, int] = field(default_factory=dict)

    def ask(self, request: bytes) -> bytes:
        function, address, count = struct.unpack(">BHH", request)
        register = TABLES[function]
        self.largest[register] = max(count, self.largest.get(register, 0))
        missing = any((register, at) in self.holes for at in range(address, address + count))
        if missing or count > self.most:
            self.refused += 1
            return bytes((function | 0x80, self.code))
        self.answered += 1
        if register in BITS:
            return bytes((function, (count + 7) // 8)) + bytes((count + 7) // 8)
        return bytes((function, 2 * count)) + struct.pack(f">{count}H", *range(address, address + count))

    @property
    def asked(self) -> int:
        return self.answered + self.refused


def registers(count: int, register: str = "holding") -> list[Point]:
    kind = "bool" if register in BITS else "uint16"
    return [Point(f"{register[0]}{at}", register, at, kind) for at in range(count)]


@st.composite
def a_point(draw: st.DrawFn) -> Point:
    register = draw(st.sampled_from(list(MOST)))
    width = 1 if register in BITS else draw(st.sampled_from([1, 1, 1, 2, 4]))
    kind = "bool" if register in BITS else {1: "uint16", 2: "uint32", 4: "uint64"}[width]
    return Point("p", register, draw(st.integers(0, 60) | st.integers(0, 400)), kind, width)


def is_good(point: Point, device: Device) -> bool:
    return not any((point.register, at) in device.holes for at in range(point.address, point.end))


def reading(points: list[Point], ask: Callable[[bytes], bytes], max_gap: int = 0) -> tuple[Reading, HandClock]:
    clock = HandClock()
    return Reading(points, max_gap, ask, "plc:502", clock), clock


def codes(scan: Scan) -> list[int]:
    return [scan.quality] * len(scan.tags) if isinstance(scan.quality, int) else list(scan.quality)


points_and_holes = st.lists(a_point(), min_size=1, max_size=60).flatmap(
    lambda points: st.tuples(
        st.just(points),
        st.sets(st.tuples(st.sampled_from(list(MOST)), st.integers(0, 70)), max_size=40),
    )
)


@settings(max_examples=150, deadline=None)
@given(points_and_holes, st.sampled_from([0, 0, 1, 5, 124]), st.integers(4, 130), st.sampled_from([2, 3]))
def test_whatever_a_device_lacks_every_other_tag_is_read_and_the_search_ends(
    made: tuple[list[Point], set[Address]], max_gap: int, most: int, code: int
) -> None:
    points, holes = made
    device = Device(holes, most, code)
    subject, clock = reading(points, device.ask, max_gap)
    plan_size, reads = len(plan(points, max_gap)), 0
    done = False
    while not done:
        before, known = device.asked, [*subject._findings.aside, *subject._findings.cuts]
        scan = subject.read()
        reads += 1
        taught = known != [*subject._findings.aside, *subject._findings.cuts]
        done = not taught and not any(until <= clock.now() for until in subject._findings.cuts.values())
        clock.advance(0.1)
        assert device.asked - before <= plan_size + 2 * len(points) + SEARCH + TRIALS
        assert reads <= 8 * len(points) + 4
    wanted = [Quality.GOOD if is_good(point, device) else Quality.BAD_NOT_READABLE for point in points]
    assert [bool(one) for one in codes(scan)] == [bool(one) for one in wanted]
    assert all((value is None) == bool(one) for value, one in zip(scan.values, wanted, strict=True))
    assert all(count <= MOST[register] for register, count in device.largest.items())
    assert device.refused <= 4 * len(points) + plan_size
    device.holes.clear()
    device.most = 2000
    for _ in range(3 + 2 * len(points)):  # at most one finding a read is tried again, where nothing else is read
        clock.advance(AGAIN_S + 1)
        scan = subject.read()
    assert scan.quality == Quality.GOOD
    assert [part.block for part in subject._parts] == list(plan(points, max_gap))


@pytest.mark.parametrize("bad", [0, 1, 62, 63, 124])
def test_one_missing_register_of_a_full_block_is_found_in_one_read(bad: int) -> None:
    device = Device({("holding", bad)})
    subject, _ = reading(registers(125), device.ask)
    scan = subject.read()
    assert [at for at, value in enumerate(scan.values) if value is None] == [bad]
    assert codes(scan)[bad] == Quality.BAD_NOT_READABLE
    assert device.asked <= 1 + 2 * 7


def test_once_the_missing_one_is_found_the_rest_is_two_requests_a_read() -> None:
    device = Device({("holding", 60)})
    subject, clock = reading(registers(125), device.ask)
    for _ in range(8):
        subject.read()
        clock.advance(0.1)
    refused_before, asked_before = device.refused, device.asked
    for _ in range(10):
        subject.read()
        clock.advance(0.1)
    assert device.refused == refused_before
    assert device.asked == asked_before + 20


def test_a_device_that_takes_few_registers_at_once_is_read_in_pieces_that_it_takes() -> None:
    device = Device(most=50, code=3)
    subject, clock = reading(registers(125), device.ask)
    for _ in range(8):
        scan = subject.read()
        clock.advance(0.1)
    assert scan.quality == Quality.GOOD
    asked_before = device.asked
    subject.read()
    assert device.asked == asked_before + 4


def test_a_gap_that_the_device_does_not_have_is_not_read_over() -> None:
    points = [Point("a", "holding", 0, "uint16"), Point("b", "holding", 5, "uint16")]
    for code in (2, 3, 4):
        device = Device({("holding", 3)}, code=code)
        subject, _ = reading(points, device.ask, max_gap=10)
        assert subject.read().quality == Quality.GOOD


def test_a_failing_device_is_not_taken_apart() -> None:
    """Exception 4 over tags that lie side by side is a failure, not a hole: told as such, at one request a read."""
    device = Device({("holding", 3)}, code=4)
    subject, _ = reading(registers(10), device.ask)
    for _ in range(5):
        assert codes(subject.read()) == [Quality.BAD_DEVICE_FAILURE] * 10
    assert device.asked == 5


def test_what_was_set_aside_is_tried_again_after_a_while_and_heals(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "holdfast.modbus")
    device = Device({("holding", 2), ("holding", 3)})
    subject, clock = reading(registers(8), device.ask)
    for _ in range(5):
        subject.read()
    device.holes.clear()
    assert subject.read().values[2] is None
    clock.advance(AGAIN_S)
    subject.read()
    scan = subject.read()
    assert scan.quality == Quality.GOOD
    assert [record.getMessage() for record in caplog.records] == [
        "plc:502 refuses h2, h3: exception 2 (illegal data address); tried again every 5 min",
        "plc:502 answers again for h2, h3",
    ]


def test_the_retry_of_what_is_still_missing_disturbs_no_other_tag(caplog: pytest.LogCaptureFixture) -> None:
    device = Device({("holding", 2)})
    subject, clock = reading(registers(100), device.ask)
    for _ in range(10):
        subject.read()
    for _ in range(20):
        clock.advance(AGAIN_S / 4)
        assert sum(value is None for value in subject.read().values) == 1
    assert len(caplog.records) == 1


def test_a_device_that_lacks_everything_is_still_asked_at_each_read() -> None:
    device = Device({("holding", at) for at in range(10)})
    subject, clock = reading(registers(10), device.ask)
    for _ in range(10):
        subject.read()
        clock.advance(1)
    before = device.asked
    subject.read()
    assert device.asked == before + 1

    def silent(request: bytes) -> bytes:
        raise LinkTimeout("no answer")

    subject._ask = silent
    with pytest.raises(LinkTimeout):
        subject.read()


def test_a_device_that_is_silent_about_what_it_lacks_keeps_its_other_tags() -> None:
    device = Device({("holding", 2)})
    subject, clock = reading(registers(5), device.ask)
    for _ in range(6):
        subject.read()

    def moody(request: bytes) -> bytes:
        if request[1:3] == b"\x00\x02":
            raise LinkTimeout("no answer")
        return device.ask(request)

    subject._ask = moody
    clock.advance(AGAIN_S)
    assert list(subject.read().values) == [0, 1, None, 3, 4]


@pytest.mark.parametrize("code", [1, 5, 6, 8, 10, 11, 200])
def test_other_refusals_teach_nothing(code: int) -> None:
    before: Any = Findings()
    assert refused(before, registers(4), Block("holding", 0, 4, (0, 1, 2, 3)), code, 0.0) is before
