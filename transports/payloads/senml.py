"""SenML (RFC 8428) in JSON: one pack of records, each a value with the name of its sensor, its time and unit.

    [{"bn": "plant-7/press-1/", "bt": 1700000000, "n": "force", "v": 12.5, "unit": "kN",
      "gateway": "plant-7", "topic": "out", "epoch": 3, "seq": 1842, "device": "press-1", "source_seq": 90210},
     {"n": "oil", "v": 41.5, "u": "Cel"},
     {"bt": 1700000000.1, "n": "force:quality", "v": 2147549184}, {"n": "oil", "v": 41.6, "u": "Cel"}]

Names are GATEWAY/DEVICE/TAG, or GATEWAY/DEVICE:AGGREGATE/TAG for what an aggregate made. What SenML allows in no name
(section 4.5.1) is written as its code between colons: `oil temp` is `oil:20:temp`.

`bt` is the time in seconds, a decimal number with up to nine decimals: exact for who reads it as one; who reads it as a
double has it within 120 ns. SenML takes times before 1978-07-04 (2**28 s) for relative ones: a reading from before
stands at that moment, and the plain label `time` has its true one in ns.

`v` is a number (int64 and uint64 have all their digits; a double keeps 53 bits), `vb` a bool, `vs` a text, `vd` bytes
in base64url; a waveform is `vd`, too: its JSON, and `ct` says so (RFC 9193). `u`, or `bu` where one holds for the pack,
is a unit that RFC 8428 registers, or one that means the same ("°C" is Cel); any other stands in the plain label `unit`.

SenML has no quality. A value that is not plainly Good has the plain label `quality`; a sample without a value that can
be said (Bad, a NaN) is a record NAME:quality with the status code. Plain labels are ignored by who does not know them
(section 4.4). The first record of each record of the spool has json's fields as such labels: the dedupe key,
`source_seq`, `window_ns`, `historical`, `thinned_to`. They hold up to the next record that has them. A gap is the text
GATEWAY/DEVICE/:gap, at its beginning, with the label `gap` as in json.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import orjson

from transports.payloads import OutRecord, _flat
from transports.payloads._records import HISTORICAL, Remembered, gap_fields, head
from transports.payloads._senml_units import registered
from transports.samples import Batch, DataType, Gap, Tag

CONTENT_TYPE = "application/senml+json"
RELATIVE_BELOW_NS = 2**28 * 1_000_000_000  # section 4.5.3
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9./_-]")  # and ":", which the escapes are made of
_ARRAY_TYPE = "application/json"


def encode(records: Sequence[OutRecord], gateway: str, many: bool) -> bytes:
    """The payload: a pack, in either case."""
    if not many:
        (_,) = records
    return orjson.dumps(_hoisted([entry for record in records for entry in _entries(record, gateway)]))


def _hoisted(pack: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With one base unit where all entries have the same: it could not be taken back for one that has none."""
    unit = pack[0].get("u") if pack else None
    if unit is None or any(entry.get("u") != unit for entry in pack):
        return pack
    for entry in pack:
        del entry["u"]
    return [{"bu": unit, **pack[0]}, *pack[1:]]


def _entries(record: OutRecord, gateway: str) -> Iterator[dict[str, Any]]:
    item = record.item
    made_by = f":{_name(item.aggregate)}" if item.aggregate else ""
    base = {"bn": f"{_name(gateway)}/{_name(item.source)}{made_by}/"}
    plain = head(record, gateway) | (_marks(item) if isinstance(item, Batch) else gap_fields(item))
    if record.historical:
        plain |= HISTORICAL
    told = _gap(item) if isinstance(item, Gap) else _values(item)
    for entry in told:
        yield {**base, **entry, **plain}
        base, plain = {}, {}


def _marks(batch: Batch) -> dict[str, Any]:
    window = {"window_ns": batch.window_ns} if batch.window_ns else {}
    thinned = {"thinned_to": batch.thinned_to} if batch.thinned_to else {}
    return {"source_seq": batch.seq, **thinned, **window}


def _gap(gap: Gap) -> Iterator[dict[str, Any]]:
    yield {**_time(_flat.gap_time_ns(gap)), "n": ":gap", "vs": gap.reason}


def _values(batch: Batch) -> Iterator[dict[str, Any]]:
    known = _tags(batch.tags)
    for time_ns, values, codes in batch.rows():
        time = _time(time_ns)
        for (name, unit, say), value, code in zip(known, values, codes, strict=True):
            said = None if value is None else say(value)
            if said is None:
                yield {**time, "n": f"{name}:quality", "v": int(_flat.doubted(code))}
            else:
                doubt = code if _flat.is_finite(value) else _flat.doubted(code)
                yield {**time, "n": name, **said, **unit, **({"quality": int(doubt)} if doubt else {})}
            time = {}


def _time(time_ns: int) -> dict[str, Any]:
    """A base time: it holds for all records up to the next one."""
    whole, rest = divmod(max(time_ns, RELATIVE_BELOW_NS), 1_000_000_000)
    seconds = orjson.Fragment(f"{whole}.{rest:09}".rstrip("0")) if rest else whole
    return {"bt": seconds} if time_ns >= RELATIVE_BELOW_NS else {"bt": seconds, "time": time_ns}


def _name(text: str) -> str:
    return _NOT_IN_NAMES.sub(lambda found: f":{ord(found[0]):x}:", text)


def _number(value: float) -> dict[str, Any] | None:
    return {"v": value} if isfinite(value) else None


def _data(value: bytes) -> str:
    """Base64 with the URL-safe alphabet, without padding (section 4.3, table 1)."""
    return urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def _array(values: tuple[float, ...]) -> dict[str, Any]:
    return {"vd": _data(orjson.dumps(_flat.numbers(values))), "ct": _ARRAY_TYPE}


_SAY: Mapping[DataType, Callable[[Any], dict[str, Any] | None]] = {
    DataType.BOOL: lambda value: {"vb": value},
    DataType.INT64: lambda value: {"v": value},
    DataType.UINT64: lambda value: {"v": value},
    DataType.FLOAT64: _number,
    DataType.STRING: lambda value: {"vs": value},
    DataType.BYTES: lambda value: {"vd": _data(value)},
    DataType.INT64_ARRAY: _array,
    DataType.UINT64_ARRAY: _array,
    DataType.FLOAT64_ARRAY: _array,
}


def _told(tag: Tag) -> tuple[str, dict[str, str], Callable[[Any], dict[str, Any] | None]]:
    symbol = registered(tag.unit)
    unit = {"u": symbol} if symbol else {"unit": tag.unit} if tag.unit else {}
    return _name(tag.name), unit, _SAY[tag.type]


_tags = Remembered(lambda tags: [_told(tag) for tag in tags])
