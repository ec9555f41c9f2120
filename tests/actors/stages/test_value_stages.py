"""Scale and range: each sample by itself, against one line of plain Python."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actors.stages.readings import FLOW, NOTE, OIL, PARTS, TICKS, bad, batch, codes, said, values
from tests.actors.stages.samples_of_stages import NUMBERS, Sample, by_tag, same, streams, through, usable
from transports.samples import DataType, Quality, is_bad

ENDS = st.none() | st.integers(-60, 60) | st.floats(-60, 60) | st.sampled_from([2**63, -(2**63), 2**64, 1e300])


@given(streams(), st.floats(-10, 10) | st.just(1e10), st.floats(-10, 10))
def test_scaled_is_factor_times_value_plus_offset(batches: list[Any], factor: float, offset: float) -> None:
    out = by_tag(through(batches, {"stage": "scale", "factor": factor, "offset": offset}))
    for name, samples in by_tag(batches).items():
        same(out[name], [scaled(each, factor, offset) for each in samples] if name in NUMBERS else samples, 1e-15)


def scaled(sample: Sample, factor: float, offset: float) -> Sample:
    time_ns, value, code = sample
    if is_bad(code):
        return sample
    number = float(value) * factor + offset  # type: ignore[arg-type]
    if not math.isfinite(number) and usable(sample):
        return time_ns, None, Quality.BAD_OUT_OF_RANGE
    return time_ns, number, code


def test_a_line_goes_through_its_two_ends_and_clamps_beyond_them() -> None:
    table = {
        "stage": "scale",
        "in_low": 4,
        "in_high": 20.0,
        "out_low": 0.0,
        "out_high": 8.0,
        "clamp": True,
        "unit": "m",
    }
    given_ = batch(*enumerate([4.0, 20.0, 12.0, 3.0, 22.0, math.nan, math.inf]))
    out = through([given_], table)
    assert str(values(out)) == "[0.0, 8.0, 4.0, 0.0, 8.0, nan, 8.0]"
    doubtful = Quality.UNCERTAIN_SUB_NORMAL
    assert [code for _, _, code in by_tag(out)["oil"]] == [0, 0, 0, doubtful, doubtful, 0, doubtful]
    assert out[0].tags[0].unit == "m"


def test_whole_numbers_become_floats_with_the_tags_own_unit_and_the_others_keep_their_places() -> None:
    tags = (PARTS, NOTE, OIL, TICKS, FLOW)
    (out,) = through([batch((0, (10, "x", 1.5, 7, 2.0)), tags=tags)], {"stage": "scale", "tags": ["p*"], "factor": 0.5})
    assert said(out) == {"parts": 5.0, "note": "x", "oil": 1.5, "ticks": 7, "flow": 2.0}
    assert [tag.type for tag in out.tags] == [
        DataType.FLOAT64, DataType.STRING, DataType.FLOAT64, DataType.UINT64, DataType.FLOAT64
    ]  # fmt: skip
    assert out.tags[2].unit == "degC"


def test_a_batch_of_which_nothing_changes_its_type_keeps_its_tuple_of_tags() -> None:
    given_ = batch((0, 1.0))
    (out,) = through([given_], {"stage": "scale", "factor": 2.0})
    assert out.tags is given_.tags


@given(streams(), ENDS, ENDS, st.sampled_from(["bad", "drop", "clamp"]))
def test_what_is_out_of_range_is_bad_or_left_out_or_the_nearer_end(
    batches: list[Any], low: Any, high: Any, action: str
) -> None:
    low, high = (high, low) if low is not None and high is not None and low > high else (low, high)
    ends = {key: value for key, value in {"min": low, "max": high}.items() if value is not None}
    if not ends:
        ends = {"min": 0}
    out = by_tag(through(batches, {"stage": "range", **ends, "action": action}))
    for name, samples in by_tag(batches).items():
        if name in NUMBERS:
            samples = [each for sample in samples for each in ranged(sample, ends, action, name)]
        same(out.get(name, []), samples)


def ranged(sample: Sample, ends: dict[str, Any], action: str, name: str) -> list[Sample]:
    time_ns, value, code = sample
    low, high = ends.get("min", -math.inf), ends.get("max", math.inf)
    if is_bad(code) or low <= value <= high:  # type: ignore[operator]
        return [sample]
    if action == "drop":
        return []
    if action == "clamp" and value == value:
        bottom, top = {"i": (-(2**63), 2**63 - 1), "u": (0, 2**64 - 1)}.get(name, (-math.inf, math.inf))
        whole = name in ("i", "u")
        low = max(bottom, math.ceil(low) if whole and math.isfinite(low) else low)
        high = min(top, math.floor(high) if whole and math.isfinite(high) else high)
        if low <= high:
            nearer = low if value < low else high  # type: ignore[operator]
            return [(time_ns, nearer if whole else float(nearer), max(code, Quality.UNCERTAIN_SUB_NORMAL))]
    return [(time_ns, None, Quality.BAD_OUT_OF_RANGE)]


def test_whole_numbers_are_compared_exactly() -> None:
    rows = [(0, (2**53, 2**64 - 1)), (1, (2**53 + 1, 2**64 - 2))]
    out = through([batch(*rows, tags=[PARTS, TICKS])], {"stage": "range", "min": 2**53 + 1, "max": 2**64 - 2})
    assert values(out, "parts") == [None, 2**53 + 1]
    assert values(out, "ticks") == [None, 2**64 - 2]


@pytest.mark.parametrize("stage", [{"stage": "scale", "factor": 3.0}, {"stage": "range", "min": 0}])
def test_bad_samples_keep_their_status_code(stage: dict[str, Any]) -> None:
    (out,) = through([bad(0, quality=Quality.BAD_SENSOR_FAILURE)], stage)
    assert codes(out) == {"oil": Quality.BAD_SENSOR_FAILURE}


def test_what_is_left_out_of_one_tag_leaves_the_others_scans_whole() -> None:
    rows = [(0, (1.0, 1.0)), (1, (99.0, 2.0)), (2, (3.0, 3.0)), (3, (4.0, 99.0))]
    out = through([batch(*rows, tags=[OIL, FLOW])], {"stage": "range", "tags": ["oil"], "max": 10.0, "action": "drop"})
    assert [(len(each.times_ns), [tag.name for tag in each.tags]) for each in out] == [
        (1, ["oil", "flow"]), (1, ["flow"]), (2, ["oil", "flow"])
    ]  # fmt: skip
    assert (values(out), values(out, "flow")) == ([1.0, 3.0, 4.0], [1.0, 2.0, 3.0, 99.0])
