"""What is read of a message is what was sent, in each format; whatever else comes is told, and nothing raises."""

import gzip
import json
import zlib
from base64 import b64encode
from math import isnan

import msgpack
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.payloads.batches import TIMES, batches, same
from tests.transports.receiving.served import record
from transports import content_encoding
from transports.payloads import OutRecord, influx, json_columns
from transports.payloads import json as json_payload
from transports.payloads import msgpack as msgpack_payload
from transports.receiving.reading import understood
from transports.receiving.rows import RecordId
from transports.samples import Gap

FORMATS = {"json": json_payload, "json_columns": json_columns, "msgpack": msgpack_payload}
PLACE = st.integers(0, 2**63 - 1)
MAYBE = st.none() | PLACE
GAPS = st.builds(Gap, st.text(max_size=5), st.text(max_size=5), TIMES, TIMES, MAYBE, MAYBE, MAYBE, st.text(max_size=5))


def out_records(items):
    return st.builds(OutRecord, st.just("out"), PLACE, PLACE, items, st.booleans())


def value_of(cell):
    """The value that a row stands for."""
    match cell.kind:
        case None:
            return None
        case "bool":
            return bool(cell.integer)
        case "integer":
            return int(cell.text) if cell.integer is None else cell.integer
        case "real":
            return float(cell.text) if cell.real is None else cell.real
        case "list":
            return json.loads(cell.text)
        case "bytes":
            return cell.blob
    return cell.text


def expected(value, form):
    """What a format makes of a value."""
    if isinstance(value, tuple):
        return [expected(item, form) for item in value]
    if form != "msgpack" and isinstance(value, bytes):
        return b64encode(value).decode()
    if form != "msgpack" and isinstance(value, float) and value - value != 0:  # NaN, infinities
        return None
    return value


@pytest.mark.parametrize("form", FORMATS)
@given(sent=st.lists(out_records(batches()), min_size=1, max_size=3), how=st.sampled_from(content_encoding.CHOICES))
def test_every_value_arrives_as_it_was_sent_in_each_format(form, sent, how):
    payload = FORMATS[form].encode(sent, "plant-7", True)
    said = understood(content_encoding.compressed(payload, how).octets)
    assert said.wrong == ()
    for out, got in zip(sent, said.records, strict=True):
        batch = out.item
        assert got.id == RecordId("plant-7", "out", out.epoch, out.seq)
        assert (got.device, got.source_seq, got.historical) == (batch.source, batch.seq, out.historical)
        wanted = [
            (tag.name, tag.unit, time_ns, batch.seq + scan, expected(value, form))
            for scan, (time_ns, values, _) in enumerate(batch.rows())
            for tag, value in zip(batch.tags, values, strict=True)
        ]
        read = [(r.tag, r.unit, r.time_ns, r.scan, value_of(r.cell)) for r in got.readings]
        assert same(read, wanted)
        assert {r.window_ns for r in got.readings} == {batch.window_ns}
        codes = [code for _, _, row in batch.rows() for code in row]
        if form != "json":  # there a value that cannot be said is Uncertain
            assert [r.quality for r in got.readings] == codes


@pytest.mark.parametrize("form", FORMATS)
@given(out=out_records(GAPS), many=st.booleans())
def test_every_gap_arrives_with_its_reason_and_its_numbers(form, out, many):
    gap = out.item
    (got,) = understood(FORMATS[form].encode([out], "plant-7", many)).records
    assert got.gap == (
        gap.reason, gap.since_ns, gap.until_ns, gap.first_seq, gap.last_seq, gap.count, gap.samples, gap.detail
    )  # fmt: skip
    assert (got.device, got.time_ns, got.readings) == (gap.source, gap.since_ns, ())


@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_are_told_as_none(payload):
    said = understood(payload)
    assert said.records or said.wrong


@given(
    part=st.dictionaries(
        st.sampled_from(["epoch", "seq", "device", "source_seq", "readings", "gap", "tags", "times", "values"]),
        st.none() | st.integers() | st.text(max_size=3) | st.lists(st.none() | st.lists(st.integers()), max_size=2),
    )
)
def test_any_fields_are_a_record_or_are_told_as_none(part):
    said = understood(json.dumps([orjson.loads(record(1)) | part]).encode())
    assert len(said.records) + len(said.wrong) == 1


def test_one_wrong_record_does_not_hide_its_neighbours_and_keeps_its_id():
    good, bad, none = orjson.loads(record(1)), orjson.loads(record(2)) | {"readings": [7]}, {"hello": "world"}
    said = understood(orjson.dumps([bad, good, none]))
    assert [each.id.seq for each in said.records] == [1]
    first, second = said.wrong
    assert first.id == RecordId("plant-7", "out", 1, 2)
    assert "a reading is an object" in first.reason
    assert (second.id, second.reason) == (None, "gateway is missing, or no text: None")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "an empty message"),
        (b"hello", "neither JSON nor MessagePack"),
        (b"{", "it is no JSON"),
        (b"[]", "a list without records"),
        (b"\x9f\x01", "it is no MessagePack"),
        (b"[" * 5000 + b"]" * 5000, "no JSON"),
        (b"\x91" * 5000, "no MessagePack"),
        (gzip.compress(record(1))[:-1], "cut off"),
        (gzip.compress(record(1)) + b"x", "something behind it"),
        (b"\x1f\x8b" + bytes(30), "damaged gzip"),
        (b"\x28\xb5\x2f\xfd" + bytes(30), "a frame of None bytes"),
        (record(2**63), "seq is missing, or no whole number"),
        (record(1, epoch=-1), "epoch -1 is less than 0"),
        (record(1, readings=[{"tag": "n", "value": {}, "time": 1, "quality": 0, "scan": 1}]), "is the value of no"),
        (record(1, readings=[{"tag": "n", "value": 1, "time": 1, "quality": 2**32, "scan": 1}]), "status code"),
        (msgpack.packb({1: 2}), "gateway is missing"),
    ],
)
def test_what_is_no_record_is_told_with_its_reason(payload, reason):
    (wrong,) = understood(payload).wrong
    assert reason in wrong.reason


def test_formats_that_it_does_not_take_are_told_with_the_cure():
    out = OutRecord("out", 1, 1, Gap("press-1", "late", 1, 2))
    (wrong,) = understood(influx.encode([out], "plant-7", False)).wrong
    assert "payload = json, json_columns or msgpack" in wrong.reason


def test_a_small_message_that_unfolds_to_gigabytes_is_refused():
    squeezer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    bomb = b"".join(squeezer.compress(zeros) for _ in range(80)) + squeezer.flush()
    assert len(bomb) < 200_000
    (wrong,) = understood(bomb).wrong
    assert "gzip of more than" in wrong.reason


@pytest.mark.parametrize(
    "payload",
    [
        b'{"state": "online", "gateway": "plant-7", "uplink": "cloud", "since": 17}',
        b'{"gateway": "plant-7", "topic": "out", "taken": [[1, 2, 3]]}',
    ],
)
def test_what_a_gateway_and_a_receiver_say_beside_the_records_is_no_mistake(payload):
    said = understood(payload)
    assert (said.records, said.wrong) == ((), ())


def test_a_nan_is_not_lost_on_the_way_to_a_row():
    assert isnan(value_of(understood(msgpack.packb(nan_record())).records[0].readings[0].cell))


def nan_record():
    head = {"gateway": "g", "topic": "out", "epoch": 1, "seq": 1, "device": "d", "source_seq": 1}
    return {**head, "times": [1], "tags": ["x"], "values": [[float("nan")]], "quality": 0}
