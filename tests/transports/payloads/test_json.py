from base64 import b64encode
from dataclasses import replace
from math import isfinite

import msgpack as library
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.payloads.batches import GAPS, batches, records, same
from transports.payloads import OutRecord, json, json_columns, msgpack
from transports.samples import DataType, Gap, Quality, Scan, Tag, batch_of


def told(value):
    """What JSON may say of a value."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, tuple):
        return [told(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def changed(value):
    numbers = value if isinstance(value, tuple) else (value,) if isinstance(value, float) else ()
    return not all(map(isfinite, numbers))


@given(records(batches()))
def test_a_reader_gets_every_reading_with_its_time_quality_unit_and_scan(record):
    batch = record.item
    got = iter(orjson.loads(json.encode([record], "g", False))["readings"])
    for n, (time_ns, values, codes) in enumerate(batch.rows()):
        for tag, value, code in zip(batch.tags, values, codes, strict=True):
            reading = next(got)
            assert same(reading["value"], told(value))
            assert reading["tag"] == tag.name
            assert reading["time"] == time_ns
            assert reading["scan"] == batch.seq + n
            assert reading.get("unit", "") == tag.unit
            assert reading.get("window_ns", 0) == batch.window_ns
            doubted = changed(value) and code < 0x4000_0000
            assert reading["quality"] == (Quality.UNCERTAIN_SUB_NORMAL if doubted else code)
    assert next(got, None) is None


@given(records(batches() | GAPS))
def test_every_record_names_its_gateway_its_device_and_its_dedupe_key(record):
    got = orjson.loads(json.encode([record], "plant-7", False))
    assert (got["gateway"], got["topic"], got["epoch"], got["seq"]) == ("plant-7", "out", record.epoch, record.seq)
    assert got["device"] == record.item.source


@given(records(batches() | GAPS))
def test_what_an_aggregate_made_names_it_and_what_a_device_said_does_not(record):
    assert "aggregate" not in orjson.loads(json.encode([record], "g", False))
    made = replace(record, item=replace(record.item, aggregate="hourly"))
    assert orjson.loads(json.encode([made], "g", False))["aggregate"] == "hourly"


@given(records(GAPS))
def test_a_gap_says_what_is_missing_and_why(record):
    gap, got = record.item, orjson.loads(json.encode([record], "g", False))["gap"]
    assert Gap(gap.source, *got.values()) == gap
    assert list(got) == ["reason", "since", "until", "first_seq", "last_seq", "count", "detail"]
    assert got["detail"] == gap.detail


@given(st.lists(records(batches() | GAPS), max_size=3))
def test_many_records_are_an_array_even_when_there_is_one(given_records):
    got = orjson.loads(json.encode(given_records, "g", True))
    assert [one["seq"] for one in got] == [record.seq for record in given_records]


def test_one_record_means_exactly_one():
    with pytest.raises(ValueError, match="not enough"):
        json.encode([], "g", False)


def test_a_readable_example_stays_as_documented():
    tags = (Tag("force", DataType.FLOAT64, "kN"), Tag("raw", DataType.BYTES))
    record = OutRecord("out", 3, 1842, batch_of("press-1", 90210, [Scan(1700, tags, [float("inf"), b"\xff\x00"])]))
    assert orjson.loads(json.encode([record], "plant-7", False)) == {
        "gateway": "plant-7",
        "topic": "out",
        "epoch": 3,
        "seq": 1842,
        "device": "press-1",
        "source_seq": 90210,
        "readings": [
            {"tag": "force", "value": None, "time": 1700, "quality": 0x4095_0000, "scan": 90210, "unit": "kN"},
            {"tag": "raw", "value": "/wA=", "time": 1700, "quality": 0, "scan": 90210},
        ],
    }


@pytest.mark.parametrize("form", [json, json_columns, msgpack])
@given(record=records(batches() | GAPS))
def test_only_what_comes_late_says_that_it_is_historical(form, record):
    loads = library.unpackb if form is msgpack else orjson.loads
    fresh, late = form.encode([record], "g", False), form.encode([replace(record, historical=True)], "g", False)
    assert "historical" not in loads(fresh)
    assert same(loads(late).pop("historical"), True)
    assert [one.get("historical", False) for one in loads(form.encode([replace(record, historical=True)], "g", True))]


@pytest.mark.parametrize("form", [json, json_columns, msgpack])
def test_what_the_spool_thinned_says_up_to_where_it_stands_for_all(form):
    loads = library.unpackb if form is msgpack else orjson.loads
    batch = batch_of("press", 100, [Scan(1, (Tag("force"),), [1.5])])
    assert "thinned_to" not in loads(form.encode([OutRecord("out", 1, 1, batch)], "g", False))
    thinned = OutRecord("out", 1, 1, replace(batch, thinned_to=199))
    assert loads(form.encode([thinned], "g", False))["thinned_to"] == 199
