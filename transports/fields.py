"""Fields: what a frame says, taken from text by a regular expression or from bytes by a struct format.

    b"T=23.5 H=40"  ──Pattern(r"T=(?P<t>\\S+) H=(?P<h>\\S+)")──>  Scan(t=23.5, h=40.0)
    b"\\x01\\x00\\x90\\x01"  ──Packed("<HH", ("a", "b"))──────────>  Scan(a=1.0, b=400.0)

A frame of another form gives no scan: the caller counts it. A frame of the right form with a field that is no value of
its type gives a scan in which that field alone is Bad.
"""

import math
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from transports.errors import Problem
from transports.raw_values import READERS, Raw, read_bytes
from transports.samples import DataType, Quality, Scan, Tag, Value
from transports.settings import setting
from transports.writing import Writing

_TYPES = {
    "float64": DataType.FLOAT64,
    "int64": DataType.INT64,
    "uint64": DataType.UINT64,
    "bool": DataType.BOOL,
    "string": DataType.STRING,
    "bytes": DataType.BYTES,
}
_OF_LETTER = {"q": "int64", "Q": "uint64"}  # what no float64 holds exactly
_RANGES = {DataType.INT64: range(-(2**63), 2**63), DataType.UINT64: range(2**64)}


@dataclass(frozen=True)
class FieldSettings(Writing):
    """What a field of a frame means, and within which limits a command may write it (where `writes` says how)."""

    type: Literal["float64", "int64", "uint64", "bool", "string", "bytes"] | None = setting(
        None, help="type of the tag; float64 where not given, int64 or uint64 for q and Q in struct"
    )
    unit: str = setting("", help="unit of the tag, as UCUM code", example="Cel")
    scale: float = setting(1.0, help="value = number in the frame * scale + offset (float64 only)")
    offset: float = setting(0.0, help="see scale")

    def problems(self, path: str) -> Iterable[Problem]:
        if self.scale == 0:
            yield Problem(f"{path}.scale", "0", "must not be 0: every value would be the same")
        if self.type not in (None, "float64") and (self.scale, self.offset) != (1.0, 0.0):
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
            value = self._read(raw, encoding)
        except ValueError:
            return None, Quality.BAD_DECODING
        if self.tag.type in _RANGES and value not in _RANGES[self.tag.type]:
            return None, Quality.BAD_OUT_OF_RANGE
        if isinstance(value, float) and (self.scale, self.offset) != (1.0, 0.0):
            value = value * self.scale + self.offset
        return value, Quality.GOOD

    def _read(self, raw: Raw, encoding: str) -> Value:
        """Raises ValueError for what is no value of the tag's type."""
        if self.tag.type is DataType.BYTES:
            return read_bytes(raw)
        return READERS[self.tag.type](raw.rstrip(b"\0").decode(encoding) if isinstance(raw, bytes) else raw)

    def operand(self, value: Value) -> str | int | float:
        """What a command says for this value of the tag: scaled back, a bool as 1 or 0, bytes in hexadecimal.

        Raises ValueError for a value that is not of the tag's type, and for text that could end the command and begin
        another one.
        """
        kind = self.tag.type
        if kind is DataType.STRING and isinstance(value, str) and value.isprintable():
            return value
        if kind is DataType.BOOL and isinstance(value, bool):
            return int(value)
        if kind is DataType.BYTES and isinstance(value, bytes):
            return value.hex()
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


def fields_of(
    names: Sequence[str], notes: Mapping[str, FieldSettings], types: Mapping[str, str] | None = None
) -> tuple[Field, ...]:
    """A field for every name; one whose note says no type has the one in `types`, or else float64."""
    plain = FieldSettings()
    return tuple(_field(name, notes.get(name, plain), (types or {}).get(name, "float64")) for name in names)


def _field(name: str, note: FieldSettings, usual: str) -> Field:
    scaled = (note.scale, note.offset) != (1.0, 0.0)
    kind = note.type or ("float64" if scaled else usual)
    return Field(Tag(name, _TYPES[kind], note.unit), note.scale, note.offset)


def types_of(form: str, names: Sequence[str]) -> Mapping[str, str]:
    """For each value of a struct format the type that holds it exactly, where float64 does not."""
    letters = "".join(
        letter if letter in "sp" else letter * int(count or 1)
        for count, letter in re.findall(r"(\d*)([a-zA-Z?])", form)
        if letter != "x"
    )
    return {name: _OF_LETTER[letter] for name, letter in zip(names, letters, strict=False) if letter in _OF_LETTER}


class Reader(Protocol):
    """What makes scans of frames."""

    fields: tuple[Field, ...]

    def scan(self, frame: bytes, time_ns: int) -> Scan | None:
        """What the frame says, or None when it has another form."""
        ...

    def ignores(self, frame: bytes) -> bool:
        """Whether a frame that gives no scan is none that anybody misses."""
        ...


class Pattern:
    """Text frames: each named group of a regular expression is a tag. The whole frame must match.

    A group that took no part in the match (another branch of the pattern, an optional part) is not in the scan.
    """

    def __init__(self, pattern: str, notes: Mapping[str, FieldSettings], encoding: str) -> None:
        self._pattern, self._encoding = re.compile(pattern), encoding
        self.fields = fields_of(list(self._pattern.groupindex), notes)

    def scan(self, frame: bytes, time_ns: int) -> Scan | None:
        """What the frame says, or None when it has another form. Line ends around it do not matter."""
        try:
            text = frame.decode(self._encoding, errors="replace")
        except UnicodeError:  # a few codecs know no replacement
            return None
        match = self._pattern.fullmatch(text.strip("\r\n"))
        if match is None:
            return None
        said = {name: text for name, text in match.groupdict().items() if text is not None}
        if not said:
            return None
        return _scan(_among(self.fields, frozenset(said)), list(said.values()), time_ns, self._encoding)

    def ignores(self, frame: bytes) -> bool:
        """An empty line is no loss."""
        return not frame.strip(b"\r\n")


class Packed:
    """Binary frames: each value of a struct format is a tag, in order. The frame must have exactly that size."""

    def __init__(self, form: str, names: Sequence[str], notes: Mapping[str, FieldSettings], encoding: str) -> None:
        self._struct, self._encoding = struct.Struct(form), encoding
        self.fields = fields_of(names, notes, types_of(form, names))

    def scan(self, frame: bytes, time_ns: int) -> Scan | None:
        """What the frame says, or None when its size is another."""
        if len(frame) != self._struct.size:
            return None
        return _scan(self.fields, self._struct.unpack(frame), time_ns, self._encoding)

    def ignores(self, frame: bytes) -> bool:
        """An empty line is no loss."""
        return not frame.strip(b"\r\n")


def _scan(fields: tuple[Field, ...], raw: Sequence[Raw], time_ns: int, encoding: str) -> Scan:
    read = [field.value(each, encoding) for field, each in zip(fields, raw, strict=True)]
    codes = [code for _, code in read]
    return Scan(time_ns, tags_of(fields), [value for value, _ in read], codes if any(codes) else Quality.GOOD)


@lru_cache(maxsize=256)
def _among(fields: tuple[Field, ...], names: frozenset[str]) -> tuple[Field, ...]:
    return tuple(field for field in fields if field.tag.name in names)


def pattern_problems(path: str, pattern: str, fields: Iterable[str]) -> Iterator[Problem]:
    """What keeps the setting `pattern` from giving values, and fields that are not in it."""
    try:
        groups = list(re.compile(pattern).groupindex)
    except re.error as wrong:
        yield Problem(f"{path}.pattern", repr(pattern), f"must be a regular expression: {wrong}")
        return
    if not groups:
        yield Problem(f"{path}.pattern", repr(pattern), r"must have a named group, such as (?P<temp>\S+)")
    for name in fields:
        if name not in groups:
            yield Problem(f"{path}.fields.{name}", "", f"is no group of the pattern; it has {', '.join(groups)}")


@lru_cache(maxsize=256)  # one tuple for all scans of the same fields: readers recognise it by identity
def tags_of(fields: tuple[Field, ...]) -> tuple[Tag, ...]:
    """The tags of some fields, in their order."""
    return tuple(field.tag for field in fields)
