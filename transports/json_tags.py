"""Tags from JSON: a path, a type and a meaning for each, whatever brought the document (MQTT, HTTP, a program's line).

    tags.temperature = { path = "$.temperature", unit = "Cel" }
    tags.state       = { path = "$.state", type = "bool", map = { ON = true, OFF = false } }
    tags.energy      = { path = "$.total", type = "uint64" }

A path that finds nothing: the tag is not in this scan, as many devices send parts. `null`: Bad, the device has no
value. A value of another type: that tag alone is Bad. Text is read as a number only where `text = true` asks for it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from transports.errors import Problem
from transports.fields import Field
from transports.json_paths import MISSING, JsonPath, path_cure
from transports.json_times import JsonTime, TimeSettings
from transports.samples import ARRAYS, DataType, Quality, Scan, Tag, Value
from transports.settings import setting

Kind: TypeAlias = Literal[
    "float64", "int64", "uint64", "bool", "string", "float64_array", "int64_array", "uint64_array"
]
Word: TypeAlias = bool | int | float | str
Read: TypeAlias = tuple[Value | None, int]
TYPES: Mapping[str, DataType] = {kind.name.lower(): kind for kind in DataType if kind is not DataType.BYTES}
_RANGES = {DataType.INT64: range(-(2**63), 2**63), DataType.UINT64: range(2**64)}
_ITEMS = {
    DataType.FLOAT64_ARRAY: DataType.FLOAT64,
    DataType.INT64_ARRAY: DataType.INT64,
    DataType.UINT64_ARRAY: DataType.UINT64,
}
_EXACT = 2.0**53  # a double beyond it does not say which whole number was meant
_SHAPES_MOST = 1024  # tuples of tags that are remembered: one for each thing and set of tags that came together


@dataclass(frozen=True)
class JsonTag:
    """What a value in a document means."""

    path: str = setting(help="JSONPath (RFC 9535) of the value; the first match counts", example="$.a", check=path_cure)
    type: Kind = setting("float64", help="type of the tag")
    unit: str = setting("", help="unit of the tag, as UCUM code", example="Cel")
    scale: float = setting(1.0, help="value = number in the document * scale + offset (float64 only)")
    offset: float = setting(0.0, help="see scale")
    text: bool = setting(False, help='also read text such as "23.5" or "on" as this type')
    map: dict[str, Word] = setting({}, help="the value for each word that may be said; any other word is Bad")

    def problems(self, path: str) -> Iterable[Problem]:
        if self.scale == 0:
            yield Problem(f"{path}.scale", "0", "must not be 0: every value would be the same")
        if self.type != "float64" and (self.scale, self.offset) != (1.0, 0.0):
            yield Problem(f"{path}.type", repr(self.type), 'must be "float64" where scale or offset are given')
        if self.map and (TYPES[self.type] in ARRAYS or (self.scale, self.offset) != (1.0, 0.0)):
            yield Problem(f"{path}.map", "", "goes with single values as they are: no array, no scale, no offset")
            return
        for word, meaning in self.map.items():
            if _exactly(TYPES[self.type], meaning)[1] != Quality.GOOD:
                yield Problem(f"{path}.map.{word}", repr(meaning), f'must be a value of type = "{self.type}"')


class JsonField:
    """One tag and how it is read from a document."""

    def __init__(self, name: str, settings: JsonTag) -> None:
        self.tag = Tag(name, TYPES[settings.type], settings.unit)
        self._path, self._map, self._text = JsonPath(settings.path), settings.map, settings.text
        self._plain = (settings.scale, settings.offset) == (1.0, 0.0)
        self._scale, self._offset = settings.scale, settings.offset
        self._of_text = Field(self.tag)

    def read(self, document: Any) -> Read | None:
        """The value and its status code; None when the document has nothing there."""
        given = self._path.first(document)
        if given is MISSING:
            return None
        if given is None:
            return None, Quality.BAD_SENSOR_FAILURE
        value, code = self._meant(given)
        if not self._plain and isinstance(value, float):
            value = value * self._scale + self._offset
        return value, code

    def raw(self, value: Value) -> Word:
        """What to say to set the tag to a value: mapped and scaled back. Raises ValueError."""
        exact, code = _exactly(self.tag.type, value)
        if code != Quality.GOOD or not isinstance(exact, (bool, int, float, str)):
            raise ValueError(f"{value!r:.60} is no value for a tag of the type {self.tag.type.name.lower()}")
        if self._map:
            words = [word for word, meaning in self._map.items() if _exactly(self.tag.type, meaning)[0] == exact]
            if not words:
                raise ValueError(f"{value!r:.60} is none of {', '.join(map(repr, self._map.values()))}")
            return words[0]
        if isinstance(exact, float) and not self._plain:
            exact = (exact - self._offset) / self._scale
        if isinstance(exact, float) and not math.isfinite(exact):
            raise ValueError(f"{value!r:.60} cannot be written: JSON has finite numbers only")
        return exact

    def _meant(self, given: Any) -> Read:
        if self._map:
            word = given if isinstance(given, str) else _json_word(given)
            return _exactly(self.tag.type, self._map[word]) if word in self._map else (None, Quality.BAD_DECODING)
        if self._text and isinstance(given, str) and self.tag.type not in ARRAYS:
            return self._of_text.value(given, "utf-8")
        return _exactly(self.tag.type, given)


class JsonTags:
    """Scans from documents: the tags of one kind of document, under the names of the thing that sent it."""

    def __init__(self, tags: Mapping[str, JsonTag], time: TimeSettings | None = None) -> None:
        self.fields = tuple(JsonField(name, settings) for name, settings in tags.items())
        self._time = JsonTime(time)
        self._shape = lru_cache(maxsize=_SHAPES_MOST)(self._make_shape)

    def tags(self, prefix: str = "") -> tuple[Tag, ...]:
        """Every tag that a document can give, `prefix` before each name."""
        return self._shape(prefix, tuple(range(len(self.fields))))

    def scan(self, document: Any, now_ns: int, prefix: str = "", stale: bool = False) -> Scan | None:
        """What the document says; None when it has none of the tags.

        `stale` is a document of unknown age: unless it says its time, what it says is UNCERTAIN_LAST_USABLE.
        """
        read = [(at, *found) for at, field in enumerate(self.fields) if (found := field.read(document)) is not None]
        if not read:
            return None
        time = self._time.of(document, now_ns)
        doubt = Quality.UNCERTAIN_SUB_NORMAL if time.doubtful else Quality.GOOD
        if stale and not time.said:
            doubt = Quality.UNCERTAIN_LAST_USABLE
        codes = [code or int(doubt) for _, _, code in read]
        quality = codes if len(set(codes)) > 1 else codes[0]
        return Scan(time.time_ns, self._shape(prefix, tuple(at for at, _, _ in read)), [v for _, v, _ in read], quality)

    def bad(self, now_ns: int, prefix: str, quality: int) -> Scan:
        """A scan that says: nothing of this is to be had, for this reason."""
        return Scan(now_ns, self.tags(prefix), [None] * len(self.fields), quality)

    def _make_shape(self, prefix: str, present: tuple[int, ...]) -> tuple[Tag, ...]:
        tags = (self.fields[at].tag for at in present)
        return tuple(Tag(f"{prefix}{tag.name}", tag.type, tag.unit) for tag in tags)


def clashes(groups: Iterable[tuple[str, Mapping[str, JsonTag]]]) -> Iterator[Problem]:
    """Tags that two tables (each with its path and prefixed names) give different types or units."""
    seen: dict[str, tuple[str, JsonTag]] = {}
    for path, tags in groups:
        for name, tag in tags.items():
            where, other = seen.setdefault(name, (path, tag))
            if (other.type, other.unit) != (tag.type, tag.unit):
                cure = f"is {tag.type} {tag.unit!r} here and {other.type} {other.unit!r} in {where}; a tag has one type"
                yield Problem(f"{path}.{name}", "", cure)


def _exactly(kind: DataType, given: Any) -> Read:
    """A value of that type, or why it is none."""
    if kind in _ITEMS:
        return _array(_ITEMS[kind], given)
    return _EXACTLY[kind](given)


def _array(kind: DataType, given: Any) -> Read:
    if not isinstance(given, (list, tuple)):
        return None, Quality.BAD_DECODING
    items = [_EXACTLY[kind](item) for item in given]
    worst = max((code for _, code in items), default=Quality.GOOD)
    return (None, worst) if worst else (tuple(value for value, _ in items), Quality.GOOD)  # type: ignore[return-value]


def _whole(values: range) -> Callable[[Any], Read]:
    def read(given: Any) -> Read:
        if isinstance(given, float) and given.is_integer():
            if abs(given) >= _EXACT:  # which whole number was written is lost, unless no range holds it anyway
                return None, Quality.BAD_DECODING if int(given) in values else Quality.BAD_OUT_OF_RANGE
            given = int(given)
        if isinstance(given, bool) or not isinstance(given, int):
            code = Quality.BAD_OUT_OF_RANGE if isinstance(given, float) and math.isinf(given) else Quality.BAD_DECODING
            return None, code
        return (given, Quality.GOOD) if given in values else (None, Quality.BAD_OUT_OF_RANGE)

    return read


def _float(given: Any) -> Read:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return None, Quality.BAD_DECODING
    try:
        value = float(given)
    except OverflowError:
        return None, Quality.BAD_OUT_OF_RANGE
    if math.isnan(value):
        return None, Quality.BAD_DECODING
    return (value, Quality.GOOD) if math.isfinite(value) else (None, Quality.BAD_OUT_OF_RANGE)


def _bool(given: Any) -> Read:
    if isinstance(given, bool) or (isinstance(given, int) and given in (0, 1)):
        return bool(given), Quality.GOOD
    return None, Quality.BAD_DECODING


def _string(given: Any) -> Read:
    if not isinstance(given, str):
        return None, Quality.BAD_DECODING
    try:
        given.encode()
    except UnicodeEncodeError:  # a lone surrogate is no text
        return None, Quality.BAD_DECODING
    return given, Quality.GOOD


def _json_word(given: Any) -> str:
    """A number or a bool as JSON writes it, to be looked up in a map."""
    if isinstance(given, bool):
        return "true" if given else "false"
    return repr(given) if isinstance(given, (int, float)) else ""


_EXACTLY: Mapping[DataType, Callable[[Any], Read]] = {
    DataType.FLOAT64: _float,
    DataType.INT64: _whole(_RANGES[DataType.INT64]),
    DataType.UINT64: _whole(_RANGES[DataType.UINT64]),
    DataType.BOOL: _bool,
    DataType.STRING: _string,
}
