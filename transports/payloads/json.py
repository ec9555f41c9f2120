"""JSON with one object for every reading: to be read by people, and by whoever wants no schema.

    {"gateway": "plant-7", "topic": "out", "epoch": 3, "seq": 1842, "device": "press-1", "source_seq": 90210,
     "readings": [{"tag": "force", "value": 12.5, "time": 1700000000000000000, "quality": 0, "scan": 90210,
                   "unit": "kN", "window_ns": 60000000000}, ...]}

`time` is the source timestamp, ns UTC; `quality` the OPC UA status code (0 is Good); `scan` the source's number of the
look that saw this reading: readings of equal `scan` belong together, and a missing number is a missing scan. What an
aggregate made says so in `aggregate`, and has the aggregate's own count for that device instead.
`source_seq` is the first scan's. `unit` and `window_ns` (a window's length; `time` is its start) stand only where
there is one. Integers are exact over all 64 bits, so read them with a parser that keeps them. Bytes are base64 text.
A record that comes late, out of the backlog of an outage, ends with `"historical": true`; others do not have it. One
that the spool had to thin has `"thinned_to"`: its windows stand for all scans from `source_seq` to that number.

A Bad reading's value is null. JSON has no NaN and no infinity: such a value is null too, and its quality, were it Good,
becomes UNCERTAIN_SUB_NORMAL (0x40950000). The format `msgpack` carries them exactly.
"""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

import orjson

from transports.payloads import OutRecord
from transports.payloads._records import as_text, enclosed
from transports.samples import Batch, Quality, Value

CONTENT_TYPE = "application/json"
_UNCERTAIN = 0x4000_0000  # the lowest status code that is no longer Good


def encode(records: Sequence[OutRecord], gateway: str, many: bool) -> bytes:
    """The payload: an array of records, or exactly one record as an object."""
    return orjson.dumps(enclosed(records, gateway, many, _told), default=as_text)


def _told(batch: Batch) -> dict[str, Any]:
    thinned = {"thinned_to": batch.thinned_to} if batch.thinned_to else {}
    return {"source_seq": batch.seq, **thinned, "readings": list(_readings(batch))}


def _readings(batch: Batch) -> Iterator[dict[str, Any]]:
    window = {"window_ns": batch.window_ns} if batch.window_ns else {}
    extras = [({"unit": tag.unit} if tag.unit else {}) | window for tag in batch.tags]
    for scan, (time_ns, values, codes) in enumerate(batch.rows(), batch.seq):
        for tag, value, code, extra in zip(batch.tags, values, codes, extras, strict=True):
            told, quality = (value, code) if _fits(value) else (_nearest(value), _doubted(code))
            yield {"tag": tag.name, "value": told, "time": time_ns, "quality": quality, "scan": scan, **extra}


def _doubted(quality: int) -> int:
    return Quality.UNCERTAIN_SUB_NORMAL if quality < _UNCERTAIN else quality


def _fits(value: Value | None) -> bool:
    """Whether JSON can say it."""
    if isinstance(value, float):
        return isfinite(value)
    return not isinstance(value, tuple) or all(map(isfinite, value))


def _nearest(value: Value | None) -> list[float | None] | None:
    """What JSON can say instead: null, in a waveform only for the points that are no numbers."""
    if isinstance(value, tuple):
        return [item if isfinite(item) else None for item in value]
    return None
