"""Telemetry of a ThingsBoard gateway: what the topic `v1/gateway/telemetry` takes, for many devices in one message.

    {"press-1": [{"ts": 1700000000000, "values": {"force": 12.5, "way": 3.1, "quality": 0, "record": "out/3/1842",
                                                  "scan": 90210}},
                 {"ts": 1700000000100, "values": {"force": 12.7, "quality": 2147549184, "quality.way": 2147549184}}]}

`ts` is the source timestamp in milliseconds, rounded down. ThingsBoard keeps one value for each device, key and `ts`:
so a repetition overwrites itself and nobody need look at `record`, but of two scans in a millisecond the later remains.
`quality`, `record` and what else is not a tag: see _flat.py. What an aggregate made has AGGREGATE/ before each key.

A gap is the key `gap`, an object as in json with its `record`, at its beginning. A gap of the spool itself, which is no
device, is told of a device that is named as the gateway, as `gap/spool/TOPIC`. Units have no place here.

Its server reads a number with a point or an exponent as a double only with at most 16 decimals and, where it is whole,
only without an exponent; else it makes a text of it or refuses the whole message, as it does for a null. So a float is
rounded to 16 decimals and, from 1e16 on, written without an exponent; a uint64 beyond int64 is text; a Bad sample is
left out, and so is a NaN. Other integers are exact, bytes base64 text, waveforms JSON arrays. A text that looks like a
number becomes one there, unless the server runs with JSON_TYPE_CAST_ENABLED=false.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import orjson

from transports.payloads import OutRecord, _flat
from transports.payloads._records import as_text, gap_fields
from transports.samples import Batch, DataType, Gap

CONTENT_TYPE = "application/json"
_LONG_MAX = 2**63 - 1
_NO_EXPONENT_BELOW = 1e16  # from here on the shortest way to write a double has an exponent
_DECIMALS = 16
_SPOOL = "spool/"


def encode(records: Sequence[OutRecord], gateway: str, many: bool) -> bytes:
    """The payload: an object with a list for each device, in either case."""
    if not many:
        (_,) = records
    devices: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        item = record.item
        if isinstance(item, Gap):
            device, entries = _gap(record, item, gateway)
        else:
            device, entries = item.source, _entries(record, item)
        devices.setdefault(device, []).extend(entries)
    return orjson.dumps(devices, default=as_text)


def _entries(record: OutRecord, batch: Batch) -> list[dict[str, Any]]:
    first: Mapping[str, Any] = _flat.marks(record, batch)
    entries = []
    for row in _flat.rows(batch, _say):
        codes = {f"quality.{name}": code for name, code in row.codes.items()}
        entries.append(_entry(row.time_ns, {**row.said, "quality": row.worst, **codes, **first}, batch.aggregate))
        first = {}
    return entries


def _gap(record: OutRecord, gap: Gap, gateway: str) -> tuple[str, list[dict[str, Any]]]:
    """The device of which it is told, and the one entry that tells it."""
    told = {"record": _flat.record_id(record), "source": gap.source, **gap_fields(gap)["gap"]}
    if record.historical:
        told["historical"] = True
    if not gap.source.startswith(_SPOOL):
        return gap.source, [_entry(_flat.gap_time_ns(gap), {"gap": told}, gap.aggregate)]
    topic, _, _ = gap.source.removeprefix(_SPOOL).rpartition("/")  # not its epoch: that would be a key for each start
    return gateway, [_entry(_flat.gap_time_ns(gap), {f"gap/{_SPOOL}{topic}": told}, gap.aggregate)]


def _entry(time_ns: int, values: dict[str, Any], aggregate: str) -> dict[str, Any]:
    if aggregate:
        values = {f"{aggregate}/{key}": value for key, value in values.items()}
    return {"ts": time_ns // 1_000_000, "values": values}


def _say(kind: DataType, value: Any) -> Any:
    words = _WORDS.get(kind)
    return value if words is None else words(value)


def _number(value: float) -> float | orjson.Fragment | None:
    size = abs(value)
    if 1 <= size < _NO_EXPONENT_BELOW:
        return value  # the 17 digits that a double has at most are 16 decimals here
    if size < 1:
        return round(value, _DECIMALS)
    return orjson.Fragment(f"{value:.1f}") if isfinite(value) else None


def _unsigned(value: int) -> int | str:
    return value if value <= _LONG_MAX else str(value)


_WORDS: Mapping[DataType, Callable[[Any], Any]] = {
    DataType.FLOAT64: _number,
    DataType.UINT64: _unsigned,
    DataType.INT64_ARRAY: list,
    DataType.UINT64_ARRAY: list,
    DataType.FLOAT64_ARRAY: _flat.numbers,
}
