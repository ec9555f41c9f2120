"""Samples passed on: all of them, or those that changed."""

import math
import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.stages.aggregation import Aggregation
from actors.stages.settings import Settings
from tests.actors.stages.readings import (
    DOOR,
    FLOW,
    NOTE,
    OIL,
    PARTS,
    SECOND,
    START,
    TICKS,
    WAVE,
    at_s,
    bad,
    batch,
    values,
)
from transports.samples import Batch, DataType, Gap, Quality, Tag


def passing(**settings: Any) -> Aggregation:
    return Aggregation("slow", Settings(**{"from_": ("press-1",), **settings}))


def folded(aggregation: Aggregation, *batches: Batch) -> list[Batch | Gap]:
    return [out for each in batches for out in aggregation.fold(each, START)]


def test_without_a_deadband_every_batch_passes_as_it_is_with_a_number_of_its_own() -> None:
    aggregation = passing()
    given_ = batch((0, (1.0, "a")), (1, (2.0, "b")), tags=[OIL, NOTE], seq=70)
    first, second = folded(aggregation, given_, given_)
    assert isinstance(first, Batch)
    assert isinstance(second, Batch)
    assert (first.seq, second.seq) == (1, 3)
    assert (first.tags, first.times_ns, first.blocks) == (given_.tags, given_.times_ns, given_.blocks)


def test_a_window_s_length_stays_on_what_passes() -> None:
    (out,) = folded(passing(), Batch("press-1", 1, (OIL,), (START,), {DataType.FLOAT64: bytes(8)}, 0, 10 * SECOND))
    assert isinstance(out, Batch)
    assert out.window_ns == 10 * SECOND


def test_only_tags_that_the_patterns_name_pass() -> None:
    tags = [PARTS, OIL, NOTE, FLOW]
    mixed = batch((0, (1, 2.0, "x", 3.0)), (1, (2, 3.0, "y", 4.0)), tags=tags, quality=[0, Quality.BAD_TIMEOUT, 0, 0])
    (out,) = folded(passing(from_=("press-1.[nof]*",)), mixed)
    assert isinstance(out, Batch)
    assert [tag.name for tag in out.tags] == ["oil", "note", "flow"]
    assert [row for _, row, _ in out.rows()] == [(None, "x", 3.0), (None, "y", 4.0)]


def test_what_moved_less_than_the_deadband_since_the_last_sent_is_left_out() -> None:
    out = folded(passing(deadband=1.0), batch((0, 20.0), (1, 20.9), (2, 21.0), (3, 21.1), (4, 20.2), (5, 20.0)))
    assert values(out) == [20.0, 21.1, 20.0]


def test_a_slow_drift_is_seen() -> None:
    out = folded(passing(deadband=1.0), *(batch((at, at * 0.25)) for at in range(40)))
    assert values(out) == [0.0, 1.25, 2.5, 3.75, 5.0, 6.25, 7.5, 8.75]


def test_percent_is_of_the_last_value_sent() -> None:
    out = folded(passing(deadband_percent=10.0), batch((0, -100.0), (1, -109.0), (2, -111.0), (3, -100.0), (4, -99.0)))
    assert values(out) == [-100.0, -111.0, -99.0]


def test_after_zero_any_change_is_more_than_a_percentage() -> None:
    assert values(folded(passing(deadband_percent=10.0), batch((0, 0.0), (1, 0.0), (2, 1e-300)))) == [0.0, 1e-300]


def test_a_change_of_quality_is_sent() -> None:
    aggregation = passing(deadband=1.0)
    out = folded(aggregation, batch((0, 20.0)), bad(1, 2), batch((3, 20.0)), bad(4, quality=Quality.BAD_DECODING))
    assert values(out) == [20.0, None, 20.0, None]
    assert [at_s(each) for each in out] == [[0.0], [1.0], [3.0], [4.0]]


def test_what_a_driver_says_beside_a_bad_quality_is_no_change() -> None:
    out = folded(passing(deadband=1.0), batch(*enumerate([1.0, 50.0, 99.0]), quality=Quality.BAD_SENSOR_FAILURE))
    assert [at_s(each) for each in out] == [[0.0]]


def test_an_unchanged_value_is_sent_again_after_the_longest_silence() -> None:
    out = folded(passing(deadband=1.0, max_silence_s=10.0), *(batch((at, 20.0)) for at in range(0, 25, 3)))
    assert [at_s(each) for each in out] == [[0.0], [12.0], [24.0]]


def test_a_clock_set_back_does_not_silence_a_tag() -> None:
    out = folded(passing(deadband=1.0, max_silence_s=10.0), batch((10**8, 20.0)), batch((0, 20.0)), batch((1, 20.0)))
    assert [at_s(each) for each in out] == [[10.0**8], [0.0]]


def test_texts_flags_and_arrays_are_sent_when_they_differ() -> None:
    tags = [NOTE, DOOR, WAVE]
    rows = [("a", True, (1.0, 2.0)), ("a", True, (1.0, 2.0)), ("b", True, (1.0, 2.0)), ("b", False, (1.0,))]
    out = folded(passing(deadband=100.0), batch(*enumerate(rows), tags=tags))
    assert [tuple(tag.name for tag in each.tags) for each in out if isinstance(each, Batch)] == [
        ("note", "door", "wave"), ("note",), ("door", "wave"),
    ]  # fmt: skip
    assert values(out, "note") == ["a", "b"]
    assert values(out, "wave") == [(1.0, 2.0), (1.0,)]


def test_nan_after_nan_is_no_change_and_a_value_after_it_is() -> None:
    out = folded(passing(deadband=1.0), batch(*enumerate([1.0, math.nan, math.nan, 1.0, math.inf, math.inf, 1.0])))
    assert [str(value) for value in values(out)] == ["1.0", "nan", "1.0", "inf", "1.0"]


def test_an_infinity_does_not_swallow_what_follows_by_percent() -> None:
    out = folded(passing(deadband_percent=50.0), batch(*enumerate([math.inf, 1.0, -math.inf, math.nan, 0.0])))
    assert len(values(out)) == 5


def test_integers_are_compared_exactly() -> None:
    rows = [(2**63 - 1, 2**64 - 1), (2**63 - 2, 2**64 - 3), (-(2**63), 0), (-(2**63) + 2, 1)]
    out = folded(passing(deadband=1.5), batch(*enumerate(rows), tags=[PARTS, TICKS]))
    assert values(out, "parts") == [2**63 - 1, -(2**63), -(2**63) + 2]
    assert values(out, "ticks") == [2**64 - 1, 2**64 - 3, 0]


def test_neighbouring_scans_with_the_same_changes_share_a_batch() -> None:
    rows = [(1.0, 1.0), (5.0, 1.0), (9.0, 1.0), (9.0, 1.0), (14.0, 1.0), (14.0, 8.0)]
    out = folded(passing(deadband=1.0), batch(*enumerate(rows), tags=[OIL, FLOW]))
    assert [(each.seq, [tag.name for tag in each.tags], at_s(each)) for each in out if isinstance(each, Batch)] == [
        (1, ["oil", "flow"], [0.0]),
        (2, ["oil"], [1.0, 2.0, 4.0]),
        (5, ["flow"], [5.0]),
    ]


def test_a_tag_that_comes_back_with_another_type_starts_anew() -> None:
    out = folded(passing(deadband=1.0), batch((0, 1.0)), batch((1, 1), tags=[Tag("oil", DataType.INT64)]))
    assert values(out) == [1.0, 1]


def test_tags_that_join_later_leave_the_others_alone() -> None:
    aggregation = passing(deadband=1.0)
    out = folded(aggregation, batch((0, 1.0)), batch((1, (2.0, 1.5)), tags=[FLOW, OIL]), batch((2, 3.1)))
    assert (values(out, "oil"), values(out, "flow")) == ([1.0, 3.1], [2.0])


@given(
    st.lists(st.lists(st.tuples(*[st.floats(-5, 5) | st.just(math.nan)] * 3), min_size=1, max_size=6), max_size=6),
    st.floats(0, 3),
)
def test_batches_give_what_one_sample_after_the_other_would(rows: list[list[tuple[float, ...]]], band: float) -> None:
    tags, at = (OIL, FLOW, Tag("c")), 0
    last: dict[str, float] = {}
    sent: list[tuple[int, str, str]] = []
    expected: list[tuple[int, str, str]] = []
    aggregation = passing(deadband=band)
    for some in rows:
        times = tuple(START + at + number for number in range(len(some)))
        block = struct.pack(f"<{len(some) * 3}d", *(value for row in some for value in row))
        for out in aggregation.fold(Batch("press-1", 1, tags, times, {DataType.FLOAT64: block}), START):
            assert isinstance(out, Batch)
            for time_ns, values_, _ in out.rows():
                sent += [(time_ns, tag.name, str(value)) for tag, value in zip(out.tags, values_, strict=True)]
        for time_ns, row in zip(times, some, strict=True):
            for tag, value in zip(tags, row, strict=True):
                old = last.get(tag.name)
                both_nan = old is not None and math.isnan(old) and math.isnan(value)
                if old is None or not (both_nan or abs(value - old) <= band):
                    last[tag.name] = value
                    expected.append((time_ns, tag.name, str(value)))
        at += len(some)
    assert sent == expected
