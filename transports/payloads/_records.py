"""What all payload formats say alike: whose record this is, the dedupe key, and a gap.

every record   gateway, topic, epoch, seq: the dedupe key; device: the source of the readings
               aggregate: the aggregate that made them, only where one did; source_seq and scan are then its own count
a gap besides  gap: {reason, since, until (ns UTC), first_seq, last_seq, count (null: nobody knows), detail}
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from transports.payloads import OutRecord
from transports.samples import Gap, Tag

T = TypeVar("T")
REMEMBERED_MOST = 256


def head(record: OutRecord, gateway: str) -> dict[str, Any]:
    """The fields with which every record begins."""
    made_by = {"aggregate": record.item.aggregate} if record.item.aggregate else {}
    return {
        "gateway": gateway,
        "topic": record.topic,
        "epoch": record.epoch,
        "seq": record.seq,
        "device": record.item.source,
        **made_by,
    }


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
