"""MessagePack in columns: the fields of `json_columns`, and every value exact: NaN stays NaN, bytes are bin.

    {gateway, topic, epoch, seq, device, source_seq, times, tags, values, quality}, units and window_ns if there are any

Nil stands for a Bad sample and for nothing else; floats are 64-bit, integers exact over all 64 bits, waveforms arrays.
"""

from collections.abc import Sequence
from typing import Any

import msgpack

from transports.payloads import OutRecord, _columns
from transports.payloads._records import Remembered, gap_fields, head
from transports.samples import Batch, Gap

CONTENT_TYPE = "application/vnd.msgpack"


def encode(records: Sequence[OutRecord], gateway: str, many: bool) -> bytes:
    """The payload: an array of records, or exactly one record as a map."""
    if many:
        return _packed([_record(record, gateway) for record in records])
    (record,) = records
    return _packed(_record(record, gateway))


def _packed(payload: Any) -> bytes:
    packed: bytes = msgpack.packb(payload)
    return packed


def _record(record: OutRecord, gateway: str) -> dict[str, Any]:
    item = record.item
    if isinstance(item, Gap):
        return head(record, gateway) | gap_fields(item)
    return head(record, gateway) | _columns.scans(item) | _names(item.tags) | _samples(item)


def _samples(batch: Batch) -> dict[str, Any]:
    values = _columns.block(batch)
    return {
        "values": _columns.rows(batch) if values is None else values.tolist(),
        "quality": batch.quality if isinstance(batch.quality, int) else batch.qualities().tolist(),
    }


_names = Remembered(_columns.names)
