"""What all payload formats say alike: whose record this is, the dedupe key, and a gap.

every record   gateway, topic, epoch, seq: the dedupe key; device: the source of the readings
               aggregate: the aggregate that made them, only where one did; source_seq and scan are then its own count
               historical: true, at the end, only where it comes late, out of a backlog: it is not the present
thinned        thinned_to, beside source_seq, only where the spool thinned for want of room: the last scan stood for
a gap besides  gap: {reason, since, until (ns UTC), first_seq, last_seq, count (null: nobody knows), detail,
               samples (of the ledger, where known)}
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from transports.payloads import OutRecord
from transports.samples import Batch, Gap, Tag

T = TypeVar("T")
REMEMBERED_MOST = 256
HISTORICAL = {"historical": True}


def head(record: OutRecord, gateway: str) -> dict[str, Any]:
    """The fields with which every record begins."""
    made: dict[str, Any] = {
        "gateway": gateway,
        "topic": record.topic,
        "epoch": record.epoch,
        "seq": record.seq,
        "device": record.item.source,
    }
    if record.item.aggregate:
        made["aggregate"] = record.item.aggregate
    return made


def enclosed(
    records: Sequence[OutRecord], gateway: str, many: bool, told: Callable[[Batch], dict[str, Any]]
) -> list[dict[str, Any]] | dict[str, Any]:
    """What a payload says before it is packed: a list of records, or exactly one. `told` has a batch's own fields."""
    made = [
        head(record, gateway) | _body(record.item, told) | (HISTORICAL if record.historical else {})
        for record in records
    ]
    if many:
        return made
    (one,) = made
    return one


def as_text(value: object) -> str:
    """Bytes as base64 (RFC 4648, section 4): the one type of a value that JSON does not know."""
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} is not the type of any reading")


def _body(item: Batch | Gap, told: Callable[[Batch], dict[str, Any]]) -> dict[str, Any]:
    return gap_fields(item) if isinstance(item, Gap) else told(item)


def gap_fields(gap: Gap) -> dict[str, Any]:
    """The one field that a gap has where a batch has its readings."""
    return {
        "gap": {
            "reason": gap.reason,
            "since": gap.since_ns,
            "until": gap.until_ns,
            "first_seq": gap.first_seq,
            "last_seq": gap.last_seq,
            "count": gap.count,
            "detail": gap.detail,
            **({} if gap.samples is None else {"samples": gap.samples}),
        }
    }


class Remembered(Generic[T]):
    """What `make` made of a tuple of tags, kept by the identity of the tuple: hashing a thousand tags costs more.

    Keeps the tuple too, so that its identity cannot be given to another; forgets all when it is full.
    """

    def __init__(self, make: Callable[[tuple[Tag, ...]], T]) -> None:
        self._make = make
        self._known: dict[int, tuple[tuple[Tag, ...], T]] = {}

    def __call__(self, tags: tuple[Tag, ...]) -> T:
        known = self._known.get(id(tags))
        if known is not None:
            return known[1]
        made = self._make(tags)
        if len(self._known) >= REMEMBERED_MOST:
            self._known.clear()
        self._known[id(tags)] = (tags, made)
        return made
