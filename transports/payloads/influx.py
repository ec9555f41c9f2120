"""InfluxDB line protocol: a line for each scan; the device is the measurement, its tags are the fields.

    press-1,gateway=plant-7 force=12.5,cycles=7i,quality=0i,record="out/3/1842",scan=90210i 1700000000000000000
    press-1,gateway=plant-7 cycles=8i,quality=2147549184i,quality.force=2147549184i 1700000000100000000
    holdfast_gaps,device=press-1,gateway=plant-7,reason=buffer\\ full record="out/3/1843",text="buffer full",...

The time is the source timestamp, ns UTC, exact. Fields are `i` for int64, `u` for uint64 (InfluxDB 1.x refuses those),
true and false, and floats as short as they are exact. Bytes are base64 text, waveforms JSON text. InfluxDB's tags are
`gateway` and, where one made it, `aggregate`; `quality`, `record` and what else is no tag of the device: see _flat.py.

A point is its measurement, tags and time: a repetition overwrites itself and nobody need look at `record`; of two scans
of a device with the same time the later fields remain. That a record comes late is therefore a field, not a tag.

NaN, infinities and texts beyond 64 KiB have no words here: left out, and `quality.NAME` says so. A newline, which the
protocol does not have in a value, becomes the two characters \\n. In names a backslash or a control character becomes
"-", for readers differ about them. Units have no place here.

A gap is a line of the measurement `holdfast_gaps`, at its beginning; its tag `reason` is the reason up to the colon.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import orjson

from transports.payloads import OutRecord, _flat
from transports.payloads._records import HISTORICAL, Remembered, as_text, gap_fields
from transports.samples import Batch, DataType, Gap, Tag
from transports.tag_names import distinct

CONTENT_TYPE = "text/plain; charset=utf-8"
GAPS = "holdfast_gaps"
STRING_MAX_BYTES = 64 * 1024
# What must be escaped: line protocol reference, "Special characters"
_IN_MEASUREMENT = re.compile(r"([, ])")
_IN_KEY = re.compile(r"([,= ])")
_IN_STRING = re.compile(r'(["\\])')
_UNSAFE_IN_NAME = re.compile(r"[\\\x00-\x1f\x7f]")
_NO_MEASUREMENT = ("_", "#")  # InfluxDB's own, and a comment


def encode(records: Sequence[OutRecord], gateway: str, many: bool) -> bytes:
    """The payload: lines with a newline between them, none at the end, in either case; empty for no records."""
    if not many:
        (_,) = records
    return "\n".join(line for record in records for line in _lines(record, gateway)).encode()


def _lines(record: OutRecord, gateway: str) -> Iterator[str]:
    if isinstance(record.item, Gap):
        yield _gap(record, record.item, gateway)
    else:
        yield from _scans(record, record.item, gateway)


def _scans(record: OutRecord, batch: Batch, gateway: str) -> Iterator[str]:
    series = _series(batch.source, {"aggregate": batch.aggregate, "gateway": gateway})
    keys = _keys(batch.tags)
    first = "".join(f",{name}={_own(value)}" for name, value in _flat.marks(record, batch).items())
    for row in _flat.rows(batch, _say):
        said = "".join(f"{keys[name]}={words}," for name, words in row.said.items())
        codes = "".join(f",quality.{keys[name]}={code}i" for name, code in row.codes.items())
        yield f"{series} {said}quality={row.worst}i{codes}{first} {row.time_ns}"
        first = ""


def _gap(record: OutRecord, gap: Gap, gateway: str) -> str:
    tags = {"aggregate": gap.aggregate, "device": gap.source, "gateway": gateway, "reason": gap.reason.split(":")[0]}
    told = gap_fields(gap)["gap"]
    fields = {"record": _flat.record_id(record), "text": told.pop("reason"), **told}
    if record.historical:
        fields |= HISTORICAL
    written = (f"{name}={words}" for name, value in fields.items() if (words := _own(value)) is not None)
    return f"{_series(GAPS, tags)} {','.join(written)} {_flat.gap_time_ns(gap)}"


def _series(measurement: str, tags: Mapping[str, str]) -> str:
    """Measurement and tags, which must be sorted by key; what has no value has no tag."""
    name = _clean(measurement)
    if not name or name.startswith(_NO_MEASUREMENT):
        name = f"device.{name}"
    named = "".join(f",{key}={_key(value)}" for key, value in tags.items() if value)
    return _IN_MEASUREMENT.sub(r"\\\1", name) + named


def _key(text: str) -> str:
    """A tag's value or a field's key, which are escaped alike."""
    return _IN_KEY.sub(r"\\\1", _clean(text))


def _clean(name: str) -> str:
    return _UNSAFE_IN_NAME.sub("-", name)


def _own(value: str | int | bool | None) -> str | None:
    """A field that is no tag's. Numbers of the spool and times are below 2^63; what is not has no words."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value}i" if value < 2**63 else None
        case str():
            return _string(value)
    return None


def _say(kind: DataType, value: Any) -> str | None:
    return _WORDS[kind](value)


def _string(text: str) -> str | None:
    escaped = _IN_STRING.sub(r"\\\1", text.replace("\n", "\\n"))
    return f'"{escaped}"' if len(escaped.encode()) <= STRING_MAX_BYTES else None


def _array(values: tuple[float, ...]) -> str | None:
    return _string(orjson.dumps(_flat.numbers(values)).decode())


_WORDS: Mapping[DataType, Callable[[Any], str | None]] = {
    DataType.BOOL: lambda value: "true" if value else "false",
    DataType.INT64: lambda value: f"{value}i",
    DataType.UINT64: lambda value: f"{value}u",
    DataType.FLOAT64: lambda value: repr(value) if isfinite(value) else None,
    DataType.STRING: _string,
    DataType.BYTES: lambda value: _string(as_text(value)),
    DataType.INT64_ARRAY: _array,
    DataType.UINT64_ARRAY: _array,
    DataType.FLOAT64_ARRAY: _array,
}


def _named(tags: tuple[Tag, ...]) -> dict[str, str]:
    """The keys of the fields, no two the same after all."""
    names = [_flat.field_name(tag.name) for tag in tags]
    return dict(zip(names, map(_key, distinct(map(_clean, names))), strict=True))


_keys = Remembered(_named)
