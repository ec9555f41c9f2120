"""Whether a command may be executed: the tag is writable, the value fits its type and its limits. Pure."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from transports.messages import Command
from transports.samples import DataType, Tag, Value
from transports.settings import nearest
from transports.writing import Limits

_EXACT = 2**53  # whole numbers up to here are exact as float64
_CLOSE = 1e-6  # a float may pass through a register of 32 bits on its way there and back
_RANGES = {DataType.INT64: range(-(2**63), 2**63), DataType.UINT64: range(2**64)}
_TEXT_MOST = 4096  # characters or bytes: no setting of a machine is a file


class Ending(StrEnum):
    """What can become of a command; see the package's note."""

    DONE = "done"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class Unfit(ValueError):
    """A value that the tag cannot take; the text says what it takes."""


def refusal(command: Command, writable: Mapping[str, Limits], tags: Sequence[Tag]) -> str:
    """Why the command can never be executed on such a link, "" when it can."""
    limits = writable.get(command.tag)
    if limits is None:
        known = [tag.name for tag in tags]
        if command.tag in known:
            return f"{command.tag} is not declared writable; in the tag's settings: writable = true"
        return f"no such tag; {nearest(command.tag, sorted(writable) or known)}"
    try:
        value = fitted(command.value, type_of(command.tag, tags))
    except Unfit as wrong:
        return f"{command.tag} = {command.value!r:.60}: {wrong}"
    broken = limits.refusal(value)
    return f"{command.tag} = {value!r:.60}: {broken}" if broken else ""


def type_of(name: str, tags: Sequence[Tag]) -> DataType | None:
    """The announced type of a tag, None where it is not announced."""
    return next((tag.type for tag in tags if tag.name == name), None)


def fitted(value: Any, kind: DataType | None) -> Value:
    """The value as the type wants it, exactly. Raises Unfit. Without a type it is only looked at for sense."""
    if isinstance(value, (str, bytes)) and len(value) > _TEXT_MOST:
        raise Unfit(f"longer than {_TEXT_MOST}")
    if isinstance(value, (list, tuple)):
        return _array(value, kind)
    if kind is not None:
        return _scalar(value, kind)
    if not isinstance(value, (bool, int, float, str, bytes)):
        raise Unfit("must be true, false, a number or a text")
    _finite(value)
    return value


def reads_as(written: Value, read: Value) -> bool:
    """Whether what is read is what was written: exactly, but for the last digits of a float."""
    if isinstance(written, float) or isinstance(read, float):
        numbers = isinstance(written, (int, float)) and isinstance(read, (int, float))
        return numbers and math.isclose(written, read, rel_tol=_CLOSE, abs_tol=1e-9)  # type: ignore[arg-type]
    return type(written) is type(read) and written == read


def _finite(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise Unfit("must be a finite number")


def _scalar(value: Any, kind: DataType) -> Value:
    _finite(value)
    if kind is DataType.BOOL and (isinstance(value, bool) or (isinstance(value, (int, float)) and value in (0, 1))):
        return bool(value)
    if kind is DataType.STRING and isinstance(value, str):
        return value
    if kind is DataType.BYTES and isinstance(value, bytes):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if kind is DataType.FLOAT64:
            return _float(value)
        if kind in _RANGES:
            return _whole(value, _RANGES[kind])
    raise Unfit(f"must be {_TAKES[kind]}")


def _float(value: int | float) -> float:
    if isinstance(value, int) and abs(value) > _EXACT:
        raise Unfit("is too large to be exact as a number with a fraction")
    return float(value)


def _whole(value: int | float, allowed: range) -> int:
    if value != int(value) or int(value) not in allowed:
        raise Unfit(f"must be a whole number from {allowed.start} to {allowed.stop - 1}")
    return int(value)


def _array(value: Sequence[Any], kind: DataType | None) -> Value:
    inner = _ITEMS.get(kind) if kind is not None else None
    if inner is None or len(value) > _TEXT_MOST:
        raise Unfit(f"must be {_TAKES[kind]}" if kind is not None else "must be true, false, a number or a text")
    return tuple(_scalar(item, inner) for item in value)  # type: ignore[return-value]


_ITEMS: Mapping[DataType | None, DataType] = {
    DataType.INT64_ARRAY: DataType.INT64,
    DataType.UINT64_ARRAY: DataType.UINT64,
    DataType.FLOAT64_ARRAY: DataType.FLOAT64,
}
_TAKES: Mapping[DataType, str] = {
    DataType.BOOL: "true or false",
    DataType.INT64: "a whole number",
    DataType.UINT64: "a whole number, not negative",
    DataType.FLOAT64: "a number",
    DataType.STRING: "a text",
    DataType.BYTES: "bytes",
    DataType.INT64_ARRAY: "a list of whole numbers",
    DataType.UINT64_ARRAY: "a list of whole numbers, not negative",
    DataType.FLOAT64_ARRAY: "a list of numbers",
}
