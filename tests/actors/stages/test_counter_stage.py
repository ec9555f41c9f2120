"""Counters that wrap around, are reset, jump and stutter: the total only grows, and is exact."""

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.stages.pipeline import pipeline_of
from tests.actors.stages.readings import OIL, PARTS, TICKS, batch, values
from tests.actors.stages.samples_of_stages import FLOATS, NUMBERS, Sample, by_tag, same, streams, through
from transports.samples import DataType, Quality, Tag, is_bad

READINGS: dict[DataType, Any] = {
    DataType.FLOAT64: st.integers(-2, 300).map(float) | FLOATS,
    DataType.INT64: st.integers(-2, 300) | st.just(2**63 - 1),
    DataType.UINT64: st.integers(0, 300) | st.sampled_from([2**64 - 1, 2**64 - 2]),
    DataType.BOOL: st.booleans(),
    DataType.STRING: st.just(""),
}


def total(*readings: Any, tag: Tag = TICKS, **settings: Any) -> list[Any]:
    return values(through([batch(*enumerate(readings), tags=[tag])], {"stage": "counter", **settings}), tag.name)


def test_the_total_begins_with_the_reading_and_grows_with_it() -> None:
    assert total(100, 100, 107, 110) == [100, 100, 107, 110]


def test_a_counter_of_16_bits_goes_on_over_its_end() -> None:
    assert total(65530, 65535, 3, 8, wrap="16 bit") == [65530, 65535, 65539, 65544]


def test_wraps_at_64_bits_and_at_any_number() -> None:
    assert total(9_990, 5, wrap=10_000) == [9_990, 10_005]
    assert total(2**32 - 1, 1, wrap="32 bit", tag=PARTS) == [2**32 - 1, 2**32 + 1]
    assert total(0, 2**64 - 3, wrap="64 bit") == [0, 2**64 - 3]


def test_a_reset_counts_what_was_counted_since() -> None:
    assert total(1000, 1010, 4, 9) == [1000, 1010, 1014, 1019]
    assert total(100, 7, wrap="16 bit") == [100, 107], "a wrap would be 65,443 counts: not plausible"


def test_a_step_back_by_little_waits_until_the_counter_is_there_again() -> None:
    assert total(100.0, 99.9, 100.0, 100.5, tag=OIL) == [100.0, 100.0, 100.0, 100.5]


def test_a_jump_is_not_counted_but_what_follows_it_is() -> None:
    assert total(10, 5_000, 12, max_step=50) == [10, None, 12], "a wrong reading alone"
    assert total(10, 5_000, 5_003, 5_004, max_step=50) == [10, None, 10, 11], "the counter really is there now"


def test_what_is_below_zero_is_no_count() -> None:
    assert total(10, -1, 12, tag=PARTS) == [10, None, 12]


def test_whole_totals_are_uint64_and_exact_up_to_the_end() -> None:
    out = through([batch((0, 2**63 - 1), (1, 0), (2, 2**62), tags=[PARTS])], {"stage": "counter"})
    assert out[0].tags[0].type is DataType.UINT64
    assert values(out, "parts") == [2**63 - 1, 2**63 - 1, 2**63 - 1 + 2**62]


def test_a_counter_that_comes_back_with_another_type_goes_on_from_its_total() -> None:
    given_ = [batch((0, 700), (1, 710), tags=[PARTS]), batch((2, 5.0), (3, 7.5), tags=[Tag("parts")])]
    assert values(through(given_, {"stage": "counter"}), "parts") == [700, 710, 710.0, 712.5]


class Loop:
    """One counter, sample by sample, as the module's table says it."""

    def __init__(self, wrap: int, most: float | None, whole: bool) -> None:
        self.wrap, self.most, self.whole = wrap, most, whole
        self.last: Any = None
        self.total: Any = 0
        self.doubt: Any = None

    def plausible(self, reading: Any) -> bool:
        if self.last is None:
            self.total = reading
        else:
            ahead = reading - self.last
            most = math.inf if self.most is None else self.most
            if 0 <= ahead <= most:
                self.total += ahead
            elif ahead > most:
                if self.doubt is None or not 0 <= reading - self.doubt <= most:
                    self.doubt = reading
                    return False
            elif self.wrap and 0 <= ahead + self.wrap <= (self.wrap // 2 if self.most is None else self.most):
                self.total += ahead + self.wrap
            elif reading * 2 <= self.last:
                self.total += reading
            else:
                self.doubt = None
                return True
        self.last, self.doubt = reading, None
        if self.whole and self.total > 2**64 - 1:
            self.total = reading
        return True


@given(
    streams(values=READINGS),
    st.sampled_from([("", 0), ("16 bit", 2**16), ("64 bit", 2**64), (256, 256)]),
    st.sampled_from([None, 20, 1000.5]),
)
def test_totals_are_what_a_loop_over_the_readings_counts(batches: list[Any], wrap: Any, most: Any) -> None:
    table = {"stage": "counter"} | ({"wrap": wrap[0]} if wrap[0] else {}) | ({"max_step": most} if most else {})
    out = by_tag(through(batches, table))
    for name, samples in by_tag(batches).items():
        if name not in NUMBERS:
            continue
        loop = Loop(wrap[1], most, name in "iu")
        expected: list[Sample] = []
        for time_ns, reading, code in samples:
            if is_bad(code):
                expected.append((time_ns, None, code))
            elif isinstance(reading, float) and not math.isfinite(reading) and reading != -math.inf:
                expected.append((time_ns, reading, code))
            elif reading >= 0 and loop.plausible(reading):  # type: ignore[operator]
                expected.append((time_ns, loop.total, code))
            else:
                expected.append((time_ns, None, Quality.BAD_OUT_OF_RANGE))
        if name in "iu":
            same(out[name], expected)
        else:
            same(out[name], expected, 1e-9)


@given(st.lists(st.integers(0, 70_000), max_size=60), st.sampled_from([None, "16 bit"]), st.integers(1, 7))
def test_a_total_never_falls(readings: list[int], wrap: str | None, length: int) -> None:
    pipeline = pipeline_of([{"stage": "counter"} | ({"wrap": wrap} if wrap else {})])
    for tag in (TICKS, OIL):
        rows = [(at, float(each) * 0.1 if tag is OIL else each) for at, each in enumerate(readings)]
        parts = [batch(*rows[at : at + length], tags=[tag]) for at in range(0, len(rows), length)]
        told = values(through(parts, pipeline=pipeline), tag.name)
        assert told == sorted(told)


def test_a_total_of_floats_never_falls_by_rounding() -> None:
    dice = random.Random(3)
    pipeline, told, reading = pipeline_of([{"stage": "counter", "max_step": 1.0}]), [], 0.0
    for at in range(400):
        reading += dice.uniform(2, 20)  # a jump that is not counted, believed at the second look
        told += values(pipeline.take(batch((3 * at, reading), (3 * at + 1, reading))))[1:]
        told += values(pipeline.take(batch((3 * at + 2, reading))))
    assert told == sorted(told)
    assert told[0] > 0


@pytest.mark.parametrize("wrong", [{"wrap": "8 bit"}, {"wrap": 0}, {"max_step": 0}, {"wrap": -5}])
def test_settings_that_count_nothing_are_refused(wrong: dict[str, Any]) -> None:
    from transports.errors import SettingsError

    with pytest.raises(SettingsError) as refused:
        pipeline_of([{"stage": "counter", **wrong}], "aggregate.x.stages")
    assert [each.path for each in refused.value.problems] == [f"aggregate.x.stages[0].{next(iter(wrong))}"]
