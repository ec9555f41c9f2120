"""What both columnar formats promise, and where they differ."""

import msgpack as library
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.payloads.batches import GAPS, batches, records, same
from tests.transports.payloads.test_json import told
from transports.payloads import OutRecord, _records, json_columns, msgpack
from transports.samples import Batch, DataType, Gap, Scan, Tag, batch_of

FORMATS = {
    "json_columns": (json_columns, orjson.loads, told),
    "msgpack": (msgpack, library.unpackb, lambda value: list(value) if isinstance(value, tuple) else value),
}


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
class TestBoth:
    @given(record=records(batches()))
    def test_a_reader_gets_the_rows_of_the_batch(self, form, record):
        module, loads, as_told = form
        batch, got = record.item, loads(module.encode([record], "g", False))
        rows = list(batch.rows())
        codes = got["quality"]
        codes = [[codes] * len(batch.tags)] * len(rows) if isinstance(codes, int) else codes
        assert got["times"] == [time_ns for time_ns, _, _ in rows]
        assert same(got["values"], [[as_told(value) for value in values] for _, values, _ in rows])
        assert codes == [[int(code) for code in status] for _, _, status in rows]
        assert got["tags"] == [tag.name for tag in batch.tags]
        assert got.get("units", [""] * len(batch.tags)) == [tag.unit for tag in batch.tags]
        assert got.get("window_ns", 0) == batch.window_ns
        assert got["source_seq"] == batch.seq

    @given(record=records(batches() | GAPS))
    def test_every_record_names_its_gateway_its_device_and_its_dedupe_key(self, form, record):
        module, loads, _ = form
        got = loads(module.encode([record], "plant-7", False))
        assert (got["gateway"], got["topic"], got["epoch"], got["seq"]) == ("plant-7", "out", record.epoch, record.seq)
        assert got["device"] == record.item.source

    @given(record=records(GAPS))
    def test_a_gap_says_what_is_missing_and_why(self, form, record):
        module, loads, _ = form
        got = loads(module.encode([record], "g", False))["gap"]
        assert Gap(record.item.source, *got.values()) == record.item

    @given(given_records=st.lists(records(batches() | GAPS), max_size=3))
    def test_many_records_are_an_array_even_when_there_is_one(self, form, given_records):
        module, loads, _ = form
        assert [one["seq"] for one in loads(module.encode(given_records, "g", True))] == [r.seq for r in given_records]

    @pytest.mark.parametrize("bad", [False, True])
    @pytest.mark.parametrize(
        ("kind", "values"),
        [
            (DataType.FLOAT64, [1.5, -0.0, 1e308, 5e-324, 0.1, 3.0]),
            (DataType.INT64, [-(2**63), 2**63 - 1, 0, 1, 2**53 + 1, -1]),
            (DataType.UINT64, [2**64 - 1, 2**63, 0, 1, 2**53 + 1, 2]),
            (DataType.BOOL, [True, False, True, True, False, False]),
        ],
    )
    def test_a_block_of_one_type_is_exact_to_its_limits(self, form, kind, values, bad):
        module, loads, _ = form
        tags = tuple(Tag(name, kind) for name in "abc")
        quality = [0, 0x800A_0000, 0] if bad else 0
        scans = [Scan(1, tags, values[:3]), Scan(2, tags, values[3:], quality)]
        got = loads(module.encode([OutRecord("out", 1, 1, batch_of("d", 1, scans))], "g", False))
        second = [values[3], None, values[5]] if bad else values[3:]
        assert same(got["values"], [values[:3], second])


def test_json_columns_says_null_for_what_is_no_number_and_keeps_its_quality():
    tags = (Tag("a"), Tag("b"))
    batch = batch_of("d", 1, [Scan(1, tags, [float("nan"), float("-inf")])])
    got = orjson.loads(json_columns.encode([OutRecord("out", 1, 1, batch)], "g", False))
    assert (got["values"], got["quality"]) == ([[None, None]], 0)


def test_two_devices_of_the_same_tags_are_never_mixed_up_however_many_there_are():
    for i in range(3 * _records.REMEMBERED_MOST):
        tags = (Tag(f"tag {i}"),)  # a tuple that dies each time: its identity is given out again
        batch = Batch("d", 1, tags, (1,), {DataType.FLOAT64: np.float64(i).tobytes()})
        got = orjson.loads(json_columns.encode([OutRecord("out", 1, 1, batch)], "g", False))
        assert got["tags"] == [f"tag {i}"]


def test_what_is_remembered_of_tags_is_bounded():
    made = []
    remembered = _records.Remembered(made.append)
    announced = [(Tag(str(i)),) for i in range(2 * _records.REMEMBERED_MOST)]
    for tags in announced:
        remembered(tags)
        remembered(tags)
    assert len(made) == len(announced)
    assert len(remembered._known) <= _records.REMEMBERED_MOST
