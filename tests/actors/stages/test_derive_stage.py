"""Derived tags: an expression over the tags of a source, scan by scan."""

import math
from typing import Any

import pytest
from hypothesis import given

from actors.stages.pipeline import pipeline_of
from tests.actors.stages.readings import DOOR, FLOW, NOTE, OIL, PARTS, bad, batch, codes, said, values
from tests.actors.stages.samples_of_stages import Sample, by_tag, same, streams, through, usable
from transports.errors import SettingsError
from transports.samples import DataType, Quality, Tag, is_bad


def derive(expression: str, tag: str = "x", **settings: Any) -> dict[str, Any]:
    return {"stage": "derive", "tag": tag, "expression": expression, **settings}


def test_a_derived_tag_stands_behind_the_others() -> None:
    (out,) = through([batch((0, (2.0, 3.0)), tags=[OIL, FLOW])], derive("oil * flow", "power", unit="kW"))
    assert said(out) == {"oil": 2.0, "flow": 3.0, "power": 6.0}
    assert out.tags[-1] == Tag("power", DataType.FLOAT64, "kW")


@given(streams())
def test_it_is_bad_where_one_of_its_tags_is_and_has_their_worst_quality(batches: list[Any]) -> None:
    out = by_tag(through(batches, derive("f / 2 + u")))
    last: dict[str, Sample] = {}
    expected: list[Sample] = []
    for each in batches:
        for time_ns, row, status in each.rows():
            brought = {tag.name: (time_ns, row[at], status[at]) for at, tag in enumerate(each.tags)}
            last |= {name: sample for name, sample in brought.items() if name in "fu"}
            if not {"f", "u"} & brought.keys() or len(last) < 2:
                continue
            worst = max(code for _, _, code in last.values())
            value = 0.0
            if all(map(usable, last.values())):
                value = float(last["f"][1]) / 2 + float(last["u"][1])  # type: ignore[arg-type]
            else:
                worst = worst if is_bad(worst) else int(Quality.BAD_OUT_OF_RANGE)
            expected.append((time_ns, None if is_bad(worst) else value, worst))
    # a scan of a batch counts what the same batch brings later as not yet known: so does the loop above
    same(out.get("x", []), expected, 1e-12)


def test_a_tag_that_a_scan_lacks_counts_with_its_last_sample() -> None:
    given_ = [batch((0, 2.0)), batch((1, 10.0), tags=[FLOW]), batch((2, 3.0)), bad(3), batch((4, 1.0), tags=[FLOW])]
    assert values(through(given_, derive("oil * flow")), "x") == [20.0, 30.0, None, None]


def test_what_is_not_finite_is_bad() -> None:
    out = through([batch(*enumerate([1.0, 0.0, math.nan, 2.0]))], derive("1 / oil"))
    assert values(out, "x") == [1.0, None, None, 0.5]
    assert by_tag(out)["x"][1][2] == Quality.BAD_OUT_OF_RANGE


def test_a_condition_on_what_is_not_finite_is_bad_whatever_it_says() -> None:
    out = through([batch(*enumerate([1.0, math.nan, math.inf]))], derive("oil > 0 or true", type="bool"))
    assert values(out, "x") == [True, None, None]


def test_flags_and_texts_and_whole_numbers() -> None:
    rows = [(0, (90.0, True, "run")), (1, (90.0, True, "stop")), (2, (10.0, True, "run"))]
    given_ = [batch(*rows, tags=[OIL, DOOR, NOTE])]
    assert values(through(given_, derive('oil > 80 and door and note == "run"', type="bool")), "x") == [
        True,
        False,
        False,
    ]
    assert values(through(given_, derive("oil / 4", type="int64")), "x") == [22, 22, 2]
    assert values(through(given_, derive("oil * 1e18", type="int64")), "x") == [None, None, None]


def test_what_cannot_be_computed_is_bad_and_breaks_nothing() -> None:
    (out,) = through([batch((0, (1.0, "a")), tags=[OIL, NOTE])], derive("oil + note"))
    assert codes(out)["x"] == Quality.BAD_UNEXPECTED
    assert said(out)["oil"] == 1.0


def test_a_tag_of_the_same_name_is_replaced() -> None:
    (out,) = through([batch((0, (5, 2.0)), tags=[PARTS, OIL])], derive("parts * 2", "parts"))
    assert said(out) == {"oil": 2.0, "parts": 10.0}


def test_names_with_anything_in_them_are_written_in_braces() -> None:
    tags = [Tag("oil temp/2"), Tag("a.b")]
    assert values(through([batch((0, (3.0, 4.0)), tags=tags)], derive("{oil temp/2} + a.b")), "x") == [7.0]


@pytest.mark.parametrize(
    ("table", "key", "says"),
    [
        (derive("oil +"), "expression", "at character 5: a value is missing at the end"),
        (derive("1 + 2"), "expression", "must have at least one tag in it"),
        (derive("sqt(oil)"), "expression", "did you mean 'sqrt'?"),
        (derive("oil", ""), "tag", "must be a name"),
        (derive("oil", type="text"), "type", "one of float64, int64, bool"),
    ],
)
def test_mistakes_are_named_with_their_place(table: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        pipeline_of([{"stage": "scale"}, table], "aggregate.x.stages")
    (problem,) = refused.value.problems
    assert problem.path == f"aggregate.x.stages[1].{key}"
    assert says in problem.cure
