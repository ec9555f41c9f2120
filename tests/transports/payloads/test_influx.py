from base64 import b64encode
from dataclasses import replace
from math import isfinite

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.payloads.batches import GAPS, batches, records, same
from tests.transports.payloads.line_protocol import points
from tests.transports.payloads.test_json import changed, told
from transports.payloads import OutRecord, influx, json_columns
from transports.samples import DataType, Gap, Quality, Scan, Tag, batch_of


def expected(value):
    """What line protocol may say of a value."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, tuple):
        return orjson.dumps(told(value)).decode()
    return value.replace("\n", "\\n") if isinstance(value, str) else value


def one(values, *tags, source="d", time_ns=1, **changes):
    batch = batch_of(source, 1, [Scan(time_ns, tags, values)])
    (point,) = points(influx.encode([OutRecord("out", 1, 1, replace(batch, **changes))], "g", False))
    return point


@given(records(batches()))
def test_a_strict_reader_gets_every_sample_exactly_with_its_time_and_quality(record):
    batch, got = record.item, iter(points(influx.encode([record], "plant-7", False)))
    for time_ns, values, codes in batch.rows():
        point = next(got)
        assert (point.time_ns, point.tags) == (time_ns, {"gateway": "plant-7"})
        worst = 0
        for tag, value, code in zip(batch.tags, values, codes, strict=True):
            if changed(value) and code < 0x4000_0000:
                code = Quality.UNCERTAIN_SUB_NORMAL
            worst = max(worst, code)
            assert point.fields.get(f"quality.{tag.name}", 0) == code
            if value is None or (isinstance(value, float) and not isfinite(value)):
                assert tag.name not in point.fields
            else:
                assert same(point.fields[tag.name], expected(value))
        assert point.fields["quality"] == worst
    assert next(got, None) is None


@given(st.lists(records(batches() | GAPS), max_size=3))
def test_every_record_is_named_once_and_there_are_no_empty_lines(given_records):
    got = points(influx.encode(given_records, "g", True))
    named = [point.fields["record"] for point in got if "record" in point.fields]
    assert named == [f"out/{record.epoch}/{record.seq}" for record in given_records]


@given(st.text(), st.text(), st.text(), st.text())
def test_names_and_texts_of_any_characters_make_one_well_formed_point(source, tag_name, text, gateway):
    batch = batch_of(source, 1, [Scan(1, (Tag(tag_name, DataType.STRING),), [text])])
    (point,) = points(influx.encode([OutRecord("out", 1, 1, batch)], gateway, False))
    said = [value for name, value in point.fields.items() if name not in ("quality", "record", "scan")]
    assert said == [text.replace("\n", "\\n")]


@given(st.lists(st.text("-a,= \\\"'#_\n"), min_size=1, max_size=4, unique=True))
def test_no_two_tags_share_a_field(tag_names):
    tags = [Tag(name, DataType.INT64) for name in tag_names]
    fields = one(list(range(100, 100 + len(tags))), *tags).fields
    assert sorted(value for value in fields.values() if not isinstance(value, str) and value >= 100) == [
        *range(100, 100 + len(tags))
    ]


@given(records(GAPS))
def test_a_gap_says_what_is_missing_and_why(record):
    gap = record.item
    (point,) = points(influx.encode([record], "plant-7", False))
    fields = point.fields
    assert (point.measurement, point.time_ns) == ("holdfast_gaps", gap.since_ns or gap.until_ns)
    assert point.tags["gateway"] == "plant-7"
    assert same(fields["text"], gap.reason.replace("\n", "\\n"))
    numbers = {"since": gap.since_ns, "until": gap.until_ns, "first_seq": gap.first_seq}
    numbers |= {"last_seq": gap.last_seq, "count": gap.count}
    for name, number in numbers.items():
        assert fields.get(name) == (number if number is not None and number < 2**63 else None)


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        (DataType.INT64, -(2**63), "-9223372036854775808i"),
        (DataType.INT64, 2**63 - 1, "9223372036854775807i"),
        (DataType.UINT64, 2**64 - 1, "18446744073709551615u"),
        (DataType.FLOAT64, 1e308, "1e+308"),
        (DataType.FLOAT64, 5e-324, "5e-324"),
        (DataType.FLOAT64, 1.0, "1.0"),
        (DataType.BOOL, True, "true"),
        (DataType.STRING, 'say "no" \\ yes', r'"say \"no\" \\ yes"'),
        (DataType.STRING, "a,b = c", '"a,b = c"'),
        (DataType.BYTES, b"\xff\x00", '"/wA="'),
        (DataType.UINT64_ARRAY, (0, 2**64 - 1), '"[0,18446744073709551615]"'),
    ],
)
def test_each_type_is_written_as_documented(kind, value, written):
    record = OutRecord("out", 1, 1, batch_of("d", 1, [Scan(7, (Tag("x", kind),), [value])]))
    line = influx.encode([record], "g", False).decode()
    assert line == f'd,gateway=g x={written},quality=0i,record="out/1/1",scan=1i 7'


def test_names_are_escaped_as_documented():
    batch = batch_of("my, press=1", 1, [Scan(7, (Tag("oil, hot=1"),), [1.5])])
    line = influx.encode([OutRecord("out", 1, 1, batch)], "plant 7,=", False).decode()
    assert line.startswith(r"my\,\ press=1,gateway=plant\ 7\,\= oil\,\ hot\=1=1.5,")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_left_out_and_said_to_be(value):
    point = one([value, 2.0], Tag("force"), Tag("way"))
    assert "force" not in point.fields
    assert (point.fields["way"], point.fields["quality"], point.fields["quality.force"]) == (2.0, *[0x4095_0000] * 2)


def test_a_waveform_with_a_point_that_is_no_number_arrives_and_is_doubted():
    point = one([(1.5, float("nan"))], Tag("wave", DataType.FLOAT64_ARRAY))
    assert (point.fields["wave"], point.fields["quality.wave"]) == ("[1.5,null]", 0x4095_0000)


def test_a_scan_that_is_all_bad_is_still_a_point():
    batch = batch_of("d", 1, [Scan(1, (Tag("a"), Tag("b")), [None, None], 0x800A_0000)])
    (point,) = points(influx.encode([OutRecord("out", 1, 1, batch)], "g", False))
    assert point.fields["quality"] == 0x800A_0000


def test_a_text_longer_than_a_field_may_be_is_left_out_and_the_rest_arrives():
    longest = "x" * influx.STRING_MAX_BYTES
    point = one([longest, longest + "x"], Tag("a", DataType.STRING), Tag("b", DataType.STRING))
    assert point.fields["a"] == longest
    assert "b" not in point.fields
    assert point.fields["quality.b"] == 0x4095_0000


def test_history_windows_thinning_and_aggregates_are_told():
    batch = batch_of("press", 100, [Scan(1, (Tag("force.mean"),), [1.5]), Scan(2, (Tag("force.mean"),), [1.6])])
    item = replace(batch, window_ns=60, thinned_to=199, aggregate="hourly")
    first, second = points(influx.encode([OutRecord("out", 3, 8, item, historical=True)], "g", False))
    assert first.tags == second.tags == {"aggregate": "hourly", "gateway": "g"}
    own = {"record": "out/3/8", "scan": 100, "window_ns": 60, "thinned_to": 199, "historical": True}
    assert first.fields == {"force.mean": 1.5, "quality": 0, **own}
    assert second.fields == {"force.mean": 1.6, "quality": 0}


def test_a_repetition_is_the_same_point_also_when_it_comes_late():
    record = OutRecord("out", 3, 8, batch_of("press", 100, [Scan(1, (Tag("force"),), [1.5])]))
    (fresh,), (late,) = (points(influx.encode([r], "g", False)) for r in (record, replace(record, historical=True)))
    assert (fresh.measurement, fresh.tags, fresh.time_ns) == (late.measurement, late.tags, late.time_ns)


def test_a_gap_of_an_aggregate_is_a_series_of_its_own():
    gap = Gap("press", "refused: too large", 5, 9, aggregate="hourly")
    (point,) = points(influx.encode([OutRecord("out", 1, 1, gap)], "g", False))
    assert point.tags == {"aggregate": "hourly", "device": "press", "gateway": "g", "reason": "refused"}


def test_one_record_means_exactly_one_and_none_are_nothing():
    with pytest.raises(ValueError, match="not enough"):
        influx.encode([], "g", False)
    assert influx.encode([], "g", True) == b""


def test_a_sample_costs_less_than_three_times_its_bytes_in_columns():
    tags = tuple(Tag(f"force{i}") for i in range(8))
    scans = [Scan(1_700_000_000_000_000_000 + i * 10**8, tags, [i + k / 8 for k in range(8)]) for i in range(50)]
    record = OutRecord("out", 3, 1842, batch_of("press-1", 1, scans))
    assert len(influx.encode([record], "p", False)) < 3 * len(json_columns.encode([record], "p", False))
