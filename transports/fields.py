"""Fields: what a frame says, taken from text by a regular expression or from bytes by a struct format.

    b"T=23.5 H=40"  ──Pattern(r"T=(?P<t>\\S+) H=(?P<h>\\S+)")──>  Scan(t=23.5, h=40.0)
    b"\\x01\\x00\\x90\\x01"  ──Packed("<HH", ("a", "b"))──────────>  Scan(a=1.0, b=400.0)

A frame of another form gives no scan: the caller counts it. A frame of the right form with a field that is no value of
its type gives a scan in which that field alone is Bad.
"""

import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from transports.errors import Problem
from transports.samples import DataType, Quality, Scan, Tag, Value
from transports.settings import setting

Raw = str | bytes | bool | int | float
_TYPES = {
    "float64": DataType.FLOAT64,
    "int64": DataType.INT64,
    "uint64": DataType.UINT64,
    "bool": DataType.BOOL,
    "string": DataType.STRING,
}
_RANGES = {DataType.INT64: range(-(2**63), 2**63), DataType.UINT64: range(2**64)}
_WORDS = {"1": True, "true": True, "on": True, "yes": True, "0": False, "false": False, "off": False, "no": False}


@dataclass(frozen=True)
class FieldSettings:
    """What a field of a frame means."""

    type: Literal["float64", "int64", "uint64", "bool", "string"] = setting("float64", help="type of the tag")
    unit: str = setting("", help="unit of the tag, as UCUM code", example="Cel")
    scale: float = setting(1.0, help="value = number in the frame * scale + offset (float64 only)")
    offset: float = setting(0.0, help="see scale")

    def problems(self, path: str) -> Iterable[Problem]:
        if self.scale == 0:
            yield Problem(f"{path}.scale", "0", "must not be 0: every value would be the same")
        if self.type != "float64" and (self.scale, self.offset) != (1.0, 0.0):
            yield Problem(f"{path}.type", repr(self.type), 'must be "float64" where scale or offset are given')


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a frame and the tag it becomes."""

    tag: Tag
    scale: float = 1.0
    offset: float = 0.0

    def value(self, raw: Raw, encoding: str) -> tuple[Value | None, int]:
        """The tag's value and its status code."""
        try:
            given = raw.rstrip(b"\0").decode(encoding) if isinstance(raw, bytes) else raw
            value = _READERS[self.tag.type](given)
        except ValueError:
            return None, Quality.BAD_DECODING
        if self.tag.type in _RANGES and value not in _RANGES[self.tag.type]:
            return None, Quality.BAD_OUT_OF_RANGE
        if isinstance(value, float) and (self.scale, self.offset) != (1.0, 0.0):
            value = value * self.scale + self.offset
        return value, Quality.GOOD

    def operand(self, value: Value) -> str | int | float:
        """What a command says for this value of the tag: scaled back, a bool as 1 or 0.

        Raises ValueError for a value that is not of the tag's type, and for text that could end the command and begin
        another one.
        """
        kind = self.tag.type
        if kind is DataType.STRING and isinstance(value, str) and value.isprintable():
            return value
        if kind is DataType.BOOL and isinstance(value, bool):
            return int(value)
        if kind in _RANGES and isinstance(value, int) and not isinstance(value, bool) and value in _RANGES[kind]:
            return value
        if kind is DataType.FLOAT64 and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._unscaled(value)
        raise ValueError(f"{value!r:.60} is not a value for a tag of the type {kind.name.lower()}")

    def _unscaled(self, value: float) -> float:
        number = (value - self.offset) / self.scale
        if not math.isfinite(number):
            raise ValueError(f"{value} cannot be written: a command takes finite numbers only")
        return number


def fields_of(names: Sequence[str], notes: Mapping[str, FieldSettings]) -> tuple[Field, ...]:
    """A field for every name; one without a note is float64 without a unit."""
    plain = FieldSettings()
    found = ((name, notes.get(name, plain)) for name in names)
    return tuple(Field(Tag(name, _TYPES[note.type], note.unit), note.scale, note.offset) for name, note in found)


class Pattern:
    """Text frames: each named group of a regular expression is a tag. The whole frame must match.

    A group that took no part in the match (another branch of the pattern, an optional part) is not in the scan.
    """

    def __init__(self, pattern: str, notes: Mapping[str, FieldSettings], encoding: str) -> None:
        self._pattern, self._encoding = re.compile(pattern), encoding
        self.fields = fields_of(list(self._pattern.groupindex), notes)

    def scan(self, frame: bytes, time_ns: int) -> Scan | None:
        """What the frame says, or None when it has another form. Line ends around it do not matter."""
        match = self._pattern.fullmatch(frame.decode(self._encoding, errors="replace").strip("\r\n"))
        if match is None:
            return None
        said = {name: text for name, text in match.groupdict().items() if text is not None}
        if not said:
            return None
        return _scan(_among(self.fields, frozenset(said)), list(said.values()), time_ns, self._encoding)


class Packed:
    """Binary frames: each value of a struct format is a tag, in order. The frame must have exactly that size."""

    def __init__(self, form: str, names: Sequence[str], notes: Mapping[str, FieldSettings], encoding: str) -> None:
        self._struct, self._encoding = struct.Struct(form), encoding
        self.fields = fields_of(names, notes)

    def scan(self, frame: bytes, time_ns: int) -> Scan | None:
        """What the frame says, or None when its size is another."""
        if len(frame) != self._struct.size:
            return None
        return _scan(self.fields, self._struct.unpack(frame), time_ns, self._encoding)


def _scan(fields: tuple[Field, ...], raw: Sequence[Raw], time_ns: int, encoding: str) -> Scan:
    read = [field.value(each, encoding) for field, each in zip(fields, raw, strict=True)]
    codes = [code for _, code in read]
    return Scan(time_ns, tags_of(fields), [value for value, _ in read], codes if any(codes) else Quality.GOOD)


@lru_cache(maxsize=256)
def _among(fields: tuple[Field, ...], names: frozenset[str]) -> tuple[Field, ...]:
    return tuple(field for field in fields if field.tag.name in names)


@lru_cache(maxsize=256)  # one tuple for all scans of the same fields: readers recognise it by identity
def tags_of(fields: tuple[Field, ...]) -> tuple[Tag, ...]:
    """The tags of some fields, in their order."""
    return tuple(field.tag for field in fields)


def _float(given: str | float) -> float:
    if isinstance(given, str) and "_" in given:  # Python reads 1_0 as 10; a device that says it means something else
        raise ValueError(given)
    return float(given)


def _int(given: str | float) -> int:
    if isinstance(given, str) and "_" in given:
        raise ValueError(given)
    if isinstance(given, float) and not given.is_integer():
        raise ValueError(given)
    return int(given)


def _bool(given: str | float) -> bool:
    if not isinstance(given, str):
        return bool(given)
    word = given.strip().lower()
    if word not in _WORDS:
        raise ValueError(given)
    return _WORDS[word]


_READERS: Mapping[DataType, Callable[[str | float], Value]] = {
    DataType.FLOAT64: _float,
    DataType.INT64: _int,
    DataType.UINT64: _int,
    DataType.BOOL: _bool,
    DataType.STRING: str,
}
