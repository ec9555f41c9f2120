"""A message read: bytes of `json`, `json_columns` or `msgpack` become records. Pure.

Each part of a message stands for itself: one that is wrong is told with its reason, and the others are read. Of a
record that is wrong the id is told where at least that is right. The gateway's own messages beside the records (its
status, a confirmation) are neither.
"""

import json
from collections.abc import Iterator, Mapping
from math import isnan
from reprlib import repr as short  # of bounded depth and length, whatever came
from typing import Any

from transports.errors import NotUnderstood
from transports.receiving.opened import opened
from transports.receiving.rows import Cell, GapRow, Reading, Record, RecordId, Understood, Wrong

_INT64 = 2**63
_STATUS_CODES = 2**32
_LIMIT = 2**64
_BESIDE = (frozenset({"state", "gateway", "uplink"}), frozenset({"gateway", "topic", "taken"}))
_NO_VALUE = Cell()


def understood(payload: bytes) -> Understood:
    """The records of a message. Never raises: what is no message of ours is one `Wrong`."""
    try:
        said = opened(payload)
    except NotUnderstood as wrong:
        return Understood(wrong=(Wrong(str(wrong)),))
    if isinstance(said, dict) and _is_beside(said):
        return Understood()
    if not isinstance(said, list):
        said = [said]
    if not said:
        return Understood(wrong=(Wrong("a list without records"),))
    read = [_read(part) for part in said]
    records = tuple(part for part in read if isinstance(part, Record))
    return Understood(records, tuple(part for part in read if isinstance(part, Wrong)))


def _is_beside(said: Mapping[str, Any]) -> bool:
    return "epoch" not in said and any(keys <= said.keys() for keys in _BESIDE)


def _read(part: Any) -> Record | Wrong:
    name: RecordId | None = None
    try:
        if not isinstance(part, Mapping):
            raise NotUnderstood(f"a record is an object of fields, not {short(part)}")
        name = RecordId(_text(part, "gateway"), _text(part, "topic"), _whole(part, "epoch", 0), _whole(part, "seq", 0))
        return _record(name, part)
    except NotUnderstood as wrong:
        return Wrong(str(wrong), name)


def _record(name: RecordId, part: Mapping[str, Any]) -> Record:
    device, aggregate = _text(part, "device"), _text(part, "aggregate", "")
    historical = part.get("historical") is True
    if "gap" in part:
        gap = _gap(part["gap"])
        return Record(name, device, aggregate, None, None, gap.since_ns, historical, gap=gap)
    source_seq, thinned_to = _whole(part, "source_seq", 0), _maybe(part, "thinned_to", 0)
    readings = tuple(_columns(part, source_seq) if "tags" in part else _readings(part))
    time_ns = readings[0].time_ns if readings else 0
    return Record(name, device, aggregate, source_seq, thinned_to, time_ns, historical, readings)


def _gap(gap: Any) -> GapRow:
    if not isinstance(gap, Mapping):
        raise NotUnderstood("gap is no object of fields")
    return GapRow(
        _text(gap, "reason"),
        _whole(gap, "since"),
        _whole(gap, "until"),
        _maybe(gap, "first_seq"),
        _maybe(gap, "last_seq"),
        _maybe(gap, "count"),
        _maybe(gap, "samples"),
        _text(gap, "detail", ""),
    )


def _readings(part: Mapping[str, Any]) -> Iterator[Reading]:
    """The format `json`: one object a reading."""
    for reading in _list(part, "readings"):
        if not isinstance(reading, Mapping):
            raise NotUnderstood(f"a reading is an object of fields, not {short(reading)}")
        if "value" not in reading:
            raise NotUnderstood("a reading without a value")
        tag = _text(reading, "tag")
        yield Reading(
            tag,
            _whole(reading, "time"),
            _cell(reading["value"], tag),
            _code(reading.get("quality")),
            _whole(reading, "scan", 0),
            _text(reading, "unit", ""),
            _maybe(reading, "window_ns", 0) or 0,
        )


def _columns(part: Mapping[str, Any], source_seq: int) -> Iterator[Reading]:
    """The formats `json_columns` and `msgpack`: names once, then a row for each scan."""
    tags, times, rows = _list(part, "tags"), _list(part, "times"), _list(part, "values")
    units = _list(part, "units") if "units" in part else [""] * len(tags)
    codes, window_ns = part.get("quality"), _maybe(part, "window_ns", 0) or 0
    if not isinstance(codes, list):
        codes = [[_code(codes)] * len(tags)] * len(rows)
    if not all(isinstance(name, str) for name in (*tags, *units)) or len(units) != len(tags):
        raise NotUnderstood("tags or units are not a text for each column")
    if not len(times) == len(rows) == len(codes):
        raise NotUnderstood(f"{len(times)} times, {len(rows)} rows of values, {len(codes)} of quality")
    for scan, (time, row, row_codes) in enumerate(zip(times, rows, codes, strict=True), source_seq):
        time_ns = _number(time, "times")
        if not all(isinstance(each, list) and len(each) == len(tags) for each in (row, row_codes)):
            raise NotUnderstood(f"a row that is not one value for each of {len(tags)} tags")
        for tag, unit, value, code in zip(tags, units, row, row_codes, strict=True):
            yield Reading(tag, time_ns, _cell(value, tag), _code(code), scan, unit, window_ns)


def _cell(value: Any, tag: str) -> Cell:
    match value:
        case None:
            return _NO_VALUE
        case bool():
            return Cell("bool", integer=int(value))
        case int() if -_INT64 <= value < _INT64:
            return Cell("integer", integer=value)
        case int() if value < _LIMIT:
            return Cell("integer", text=str(value))
        case float():
            return Cell("real", text="NaN") if isnan(value) else Cell("real", real=value)  # SQLite makes NULL of a NaN
        case str():
            return Cell("text", text=value)
        case bytes():
            return Cell("bytes", blob=value)
        case list() if all(item is None or type(item) in (int, float) for item in value):
            return Cell("list", text=json.dumps(value))
    raise NotUnderstood(f"{tag!r:.60}: {short(value)} is the value of no reading")


def _code(value: Any) -> int:
    code = _number(value, "quality")
    if not 0 <= code < _STATUS_CODES:
        raise NotUnderstood(f"quality {code} is no status code of 32 bits")
    return code


def _text(part: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = part.get(key, default)
    if not isinstance(value, str):
        raise NotUnderstood(f"{key} is missing, or no text: {short(value)}")
    return value


def _list(part: Mapping[str, Any], key: str) -> list[Any]:
    value = part.get(key)
    if not isinstance(value, list):
        raise NotUnderstood(f"{key} is missing, or no list: {short(value)}")
    return value


def _whole(part: Mapping[str, Any], key: str, least: int = -_INT64) -> int:
    number = _number(part.get(key), key)
    if number < least:
        raise NotUnderstood(f"{key} {number} is less than {least}")
    return number


def _maybe(part: Mapping[str, Any], key: str, least: int = -_INT64) -> int | None:
    return None if part.get(key) is None else _whole(part, key, least)


def _number(value: Any, key: str) -> int:
    """A whole number that a row holds."""
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise NotUnderstood(f"{key} is missing, or no whole number of 64 bits: {short(value)}")
    return value
