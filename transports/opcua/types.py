"""OPC UA's built-in types in terms of the house's: which is which, and what of a value fits.

Boolean                                 bool          arrays: uint64 of 0 and 1
SByte, Int16, Int32, Int64              int64         arrays too; an enumeration is an Int32
Byte, UInt16, UInt32, UInt64, Status    uint64        arrays too
Float, Double                           float64       arrays too
String, Guid, XmlElement, NodeId,
QualifiedName, LocalizedText            string
ByteString                              bytes
DateTime                                int64         nanoseconds since 1970 UTC; arrays too
"""

import struct
from collections.abc import Mapping
from typing import Any

from transports.opcua import values as ua
from transports.opcua.values import DataValue
from transports.quality import Quality, is_bad
from transports.samples import ARRAYS, DataType, Value

BAD_NO_DATA, BAD_NOT_SUPPORTED, BAD_TYPE_MISMATCH = 0x809B_0000, 0x803D_0000, 0x8074_0000
_EXACT = 2**53  # whole numbers up to here are exact in a float
_SIGNED, _UNSIGNED = (ua.SBYTE, ua.INT16, ua.INT32, ua.INT64, ua.DATETIME), (ua.BYTE, ua.UINT16, ua.UINT32, ua.UINT64)
_TEXT = (ua.STRING, ua.GUID, ua.XML, ua.NODE_ID, ua.EXPANDED_NODE_ID, ua.QUALIFIED, ua.LOCALIZED)
SCALARS: Mapping[int, DataType] = {
    ua.BOOLEAN: DataType.BOOL,
    **dict.fromkeys(_SIGNED, DataType.INT64),
    **dict.fromkeys((*_UNSIGNED, ua.STATUS), DataType.UINT64),
    **dict.fromkeys((ua.FLOAT, ua.DOUBLE), DataType.FLOAT64),
    **dict.fromkeys(_TEXT, DataType.STRING),
    ua.BYTESTRING: DataType.BYTES,
}
VECTORS: Mapping[int, DataType] = {
    **dict.fromkeys(_SIGNED, DataType.INT64_ARRAY),
    **dict.fromkeys((ua.BOOLEAN, *_UNSIGNED, ua.STATUS), DataType.UINT64_ARRAY),
    **dict.fromkeys((ua.FLOAT, ua.DOUBLE), DataType.FLOAT64_ARRAY),
}
NAMES: Mapping[str, DataType] = {kind.name.lower(): kind for kind in DataType}
# fmt: off
_BUILT_IN = (
    "nothing", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double",
    "String", "DateTime", "Guid", "ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName",
    "LocalizedText", "ExtensionObject", "DataValue", "Variant", "DiagnosticInfo",
)
# fmt: on


def type_of(built_in: int, array: bool) -> DataType | None:
    """The house's type for a built-in one; None where there is none."""
    return (VECTORS if array else SCALARS).get(built_in)


def name_of(built_in: int, array: bool = False) -> str:
    """The name of a built-in type as OPC UA has it."""
    name = _BUILT_IN[built_in] if built_in < len(_BUILT_IN) else f"type {built_in}"
    return f"{name}[]" if array else name


def sample(kind: DataType, said: DataValue) -> tuple[Value | None, int]:
    """The value as a tag of that type has it, and its status code: the server's own wherever there is a value."""
    if is_bad(said.status):
        return None, said.status
    if said.value is None:
        return None, _why_none(said)
    value = _fit(kind, said.value)
    if value is not None:
        return value, said.status
    numeric = isinstance(said.value, (int, float)) and kind in (DataType.INT64, DataType.UINT64, DataType.FLOAT64)
    return None, Quality.BAD_OUT_OF_RANGE if numeric else BAD_TYPE_MISMATCH


def _why_none(said: DataValue) -> int:
    if said.type == 0:
        return BAD_NO_DATA
    return Quality.BAD_DECODING if type_of(said.type, said.array) else BAD_NOT_SUPPORTED


def _fit(kind: DataType, value: Any) -> Value | None:
    """The value in that type if it can be told exactly there."""
    match kind:
        case DataType.BOOL:
            return value if isinstance(value, bool) else None
        case DataType.INT64:
            return int(value) if isinstance(value, int) and -(2**63) <= value < 2**63 else None
        case DataType.UINT64:
            return int(value) if isinstance(value, int) and 0 <= value < 2**64 else None
        case DataType.FLOAT64:
            return _as_float(value)
        case DataType.STRING:
            return value if isinstance(value, str) else None
        case DataType.BYTES:
            return value if isinstance(value, bytes) else None
        case _:
            return _fit_array(kind, value)


def _as_float(value: Any) -> float | None:
    if isinstance(value, float):
        return value
    return float(value) if isinstance(value, int) and -_EXACT <= value <= _EXACT else None


def _fit_array(kind: DataType, items: Any) -> tuple[int, ...] | tuple[float, ...] | None:
    if not isinstance(items, tuple):
        return None
    if kind is DataType.FLOAT64_ARRAY:
        floats = tuple(map(_as_float, items))
        return None if None in floats else floats  # type: ignore[return-value]  # mypy does not see that no None is left
    try:
        struct.pack(f"<{len(items)}{ARRAYS[kind]}", *items)
    except struct.error:
        return None
    return tuple(map(int, items))
