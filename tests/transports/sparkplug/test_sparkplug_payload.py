"""The bytes of payloads, metrics, values and properties. Tests named tck_id_... keep that rule of the specification."""

import math
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.payloads.batches import VALUES, same
from transports.errors import NotUnderstood
from transports.samples import DataType
from transports.sparkplug import wire
from transports.sparkplug.datatypes import ITEMS, SPARKPLUG, Form, SparkplugType, Wired, value_of, wired
from transports.sparkplug.payload import Metric, Payload, decode, encode, encode_metric
from transports.sparkplug.qualities import SparkplugQuality, sparkplug_quality

UNSAID = SparkplugType.UNKNOWN
U64 = st.integers(0, 2**64 - 1)
CONTENTS = {
    Form.INT: st.integers(0, 2**32 - 1),
    Form.LONG: U64,
    Form.FLOAT: st.floats(width=32),
    Form.DOUBLE: st.floats(),
    Form.BOOLEAN: st.booleans(),
    Form.STRING: st.text(max_size=20),
    Form.BYTES: st.binary(max_size=20),
    Form.DATASET: st.binary(max_size=20),
    Form.TEMPLATE: st.binary(max_size=20),
    Form.EXTENSION: st.binary(max_size=20),
}
WIRED = st.sampled_from(Form).flatmap(lambda form: CONTENTS[form].map(lambda content: Wired(form, content)))
PROPERTIES = st.dictionaries(
    st.text(max_size=5),
    st.one_of(
        st.tuples(st.just(SparkplugType.INT32), st.integers(0, 2**32 - 1) | st.none()),
        st.tuples(st.just(SparkplugType.STRING), st.text(max_size=5)),
        st.tuples(st.just(SparkplugType.DOUBLE), st.floats(allow_nan=False)),
        st.tuples(st.just(SparkplugType.BOOLEAN), st.booleans()),
    ),
    max_size=3,
)
METRICS = st.builds(
    Metric,
    st.none() | st.text(max_size=8),
    st.none() | U64,
    st.none() | U64,
    st.sampled_from(SparkplugType),
    WIRED,
    st.just(False),
    st.booleans(),
    st.booleans(),
    PROPERTIES,
)


def there_and_back(metric):
    (again,) = decode(encode(None, None, [encode_metric(metric)])).metrics
    return again


@given(METRICS)
def test_a_metric_comes_back_as_it_went(metric):
    assert same(there_and_back(metric), metric)


@given(st.none() | U64, st.none() | st.integers(0, 255), st.lists(METRICS, max_size=3))
def test_a_payload_comes_back_as_it_went(timestamp_ms, seq, metrics):
    again = decode(encode(timestamp_ms, seq, [encode_metric(metric) for metric in metrics]))
    assert same(again, Payload(timestamp_ms, seq, tuple(metrics)))


@given(st.sampled_from(DataType).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])))
def test_each_of_our_values_comes_back_to_the_bit(given_value):
    kind, value = given_value
    metric = there_and_back(Metric(alias=7, value=wired(kind, value)))
    assert same(value_of(kind, UNSAID, metric.value), value)
    assert same(value_of(kind, SPARKPLUG[kind], metric.value), value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_payload_or_not_understood(message):
    with suppress(NotUnderstood):
        decode(message)


@given(st.lists(METRICS, max_size=3), st.data())
def test_a_damaged_payload_is_read_or_not_understood(metrics, data):
    message = bytearray(encode(1, 2, [encode_metric(metric) for metric in metrics]))
    message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    cut = message[: data.draw(st.integers(0, len(message)))]
    for damaged in (bytes(message), bytes(cut)):
        with suppress(NotUnderstood):
            decode(damaged)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"\x12\x05ab", "5 bytes are announced, 2 are there"),
        (b"\x08" + b"\xff" * 11, "without an end"),
        (b"\x0b", "kind 3"),
        (b"\x00\x01", "no field 0"),
        (b"\x0a\x00", "bytes where a number"),
        (b"\x10\x01", "a number where bytes"),
        (b"\x12\x03\x0a\x01\xff", "UTF-8"),
        (b"\x12\x02\x20\x63", "no datatype 99"),
        (b"\x12\x05\x62\x03abc", "not 4 bytes"),
        (b"\x12\x07\x4a\x05\x0a\x01a\x0a\x00", "2 properties' names and 0 values"),
    ],
)
def test_what_is_no_payload_is_said_with_its_reason(message, says):
    with pytest.raises(NotUnderstood, match=says):
        decode(message)


def test_fields_of_a_later_version_are_skipped():
    unknown = wire.bytes_field(900, b"news") + wire.number_field(901, 5) + wire.double_field(902, 1.5)
    metric = encode_metric(Metric("a", 1)) + wire.float_field(903, 2.5)
    assert decode(unknown + wire.bytes_field(2, metric)) == Payload(metrics=(Metric("a", 1),))


@pytest.mark.parametrize("form", [Form.DATASET, Form.TEMPLATE, Form.EXTENSION])
def test_a_dataset_or_template_is_seen_and_never_taken_for_a_value(form):
    metric = there_and_back(Metric("recipe", value=Wired(form, b"\x08\x01")))
    for kind in DataType:
        with pytest.raises(NotUnderstood, match=r"is not|no items"):
            value_of(kind, UNSAID, metric.value)


def test_of_several_values_the_last_counts_and_of_null_none():
    twice = wire.number_field(10, 1) + wire.bytes_field(15, b"x")
    assert decode(wire.bytes_field(2, twice)).metrics[0].value == Wired(Form.STRING, "x")
    null = decode(wire.bytes_field(2, twice + wire.number_field(7, 1))).metrics[0]
    assert (null.is_null, null.value) == (True, None)


# --- the specification's rules --------------------------------------------------------------------------------------


def test_tck_id_payloads_timestamp_in_UTC():
    assert decode(encode(1_700_000_000_123, None, [])).timestamp_ms == 1_700_000_000_123
    assert encode(1, None, []) == b"\x08\x01"  # field 1, a varint


def test_tck_id_payloads_metric_datatype_value_type():
    assert wire.number_field(4, 25) in encode_metric(Metric("a", datatype=SparkplugType.INT64_ARRAY))


def test_tck_id_payloads_metric_datatype_value():
    assert [int(kind) for kind in SparkplugType] == list(range(35))
    assert {kind: int(one) for kind, one in SPARKPLUG.items()} == {
        DataType.BOOL: 11,
        DataType.INT64: 4,
        DataType.UINT64: 8,
        DataType.FLOAT64: 10,
        DataType.STRING: 12,
        DataType.BYTES: 17,
        DataType.INT64_ARRAY: 25,
        DataType.UINT64_ARRAY: 29,
        DataType.FLOAT64_ARRAY: 31,
    }


def test_tck_id_payloads_propertyset_keys_array_size():
    two = wire.bytes_field(1, b"a") + wire.bytes_field(1, b"b") + wire.bytes_field(2, b"")
    with pytest.raises(NotUnderstood, match="2 properties' names and 1 values"):
        decode(wire.bytes_field(2, wire.bytes_field(9, two)))


def test_tck_id_payloads_propertyset_values_array_size():
    properties = {"Quality": (SparkplugType.INT32, 0), "engUnit": (SparkplugType.STRING, "kN")}
    ((number, _, said),) = wire.fields(encode_metric(Metric(properties=properties)))
    numbers = [field for field, _, _ in wire.fields(said)]
    assert (number, numbers.count(1), numbers.count(2)) == (9, 2, 2)


def test_tck_id_payloads_metric_propertyvalue_type_type():
    metric = there_and_back(Metric(properties={"Quality": (SparkplugType.INT32, 500)}))
    assert metric.properties["Quality"] == (3, 500)


def test_tck_id_payloads_propertyset_quality_value_type():
    said = encode_metric(Metric(properties={"Quality": (SparkplugType.INT32, 192)}))
    assert b"\x08\x03\x18\xc0\x01" in said  # type 3 (Int32), then field 3, int_value, 192


def test_tck_id_payloads_propertyset_quality_value_value():
    assert {int(sparkplug_quality(status)) for status in (0, 0x300, 0x4090_0000, 0x8005_0000, 2**32 - 1)} == {
        0,
        192,
        500,
    }
    assert sparkplug_quality(0x4090_0000) is SparkplugQuality.STALE
    assert sparkplug_quality(0x8000_0000) is SparkplugQuality.BAD


# The examples of chapter 6, Array Types, but those of floats (big-endian there, against the text); and 0xEF is -17
@pytest.mark.parametrize(
    ("told", "kind", "packed", "values"),
    [
        (SparkplugType.INT8_ARRAY, DataType.INT64_ARRAY, "EF7B", (-17, 123)),
        (SparkplugType.INT16_ARRAY, DataType.INT64_ARRAY, "D08A3075", (-30000, 30000)),
        (SparkplugType.INT32_ARRAY, DataType.INT64_ARRAY, "FFFFFFFFFAAFCB12", (-1, 315338746)),
        (SparkplugType.INT64_ARRAY, DataType.INT64_ARRAY, "CE0672AC189CBAC4", (-4270929666821191986,)),
        (SparkplugType.UINT8_ARRAY, DataType.UINT64_ARRAY, "17FA", (23, 250)),
        (SparkplugType.UINT16_ARRAY, DataType.UINT64_ARRAY, "1E0088CC", (30, 52360)),
        (SparkplugType.UINT32_ARRAY, DataType.UINT64_ARRAY, "3400000049FB55C4", (52, 3293969225)),
        (
            SparkplugType.UINT64_ARRAY,
            DataType.UINT64_ARRAY,
            "3400000000000000D99E02D1B27637E4",
            (52, 16444743074749521625),
        ),
        (SparkplugType.DOUBLE_ARRAY, DataType.FLOAT64_ARRAY, "000000000000F83F", (1.5,)),
    ],
)
def test_the_specifications_examples_of_arrays_are_read(told, kind, packed, values):
    assert value_of(kind, told, Wired(Form.BYTES, bytes.fromhex(packed))) == values


@pytest.mark.parametrize(("kind", "letter"), [("INT64_ARRAY", "q"), ("UINT64_ARRAY", "Q"), ("FLOAT64_ARRAY", "d")])
def test_our_arrays_are_packed_little_endian(kind, letter):
    form, packed = wired(DataType[kind], (1, 2))
    assert (form, packed) == (Form.BYTES, struct.pack(f"<2{letter}", 1, 2))
    assert wired(DataType[kind], ()) == (Form.BYTES, b"")


@pytest.mark.parametrize(
    ("kind", "told", "given_value", "value"),
    [
        (DataType.INT64, UNSAID, Wired(Form.LONG, 2**64 - 1), -1),
        (DataType.INT64, SparkplugType.INT32, Wired(Form.INT, 2**32 - 5), -5),
        (DataType.INT64, SparkplugType.INT8, Wired(Form.INT, 2**32 - 5), -5),  # as one host extends the sign
        (DataType.INT64, SparkplugType.INT8, Wired(Form.INT, 251), -5),  # and another does not
        (DataType.INT64, UNSAID, Wired(Form.INT, 5), 5),
        (DataType.UINT64, UNSAID, Wired(Form.LONG, 2**64 - 1), 2**64 - 1),
        (DataType.UINT64, UNSAID, Wired(Form.INT, 2**32 - 1), 2**32 - 1),
        (DataType.FLOAT64, UNSAID, Wired(Form.FLOAT, 1.5), 1.5),
        (DataType.FLOAT64, SparkplugType.INT32, Wired(Form.INT, 2**32 - 2), -2.0),
        (DataType.FLOAT64, UNSAID, Wired(Form.DOUBLE, math.inf), math.inf),
    ],
)
def test_a_host_may_use_another_type_where_no_value_is_mistaken(kind, told, given_value, value):
    assert same(value_of(kind, told, given_value), value)


@pytest.mark.parametrize(
    ("kind", "told", "given_value"),
    [
        (DataType.INT64, UNSAID, Wired(Form.INT, 2**31)),  # -2^31, or 2^31?
        (DataType.FLOAT64, UNSAID, Wired(Form.LONG, 2**63)),
        (DataType.FLOAT64, SparkplugType.UINT64, Wired(Form.LONG, 2**53 + 1)),
        (DataType.UINT64, SparkplugType.INT64, Wired(Form.LONG, 2**64 - 1)),
        (DataType.INT64, SparkplugType.UINT64, Wired(Form.LONG, 2**63)),
        (DataType.BOOL, UNSAID, Wired(Form.INT, 1)),
        (DataType.INT64, UNSAID, Wired(Form.BOOLEAN, True)),
        (DataType.INT64, UNSAID, Wired(Form.DOUBLE, 1.0)),
        (DataType.STRING, UNSAID, Wired(Form.BYTES, b"a")),
        (DataType.BYTES, UNSAID, Wired(Form.STRING, "a")),
        (DataType.INT64_ARRAY, UNSAID, Wired(Form.BYTES, b"1234567")),
        (DataType.INT64_ARRAY, SparkplugType.UINT64_ARRAY, Wired(Form.BYTES, b"\xff" * 8)),
        (DataType.INT64_ARRAY, SparkplugType.DOUBLE_ARRAY, Wired(Form.BYTES, b"\xff" * 8)),
        (DataType.FLOAT64_ARRAY, SparkplugType.STRING_ARRAY, Wired(Form.BYTES, b"a\0")),
    ],
)
def test_tck_id_operational_behavior_data_commands_ncmd_metric_value(kind, told, given_value):
    with pytest.raises(NotUnderstood):
        value_of(kind, told, given_value)


def test_every_array_of_numbers_of_the_specification_is_known():
    arrays = {one for one in SparkplugType if one.name.endswith("_ARRAY")}
    assert arrays - set(ITEMS) == {SparkplugType.BOOLEAN_ARRAY, SparkplugType.STRING_ARRAY}
