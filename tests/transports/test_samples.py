"""Samples: what a driver says is what a reader gets, bit for bit; what it may not say is refused at the door."""

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tests.transports.arbitrary import expected_rows, rows, scans
from transports.errors import NotUnderstood
from transports.samples import FIXED, Batch, DataType, Quality, Scan, Tag, all_bad, batch_of, is_bad


@given(scans())
def test_rows_are_the_scans_bit_for_bit_and_bad_is_none(given: list[Scan]) -> None:
    batch = batch_of("press", 7, given)
    assert rows(batch) == expected_rows(given)
    assert batch.samples == len(given) * len(given[0].tags)


@given(scans())
def test_columns_say_the_same_as_rows(given: list[Scan]) -> None:
    batch = batch_of("press", 7, given)
    codes = batch.qualities()
    assert codes.shape == (len(given), len(batch.tags))
    assert [tuple(row) for row in codes.tolist()] == [codes for _, _, codes in batch.rows()]
    for kind in {tag.type for tag in batch.tags} & FIXED.keys():
        columns = [at for at, tag in enumerate(batch.tags) if tag.type is kind]
        matrix = batch.matrix(kind)
        assert matrix.shape == (len(given), len(columns))
        for row, scan in zip(matrix, given, strict=True):
            wanted = [0 if scan.values[at] is None else scan.values[at] for at in columns]
            assert row.tobytes() == np.array(wanted, matrix.dtype).tobytes()


EXTREMES = [
    (DataType.INT64, -(2**63)),
    (DataType.INT64, 2**63 - 1),
    (DataType.UINT64, 2**64 - 1),
    (DataType.UINT64_ARRAY, (0, 2**64 - 1)),
    (DataType.INT64_ARRAY, (-(2**63), 2**63 - 1)),
    (DataType.FLOAT64, math.inf),
    (DataType.FLOAT64, -0.0),
    (DataType.FLOAT64, 5e-324),
    (DataType.FLOAT64, struct.unpack("<d", b"\x01\0\0\0\0\0\xf8\xff")[0]),
]


@pytest.mark.parametrize(("kind", "value"), EXTREMES)
def test_the_ends_of_each_range_are_exact(kind: DataType, value: Any) -> None:
    given = [Scan(2**63 - 1, (Tag("a", kind),), [value])]
    assert rows(batch_of("x", 2**64 - 1, given)) == expected_rows(given)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DataType.BOOL, "true"),
        (DataType.INT64, 2**63),
        (DataType.INT64, 1.0),
        (DataType.UINT64, -1),
        (DataType.UINT64, 2**64),
        (DataType.FLOAT64, "23.5"),
        (DataType.FLOAT64, 10**400),
        (DataType.STRING, b"x"),
        (DataType.STRING, "\ud800"),
        (DataType.BYTES, "x"),
        (DataType.INT64_ARRAY, [1, 2]),
        (DataType.INT64_ARRAY, (1, 2**63)),
        (DataType.UINT64_ARRAY, (-1,)),
        (DataType.FLOAT64_ARRAY, (1.0, "x")),
        (DataType.FLOAT64_ARRAY, (10**400,)),
    ],
)
def test_a_value_that_is_not_of_its_type_is_refused_and_named(kind: DataType, value: Any) -> None:
    tags = (Tag("good"), Tag("wrong", kind))
    with pytest.raises(NotUnderstood, match=r"press: .*wrong = "):
        batch_of("press", 0, [Scan(0, tags, [1.0, value])])


T = (Tag("a"), Tag("b"))
WRONG_SCANS: dict[str, list[Scan]] = {
    "no scan": [],
    "too few values": [Scan(0, T, [1.0])],
    "too many values": [Scan(0, T, [1.0, 2.0, 3.0])],
    "other tags in the second scan": [Scan(0, T, [1.0, 2.0]), Scan(1, (Tag("a"), Tag("c")), [1.0, 2.0])],
    "none with good quality": [Scan(0, T, [1.0, None])],
    "none with good quality for that tag": [Scan(0, T, [1.0, None], [Quality.BAD_TIMEOUT, Quality.GOOD])],
    "too few status codes": [Scan(0, T, [1.0, 2.0], [0])],
    "a status code beyond 32 bits": [Scan(0, T, [1.0, 2.0], 2**32)],
    "a negative status code": [Scan(0, T, [1.0, 2.0], -1)],
    "a negative status code of a tag": [Scan(0, T, [1.0, 2.0], [0, -1])],
    "a time in seconds": [Scan(1.7e9, T, [1.0, 2.0])],  # type: ignore[arg-type]
    "a time beyond 64 bits": [Scan(2**63, T, [1.0, 2.0])],
}


@pytest.mark.parametrize("name", WRONG_SCANS)
def test_scans_that_no_reader_could_understand_are_refused(name: str) -> None:
    with pytest.raises(NotUnderstood, match="press"):
        batch_of("press", 0, WRONG_SCANS[name])


def test_equal_tags_of_different_scans_share_a_batch() -> None:
    batch = batch_of("x", 0, [Scan(1, (Tag("a"),), [1.0]), Scan(2, (Tag("a"),), [2.0])])
    assert batch.matrix(DataType.FLOAT64).tolist() == [[1.0], [2.0]]


def test_one_status_code_for_all_costs_no_bytes() -> None:
    assert batch_of("x", 0, [Scan(0, T, [1.0, 2.0])] * 3).quality == Quality.GOOD
    mixed = batch_of("x", 0, [Scan(0, T, [1.0, 2.0]), Scan(1, T, [None, None], Quality.BAD_TIMEOUT)])
    assert mixed.qualities().tolist() == [[0, 0], [Quality.BAD_TIMEOUT] * 2]


def test_a_dead_device_says_bad_for_every_tag() -> None:
    tags = tuple(Tag(kind.name, kind) for kind in DataType)
    batch = all_bad("x", 3, tags, 5, Quality.BAD_NOT_CONNECTED)
    assert list(batch.rows()) == [(5, (None,) * 9, (Quality.BAD_NOT_CONNECTED,) * 9)]


def test_the_severity_of_a_status_code_is_its_two_highest_bits() -> None:
    assert [is_bad(code) for code in (0, 0x4000_0000, 0x8000_0000, 0xC000_0000)] == [False, False, True, True]


def test_a_batch_without_scans_has_no_rows() -> None:
    batch = Batch("x", 0, T, (), {DataType.FLOAT64: b""})
    assert list(batch.rows()) == []
    assert batch.matrix(DataType.FLOAT64).shape == (0, 2)
