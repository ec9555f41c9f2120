"""Stages one after the other: written, checked, carried over a restart and over a change of the configuration."""

from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.stages import catalog
from actors.stages.aggregation import Aggregation
from actors.stages.pipeline import Pipeline, pipeline_of, steps_of
from actors.stages.settings import Settings
from tests.actors.stages.readings import FLOW, OIL, PARTS, SECOND, START, batch, said, values
from tests.actors.stages.samples_of_stages import streams
from transports import codec
from transports.building import build
from transports.errors import NotUnderstood, SettingsError
from transports.samples import Batch, Gap
from transports.settings import fields_of

EVERY: dict[str, dict[str, Any]] = {
    "scale": {"factor": 0.5},
    "range": {"min": -60, "max": 60, "action": "drop"},
    "rate": {"max": 500.0},
    "median": {"window": 3},
    "hampel": {"window": 5, "least": 1.0},
    "average": {"window": 3},
    "exponential": {"time_constant": "20ms"},
    "deadband": {"absolute": 2.0},
    "swinging_door": {"deviation": 3.0, "max_silence": "1s"},
    "resample": {"every": "7ms", "max_age": "50ms", "method": "mean"},
    "counter": {"wrap": "16 bit", "max_step": 40},
    "derive": {"tag": "x", "expression": "f + i"},
}
ALL = [{"stage": name, **settings} for name, settings in EVERY.items()]


def test_every_stage_is_found_and_tried_here() -> None:
    assert catalog.names() == sorted(EVERY)


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_stage_keeps_the_contract(name: str) -> None:
    module = catalog.load(name, "x")
    assert module.__doc__
    assert module.__doc__.splitlines()[0].endswith((".", ";", "Bad.", "sum."))
    assert f'stage = "{name}"' in module.__doc__, "its note has an example"
    assert isinstance(module.LASTING, bool)
    assert all(note.help for note in fields_of(module.Settings))


def restarted(pipeline: Pipeline, tables: list[dict[str, Any]]) -> Pipeline:
    state = msgpack.unpackb(msgpack.packb(pipeline.state()), use_list=False, strict_map_key=False)
    again = pipeline_of(tables)
    assert again.restore(state, "d") == []
    assert msgpack.packb(again.state()) == msgpack.packb(pipeline.state())
    return again


@pytest.mark.parametrize("tables", [*([each] for each in ALL), ALL], ids=[*sorted(EVERY, key=list(EVERY).index), "all"])
@given(batches=streams(), cuts=st.sets(st.integers(0, 5)))
def test_wherever_it_is_cut_into_incarnations_the_output_is_the_same(
    tables: list[dict[str, Any]], batches: list[Batch], cuts: set[int]
) -> None:
    straight, again = pipeline_of(tables), pipeline_of(tables)
    for number, each in enumerate(batches):
        if number in cuts:
            again = restarted(again, tables)
        assert [codec.pack(out) for out in again.take(each)] == [codec.pack(out) for out in straight.take(each)]
    assert [codec.pack(out) for out in again.flush("d")] == [codec.pack(out) for out in straight.flush("d")]


def aggregate(**table: Any) -> Settings:
    return build(Settings, {"from": ["press-1"], **table}, "aggregate.x")


@given(streams(), st.sets(st.integers(0, 5)), st.booleans())
def test_an_aggregate_goes_on_exactly_where_its_dump_was_made(
    batches: list[Batch], cuts: set[int], windowed: bool
) -> None:
    stages = [each for each in ALL if each["stage"] not in ("deadband", "swinging_door")] if windowed else ALL
    table = {"window": "20ms", "statistics": ["count", "twa", "p95", "first", "rms"]} if windowed else {"deadband": 1.0}
    settings = build(Settings, {"from": ["d"], "stages": stages, **table}, "aggregate.x")
    straight, again = Aggregation("x", settings), Aggregation("x", settings)
    for number, each in enumerate(batches):
        if number in cuts:
            dumped = again.dump()
            again = Aggregation("x", settings)
            again.load(dumped)
            assert again.dump() == dumped
        now = each.times_ns[-1]
        assert [codec.pack(out) for out in again.fold(each, now)] == [
            codec.pack(out) for out in straight.fold(each, now)
        ]
    assert [codec.pack(out) for out in again.expire(2**62)] == [codec.pack(out) for out in straight.expire(2**62)]


def test_stages_come_before_the_window_and_a_derived_tag_is_summed_up_as_well() -> None:
    stages = [
        {"stage": "scale", "tags": ["oil"], "factor": 2.0},
        {"stage": "derive", "tag": "both", "expression": "oil + flow"},
    ]
    settings = aggregate(**{"from": ["press-1.oil", "press-1.flow"]}, window="10s", statistics=["mean"], stages=stages)
    aggregation = Aggregation("x", settings)
    tags = [OIL, PARTS, FLOW]
    assert aggregation.fold(batch((0, (1.0, 7, 10.0)), (1, (3.0, 7, 10.0)), tags=tags), START) == []
    (out,) = aggregation.fold(batch((10, (0.0, 0, 0.0)), tags=tags), START)
    assert said(out) == {"oil.mean": 4.0, "flow.mean": 10.0, "both.mean": 14.0}


def test_without_a_window_what_the_stages_make_is_passed_on_and_numbered() -> None:
    aggregation = Aggregation("x", aggregate(stages=[{"stage": "range", "max": 10, "action": "drop"}]))
    out = aggregation.fold(batch((0, 1.0), (1, 99.0), (2, 2.0)), START) + aggregation.fold(batch((3, 3.0)), START)
    assert [(each.seq, values([each])) for each in out if isinstance(each, Batch)] == [(1, [1.0, 2.0]), (3, [3.0])]


def test_each_source_has_stages_of_its_own() -> None:
    aggregation = Aggregation("x", aggregate(**{"from": ["*"]}, stages=[{"stage": "average", "window": 2}]))
    out = [
        each
        for source, value in [("a", 1.0), ("b", 10.0), ("a", 3.0), ("b", 30.0)]
        for each in aggregation.fold(batch((0, value), source=source), START)
    ]
    assert values(out) == [1.0, 10.0, 2.0, 20.0]


def test_a_counter_keeps_its_total_when_other_stages_are_added_or_it_is_set_otherwise() -> None:
    before = aggregate(stages=[{"stage": "counter"}])
    after = aggregate(
        stages=[{"stage": "range", "tags": ["oil"], "min": 0}, {"stage": "counter", "tags": ["parts"], "max_step": 90}]
    )
    first, second = Aggregation("x", before), Aggregation("x", after)
    first.fold(batch((0, 100), (1, 5), tags=[PARTS]), START)
    second.load(first.dump())
    assert values(second.fold(batch((2, 8), tags=[PARTS]), START), "parts") == [108]


def test_what_a_stage_held_back_is_sent_when_it_is_taken_out() -> None:
    first = Aggregation("x", aggregate(stages=[{"stage": "swinging_door", "deviation": 1.0}]))
    assert values(first.fold(batch((0, 1.0), (1, 1.5)), START)) == [1.0]
    second = Aggregation("x", aggregate())
    second.load(first.dump())
    assert values(second.fold(batch((2, 9.0)), START)) == [1.5, 9.0]
    third = Aggregation("x", aggregate(stages=[{"stage": "swinging_door", "deviation": 5.0}]))
    third.load(first.dump())
    assert values(third.fold(batch((2, 9.0), (3, 1.0), (4, 1.0)), START)) == [1.5, 9.0]


def test_a_dump_of_a_version_without_stages_is_understood() -> None:
    settings = aggregate(window="10s")
    old = Aggregation("x", settings)
    old.fold(batch((0, 1.0), (1, 5.0)), START)
    kind, window_ns, owed, sources, _ = msgpack.unpackb(old.dump(), strict_map_key=False)
    closed, folded, tags, windows, _ = sources["press-1"][3]
    vectors = windows[0][1][4][0]
    windows[0][1][4] = [*vectors[:6], *vectors[7:]]  # without the first value, and nothing beside the running ones
    sources["press-1"][3] = [closed, folded, tags, windows]
    assert kind == "a2"
    again = Aggregation("x", settings)
    again.load(msgpack.packb(["a1", window_ns, owed, sources]))
    (out,) = again.fold(batch((11, 0.0)), START)
    assert said(out) == {"oil.count": 2, "oil.min": 1.0, "oil.max": 5.0, "oil.mean": 3.0, "oil.last": 5.0}


@pytest.mark.parametrize(
    "state", [[["scale", 3]], [[{"stage": "counter"}, 7]], [[{"stage": "counter"}, [[], {9: {}}]]], 5]
)
def test_a_damaged_state_of_a_stage_is_refused(state: Any) -> None:
    settings = aggregate(stages=[{"stage": "counter"}])
    aggregation = Aggregation("x", settings)
    aggregation.fold(batch((0, 1), tags=[PARTS]), START)
    before = aggregation.dump()
    dumped = msgpack.unpackb(before, strict_map_key=False)
    dumped[4]["press-1"] = state
    with pytest.raises(NotUnderstood):
        aggregation.load(msgpack.packb(dumped))
    assert aggregation.dump() == before


def test_a_gap_passes_the_stages() -> None:
    aggregation = Aggregation("x", aggregate(stages=[{"stage": "scale"}]))
    gap = Gap("press-1", "ring full", START, START + SECOND)
    assert aggregation.fold(gap, START) == [gap]


@pytest.mark.parametrize(
    ("stages", "path", "says"),
    [
        ([{"stage": "scal"}], "stages[0].stage", "did you mean 'scale'?"),
        ([{"factor": 2.0}], "stages[0].stage", "is missing; write one of average"),
        ([{"stage": "scale", "factor": "x"}], "stages[0].factor", "must be a number"),
        ([{"stage": "scale"}, {"stage": "scale", "facto": 1.0}], "stages[1].facto", "did you mean 'factor'?"),
        ([{"stage": "scale", "in_low": 4.0}], "stages[0].in_high", "is missing"),
        ([{"stage": "scale", "clamp": True}], "stages[0].clamp", "needs in_low"),
        ([{"stage": "scale", "tags": []}], "stages[0].tags", "at least one tag"),
        ([{"stage": "range"}], "stages[0].min", "write min, max or both"),
        ([{"stage": "range", "min": 5, "max": 4}], "stages[0].min", "must be at most max (4)"),
        ([{"stage": "rate"}], "stages[0].max", "is missing"),
        ([{"stage": "median", "window": 4}], "stages[0].window", "must be odd"),
        ([{"stage": "hampel", "window": 1}], "stages[0].window", "at least 3"),
        ([{"stage": "exponential"}], "stages[0].time_constant", "either time_constant or share"),
        ([{"stage": "exponential", "share": 2.0}], "stages[0].share", "at most 1"),
        ([{"stage": "deadband"}], "stages[0].absolute", "absolute, percent or both"),
        ([{"stage": "swinging_door", "deviation": 0}], "stages[0].deviation", "more than 0"),
        ([{"stage": "resample"}], "stages[0].every", "is missing"),
        (["scale"], "stages[0]", "must be a table"),
        ("scale", "stages", "a list of tables"),
    ],
)
def test_each_mistake_is_named_by_its_path(stages: Any, path: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        aggregate(stages=stages)
    (problem,) = refused.value.problems
    assert problem.path == f"aggregate.x.{path}"
    assert says in problem.cure


@pytest.mark.parametrize("name", ["deadband", "swinging_door"])
def test_what_leaves_samples_out_is_refused_before_a_window(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        aggregate(window="10s", stages=[{"stage": name, **EVERY[name]}])
    assert refused.value.problems[0].path == "aggregate.x.stages[0].stage"


def test_which_stages_must_not_forget_is_known() -> None:
    assert {each.name for each in steps_of(ALL, "stages") if each.lasting} == {"counter", "swinging_door"}


def test_names_invented_for_ever_do_not_fill_the_memory_of_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("columnwise", "sieve", "taken"):
        monkeypatch.setattr(f"actors.stages.{module}.MAX_TAGS", 50)
    from transports.samples import Tag

    pipeline, sizes = pipeline_of(ALL), []
    for at in range(60):
        tags = [Tag(f"part-{at}-{number}") for number in range(10)]
        pipeline.take(batch((at, [1.0] * 10), tags=tags))
        sizes.append(len(msgpack.packb(pipeline.state())))
    assert max(sizes[20:]) <= 1.1 * max(sizes[:20])


OWN_STAGE = '''
"""Adds one."""
from dataclasses import dataclass
from dataclasses import replace
import numpy as np
from actors.stages.chosen import Chosen
from actors.stages.columnwise import Columnwise, Turned
LASTING = False
@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    pass
class More(Columnwise):
    def turned(self, part):
        return Turned(part.values + 1)
def make(settings):
    return More(settings.tags)
'''


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of somebody else's with two stages, of which one is none."""
    (tmp_path / "their_more.py").write_text(OWN_STAGE)
    (tmp_path / "their_less.py").write_text(OWN_STAGE.replace("LASTING = False", ""))
    info = tmp_path / "their_stages-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-stages\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[holdfast.stages]\nmore = their_more\nless = their_less\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_stage_of_somebody_else_is_one_file_and_an_entry_point(strangers: Path) -> None:
    assert {"more", "scale"} <= set(catalog.names())
    pipeline = pipeline_of([{"stage": "more", "tags": ["oil"]}])
    assert values(pipeline.take(batch((0, (1.0, 1.0)), tags=[OIL, FLOW]))) == [2.0]
    with pytest.raises(SettingsError, match="does not say whether it is LASTING"):
        pipeline_of([{"stage": "less"}])
