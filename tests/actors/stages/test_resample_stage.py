"""Samples on a grid: each point against a look at all samples around it."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actors.stages.readings import DOOR, FLOW, NOTE, OIL, PARTS, SECOND, START, at_s, bad, batch, values
from tests.actors.stages.samples_of_stages import (
    MS,
    PLAIN,
    TUPLES,
    VALUES,
    Sample,
    by_tag,
    same,
    streams,
    through,
    usable,
)
from transports.errors import SettingsError
from transports.samples import DataType, Quality, is_bad

STEP, AGE = 10 * MS, 40 * MS
GRID = {
    **VALUES,
    DataType.FLOAT64: PLAIN | st.sampled_from([math.nan, math.inf]),
    DataType.INT64: st.integers(-50, 50),
    DataType.UINT64: st.integers(0, 50),
}
PACES = st.integers(0, 25) | st.sampled_from([-5, 10, 10, 100])


def points(samples: list[Sample], method: str, whole: bool) -> list[Sample]:
    """What the module's note says, point by point."""
    kept: list[Sample] = []
    for sample in samples:
        if not kept or sample[0] > kept[-1][0]:
            kept.append(sample)
    out: list[Sample] = []
    for at in range(-(-kept[0][0] // STEP) * STEP, kept[-1][0] + 1, STEP):
        number = max(number for number, each in enumerate(kept) if each[0] <= at)
        before = kept[number]
        if at - STEP - before[0] > AGE:  # the point before this one was too old already
            continue
        out.append(point(kept, number, at, method, whole))
    return out


def point(kept: list[Sample], number: int, at: int, method: str, whole: bool) -> Sample:
    time_ns, value, code = kept[number]
    old = at - time_ns > AGE and not is_bad(code)
    value, code = (None, int(Quality.BAD_NO_COMMUNICATION)) if old else (value, code)
    if method == "last" or whole:
        return at, value, code
    held = (at, None if value is None else float(value), code)
    alone = (at, held[1], code if is_bad(code) else max(code, Quality.UNCERTAIN_LAST_USABLE))
    if method == "linear":
        if time_ns == at:
            return held
        after = kept[number + 1]
        if usable(kept[number]) and usable(after) and after[0] - time_ns <= AGE:
            share = (at - time_ns) / (after[0] - time_ns)
            return at, float(value) * (1 - share) + float(after[1]) * share, max(code, after[2])  # type: ignore[arg-type]
        return alone
    some = [each for each in kept if at - STEP < each[0] <= at]
    fine = [float(each[1]) for each in some if usable(each)]  # type: ignore[arg-type]
    if not fine:
        return alone
    worst = max(each[2] if usable(each) else int(Quality.UNCERTAIN_SUB_NORMAL) for each in some)
    return at, math.fsum(fine) / len(fine), worst


@pytest.mark.parametrize("method", ["last", "linear", "mean"])
@given(data=st.data())
def test_each_point_says_what_the_samples_around_it_say(method: str, data: Any) -> None:
    values_ = VALUES if method == "last" else GRID
    batches = data.draw(streams(tuples=TUPLES[:1] + TUPLES[-1:], values=values_, steps=PACES))
    table = {"stage": "resample", "every": "10ms", "max_age": "40ms", "method": method}
    out = by_tag(through(batches, table))
    for name, samples in by_tag(batches).items():
        if name == "s":
            same(out[name], samples)
        elif all(after[0] > before[0] - AGE for before, after in pairwise(samples)):
            same(out.get(name, []), points(samples, method, name == "b"), 1e-9 * (method != "last"))


def test_points_are_at_multiples_of_the_step_whenever_the_samples_come() -> None:
    out = through([batch((0.3, 1.0), (0.9, 2.0)), batch((1.2, 3.0), (3.1, 4.0))], {"stage": "resample", "every": "1s"})
    assert [(at, value) for each in out for at, value in zip(at_s(each), values([each]), strict=True)] == [
        (1.0, 2.0), (2.0, 3.0), (3.0, 3.0)
    ]  # fmt: skip


def test_a_sample_on_a_point_is_there_at_once() -> None:
    assert values(through([batch((0, 1.0), (1, 2.0))], {"stage": "resample", "every": "1s"})) == [1.0, 2.0]


def test_a_line_is_drawn_over_the_points_between_two_samples() -> None:
    table = {"stage": "resample", "every": "1s", "method": "linear"}
    assert values(through([batch((0, 0), tags=[PARTS]), batch((4, 8), tags=[PARTS])], table), "parts") == [
        0.0, 2.0, 4.0, 6.0, 8.0
    ]  # fmt: skip


def test_what_is_too_old_is_bad_once_and_then_there_is_nothing() -> None:
    table = {"stage": "resample", "every": "1s", "max_age": "2s"}
    out = through([batch((0, 1.0)), batch((10**8, 2.0))], table)
    assert [(value, (time_ns - START) // SECOND) for time_ns, value, _ in by_tag(out)["oil"]] == [
        (1.0, 0), (1.0, 1), (1.0, 2), (None, 3), (2.0, 10**8)
    ]  # fmt: skip


def test_a_bad_sample_makes_the_points_after_it_bad() -> None:
    out = by_tag(through([batch((0, 1.0)), bad(1.5), batch((4, 2.0))], {"stage": "resample", "every": "1s"}))["oil"]
    assert [value for _, value, _ in out] == [1.0, 1.0, None, None, 2.0]
    assert out[2][2] == Quality.BAD_TIMEOUT


def test_tags_at_different_paces_are_put_on_the_same_grid_each_by_itself() -> None:
    fast = [batch((at / 2, float(at))) for at in range(9)]
    slow = [batch((at, at), tags=[PARTS]) for at in (0, 2, 4)]
    out = by_tag(through([*fast, *slow], {"stage": "resample", "every": "1s"}))
    assert [value for _, value, _ in out["oil"]] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert [value for _, value, _ in out["parts"]] == [0, 0, 2, 2, 4]


def test_flags_keep_their_last_value_and_texts_pass() -> None:
    rows = [(0, (1.0, True, "a", 1.0)), (2, (3.0, False, "b", 2.0))]
    out = by_tag(through([batch(*rows, tags=[OIL, DOOR, NOTE, FLOW])], {
        "stage": "resample", "every": "1s", "method": "linear", "tags": ["oil", "door", "note"]}))  # fmt: skip
    assert [value for _, value, _ in out["oil"]] == [1.0, 2.0, 3.0]
    assert [value for _, value, _ in out["door"]] == [True, True, False]
    assert ([value for _, value, _ in out["note"]], [value for _, value, _ in out["flow"]]) == (["a", "b"], [1.0, 2.0])


def test_a_clock_set_back_by_hours_begins_a_new_grid() -> None:
    out = through([batch((7200, 1.0), (7201, 1.0)), batch((0, 5.0), (1, 6.0))], {"stage": "resample", "every": "1s"})
    assert [at for each in out for at in at_s(each)] == [7200.0, 7201.0, 0.0, 1.0]


def test_what_waited_for_a_mean_is_forgotten_when_the_clock_is_set_back() -> None:
    given_ = [batch((7200, 1.0), (7200.5, 99.0)), batch((0.2, 4.0), (0.8, 6.0), (1, 8.0))]
    out = by_tag(through(given_, {"stage": "resample", "every": "1s", "method": "mean"}))["oil"]
    assert [value for _, value, _ in out] == [1.0, 6.0]


@pytest.mark.parametrize("max_age", ["500ms", "2h"])
def test_an_age_that_makes_no_sense_is_refused(max_age: str) -> None:
    with pytest.raises(SettingsError, match="max_age"):
        through([], {"stage": "resample", "every": "1s", "max_age": max_age})
