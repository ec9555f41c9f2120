import struct
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary
from hypothesis import given
from hypothesis import strategies as st

from transports.opcua import values
from transports.opcua.octets import Octets
from transports.opcua.writing import variant_of

YEAR_2024_NS = 1_704_067_200_000_000_000


def back(built_in: int, array: bool, value: Any) -> tuple[int, bool, Any]:
    """What a server decodes of what is sent."""
    return values.variant(Octets(variant_to_binary(variant_of(built_in, array, value))))


@pytest.mark.parametrize(
    ("built_in", "value"),
    [
        (values.BOOLEAN, True),
        (values.SBYTE, -128),
        (values.BYTE, 255),
        (values.INT64, -(2**63)),
        (values.INT64, 2**63 - 1),
        (values.UINT64, 2**64 - 1),
        (values.DOUBLE, 5e-324),
        (values.DOUBLE, float("inf")),
        (values.FLOAT, 1.401298464324817e-45),
        (values.STRING, "häß \U0001f600"),
        (values.BYTESTRING, bytes(range(256))),
        (values.DATETIME, YEAR_2024_NS + 123_456_000),
        (values.GUID, "09087e75-8e5e-499b-954f-f2a9603db28a"),
        (values.LOCALIZED, "auf"),
        (values.XML, "<a/>"),
        (values.STATUS, 0x808C0480),
    ],
)
def test_a_value_is_sent_as_the_servers_type_to_the_bit(built_in: int, value: Any) -> None:
    assert back(built_in, False, value) == (built_in, False, value)


def test_a_whole_number_is_a_number_and_a_whole_float_a_whole_number() -> None:
    assert back(values.DOUBLE, False, 42) == (values.DOUBLE, False, 42.0)
    assert back(values.INT16, False, 42.0) == (values.INT16, False, 42)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_an_array_is_sent_to_the_bit(items: list[int]) -> None:
    assert back(values.UINT64, True, tuple(items)) == (values.UINT64, True, tuple(items))


def test_truth_in_an_array_is_sent_as_truth() -> None:
    assert variant_of(values.BOOLEAN, True, (1, 0)).Value == [True, False]


@given(st.binary(min_size=8, max_size=8))
def test_any_bits_of_a_double_are_sent(bits: bytes) -> None:
    (value,) = struct.unpack("<d", bits)
    assert variant_to_binary(variant_of(values.DOUBLE, False, value))[1:] == bits


@pytest.mark.parametrize(
    ("built_in", "array", "value", "cure"),
    [
        (values.BYTE, False, 256, "from 0 to 255"),
        (values.UINT64, False, -1, "from 0 to 18446744073709551615"),
        (values.INT32, False, 1.5, "whole number"),
        (values.INT64, False, 2.0**60, "whole number"),
        (values.INT32, False, True, "whole number"),
        (values.INT32, False, "1", "whole number"),
        (values.BOOLEAN, False, 1, "true or false"),
        (values.DOUBLE, False, 2**53 + 1, "would be rounded"),
        (values.DOUBLE, False, "1", "takes a number"),
        (values.FLOAT, False, 1e39, "32 bits"),
        (values.STRING, False, 1, "takes text"),
        (values.STRING, False, "\ud800", "surrogate"),
        (values.BYTESTRING, False, "x", "takes ByteString"),
        (values.GUID, False, "x", "GUID"),
        (values.DATETIME, False, YEAR_2024_NS + 100, "whole microseconds"),
        (values.DATETIME, False, -(2**63), "1601"),
        (values.DATETIME, False, 1.0, "nanoseconds"),
        (values.DOUBLE, True, 1.0, "takes a list"),
        (values.BYTE, True, (1, 256), "from 0 to 255"),
        (values.DOUBLE, False, (1.0,), "takes a number"),
        (values.EXTENSION, False, 1, "takes ExtensionObject"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(built_in: int, array: bool, value: Any, cure: str) -> None:
    with pytest.raises(ValueError, match=cure):
        variant_of(built_in, array, value)


def test_a_double_that_a_float_rounds_to_its_largest_is_sent() -> None:
    assert variant_of(values.FLOAT, False, 3.4028235677973362e38).VariantType is ua.VariantType.Float
    assert back(values.FLOAT, False, 3.4028235677973362e38)[2] == 3.4028234663852886e38
