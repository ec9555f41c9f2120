"""Deadband and swinging door: what is left out, and how far from it the rest may be."""

import math
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.stages.pipeline import pipeline_of
from tests.actors.stages.readings import FLOW, NOTE, OIL, SECOND, START, at_s, bad, batch, values
from tests.actors.stages.samples_of_stages import (
    NUMBERS,
    PLAIN,
    VALUES,
    Sample,
    alike,
    by_tag,
    same,
    streams,
    through,
    usable,
)
from transports.samples import DataType, Quality, is_bad

SMOOTH = {**VALUES, DataType.FLOAT64: PLAIN | st.sampled_from([math.nan, math.inf, 1.0, 1.5])}


@given(
    streams(), st.sampled_from([{"absolute": 3.0}, {"percent": 10.0}, {"absolute": 1.0, "percent": 5.0}]), st.booleans()
)
def test_a_deadband_passes_what_left_it_since_the_last_that_passed(
    batches: list[Any], band: dict[str, float], silence: bool
) -> None:
    settings = band | ({"max_silence": "50ms"} if silence else {})
    out = by_tag(through(batches, {"stage": "deadband", **settings}))
    for name, samples in by_tag(batches).items():
        expected: list[Sample] = []
        for sample in samples:
            last = expected[-1] if expected else None
            if name == "s" or last is None or passes(sample, last, band, silence):
                expected.append(sample)
        same(out.get(name, []), expected)


def passes(sample: Sample, last: Sample, band: dict[str, float], silence: bool) -> bool:
    silent = silence and abs(sample[0] - last[0]) >= 50_000_000
    return silent or last[2] != sample[2] or moved(sample[1], last[1], band)


def moved(value: Any, last: Any, band: dict[str, float]) -> bool:
    if value is None or alike(value, last):
        return False
    if isinstance(value, bool) or not (math.isfinite(value) and math.isfinite(last)):
        return True
    ends = [
        band.get("absolute", math.inf),
        abs(float(last)) * (band["percent"] / 100) if "percent" in band else math.inf,
    ]
    return any(abs(value - last) > end for end in ends)


def door(
    batches: list[Any], deviation: float, **settings: Any
) -> tuple[dict[str, list[Sample]], dict[str, list[Sample]]]:
    """What came out by tag, and what is still held at the end."""
    pipeline = pipeline_of([{"stage": "swinging_door", "deviation": deviation, **settings}])
    return by_tag(through(batches, pipeline=pipeline)), by_tag(pipeline.flush("d"))


@given(streams(values=SMOOTH), st.floats(0.01, 60))
def test_lines_through_what_is_sent_are_nowhere_further_than_the_deviation(
    batches: list[Any], deviation: float
) -> None:
    out, held = door(batches, deviation)
    for name, samples in by_tag(batches).items():
        sent = out.get(name, []) + held.get(name, [])
        if name not in NUMBERS:
            same(sent, samples)
            continue
        places = positions(samples, sent)
        assert places[:1] == [0], "the first is sent"
        assert places[-1:] == [len(samples) - 1], "and the last one is sent or held"
        for before, after in pairwise(places):
            for between in samples[before + 1 : after]:
                near(between, samples[before], samples[after], deviation)


def positions(samples: list[Sample], sent: list[Sample]) -> list[int]:
    """Which of the samples were sent, each in its place."""
    places, at = [], 0
    for each in sent:
        while not (samples[at][0] == each[0] and samples[at][2] == each[2] and alike(samples[at][1], each[1])):
            at += 1
        places.append(at)
        at += 1
    return places


def near(between: Sample, first: Sample, last: Sample, deviation: float) -> None:
    """What was left out is on the line, or one of a run of the same status code that has no line."""
    assert first[2] == between[2], "a change of quality is never left out"
    if not usable(first):
        assert not usable(between)
        return
    assert usable(between)
    assert usable(last)
    assert last[2] == first[2]
    assert first[0] < between[0] < last[0]
    low, value, high = float(first[1]), float(between[1]), float(last[1])  # type: ignore[arg-type]
    expected = low + (high - low) * ((between[0] - first[0]) / (last[0] - first[0]))
    rounding = 1e-9 * max(abs(low), abs(value), abs(high), deviation)
    assert abs(value - expected) <= deviation + rounding


@given(streams(values=SMOOTH), st.floats(0.01, 60), st.integers(1, 7), st.booleans())
def test_however_it_is_cut_into_batches_the_same_samples_are_sent(
    batches: list[Any], deviation: float, length: int, silence: bool
) -> None:
    settings = {"max_silence": "60ms"} if silence else {}
    out, held = door(batches, deviation, **settings)
    finer = [part for each in batches for part in cut_in(each, length)]
    out_finer, held_finer = door(finer, deviation, **settings)
    assert held.keys() == held_finer.keys()
    for name in by_tag(batches):
        same(out_finer.get(name, []), out.get(name, []))


def cut_in(whole: Any, length: int) -> list[Any]:
    from actors.stages.cut import cut
    from actors.stages.roster import Roster

    subset = Roster("", ("*",)).select(whole.tags).subset()
    n = len(whole.times_ns)
    return [cut(whole, 1, range(at, min(at + length, n)), subset) for at in range(0, n, length)]


def test_a_straight_line_is_its_two_ends() -> None:
    rows = [(at, 3.0 * at) for at in range(1000)]
    out, held = door([batch(*rows[at : at + 100]) for at in range(0, 1000, 100)], 0.001)
    assert [value for _, value, _ in out["oil"]] == [0.0]
    assert [value for _, value, _ in held["oil"]] == [2997.0]


def test_a_corner_is_sent_when_the_next_sample_shows_it() -> None:
    out, _ = door([batch((0, 0.0), (1, 1.0), (2, 2.0), (3, 2.0)), batch((4, 2.0))], 0.1)
    assert [(value, (time_ns - START) / SECOND) for time_ns, value, _ in out["oil"]] == [(0.0, 0.0), (2.0, 2.0)]


def test_first_and_last_of_a_bad_run_are_sent() -> None:
    out, held = door([batch((0, 1.0), (1, 1.0)), bad(2, 3, 4), batch((5, 1.0), (6, 1.0))], 0.5)
    assert [(value, (time_ns - START) / SECOND) for time_ns, value, _ in out["oil"]] == [
        (1.0, 0.0), (1.0, 1.0), (None, 2.0), (None, 4.0), (1.0, 5.0)
    ]  # fmt: skip
    assert len(held["oil"]) == 1


def test_a_steady_value_is_sent_after_the_longest_silence() -> None:
    rows = [(at, 5.0) for at in range(25)]
    sent = through([batch(*rows)], {"stage": "swinging_door", "deviation": 1.0, "max_silence": "10s"})
    assert [at for each in sent for at in at_s(each)] == [0.0, 10.0, 20.0]


def test_tags_that_are_not_chosen_pass_at_once() -> None:
    table = {"stage": "swinging_door", "deviation": 10.0, "tags": ["oil"]}
    out = through([batch((0, (1.0, 2.0, "a")), (1, (1.0, 3.0, "b")), tags=[OIL, FLOW, NOTE])], table)
    assert (values(out), values(out, "flow"), values(out, "note")) == ([1.0], [2.0, 3.0], ["a", "b"])


def test_values_at_the_end_of_the_range_of_a_float_break_nothing() -> None:
    big = 1.7e308
    out, held = door([batch(*enumerate([big, -big, big, 0.0, -big, math.inf, math.nan, 1.0]))], 1.0)
    assert len(out["oil"]) + len(held.get("oil", [])) >= 7
    assert not any(is_bad(code) for _, _, code in out["oil"])


def test_a_clock_set_back_opens_a_new_door() -> None:
    out, _ = door([batch((0, 1.0), (1, 1.0), (2, 1.0)), batch((-3600, 1.0), (-3599, 1.0))], 0.5)
    assert [(time_ns - START) / SECOND for time_ns, _, _ in out["oil"]] == [0.0, 2.0, -3600.0]
    assert {code for _, _, code in out["oil"]} == {Quality.GOOD}
