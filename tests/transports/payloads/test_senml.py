"""Packs are read by the rules of RFC 8428 as they stand there: resolved (section 4.6), then held against the batch."""

import json as library
import re
from base64 import urlsafe_b64decode
from dataclasses import replace
from decimal import Decimal
from math import isfinite

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.payloads.batches import GAPS, batches, records, same
from tests.transports.payloads.test_json import changed, told
from transports.payloads import OutRecord, json_columns, senml
from transports.payloads._senml_units import registered
from transports.samples import DataType, Gap, Quality, Scan, Tag, batch_of

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*", re.ASCII)  # section 4.5.1
VALUES = ("v", "vs", "vb", "vd")
KNOWN = {"bn", "bt", "bu", "bver", "n", "u", "t", *VALUES}
RELATIVE_BELOW_S = 2**28


def resolved(payload):
    """(name, seconds, unit, value field, value, plain labels) of each record of a pack."""
    base = {"bn": "", "bt": Decimal(0), "bu": None}
    for entry in library.loads(payload, parse_float=Decimal):
        assert not [label for label in entry if label.endswith("_")], "must be understood (section 4.4)"
        assert entry.get("bver", 10) <= 10
        base |= {label: entry[label] for label in base if label in entry}
        name = base["bn"] + entry.get("n", "")
        assert NAME.fullmatch(name), name
        (field,) = [label for label in VALUES if label in entry]
        plain = {label: value for label, value in entry.items() if label not in KNOWN}
        yield name, base["bt"] + entry.get("t", 0), entry.get("u", base["bu"]), field, entry[field], plain


def unescaped(name):
    return re.sub(r":([0-9a-f]+):", lambda found: chr(int(found[1], 16)), name)


def value_of(field, value, plain):
    if field == "vd":
        data = urlsafe_b64decode(value + "=" * (-len(value) % 4))
        assert "=" not in value
        return library.loads(data) if plain.get("ct") == "application/json" else data
    return float(value) if isinstance(value, Decimal) else value


def expected(value):
    return told(value) if isinstance(value, tuple) else value


def unsayable(value):
    return value is None or (isinstance(value, float) and not isfinite(value))


@given(records(batches()))
def test_a_reader_that_resolves_the_pack_gets_every_sample_with_its_time_unit_and_quality(record):
    batch, got = record.item, resolved(senml.encode([record], "plant-7", False))
    prefix = "plant-7/" + senml._name(batch.source) + "/"
    for time_ns, values, codes in batch.rows():
        for tag, value, code in zip(batch.tags, values, codes, strict=True):
            name, seconds, unit, field, said, plain = next(got)
            doubtful = unsayable(value) or changed(value)
            code = Quality.UNCERTAIN_SUB_NORMAL if doubtful and code < 0x4000_0000 else code
            assert seconds * 10**9 == max(time_ns, RELATIVE_BELOW_S * 10**9)
            if unsayable(value):
                assert (unescaped(name), said) == (unescaped(prefix) + tag.name + ":quality", code)
                continue
            assert unescaped(name) == unescaped(prefix) + tag.name
            assert same(value_of(field, said, plain), expected(value))
            assert (unit or plain.get("unit", "")) == (registered(tag.unit) or tag.unit)
            assert plain.get("quality", 0) == code
    assert next(got, None) is None


@given(st.lists(records(batches() | GAPS), max_size=3))
def test_the_first_entry_of_each_record_has_its_dedupe_key_and_device(given_records):
    got = [plain for *_, plain in resolved(senml.encode(given_records, "plant-7", True)) if "epoch" in plain]
    assert [(one["gateway"], one["topic"], one["epoch"], one["seq"], one["device"]) for one in got] == [
        ("plant-7", "out", record.epoch, record.seq, record.item.source) for record in given_records
    ]


@given(records(GAPS))
def test_a_gap_says_what_is_missing_and_why(record):
    gap = record.item
    ((name, seconds, _, field, said, plain),) = resolved(senml.encode([record], "plant-7", False))
    assert name.endswith("/:gap")
    assert (field, said) == ("vs", gap.reason)
    assert seconds * 10**9 == max(gap.since_ns or gap.until_ns, RELATIVE_BELOW_S * 10**9)
    assert Gap(gap.source, *plain["gap"].values()) == gap


@given(st.lists(st.text(max_size=6), min_size=2, max_size=2, unique=True))
def test_two_tags_never_share_a_name(tag_names):
    assert senml._name(tag_names[0]) != senml._name(tag_names[1])


def batch(scans, *tags):
    return batch_of("press-1", 90210, [Scan(time_ns, tags, values) for time_ns, values in scans])


def pack(*items, historical=False):
    given_records = [OutRecord("out", 3, 1842 + i, item, historical) for i, item in enumerate(items)]
    return senml.encode(given_records, "plant-7", True)


def test_a_readable_example_stays_as_documented():
    tags = (Tag("force", DataType.FLOAT64, "kN"), Tag("oil", DataType.FLOAT64, "°C"))
    first = Scan(1700000000_000000000, tags, [12.5, 41.5])
    second = Scan(1700000000_100000000, tags, [None, 41.6], [0x8001_0000, 0])
    record = OutRecord("out", 3, 1842, batch_of("press-1", 90210, [first, second]))
    assert orjson.loads(senml.encode([record], "plant-7", False)) == [
        {
            "bn": "plant-7/press-1/",
            "bt": 1700000000,
            "n": "force",
            "v": 12.5,
            "unit": "kN",
            "gateway": "plant-7",
            "topic": "out",
            "epoch": 3,
            "seq": 1842,
            "device": "press-1",
            "source_seq": 90210,
        },
        {"n": "oil", "v": 41.5, "u": "Cel"},
        {"bt": 1700000000.1, "n": "force:quality", "v": 2147549184},
        {"n": "oil", "v": 41.6, "u": "Cel"},
    ]


def test_times_have_all_their_nanoseconds_as_decimals():
    assert b'"bt":1700000000.000000001,' in pack(batch([(1_700_000_000_000_000_001, [1.0])], Tag("force")))
    payload = pack(batch([(1_700_000_000_123_456_789, [1.0])], Tag("force")))
    assert b'"bt":1700000000.123456789,' in payload
    ((_, seconds, *_),) = resolved(payload)
    assert abs(float(seconds) - 1_700_000_000.123456789) < 120e-9  # what is left of it in a double


def test_a_time_before_1978_is_never_told_as_relative_to_now():
    payload = pack(batch([(5, [1.0])], Tag("force")))
    ((_, seconds, *_, plain),) = resolved(payload)
    assert (seconds, plain["time"]) == (2**28, 5)


@pytest.mark.parametrize(
    ("kind", "value"), [(DataType.INT64, -(2**63)), (DataType.INT64, 2**63 - 1), (DataType.UINT64, 2**64 - 1)]
)
def test_integers_keep_all_their_digits(kind, value):
    ((*_, said, _),) = resolved(pack(batch([(1, [value])], Tag("count", kind))))
    assert said == value


def test_one_unit_for_all_becomes_the_base_unit_and_is_never_inherited_by_what_has_none():
    warm, cold = Tag("a", DataType.FLOAT64, "°C"), Tag("b", DataType.FLOAT64, "Cel")
    one = batch([(2**60, [1.0, 2.0])], warm, cold)
    assert b'"u":' not in pack(one)
    assert [unit for _, _, unit, *_ in resolved(pack(one))] == ["Cel", "Cel"]
    other = batch([(2**60, [1.0])], Tag("c"))
    assert [unit for _, _, unit, *_ in resolved(pack(one, other))] == ["Cel", "Cel", None]
    without = batch([(2**60, [float("nan"), 2.0])], warm, cold)
    assert [unit for _, _, unit, *_ in resolved(pack(without))] == [None, "Cel"]


def test_a_percentage_is_never_told_as_a_ratio():
    ((_, _, unit, *_, plain),) = resolved(pack(batch([(2**60, [50.0])], Tag("valve", DataType.FLOAT64, "%"))))
    assert (unit, plain["unit"]) == (None, "%")


def test_history_windows_thinning_and_aggregates_are_told():
    item = replace(batch([(2**60, [1.0])], Tag("force.mean")), window_ns=60, thinned_to=90300, aggregate="hourly")
    ((name, *_, plain),) = resolved(pack(item, historical=True))
    assert name == "plant-7/press-1:hourly/force.mean"
    assert plain.items() >= {"window_ns": 60, "thinned_to": 90300, "aggregate": "hourly", "historical": True}.items()
    ((_, *_, plain),) = resolved(pack(batch([(2**60, [1.0])], Tag("force"))))
    assert not {"window_ns", "thinned_to", "aggregate", "historical"} & set(plain)


def test_one_record_means_exactly_one():
    with pytest.raises(ValueError, match="not enough"):
        senml.encode([], "g", False)


def test_a_sample_costs_less_than_three_times_its_bytes_in_columns():
    tags = tuple(Tag(f"force{i}", DataType.FLOAT64, "N") for i in range(8))
    scans = [(1_700_000_000_000_000_000 + i * 100_000_000, [i + k / 8 for k in range(8)]) for i in range(50)]
    record = OutRecord("out", 3, 1842, batch(scans, *tags))
    assert len(senml.encode([record], "p", False)) < 3 * len(json_columns.encode([record], "p", False))
