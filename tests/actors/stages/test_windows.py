"""Windows of event time: when they close, what they say, and what comes too late for them."""

import math
import statistics
from typing import Any, get_args

import pytest

from actors.stages.aggregation import Aggregation
from actors.stages.settings import Settings
from actors.stages.statistic import Statistic
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
    codes,
    said,
)
from transports.samples import Batch, DataType, Gap, Quality, Tag

ALL: tuple[Statistic, ...] = get_args(Statistic)


def windows(window_s: float = 10.0, **settings: Any) -> Aggregation:
    return Aggregation("slow", Settings(**{"from_": ("press-1",), "statistics": ALL, "window_s": window_s, **settings}))


def folded(aggregation: Aggregation, *batches: Batch | Gap, utc_s: float = 0.0) -> list[Batch | Gap]:
    return [out for each in batches for out in aggregation.fold(each, START + round(utc_s * SECOND))]


def test_a_window_says_everything_about_its_samples() -> None:
    (out,) = folded(windows(), batch((0, 20.0), (1, 24.0), (9.5, 22.0)), batch((10, 99.0)))
    assert isinstance(out, Batch)
    assert (out.source, out.seq, out.window_ns, at_s(out)) == ("press-1", 1, 10 * SECOND, [0.0])
    assert said(out) == {
        "oil.count": 3, "oil.min": 20.0, "oil.max": 24.0, "oil.mean": 22.0, "oil.last": 22.0,
        "oil.stddev": pytest.approx(statistics.pstdev([20.0, 24.0, 22.0])),
        "oil.first_time": START, "oil.last_time": START + 9_500_000_000, "oil.worst_quality": 0,
        "oil.first": 20.0, "oil.range": 4.0, "oil.rms": pytest.approx(math.sqrt((20**2 + 24**2 + 22**2) / 3)),
        "oil.twa": pytest.approx((20.0 + 8.5 * 24.0 + 0.5 * 22.0) / 10),
        "oil.p50": 22.0, "oil.p95": pytest.approx(23.8), "oil.p99": pytest.approx(23.96),
    }  # fmt: skip
    assert {tag.unit for tag in out.tags if tag.name in ("oil.mean", "oil.last")} == {"degC"}


def test_windows_begin_at_multiples_of_their_length_also_before_1970() -> None:
    aggregation = windows()
    out = folded(aggregation, Batch("press-1", 1, (OIL,), (-25, -15, 5 * SECOND), _floats(1, 2, 3)))
    assert [each.times_ns for each in out if isinstance(each, Batch)] == [(-10 * SECOND,)]


def test_a_window_stays_open_until_a_later_sample_passes_its_end_and_the_lateness() -> None:
    aggregation = windows(lateness_s=5.0)
    assert folded(aggregation, batch((0, 1.0)), batch((12, 2.0)), batch((3, 5.0)), batch((14.9, 2.0))) == []
    (out,) = folded(aggregation, batch((15, 2.0)))
    assert said(out)["oil.max"] == 5.0


def test_what_comes_out_of_order_is_not_the_last_value() -> None:
    aggregation = windows()
    (out,) = folded(aggregation, batch((5, 5.0), (2, 2.0), (7, 7.0)), batch((1, 1.0), (3, 3.0)), batch((10, 0.0)))
    assert (said(out)["oil.last"], said(out)["oil.first_time"]) == (7.0, START + SECOND)


def test_of_two_samples_of_one_time_the_later_to_come_is_the_last() -> None:
    (out,) = folded(windows(), batch((5, 5.0), (5, 6.0)), batch((5, 4.0)), batch((10, 0.0)))
    assert said(out)["oil.last"] == 4.0


def test_a_late_sample_is_counted_in_a_gap() -> None:
    aggregation = windows()
    folded(aggregation, batch((5, 5.0)), batch((12, 2.0)))
    (gap,) = folded(aggregation, batch((3, 3.0), (4, 4.0), (13, 5.0)))
    assert gap == Gap("press-1", "late", START + 3 * SECOND - 1, START + 4 * SECOND + 1, count=2)
    assert "10 s" in gap.detail
    assert (aggregation.late, aggregation.folded) == (2, 5)
    (out,) = folded(aggregation, batch((20, 0.0)))
    assert said(out)["oil.count"] == 2


def test_a_batch_over_several_windows_is_split_among_them() -> None:
    out = folded(windows(1.0), batch(*((at / 4, float(at)) for at in range(12))))
    assert [at_s(each) for each in out] == [[0.0], [1.0]]
    assert [said(each)["oil.mean"] for each in out] == [1.5, 5.5]
    assert [each.seq for each in out if isinstance(each, Batch)] == [1, 2]


def test_a_sample_at_the_end_of_a_window_is_the_first_of_the_next() -> None:
    aggregation = windows()
    (first,) = folded(aggregation, batch((5, 1.0), (10, 2.0)))
    (second,) = folded(aggregation, batch((20, 3.0)))
    assert (said(first)["oil.last"], said(second)["oil.last"]) == (1.0, 2.0)


def test_within_a_batch_over_several_windows_the_order_of_time_counts() -> None:
    aggregation = windows(lateness_s=10.0)
    (out,) = folded(aggregation, batch((12, 12.0), (7, 7.0), (3, 3.0), (11, 11.0)), batch((25, 0.0)))
    assert (said(out)["oil.last"], said(out)["oil.first_time"]) == (7.0, START + 3 * SECOND)
    (out,) = folded(aggregation, batch((35, 0.0)))
    assert said(out)["oil.last"] == 12.0


def test_empty_windows_say_nothing() -> None:
    out = folded(windows(1.0), batch((0, 1.0)), batch((1000, 1.0)), batch((2000, 1.0)))
    assert [at_s(each) for each in out] == [[0.0], [1000.0]]


def test_a_silent_source_s_window_closes_by_the_wall_clock() -> None:
    aggregation = windows(lateness_s=1.0)
    assert aggregation.next_due() is None
    folded(aggregation, batch((1, 1.0), (9, 3.0)), utc_s=9)
    due = aggregation.next_due()
    assert due == START + 13 * SECOND  # 10 s, 1 s of lateness and 2 s of grace
    assert aggregation.expire(due - 1) == []
    (out,) = aggregation.expire(due)
    assert said(out)["oil.count"] == 2
    assert aggregation.next_due() is None
    assert isinstance(folded(aggregation, batch((9.5, 2.0)), utc_s=14)[0], Gap)


def test_what_was_folded_just_now_is_not_silent_however_old_it_is() -> None:
    aggregation = windows()
    folded(aggregation, batch((1, 1.0)), utc_s=5000)
    assert aggregation.expire(START + 5001 * SECOND) == []
    assert len(aggregation.expire(START + 5002 * SECOND)) == 1


def test_each_source_has_its_own_clock_and_its_own_numbers() -> None:
    aggregation = windows(from_=("press-*",))
    out = folded(
        aggregation,
        batch((1, 1.0), source="press-1"),
        batch((99, 2.0), source="press-2"),
        batch((2, 3.0), source="press-1"),
        batch((11, 0.0), source="press-1"),
        batch((111, 0.0), source="press-2"),
    )
    assert [(each.source, each.seq, said(each)["oil.count"]) for each in out if isinstance(each, Batch)] == [
        ("press-1", 1, 2), ("press-2", 1, 1),
    ]  # fmt: skip


def test_integers_of_64_bits_stay_exact() -> None:
    tags = (PARTS, TICKS)
    low, high, top = -(2**63), 2**63 - 1, 2**64 - 1
    rows = [(0, (high, top)), (1, (low, 2**53 + 1)), (2, (high - 1, top - 1))]
    (out,) = folded(windows(), batch(*rows, tags=tags), batch((10, (0, 0)), tags=tags))
    told = said(out)
    assert (told["parts.min"], told["parts.max"], told["parts.last"]) == (low, high, high - 1)
    assert (told["ticks.min"], told["ticks.max"], told["ticks.last"]) == (2**53 + 1, top, top - 1)
    types = {tag.name: tag.type for tag in out.tags if isinstance(out, Batch)}  # type: ignore[union-attr]
    assert (types["parts.min"], types["ticks.last"], types["parts.mean"], types["parts.count"]) == (
        DataType.INT64, DataType.UINT64, DataType.FLOAT64, DataType.UINT64,
    )  # fmt: skip


def test_texts_flags_and_arrays_have_what_makes_sense_for_them() -> None:
    tags = (NOTE, DOOR, WAVE)
    rows = [(0, ("on", True, (1.0, 2.0))), (1, ("off", False, (3.0,)))]
    (out,) = folded(windows(), batch(*rows, tags=tags), batch((10, ("", True, ())), tags=tags))
    told = said(out)
    assert (told["note.last"], told["note.count"], told["note.last_time"]) == ("off", 2, START + SECOND)
    assert (told["door.last"], told["door.min"], told["door.max"], told["door.mean"]) == (False, False, True, 0.5)
    assert told["wave.last"] == (3.0,)
    assert "note.mean" not in told
    assert "wave.min" not in told


def test_a_text_that_comes_out_of_order_is_not_the_last() -> None:
    texts = [batch((at, text), tags=[NOTE]) for at, text in [(5, "five"), (2, "two"), (3, "three"), (10, "")]]
    (out,) = folded(windows(), *texts)
    assert (said(out)["note.last"], said(out)["note.count"]) == ("five", 3)


def test_a_text_of_which_only_the_mean_is_wanted_says_nothing() -> None:
    aggregation = windows(statistics=("mean",))
    assert folded(aggregation, batch((0, "on"), tags=[NOTE]), batch((10, "on"), tags=[NOTE])) == []


def test_bad_samples_are_not_in_the_numbers_but_in_the_quality() -> None:
    (out,) = folded(windows(), batch((0, 20.0)), bad(1), batch((2, 22.0)), batch((10, 0.0)))
    assert (said(out)["oil.count"], said(out)["oil.mean"], said(out)["oil.min"]) == (2, 21.0, 20.0)
    assert said(out)["oil.worst_quality"] == Quality.BAD_TIMEOUT
    assert set(codes(out).values()) == {Quality.UNCERTAIN_SUB_NORMAL}  # Bad would mean that there is no value


def test_a_window_of_bad_samples_is_bad_and_has_no_value() -> None:
    (out,) = folded(windows(), bad(0, 1, tags=[OIL, NOTE]), batch((10, 0.0)))
    assert set(said(out).values()) == {None}
    assert set(codes(out).values()) == {Quality.BAD_TIMEOUT}


def test_nan_and_infinity_are_left_out_and_make_the_quality_uncertain() -> None:
    rows = [(0, (math.nan, 1.0)), (1, (4.0, 1.0)), (2, (math.inf, 2.0)), (3, (6.0, 3.0)), (4, (math.nan, 3.0))]
    (out,) = folded(windows(), batch(*rows, tags=[OIL, FLOW]), batch((10, (0.0, 0.0)), tags=[OIL, FLOW]))
    told = said(out)
    assert (told["oil.count"], told["oil.mean"], told["oil.max"], told["oil.last"]) == (2, 5.0, 6.0, 6.0)
    assert (told["oil.first_time"], told["oil.last_time"]) == (START + SECOND, START + 3 * SECOND)
    assert codes(out)["oil.mean"] == Quality.UNCERTAIN_SUB_NORMAL
    assert codes(out)["flow.mean"] == Quality.GOOD


def test_a_window_of_nothing_but_nan_is_bad() -> None:
    (out,) = folded(windows(), batch((0, math.nan), (1, math.nan)), batch((10, 0.0)))
    assert set(said(out).values()) == {None}
    assert isinstance(out, Batch)
    assert not out.matrix(DataType.FLOAT64).any()  # no infinity for a reader that looks at the block alone


def test_a_small_noise_on_a_large_value_keeps_its_deviation() -> None:
    noise = [math.sin(at) for at in range(1000)]
    scans = [batch(*((at / 200, 1e9 + noise[at]) for at in range(part, part + 10))) for part in range(0, 1000, 10)]
    (out,) = folded(windows(), *scans, batch((10, 0.0)))
    assert said(out)["oil.stddev"] == pytest.approx(statistics.pstdev(noise), rel=1e-6)
    assert said(out)["oil.mean"] == pytest.approx(1e9 + statistics.fmean(noise), rel=1e-15)


def test_a_constant_has_itself_as_mean_and_no_deviation() -> None:
    scans = [batch(*((at / 100, 0.1) for at in range(part, part + 7))) for part in range(0, 700, 7)]
    (out,) = folded(windows(), *scans, batch((10, 0.0)))
    assert (said(out)["oil.mean"], said(out)["oil.min"]) == (0.1, 0.1)
    assert said(out)["oil.stddev"] == pytest.approx(0.0, abs=1e-15)


def test_values_at_the_end_of_the_range_of_a_float_break_nothing() -> None:
    big = 1.7e308
    (out,) = folded(windows(), batch((0, big), (1, big)), batch((2, -big)), batch((3, 1.0)), batch((10, 0.0)))
    assert (said(out)["oil.min"], said(out)["oil.max"]) == (-big, big)
    assert -big <= said(out)["oil.mean"] <= big
    assert said(out)["oil.stddev"] == math.inf


def test_scans_of_changing_tags_end_in_one_batch_in_the_order_in_which_the_tags_came() -> None:
    aggregation = windows(statistics=("count", "last"))
    (out,) = folded(
        aggregation,
        batch((0, (1.0, 5)), tags=[FLOW, PARTS]),
        batch((1, 2.0), tags=[OIL]),
        batch((2, (7, 3.0)), tags=[PARTS, OIL]),
        batch((10, 0.0)),
    )
    assert list(said(out).items()) == [
        ("flow.count", 1), ("flow.last", 1.0),
        ("parts.count", 2), ("parts.last", 7),
        ("oil.count", 2), ("oil.last", 3.0),
    ]  # fmt: skip
    (out,) = folded(aggregation, batch((20, 0.0)))
    assert list(said(out)) == ["oil.count", "oil.last"]  # what brought no sample says nothing


def test_only_tags_that_the_patterns_name_are_taken() -> None:
    aggregation = windows(from_=("press-1.o*", "saw.parts"))
    tags = [PARTS, OIL, NOTE, FLOW]
    (out,) = folded(aggregation, batch((0, (1, 2.0, "x", 3.0)), tags=tags), batch((10, (1, 2.0, "", 3.0)), tags=tags))
    assert {tag.partition(".")[0] for tag in said(out)} == {"oil"}
    assert folded(aggregation, batch((30, 1.0), source="mill"), batch((30, 1.0), tags=[FLOW])) == []
    assert aggregation.folded == 2


def test_each_tag_has_the_quality_of_its_own_samples() -> None:
    tags = [PARTS, OIL]
    mixed = batch((0, (1, 2.0)), (1, (1, 3.0)), tags=tags, quality=[0, Quality.UNCERTAIN_LAST_USABLE])
    (out,) = folded(windows(statistics=("last", "count")), mixed, batch((10, (1, 2.0)), tags=tags))
    assert codes(out) == {
        "parts.last": 0, "parts.count": 0,
        "oil.last": Quality.UNCERTAIN_LAST_USABLE, "oil.count": Quality.UNCERTAIN_LAST_USABLE,
    }  # fmt: skip


def test_a_tag_that_comes_back_with_another_type_closes_what_was_open() -> None:
    aggregation = windows(statistics=("last",))
    out = folded(aggregation, batch((0, 1.5)), batch((1, 7), tags=[Tag("oil", DataType.INT64)]))
    assert [said(each) for each in out] == [{"oil.last": 1.5}]
    out = folded(aggregation, batch((10, 8), tags=[Tag("oil", DataType.INT64)]))
    assert [said(each) for each in out] == [{"oil.last": 7}]


def test_a_clock_that_jumps_far_ahead_opens_one_window() -> None:
    aggregation = windows(1.0, lateness_s=3.0)
    out = folded(aggregation, batch((0, 1.0)), batch((10**9, 2.0)))
    assert len(out) == 1
    assert len(aggregation.dump()) < 2000


def test_a_clock_that_was_years_ahead_and_is_set_right_does_not_make_all_that_follows_late() -> None:
    aggregation = windows()
    folded(aggregation, batch((0, 1.0)), utc_s=0)
    folded(aggregation, batch((10**8, 2.0)), utc_s=1)
    (ahead,) = folded(aggregation, batch((2, 3.0)), utc_s=2)
    assert (at_s(ahead), said(ahead)["oil.count"]) == ([10.0**8], 1)
    (out,) = folded(aggregation, batch((5, 4.0)), batch((11, 0.0)), utc_s=11)
    assert (at_s(out), said(out)["oil.count"], aggregation.late) == ([0.0], 2, 0)


def test_open_windows_are_bounded_by_the_lateness() -> None:
    aggregation = windows(1.0, lateness_s=5.0)
    sizes = []
    for at in range(100):
        folded(aggregation, batch((at, 1.0)))
        sizes.append(len(aggregation.dump()))
    assert max(sizes[10:]) - min(sizes[10:]) < 100


def test_names_invented_for_ever_do_not_fill_the_memory() -> None:
    aggregation = windows(1.0, statistics=("count",))
    largest = 0
    for at in range(60):
        tags = [Tag(f"part-{at}-{number}") for number in range(1000)]
        folded(aggregation, batch((at, [1.0] * 1000), tags=tags))
        largest = max(largest, len(aggregation.dump()))
    assert largest < 3_000_000  # a roster of 20,000 tags and one window of theirs


def test_times_at_the_end_of_64_bits_break_nothing() -> None:
    aggregation = windows()
    for time_ns in (2**63 - 1, -(2**63), 0):
        for out in aggregation.fold(Batch("press-1", 1, (OIL,), (time_ns,), _floats(1.0)), START):
            assert isinstance(out, (Batch, Gap))
        aggregation.load(aggregation.dump())


def _floats(*numbers: float) -> dict[DataType, bytes]:
    import struct

    return {DataType.FLOAT64: struct.pack(f"<{len(numbers)}d", *numbers)}
