"""What an aggregation promises to the actor that feeds it: order, exact continuation, nothing lost on a reload."""

import math
import statistics
from collections.abc import Callable
from fractions import Fraction
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    batch,
    said,
    values,
)
from transports import codec
from transports.errors import NotUnderstood
from transports.samples import Batch, DataType, Gap, Quality, Scan, Tag, batch_of, is_bad

ALL: tuple[Statistic, ...] = get_args(Statistic)
MS = 1_000_000
KINDS: dict[DataType, st.SearchStrategy[Any]] = {
    DataType.FLOAT64: st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf, 0.1, 1e9]),
    DataType.INT64: st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
    DataType.UINT64: st.integers(0, 2**64 - 1) | st.integers(0, 3),
    DataType.BOOL: st.booleans(),
    DataType.STRING: st.sampled_from(["", "on", "off"]),
    DataType.FLOAT64_ARRAY: st.sampled_from([(), (1.0,), (1.0, 2.0)]),
}
TUPLES = [(OIL,), (OIL, PARTS, FLOW), (NOTE, FLOW, OIL), (DOOR, TICKS, WAVE, OIL), (Tag("oil", DataType.INT64),)]
QUALITIES = st.sampled_from([Quality.GOOD] * 4 + [Quality.UNCERTAIN_LAST_USABLE, Quality.BAD_TIMEOUT])
RULES = {
    "windows": Settings(from_=("a", "b.*o*"), window_s=0.001, statistics=ALL),
    "patient windows": Settings(from_=("a", "b"), window_s=0.001, lateness_s=0.002, statistics=ALL),
    "deadband": Settings(from_=("a", "b"), deadband=2.0, max_silence_s=0.003),
    "percent": Settings(from_=("*.?[il]*",), deadband_percent=5.0),
    "pass": Settings(from_=("a.oil", "b")),
}


@st.composite
def scans_of(draw: Callable[..., Any], tags: tuple[Tag, ...], since: int) -> Scan:
    quality = draw(QUALITIES | st.tuples(*[QUALITIES] * len(tags)))
    status = quality if isinstance(quality, tuple) else [quality] * len(tags)
    row = [None if is_bad(code) else draw(KINDS[tag.type]) for tag, code in zip(tags, status, strict=True)]
    return Scan((since + draw(st.integers(0, 8))) * MS // 4, tags, row, quality)


@st.composite
def batches(draw: Callable[..., Any], tuples: list[tuple[Tag, ...]] = TUPLES) -> Batch:
    tags = draw(st.sampled_from(tuples))
    scans = scans_of(tags, draw(st.integers(-8, 40)))
    return batch_of(draw(st.sampled_from(["a", "b"])), 1, draw(st.lists(scans, min_size=1, max_size=5)))


GAPS = st.builds(Gap, st.sampled_from(["a", "b"]), st.just("ring full"), st.just(1), st.just(9))
STEPS = st.lists(batches() | GAPS | st.integers(0, 20), max_size=12)  # an integer: `expire` at so many ms


def took(aggregation: Aggregation, step: Any, number: int) -> list[bytes]:
    out = aggregation.expire(step * MS) if isinstance(step, int) else aggregation.fold(step, number * MS)
    return [codec.pack(item) for item in out]


@pytest.mark.parametrize("rule", RULES)
@given(steps=STEPS, splits=st.sets(st.integers(0, 12)))
def test_a_dump_and_load_at_any_point_changes_nothing(rule: str, steps: list[Any], splits: set[int]) -> None:
    straight, restarted = Aggregation("x", RULES[rule]), Aggregation("x", RULES[rule])
    for number, step in enumerate(steps):
        if number in splits:
            dumped = restarted.dump()
            restarted = Aggregation("x", RULES[rule])
            restarted.load(dumped)
            assert restarted.dump() == dumped
        assert took(restarted, step, number) == took(straight, step, number)
        assert restarted.next_due() == straight.next_due()
        assert (restarted.late, restarted.folded) == (straight.late, straight.folded)
    assert restarted.dump() == straight.dump()


class Model:
    """Windows as a table of lists, one scan after the other."""

    def __init__(self, window_ns: int, lateness_ns: int) -> None:
        self.window_ns, self.lateness_ns = window_ns, lateness_ns
        self.newest: dict[str, int] = {}
        self.open: dict[tuple[str, int], dict[Tag, list[Any]]] = {}
        self.late = 0

    def took(self, item: Batch) -> list[tuple[str, int, dict[Tag, list[Any]]]]:
        out = []
        for time_ns, row, status in item.rows():
            start = time_ns // self.window_ns * self.window_ns
            if start + self.window_ns + self.lateness_ns <= self.newest.get(item.source, time_ns):
                self.late += 1
                continue
            window = self.open.setdefault((item.source, start), {})
            for tag, value, code in zip(item.tags, row, status, strict=True):
                window.setdefault(tag, []).append((time_ns, value, code))
            self.newest[item.source] = max(time_ns, self.newest.get(item.source, time_ns))
        for source, start in sorted(self.open):
            if source == item.source and start + self.window_ns + self.lateness_ns <= self.newest[source]:
                out.append((source, start, self.open.pop((source, start))))
        return out


@pytest.mark.parametrize("lateness_s", [0.0, 0.0015])
@given(st.lists(batches(TUPLES[:-1]), max_size=12))
def test_windows_say_what_lists_of_samples_say(lateness_s: float, given_: list[Batch]) -> None:
    settings = Settings(from_=("a", "b"), window_s=0.001, lateness_s=lateness_s, statistics=ALL)
    aggregation, model, late = Aggregation("x", settings), Model(MS, round(lateness_s * 1e9)), 0
    for item in given_:
        out = aggregation.fold(item, 0)
        late += sum(each.count or 0 for each in out if isinstance(each, Gap))
        expected = model.took(item)
        summed = [each for each in out if isinstance(each, Batch)]
        assert [(each.source, each.times_ns[0]) for each in summed] == [
            (source, start) for source, start, _ in expected
        ]
        for each, (_, _, window) in zip(summed, expected, strict=True):
            told = said(each)
            assert {name.partition(".")[0] for name in told} == {tag.name for tag in window}
            for tag, samples in window.items():
                agree(tag, samples, told)
    assert aggregation.late == late == model.late


def agree(tag: Tag, samples: list[tuple[int, Any, int]], told: dict[str, Any]) -> None:
    said_ = {name.partition(".")[2]: value for name, value in told.items() if name.startswith(f"{tag.name}.")}
    numeric = tag.type <= DataType.FLOAT64
    usable = [
        (time_ns, value)
        for time_ns, value, code in samples
        if not is_bad(code) and not (tag.type is DataType.FLOAT64 and not math.isfinite(value))
    ]
    if not usable:
        assert set(said_.values()) == {None}
        return
    numbers = [value for _, value in usable]
    ordered = sorted(usable, key=lambda sample: sample[0])
    assert said_["count"] == len(usable)
    assert said_["last"] == ordered[-1][1]
    assert (said_["first_time"], said_["last_time"]) == (ordered[0][0], ordered[-1][0])
    assert ("mean" in said_) is numeric
    if numeric:
        assert (said_["min"], said_["max"]) == (min(numbers), max(numbers))
        exact = [Fraction(value) for value in numbers]
        scale = float(max(map(abs, exact)))
        assert said_["mean"] == pytest.approx(float(sum(exact) / len(exact)), rel=1e-12, abs=1e-12 * scale)
        tiny = 1e-150  # its square is below the smallest float
        assert said_["stddev"] == pytest.approx(statistics.pstdev(exact), rel=1e-9, abs=1e-12 * scale + tiny)


def test_a_gap_goes_on_in_its_place_and_closes_nothing() -> None:
    aggregation = Aggregation("x", Settings(from_=("press-1",), window_s=10.0))
    gap = Gap("press-1", "ring full", START, START + SECOND, 3, 5, 3)
    assert aggregation.fold(batch((0, 1.0)), START) == []
    assert aggregation.fold(gap, START) == [gap]
    assert len(aggregation.fold(batch((10, 1.0)), START)) == 1


def test_sequence_numbers_go_on_after_a_restart() -> None:
    settings = Settings(from_=("press-1",), window_s=10.0)
    aggregation = Aggregation("x", settings)
    aggregation.fold(batch((0, 1.0), (10, 1.0), (20, 1.0)), START)
    again = Aggregation("x", settings)
    again.load(aggregation.dump())
    (out,) = again.fold(batch((30, 1.0)), START)
    assert isinstance(out, Batch)
    assert out.seq == 3


def test_a_source_with_more_tags_than_are_kept_of_one_goes_on_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.stages.roster.MAX_TAGS", 2)
    settings = Settings(from_=("press-1",), window_s=10.0)
    aggregation, again = Aggregation("x", settings), Aggregation("x", settings)
    aggregation.fold(batch((0, (1.0, 2, 3.0)), tags=[OIL, PARTS, FLOW]), START)
    again.load(aggregation.dump())
    assert again.fold(batch((1, (1.0, 2, 3.0)), tags=[OIL, PARTS, FLOW]), START) == []


def test_windows_of_another_length_are_closed_and_sent_after_a_reload() -> None:
    aggregation = Aggregation("x", Settings(from_=("press-1",), window_s=10.0))
    aggregation.fold(batch((0, 1.0), (9, 3.0)), START)
    again = Aggregation("x", Settings(from_=("press-1",), window_s=60.0))
    again.load(aggregation.dump())
    assert again.next_due() == 0
    once_more = Aggregation("x", Settings(from_=("press-1",), window_s=60.0))
    once_more.load(again.dump())  # what is owed outlives another restart
    (out,) = once_more.expire(START)
    assert isinstance(out, Batch)
    assert (out.window_ns, said(out)["oil.mean"], out.seq) == (10 * SECOND, 2.0, 1)
    once_more.fold(batch((11, 1.0)), START)
    (out,) = once_more.fold(batch((70, 1.0)), START)
    assert isinstance(out, Batch)
    assert (out.window_ns, out.seq) == (60 * SECOND, 2)


def test_a_reload_from_windows_to_a_deadband_and_back_loses_nothing() -> None:
    windows, passing = Settings(from_=("press-1",), window_s=10.0), Settings(from_=("press-1",), deadband=1.0)
    first, second, third = Aggregation("x", windows), Aggregation("x", passing), Aggregation("x", windows)
    first.fold(batch((0, 1.0)), START)
    second.load(first.dump())
    out = second.fold(batch((1, 5.0)), START)
    assert (values(out[:1], "oil.last"), values(out[1:])) == ([1.0], [5.0])
    third.load(second.dump())
    third.fold(batch((2, 7.0)), START)
    (last,) = third.fold(batch((10, 1.0)), START)
    assert isinstance(last, Batch)
    assert (last.seq, said(last)["oil.last"], third.folded) == (3, 7.0, 4)


@pytest.mark.parametrize(
    "dumped",
    [
        b"",
        b"\x93",
        b"nonsense",
        codec.pack(Gap("a", "b", 1, 2)),
        b"\x94\xa2a1\xce\x3b\x9a\xca\x00\x90\x81\xa1a\x94\x01\x00\x00\x07",
    ],
)
def test_what_is_no_dump_is_refused_and_changes_nothing(dumped: bytes) -> None:
    aggregation = Aggregation("x", Settings(from_=("press-1",), window_s=10.0))
    aggregation.fold(batch((0, 1.0)), START)
    before = aggregation.dump()
    with pytest.raises(NotUnderstood):
        aggregation.load(dumped)
    assert aggregation.dump() == before


def test_a_batch_without_scans_is_nothing() -> None:
    for settings in RULES.values():
        assert Aggregation("x", settings).fold(Batch("a", 1, (OIL,), (), {DataType.FLOAT64: b""}), START) == []


def test_tags_are_announced_by_one_tuple_so_that_the_codec_knows_them_again() -> None:
    aggregation = Aggregation("x", Settings(from_=("press-1",), window_s=1.0))
    out = [each for at in range(5) for each in aggregation.fold(batch((at, 1.0)), START)]
    assert len({id(each.tags) for each in out if isinstance(each, Batch)}) == 1
