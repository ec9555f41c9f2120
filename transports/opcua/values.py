"""What a server says of one variable: value, status code and times, exactly as they came (OPC 10000-6, 5.2.2.17).

DataValue   mask 1 | value? | status? 4 | source time? 8 | picoseconds? 2 | server time? 8 | picoseconds? 2
Variant     type 1 (bits 0-5; 6 has dimensions, 7 is an array) | length? 4 | items | dimensions?
DateTime    8: units of 100 ns since 1601-01-01 UTC
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from transports.errors import NotUnderstood
from transports.opcua.octets import DEEPEST, Octets

(BOOLEAN, SBYTE, BYTE, INT16, UINT16, INT32, UINT32, INT64, UINT64, FLOAT, DOUBLE) = range(1, 12)
(STRING, DATETIME, GUID, BYTESTRING, XML, NODE_ID, EXPANDED_NODE_ID, STATUS, QUALIFIED, LOCALIZED) = range(12, 22)
(EXTENSION, DATA_VALUE, VARIANT, DIAGNOSTICS) = range(22, 26)
BUILT_IN = 25  # the highest of the built-in types' numbers

EPOCH = 116_444_736_000_000_000  # 1970-01-01 in units of 100 ns since 1601-01-01
FOREVER = 0x7FFF_FFFF_FFFF_FFFF  # what stands for all times after 9999 (OPC 10000-6, 5.2.2.5)
# struct letter and bytes of the types that are plain numbers
NUMBERS: Mapping[int, tuple[str, int]] = {
    BOOLEAN: ("?", 1),
    SBYTE: ("b", 1),
    BYTE: ("B", 1),
    INT16: ("h", 2),
    UINT16: ("H", 2),
    INT32: ("i", 4),
    UINT32: ("I", 4),
    INT64: ("q", 8),
    UINT64: ("Q", 8),
    FLOAT: ("f", 4),
    DOUBLE: ("d", 8),
    DATETIME: ("q", 8),
    STATUS: ("I", 4),
}


class DataValue(NamedTuple):
    """`type` is the number of the built-in type, 0 without a value; an array's value is a tuple.

    A value is None where there is none here: a structure, text that is not UTF-8. Times are UTC ns; None if not given.
    """

    type: int
    array: bool
    value: Any
    status: int
    source_ns: int | None
    server_ns: int | None


def data_value(octets: Octets, depth: int = 0) -> DataValue:
    """The next DataValue. Raises NotUnderstood."""
    mask = octets.u8()
    if mask & 0xC0:
        raise NotUnderstood(f"a data value with the mask {mask:#04x}")
    kind, array, value = variant(octets, depth + 1) if mask & 0x01 else (0, False, None)
    status = octets.u32() if mask & 0x02 else 0
    source = octets.i64() if mask & 0x04 else None
    source_more = octets.u16() if mask & 0x10 else 0
    server = octets.i64() if mask & 0x08 else None
    server_more = octets.u16() if mask & 0x20 else 0
    return DataValue(kind, array, value, status, _time_ns(source, source_more), _time_ns(server, server_more))


def variant(octets: Octets, depth: int = 0) -> tuple[int, bool, Any]:
    """The next Variant: number of its built-in type, whether it is an array, value."""
    if depth > DEEPEST:
        raise NotUnderstood("values within values without end")
    flags = octets.u8()
    kind = flags & 0x3F
    if kind > 31 or (flags & 0xC0) == 0x40:
        raise NotUnderstood(f"a variant with the flags {flags:#04x}")
    array = bool(flags & 0x80)
    value = _items(octets, kind, depth) if array else _item(octets, kind, depth)
    if flags & 0x40:
        octets.skip(4 * octets.count(4))  # the dimensions of a matrix, which is told as its items in their order
    return kind, array, value


def ticks_to_ns(ticks: int) -> int:
    """UTC ns of a DateTime."""
    return (ticks - EPOCH) * 100


def _time_ns(ticks: int | None, tens_of_picoseconds: int) -> int | None:
    """None also for what stands for "no time" and "for ever"."""
    if ticks is None or ticks <= 0 or ticks >= FOREVER:
        return None
    return ticks_to_ns(ticks) + min(tens_of_picoseconds, 9999) // 100


def _items(octets: Octets, kind: int, depth: int) -> tuple[Any, ...] | None:
    numbers = NUMBERS.get(kind)
    if numbers is not None:
        letter, size = numbers
        items = octets.numbers(letter, size, octets.count(size))
        return tuple(map(ticks_to_ns, items)) if kind == DATETIME else items  # type: ignore[arg-type]
    count = octets.count()
    if kind == 0 and count:
        raise NotUnderstood(f"an array of {count} nulls")
    items = tuple(_item(octets, kind, depth) for _ in range(count))
    return items if kind == STRING else None  # of others nothing is ever asked


def _item(octets: Octets, kind: int, depth: int) -> Any:
    numbers = NUMBERS.get(kind)
    if numbers is not None:
        (value,) = octets.numbers(*numbers, 1)
        return ticks_to_ns(int(value)) if kind == DATETIME else value
    read = _OTHERS.get(kind)
    if read is not None:
        return read(octets)
    match kind:
        case 0:
            return None
        case 23:
            data_value(octets, depth + 1)
        case 24:
            variant(octets, depth + 1)
        case _:  # 26 to 31 are reserved, and read as a ByteString (OPC 10000-6, 5.2.2.16)
            octets.block()
    return None


_OTHERS: Mapping[int, Callable[[Octets], Any]] = {
    STRING: Octets.text,
    GUID: Octets.guid,
    BYTESTRING: lambda octets: octets.block() or b"",
    XML: Octets.text,
    NODE_ID: Octets.node_id,
    EXPANDED_NODE_ID: Octets.node_id,
    QUALIFIED: lambda octets: f"{octets.u16()}:{octets.text()}",
    LOCALIZED: Octets.localized,
    EXTENSION: lambda octets: octets.extension() and None,
    DIAGNOSTICS: Octets.skip_diagnostics,
}
