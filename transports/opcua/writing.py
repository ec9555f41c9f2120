"""A value as the server's variable takes it.

The built-in type is the server's, not Python's, and nothing is rounded but what a Float cannot hold.
"""

import math
import uuid
from collections.abc import Mapping

from asyncua import ua

from transports.opcua import values
from transports.opcua.types import name_of
from transports.samples import Value

_RANGES: Mapping[int, tuple[int, int]] = {
    values.SBYTE: (-(2**7), 2**7 - 1),
    values.BYTE: (0, 2**8 - 1),
    values.INT16: (-(2**15), 2**15 - 1),
    values.UINT16: (0, 2**16 - 1),
    values.INT32: (-(2**31), 2**31 - 1),
    values.UINT32: (0, 2**32 - 1),
    values.INT64: (-(2**63), 2**63 - 1),
    values.UINT64: (0, 2**64 - 1),
    values.STATUS: (0, 2**32 - 1),
}
_FLOAT_MAX = 3.4028235677973366e38  # the least that rounds to infinity in 32 bits
_EXACT = 2**53
_MICROSECOND_NS = 1000


def variant_of(built_in: int, array: bool, value: Value) -> ua.Variant:
    """What to send. Raises ValueError with what the variable takes."""
    kind = ua.VariantType(built_in)
    if not array:
        return ua.Variant(_item(built_in, value), kind, is_array=False)
    if not isinstance(value, tuple):
        raise ValueError(f"takes a list: it is {name_of(built_in, True)}")
    return ua.Variant([_item(built_in, _truth(built_in, item)) for item in value], kind, is_array=True)


def _truth(built_in: int, item: int | float) -> Value:
    """A Boolean in an array is 0 or 1 here."""
    return bool(item) if built_in == values.BOOLEAN and item in (0, 1) else item


def _item(built_in: int, value: Value) -> object:
    if built_in == values.STATUS:
        return ua.StatusCode(_whole(built_in, value))  # type: ignore[arg-type]
    if built_in in _RANGES:
        return _whole(built_in, value)
    match built_in:
        case values.BOOLEAN if isinstance(value, bool):
            return value
        case values.FLOAT | values.DOUBLE:
            return _number(built_in, value)
        case values.DATETIME:
            return _time(value)
        case values.STRING | values.XML | values.LOCALIZED | values.GUID if isinstance(value, str):
            return _text(built_in, value)
        case values.BYTESTRING if isinstance(value, bytes):
            return value
        case values.BOOLEAN:
            raise ValueError("takes true or false")
        case values.STRING | values.XML | values.LOCALIZED | values.GUID:
            raise ValueError("takes text")
        case _:
            raise ValueError(f"takes {name_of(built_in)}")


def _whole(built_in: int, value: Value) -> int:
    lowest, highest = _RANGES[built_in]
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise ValueError(f"takes a whole number from {lowest} to {highest} ({name_of(built_in)})")
    return value


def _number(built_in: int, value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"takes a number ({name_of(built_in)})")
    if isinstance(value, int) and abs(value) > _EXACT:
        raise ValueError("takes a whole number only between -2^53 and 2^53: beyond, it would be rounded")
    if built_in == values.FLOAT and math.isfinite(value) and abs(value) >= _FLOAT_MAX:
        raise ValueError("takes a number of 32 bits (Float)")
    return float(value)


def _time(value: Value) -> object:
    """UTC ns as a DateTime, which asyncua sends in whole microseconds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("takes nanoseconds since 1970 (DateTime)")
    ticks = value // 100 + values.EPOCH
    if value % _MICROSECOND_NS or not 0 <= ticks < ua.uatypes.MAX_OPC_FILETIME:
        raise ValueError("takes whole microseconds, in nanoseconds, from 1601 to 9999 (DateTime)")
    return ua.win_epoch_to_datetime(ticks)


def _text(built_in: int, value: str) -> object:
    try:
        value.encode()
    except UnicodeEncodeError as wrong:
        raise ValueError("takes text: half a surrogate pair is none") from wrong
    if built_in == values.GUID:
        try:
            return uuid.UUID(value)
        except ValueError as wrong:
            raise ValueError("takes a GUID such as 09087e75-8e5e-499b-954f-f2a9603db28a") from wrong
    if built_in == values.XML:
        return ua.XmlElement(value)  # type: ignore[arg-type]
    return ua.LocalizedText(value) if built_in == values.LOCALIZED else value
