"""Which Sparkplug datatype carries which of ours, and how its value lies in a metric (chapter 6, Data Types).

    BOOL     Boolean  boolean_value    INT64_ARRAY    Int64Array   )
    INT64    Int64    long_value       UINT64_ARRAY   UInt64Array  ) bytes_value: items little-endian, side by side
    UINT64   UInt64   long_value       FLOAT64_ARRAY  DoubleArray  )
    FLOAT64  Double   double_value     STRING         String         string_value
                                       BYTES          Bytes          bytes_value

Signed integers travel as two's complement in the unsigned fields. The chapter's two examples of float arrays show the
items big-endian; its text ("little-endian packed byte arrays") and all its other examples say otherwise, and hold here.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from transports.errors import NotUnderstood
from transports.samples import ARRAYS, DataType, Value


class SparkplugType(IntEnum):
    """The numbers of the enumeration DataType (chapter 6, the schema)."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTYSET = 20
    PROPERTYSETLIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


class Form(IntEnum):
    """In which field of Metric's `oneof value` a value lies; the numbers are the fields'."""

    INT = 10
    LONG = 11
    FLOAT = 12
    DOUBLE = 13
    BOOLEAN = 14
    STRING = 15
    BYTES = 16
    DATASET = 17
    TEMPLATE = 18
    EXTENSION = 19


class Wired(NamedTuple):
    """A value as a metric has it. DATASET, TEMPLATE and EXTENSION are told apart but not read: their bytes stay."""

    form: Form
    content: bool | int | float | str | bytes


SPARKPLUG: Mapping[DataType, SparkplugType] = {
    DataType.BOOL: SparkplugType.BOOLEAN,
    DataType.INT64: SparkplugType.INT64,
    DataType.UINT64: SparkplugType.UINT64,
    DataType.FLOAT64: SparkplugType.DOUBLE,
    DataType.STRING: SparkplugType.STRING,
    DataType.BYTES: SparkplugType.BYTES,
    DataType.INT64_ARRAY: SparkplugType.INT64_ARRAY,
    DataType.UINT64_ARRAY: SparkplugType.UINT64_ARRAY,
    DataType.FLOAT64_ARRAY: SparkplugType.DOUBLE_ARRAY,
}
_FORMS: Mapping[DataType, Form] = {
    DataType.BOOL: Form.BOOLEAN,
    DataType.INT64: Form.LONG,
    DataType.UINT64: Form.LONG,
    DataType.FLOAT64: Form.DOUBLE,
    DataType.STRING: Form.STRING,
    DataType.BYTES: Form.BYTES,
}
# struct letter of the items: what a host may send us as an array, though we send only those of 64 bits
ITEMS: Mapping[SparkplugType, str] = {
    SparkplugType.INT8_ARRAY: "b",
    SparkplugType.INT16_ARRAY: "h",
    SparkplugType.INT32_ARRAY: "i",
    SparkplugType.INT64_ARRAY: "q",
    SparkplugType.UINT8_ARRAY: "B",
    SparkplugType.UINT16_ARRAY: "H",
    SparkplugType.UINT32_ARRAY: "I",
    SparkplugType.UINT64_ARRAY: "Q",
    SparkplugType.FLOAT_ARRAY: "f",
    SparkplugType.DOUBLE_ARRAY: "d",
    SparkplugType.DATETIME_ARRAY: "Q",
}
_SIGNED_BITS: Mapping[SparkplugType, int] = {
    SparkplugType.INT8: 8,
    SparkplugType.INT16: 16,
    SparkplugType.INT32: 32,
    SparkplugType.INT64: 64,
}
_BITS = {Form.INT: 32, Form.LONG: 64}
_TEXT_ENOUGH = 40


def wired(kind: DataType, value: Value) -> Wired:
    """A value of one of our types as a metric carries it; it is of that type (samples.batch_of saw to it)."""
    if isinstance(value, tuple):
        return Wired(Form.BYTES, struct.pack(f"<{len(value)}{ARRAYS[kind]}", *value))
    if kind is DataType.INT64 and isinstance(value, int) and value < 0:
        return Wired(Form.LONG, value + (1 << 64))
    return Wired(_FORMS[kind], value)


def value_of(kind: DataType, told: SparkplugType, given: Wired) -> Value:
    """The value for a tag of type `kind`; `told` is the datatype that came with it, UNKNOWN when none did.

    A host may use a smaller type than ours where no value can be mistaken: an Int32 for an INT64, a Float for a
    FLOAT64. Raises NotUnderstood when what came is not a value of the tag's type, or could be read in two ways
    (tck-id-operational-behavior-data-commands-dcmd-metric-value).
    """
    match kind:
        case DataType.BOOL if isinstance(given.content, bool):
            return given.content
        case DataType.STRING if isinstance(given.content, str):
            return given.content
        case DataType.BYTES if given.form is Form.BYTES and isinstance(given.content, bytes):
            return given.content
        case DataType.FLOAT64 if given.form in (Form.DOUBLE, Form.FLOAT):
            return float(given.content)
        case DataType.FLOAT64 if given.form in _BITS:
            return _exactly_float(_integer(told, given))
        case DataType.INT64 | DataType.UINT64 if given.form in _BITS:
            return _of_64_bits(kind, _integer(told, given, told or SPARKPLUG[kind]))
        case _ if kind in ARRAYS and given.form is Form.BYTES and isinstance(given.content, bytes):
            return _items(kind, told or SPARKPLUG[kind], given.content)
    raise NotUnderstood(f"{_shown(given)} is not {kind.name.lower()}")


def _integer(told: SparkplugType, given: Wired, assumed: SparkplugType = SparkplugType.UNKNOWN) -> int:
    """An integer with its sign, which only a datatype tells."""
    bits, number = _BITS[given.form], int(given.content)
    is_plain = assumed is SparkplugType.UINT64 or (assumed is SparkplugType.INT64 and bits == 64)
    if told is SparkplugType.UNKNOWN and number >> (bits - 1) and not is_plain:
        raise NotUnderstood(f"{_shown(given)} may be negative or not: it needs its datatype")
    signed = _SIGNED_BITS.get(told or assumed)
    if signed is None:
        return number
    number &= (1 << min(signed, bits)) - 1  # some hosts extend an Int8's sign over all 32 bits, some do not
    return number - (1 << min(signed, bits)) if number >> (min(signed, bits) - 1) else number


def _of_64_bits(kind: DataType, number: int) -> int:
    least, most = (0, 1 << 64) if kind is DataType.UINT64 else (-(1 << 63), 1 << 63)
    if not least <= number < most:
        raise NotUnderstood(f"{number} is not {kind.name.lower()}")
    return number


def _exactly_float(number: int) -> float:
    if int(float(number)) != number:
        raise NotUnderstood(f"{number} is not exactly a float64")
    return float(number)


def _items(kind: DataType, told: SparkplugType, packed: bytes) -> Value:
    letter = ITEMS.get(told)
    if letter is None or (letter in "fd") != (kind is DataType.FLOAT64_ARRAY):
        raise NotUnderstood(f"a {told.name.lower()} is not {kind.name.lower()}")
    size = struct.calcsize(f"<{letter}")
    if len(packed) % size:
        raise NotUnderstood(f"{len(packed)} bytes are no items of {size} bytes")
    items = struct.unpack(f"<{len(packed) // size}{letter}", packed)
    if kind is not DataType.FLOAT64_ARRAY:
        for item in items:
            _of_64_bits(DataType.UINT64 if kind is DataType.UINT64_ARRAY else DataType.INT64, item)
    return items


def _shown(given: Wired) -> str:
    return f"{given.content!r:.{_TEXT_ENOUGH}} in {given.form.name.lower()}_value"
