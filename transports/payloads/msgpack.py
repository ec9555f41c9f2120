"""MessagePack in columns: the fields of `json_columns`, and every value exact: NaN stays NaN, bytes are bin.

    {gateway, topic, epoch, seq, device, source_seq, times, tags, values, quality}, units and window_ns if there are any

`historical` (true, out of a backlog) and `thinned_to` are as in `json`.
Nil stands for a Bad sample and for nothing else; floats are 64-bit, integers exact over all 64 bits, waveforms arrays.
"""

from collections.abc import Sequence
from typing import Any

import msgpack

from transports.payloads import OutRecord, _columns
from transports.payloads._records import Remembered, enclosed
from transports.samples import Batch

CONTENT_TYPE = "application/vnd.msgpack"


def encode(records: Sequence[OutRecord], gateway: str, many: bool) -> bytes:
    """The payload: an array of records, or exactly one record as a map."""
    packed: bytes = msgpack.packb(enclosed(records, gateway, many, _told))
    return packed


def _told(batch: Batch) -> dict[str, Any]:
    return _columns.scans(batch) | _names(batch.tags) | _samples(batch)


def _samples(batch: Batch) -> dict[str, Any]:
    values = _columns.block(batch)
    return {
        "values": _columns.rows(batch) if values is None else values.tolist(),
        "quality": batch.quality if isinstance(batch.quality, int) else batch.qualities().tolist(),
    }


_names = Remembered(_columns.names)
