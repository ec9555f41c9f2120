"""What may pass while a link is in use that does not let everything pass: a decider.

    ALARMS       gaps, and batches in which every sample is Bad: a loss, or a device that cannot be believed
    AGGREGATED   these, and whatever an aggregate made
    ALL          everything

A batch with a Bad sample among good ones is no alarm: one sensor that is broken for weeks would send its whole device
over the dear link. A device tells that it is gone in a batch of Bad samples alone.
"""

from enum import IntEnum

from transports.quality import is_bad
from transports.samples import Batch, Gap


class Grade(IntEnum):
    """How much a record matters, and how much a link lets pass: each includes those before it."""

    NOTHING = -1
    ALARMS = 0
    AGGREGATED = 1
    ALL = 2


def grade_of(item: Batch | Gap) -> Grade:
    """The least that a link must let pass for this to go."""
    if isinstance(item, Gap) or _is_all_bad(item.quality):
        return Grade.ALARMS
    return Grade.AGGREGATED if item.aggregate else Grade.ALL


def limit_of(name: str) -> Grade:
    """The grade that a link's `pass` means; ALL for a word of a later version."""
    return Grade.__members__.get(name.upper(), Grade.ALL)


def _is_all_bad(quality: int | bytes) -> bool:
    """Of status codes in four bytes each, little-endian: Bad ones have the highest bit set (OPC UA Part 4, 7.39.1)."""
    if isinstance(quality, int):
        return is_bad(quality)
    return bool(quality) and min(quality[3::4]) >= 0x80
