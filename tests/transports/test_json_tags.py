"""Tags from JSON: exact to the bit, Bad alone where a value does not fit, and times that can be believed."""

import math
import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.building import build
from transports.errors import SettingsError
from transports.json_paths import document
from transports.json_tags import TYPES, JsonField, JsonTag, JsonTags, clashes
from transports.json_times import JsonTime, TimeSettings
from transports.samples import DataType, Quality, Scan, batch_of

NOW_NS = 1_790_000_000_000_000_000
OUT, WRONG, NONE = Quality.BAD_OUT_OF_RANGE, Quality.BAD_DECODING, Quality.BAD_SENSOR_FAILURE


def field(**table: Any) -> JsonField:
    return JsonField("t", build(JsonTag, {"path": "$.v", **table}, "tags.t"))


def read(said: str, **table: Any) -> tuple[Any, int] | None:
    return field(**table).read(document(b'{"v": %s}' % said.encode()))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int64", "-9223372036854775808", -(2**63)),
        ("int64", "9223372036854775807", 2**63 - 1),
        ("uint64", "18446744073709551615", 2**64 - 1),
        ("uint64", "5.0", 5),
        ("float64", "5e-324", 5e-324),
        ("float64", "1.7976931348623157e308", 1.7976931348623157e308),
        ("float64", "0.1", 0.1),
        ("float64", "9007199254740993", 9007199254740992.0),
        ("bool", "true", True),
        ("bool", "0", False),
        ("string", '"Gr\\u00f6\\u00dfe \\ud83d\\ude00"', "Größe 😀"),
        ("string", '"' + "x" * 10_000 + '"', "x" * 10_000),
        ("int64_array", "[-9223372036854775808, 1]", (-(2**63), 1)),
        ("uint64_array", "[18446744073709551615]", (2**64 - 1,)),
        ("float64_array", "[0.1, 5e-324, 2]", (0.1, 5e-324, 2.0)),
        ("float64_array", "[]", ()),
    ],
)
def test_a_value_arrives_exactly(kind: str, text: str, value: object) -> None:
    found = read(text, type=kind)
    assert found == (value, Quality.GOOD)
    assert type(found[0]) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        ("int64", "9223372036854775808", OUT),
        ("uint64", "-1", OUT),
        ("uint64", "18446744073709551616", OUT),
        ("int64", "123456789012345678901234567890", OUT),
        ("int64", "9007199254740993.0", WRONG),  # which whole number that was is lost
        ("int64", "1.5", WRONG),
        ("int64", '"5"', WRONG),
        ("int64", "true", WRONG),
        ("float64", "NaN", WRONG),
        ("float64", "1e400", OUT),
        ("float64", '"21.5"', WRONG),
        ("float64", "true", WRONG),
        ("float64", "{}", WRONG),
        ("bool", "2", WRONG),
        ("bool", '"ON"', WRONG),
        ("string", "5", WRONG),
        ("float64_array", "[1, null]", WRONG),
        ("uint64_array", "[1, -1]", OUT),
        ("int64_array", "5", WRONG),
        *((kind, "null", NONE) for kind in TYPES),
    ],
)
def test_what_is_no_value_of_the_type_is_bad_and_says_why(kind: str, text: str, code: int) -> None:
    assert read(text, type=kind) == (None, code)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [("float64", '" 21.5"', 21.5), ("bool", '"on"', True), ("uint64", '"18446744073709551615"', 2**64 - 1)],
)
def test_text_is_a_number_only_where_that_is_asked_for(kind: str, text: str, value: object) -> None:
    assert read(text, type=kind) == (None, WRONG)
    assert read(text, type=kind, text=True) == (value, Quality.GOOD)


def test_a_lone_surrogate_is_no_text() -> None:
    assert field(type="string").read({"v": "\ud800"}) == (None, WRONG)


def test_words_mean_what_the_map_says_and_any_other_is_bad() -> None:
    words = {"type": "bool", "map": {"ON": True, "OFF": False, "1": True, "true": True}}
    assert [read(text, **words) for text in ('"ON"', '"OFF"', "1", "true")] == [
        (True, 0),
        (False, 0),
        (True, 0),
        (True, 0),
    ]
    assert read('"on"', **words) == (None, WRONG)
    assert read("[]", **words) == (None, WRONG)


def test_scale_and_offset_make_the_value_and_undo_it_in_a_write() -> None:
    scaled = field(scale=0.1, offset=-40)
    assert scaled.read({"v": 615}) == (21.5, 0)
    assert scaled.raw(21.5) == pytest.approx(615)


@given(st.data())
def test_what_is_said_in_a_write_reads_as_what_was_written(data: st.DataObject) -> None:
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "int64": st.integers(-(2**63), 2**63 - 1),
        "uint64": st.integers(0, 2**64 - 1),
        "float64": st.floats(allow_nan=False, allow_infinity=False),
        "bool": st.booleans(),
        "string": st.text(st.characters(exclude_categories=["Cs"])),
    }
    kind = data.draw(st.sampled_from(sorted(kinds)))
    value = data.draw(kinds[kind])
    one = field(type=kind)
    again = one.read(document(orjson.dumps({"v": one.raw(value)})))
    assert again == (value, 0)
    assert again is not None
    assert math.copysign(1, again[0]) == math.copysign(1, value) if kind == "float64" else True


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int64", 2**63),
        ("uint64", -1),
        ("bool", 2),
        ("float64", math.inf),
        ("float64", math.nan),
        ("string", 1),
        ("float64", "1"),
    ],
)
def test_a_value_that_is_none_of_the_tag_cannot_be_said(kind: str, value: Any) -> None:
    with pytest.raises(ValueError, match="no value"):
        field(type=kind).raw(value)


def test_a_mapped_value_is_said_as_its_word() -> None:
    words = field(type="bool", map={"ON": True, "OFF": False})
    assert (words.raw(True), words.raw(False)) == ("ON", "OFF")
    with pytest.raises(ValueError, match="none of"):
        field(type="string", map={"A": "x"}).raw("y")


SOME = {
    "a": JsonTag("$.a"),
    "b": JsonTag("$.b", "bool"),
    "s": JsonTag("$.s", "string"),
}


def test_a_tag_that_was_not_sent_is_not_in_the_scan_and_the_same_parts_share_one_tuple() -> None:
    tags = JsonTags(SOME)
    first, second = tags.scan({"b": True}, NOW_NS, "x."), tags.scan({"b": False}, NOW_NS, "x.")
    assert first is not None
    assert second is not None
    assert [tag.name for tag in first.tags] == ["x.b"]
    assert first.tags is second.tags
    assert tags.scan({"other": 1}, NOW_NS) is None
    assert [tag.name for tag in tags.tags("x.")] == ["x.a", "x.b", "x.s"]


def test_a_bad_value_leaves_its_neighbours_good() -> None:
    scan = JsonTags(SOME).scan({"a": "x", "b": True, "s": None}, NOW_NS)
    assert scan is not None
    assert (scan.values, scan.quality) == ([None, True, None], [WRONG, 0, NONE])
    assert batch_of("d", 0, [scan]).samples == 3


def test_a_stale_document_is_uncertain_unless_it_says_its_time() -> None:
    tags = JsonTags(SOME, TimeSettings("$.ts", "s"))
    plain, timed = tags.scan({"a": 1}, NOW_NS, stale=True), tags.scan({"a": 1, "ts": 1_780_000_000}, NOW_NS, stale=True)
    assert plain is not None
    assert timed is not None
    assert (plain.quality, plain.time_ns) == (Quality.UNCERTAIN_LAST_USABLE, NOW_NS)
    assert (timed.quality, timed.time_ns) == (0, 1_780_000_000 * 10**9)


@pytest.mark.parametrize(
    ("given", "unit", "time_ns"),
    [
        (1_780_000_000, "s", 1_780_000_000 * 10**9),
        (1_780_000_000_123, "ms", 1_780_000_000_123 * 10**6),
        ("1780000000123", "ms", 1_780_000_000_123 * 10**6),
        (1_780_000_000_123_456_789, "ns", 1_780_000_000_123_456_789),
        (1780000000.5, "s", 1_780_000_000_500_000_000),
        ("1780000000.123456789", "s", 1_780_000_000_123_456_789),
        ("2026-05-28T20:26:40.5Z", "iso8601", 1_780_000_000_500_000_000),
        ("2026-05-28T22:26:40+02:00", "iso8601", 1_780_000_000 * 10**9),
        ("2026-05-28T20:26:40", "iso8601", 1_780_000_000 * 10**9),
    ],
)
def test_the_source_time_is_read_exactly(given: object, unit: str, time_ns: int) -> None:
    time = JsonTime(TimeSettings("$.t", unit)).of({"t": given}, NOW_NS)
    assert (time.time_ns, time.said, time.doubtful) == (time_ns, True, False)


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        (0, "s"),
        (5_000_000_000, "s"),
        (1_780_000_000, "ms"),
        (2**63, "ns"),
        (math.inf, "s"),
        (math.nan, "s"),
        (True, "s"),
        ("1e999999999", "s"),
        ("9" * 5000, "s"),
        ("yesterday", "iso8601"),
        (5, "iso8601"),
        ({}, "s"),
        ("9999-12-31T23:59:59-23:59", "iso8601"),
    ],
)
def test_a_time_that_cannot_be_true_is_ours_and_the_values_are_uncertain(given: object, unit: str) -> None:
    scan = JsonTags(SOME, TimeSettings("$.t", unit)).scan({"a": 1, "t": given}, NOW_NS)
    assert scan is not None
    assert (scan.time_ns, scan.quality) == (NOW_NS, Quality.UNCERTAIN_SUB_NORMAL)


def test_a_document_without_a_time_is_good_now() -> None:
    for said in ({"a": 1}, {"a": 1, "t": None}):
        scan = JsonTags(SOME, TimeSettings("$.t", "s")).scan(said, NOW_NS)
        assert scan is not None
        assert (scan.time_ns, scan.quality) == (NOW_NS, 0)


@pytest.mark.parametrize(
    ("table", "where", "cure"),
    [
        ({"path": "v"}, "path", "JSONPath"),
        ({"type": "float"}, "type", "must be"),
        ({"scale": 0}, "scale", "not be 0"),
        ({"type": "int64", "scale": 2}, "type", "float64"),
        ({"type": "bool", "map": {"ON": 5}}, "map.ON", 'value of type = "bool"'),
        ({"type": "int64_array", "map": {"ON": 5}}, "map", "single values"),
        ({"unitt": "Cel"}, "unitt", "'unit'"),
    ],
)
def test_each_mistake_is_one_problem_with_its_place_and_cure(table: dict[str, Any], where: str, cure: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        field(**table)
    (problem,) = wrong.value.problems
    assert problem.path == f"tags.t.{where}"
    assert cure in problem.cure


def test_a_tag_of_two_types_is_a_problem_that_names_both_places() -> None:
    (problem,) = clashes([("m.a.tags", {"on": JsonTag("$", "bool")}), ("m.b.tags", {"on": JsonTag("$", "string")})])
    assert problem.path == "m.b.tags.on"
    assert "m.a.tags" in problem.cure


def test_ten_thousand_strange_documents_give_scans_that_can_be_kept_or_nothing() -> None:
    dice = random.Random(5)
    oddities = [
        None,
        True,
        0,
        -1,
        2**64 - 1,
        2**70,
        1.5,
        1e300,
        math.inf,
        math.nan,
        "",
        "\ud800",
        "21.5",
        [],
        [1],
        {},
        [None],
    ]
    tags = JsonTags(
        {kind: JsonTag(f"$.{kind}", kind, text=bool(at % 2)) for at, kind in enumerate(TYPES)},  # type: ignore[arg-type]
        TimeSettings("$.ts", "ms"),
    )
    kept = 0
    for _ in range(10_000):
        said = {name: dice.choice(oddities) for name in dice.sample([*TYPES, "ts"], dice.randint(0, 5))}
        scan = tags.scan(said, NOW_NS)
        if isinstance(scan, Scan):
            kept += batch_of("d", 0, [scan]).samples
    assert kept > 10_000
    assert set(TYPES.values()) == set(DataType) - {DataType.BYTES}
