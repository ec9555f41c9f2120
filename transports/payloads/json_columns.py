"""Compact JSON: the names of the tags once, then one row of values for each scan.

    {"gateway": "plant-7", "topic": "out", "epoch": 3, "seq": 1842, "device": "press-1", "source_seq": 90210,
     "times": [1700000000000000000, 1700000000100000000], "tags": ["force", "way"], "units": ["kN", ""],
     "values": [[12.5, 3.1], [12.7, null]], "quality": [[0, 0], [0, 2147549184]]}

`quality` is one OPC UA status code where it holds for all samples (mostly 0), else rows as `values` has them. Null is a
Bad sample; where the quality is not Bad it is a value that JSON cannot say (NaN, an infinity). `units` and `window_ns`
(the length of the windows that the rows sum up) stand only where there are any. Integers are exact over all 64 bits,
bytes are base64 text, waveforms are lists. `historical` (true, out of a backlog) and `thinned_to` are as in `json`.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from transports.payloads import OutRecord, _columns
from transports.payloads._records import Remembered, as_text, enclosed
from transports.samples import Batch, Tag

CONTENT_TYPE = "application/json"


def encode(records: Sequence[OutRecord], gateway: str, many: bool) -> bytes:
    """The payload: an array of records, or exactly one record as an object."""
    return orjson.dumps(enclosed(records, gateway, many, _told), default=as_text, option=orjson.OPT_SERIALIZE_NUMPY)


def _told(batch: Batch) -> dict[str, Any]:
    return _columns.scans(batch) | _names(batch.tags) | _samples(batch)


def _samples(batch: Batch) -> dict[str, Any]:
    values = _columns.block(batch)
    return {
        "values": _columns.rows(batch) if values is None else values,
        "quality": batch.quality if isinstance(batch.quality, int) else batch.qualities(),
    }


def _fragments(tags: tuple[Tag, ...]) -> dict[str, orjson.Fragment]:
    return {key: orjson.Fragment(orjson.dumps(column)) for key, column in _columns.names(tags).items()}


_names = Remembered(_fragments)
