"""Messages are read as ThingsBoard's server does: what JSON it refuses, or makes something else of, is written here."""

import json as library
from base64 import b64encode
from dataclasses import replace
from decimal import Decimal
from math import isfinite

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.payloads.batches import GAPS, batches, records, same
from tests.transports.payloads.test_json import changed, told
from transports.payloads import OutRecord, json_columns, thingsboard
from transports.payloads._flat import field_name
from transports.samples import DataType, Gap, Quality, Scan, Tag, batch_of


class Number(str):
    """A number as it was written: the server keeps its text to tell long from double."""


def as_stored(value):
    """A value as the server stores it: a number is a long, or a double; whatever else it would make of it fails."""
    assert value is not None, "null: the whole message is refused"
    if not isinstance(value, Number):
        return value
    decimal = Decimal(value)
    _, digits, exponent = decimal.as_tuple()
    plain_double = "." in value and "e" not in value.lower()
    if decimal == decimal.to_integral_value() and not plain_double:
        assert -(2**63) <= decimal < 2**63, f"{value}: becomes a text, or the message is refused"
        assert "." not in value or not digits, f"{value}: a double would become a long"
        return int(decimal)
    assert -exponent <= 16, f"{value}: becomes a text, or the message is refused"
    return float(value)


def stored(payload):
    """(device, ts, {key: value}) in the order of the message."""
    message = library.loads(payload, parse_float=Number, parse_int=Number)
    for device, entries in message.items():
        for entry in entries:
            assert set(entry) == {"ts", "values"}
            yield device, as_stored(entry["ts"]), {key: as_stored(value) for key, value in entry["values"].items()}


def plain(value):
    """A JSON value inside a JSON array or object, which the server keeps as it is."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return library.loads(value) if isinstance(value, Number) else value


def expected(value):
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, int) and not isinstance(value, bool) and value >= 2**63:
        return str(value)
    return told(value)


@given(records(batches()))
def test_the_server_stores_every_sample_at_its_millisecond_with_its_quality(record):
    batch, got = record.item, stored(thingsboard.encode([record], "g", False))
    for time_ns, values, codes in batch.rows():
        device, ts, row = next(got)
        assert (device, ts) == (batch.source, time_ns // 10**6)
        worst = 0
        for tag, value, code in zip(batch.tags, values, codes, strict=True):
            if isinstance(value, float) and not isfinite(value):
                value, code = None, Quality.UNCERTAIN_SUB_NORMAL if code < 0x4000_0000 else code
            elif changed(value) and code < 0x4000_0000:
                code = Quality.UNCERTAIN_SUB_NORMAL
            name, worst = field_name(tag.name), max(worst, code)
            assert row.get(f"quality.{name}", 0) == code
            if isinstance(value, float):
                assert abs(row[name] - value) <= 1.2e-16
                assert isinstance(row[name], float)
            elif value is None:
                assert name not in row
            else:
                assert same(plain(row[name]), expected(value))
        assert row["quality"] == worst
    assert next(got, None) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_finite_number_arrives_as_a_double_within_16_decimals(value):
    tags = (Tag("force"),)
    record = OutRecord("out", 1, 1, batch_of("d", 1, [Scan(1, tags, [value])]))
    ((_, _, row),) = stored(thingsboard.encode([record], "g", False))
    assert isinstance(row["force"], float)
    assert abs(row["force"] - value) <= 1.2e-16
    if abs(value) >= 1:
        assert row["force"] == value


@pytest.mark.parametrize(
    ("kind", "value", "arrives"),
    [
        (DataType.INT64, -(2**63), -(2**63)),
        (DataType.INT64, 2**63 - 1, 2**63 - 1),
        (DataType.UINT64, 2**63 - 1, 2**63 - 1),
        (DataType.UINT64, 2**64 - 1, "18446744073709551615"),
    ],
)
def test_integers_are_exact_and_what_its_long_cannot_hold_is_text(kind, value, arrives):
    record = OutRecord("out", 1, 1, batch_of("d", 1, [Scan(1, (Tag("n", kind),), [value])]))
    ((_, _, row),) = stored(thingsboard.encode([record], "g", False))
    assert same(row["n"], arrives)


@given(st.lists(records(batches()), max_size=4))
def test_the_first_row_of_each_record_names_it_and_others_do_not(given_records):
    got = [row["record"] for *_, row in stored(thingsboard.encode(given_records, "g", True)) if "record" in row]
    assert sorted(got) == sorted(f"out/{record.epoch}/{record.seq}" for record in given_records)


@given(records(GAPS))
def test_a_gap_says_what_is_missing_and_why(record):
    gap = record.item
    ((device, ts, row),) = stored(thingsboard.encode([record], "plant-7", False))
    said = plain(row["gap"])
    assert (device, ts) == (gap.source, (gap.since_ns or gap.until_ns) // 10**6)
    assert (said.pop("record"), said.pop("source")) == (f"out/{record.epoch}/{record.seq}", gap.source)
    assert Gap(gap.source, *said.values()) == gap


def test_a_gap_of_the_spool_makes_no_device_of_its_own():
    record = OutRecord("out", 3, 7, Gap("spool/out/3", "quota", 10**9, 2 * 10**9, 1, 5, 5))
    ((device, _, row),) = stored(thingsboard.encode([record], "plant-7", False))
    assert device == "plant-7"
    assert plain(row["gap/spool/out"])["source"] == "spool/out/3"


def test_a_readable_example_stays_as_documented():
    tags = (Tag("force", DataType.FLOAT64, "kN"), Tag("way"))
    first = Scan(1700000000_000999999, tags, [12.5, 3.1])
    second = Scan(1700000000_100000000, tags, [12.7, None], [0, 0x8001_0000])
    record = OutRecord("out", 3, 1842, batch_of("press-1", 90210, [first, second]))
    own = {"quality": 0, "record": "out/3/1842", "scan": 90210}
    assert orjson.loads(thingsboard.encode([record], "plant-7", False)) == {
        "press-1": [
            {"ts": 1700000000000, "values": {"force": 12.5, "way": 3.1, **own}},
            {"ts": 1700000000100, "values": {"force": 12.7, "quality": 0x8001_0000, "quality.way": 0x8001_0000}},
        ]
    }


def test_records_of_several_devices_and_aggregates_are_kept_apart():
    press = batch_of("press", 1, [Scan(10**6, (Tag("force"),), [1.0])])
    hourly = replace(press, aggregate="hourly", window_ns=60, thinned_to=9)
    items = [press, replace(press, source="oven"), hourly]
    sent = [OutRecord("out", 1, i, item, historical=item is hourly) for i, item in enumerate(items)]
    got = orjson.loads(thingsboard.encode(sent, "g", True))
    assert [len(entries) for entries in got.values()] == [2, 1]
    row = got["press"][1]["values"]
    told_of = {"force": 1.0, "window_ns": 60, "thinned_to": 9, "historical": True, "quality": 0}
    assert row.items() >= {f"hourly/{key}": value for key, value in told_of.items()}.items()
    assert "historical" not in got["press"][0]["values"]


@given(st.lists(st.sampled_from(["quality", "quality.a", "tag.quality", "tag.tag.", "_x", "", "a"]), unique=True))
def test_no_tag_is_mistaken_for_another_or_for_what_is_no_tag(tag_names):
    tags = tuple(Tag(name, DataType.INT64) for name in tag_names)
    batch = batch_of("d", 1, [Scan(1, tags, list(range(len(tags))))])
    ((_, _, row),) = stored(thingsboard.encode([OutRecord("out", 1, 1, batch)], "g", False))
    assert (row["quality"], row["record"]) == (0, "out/1/1")
    assert [row[field_name(name)] for name in tag_names] == list(range(len(tags)))


def test_one_record_means_exactly_one_and_none_are_an_empty_object():
    with pytest.raises(ValueError, match="not enough"):
        thingsboard.encode([], "g", False)
    assert thingsboard.encode([], "g", True) == b"{}"


def test_a_sample_costs_less_than_three_times_its_bytes_in_columns():
    tags = tuple(Tag(f"force{i}") for i in range(8))
    scans = [Scan(1_700_000_000_000_000_000 + i * 10**8, tags, [i + k / 8 for k in range(8)]) for i in range(50)]
    record = OutRecord("out", 3, 1842, batch_of("press-1", 1, scans))
    assert len(thingsboard.encode([record], "p", False)) < 3 * len(json_columns.encode([record], "p", False))
