"""What was handed to whom, in samples: the arithmetic of the ledger, over the segments of one log.

    head of a segment      what each producer had said up to there: kept, and missed by its own account
    counts of a segment    what each producer's records in it hold, as far as they can be read
    cursor.at, cursor.got  a consumer's segment, and what it was handed in all segments before

    delivered = got + counts of the segment `at` up to the cursor
    gaps      = (kept at the head of `at`) - got, and what the producers themselves say is missing
    waiting   = the rest

Whatever was lost on the way, by quota, damage or dilution, is in the heads and not in the counts, so nobody has to note
each loss: the difference is the loss. It is told when the consumer has passed the segment; until then it waits.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from transports.spool.log import Log
from transports.spool.segment import Segment
from transports.spool.state import NEVER, Cursor, Produced, SegmentKey
from transports.spool.terms import Position


@dataclass(frozen=True, slots=True)
class Account:
    """How one consumer stands with one producer, in samples since it began: read = delivered + waiting + gaps."""

    topic: str
    producer: str
    consumer: str
    read: int
    delivered: int
    waiting: int
    gaps: int


def credited(log: Log, cursor: Cursor, leaving: SegmentKey = (0, 0), kept: Collection[SegmentKey] = ()) -> Cursor:
    """The cursor with what it was handed in the segments that it has passed, or that, up to one, are `leaving`.

    Of those some are `kept` in part, and have to be read yet.
    """
    got, at = dict(cursor.got), cursor.at
    for segment in log.from_key(at):
        following = log.following(segment)
        stays = segment.key > leaving or segment.key in kept
        if following is None or (stays and log.last_of(segment) > cursor.position):
            break
        add(got, counts_to(log, segment, cursor.position))
        at = following.key
    return cursor if at == cursor.at else replace(cursor, at=at, got=got)


def counts_to(log: Log, segment: Segment, position: Position) -> Mapping[str, int]:
    """What of a segment lies at or before a position."""
    if position < Position(*segment.key):
        return {}
    return log.counts(segment, position if position < log.last_of(segment) else None)


def accounts(log: Log, consumer: str, cursor: Cursor) -> Iterator[Account]:
    """The accounts of a consumer with every producer of the log."""
    got = dict(cursor.got)
    for segment in log.from_key(cursor.at):
        if Position(*segment.key) > cursor.position:
            break
        add(got, counts_to(log, segment, cursor.position))
    head = head_after(log, cursor.at)
    for name, now in log.state.producers.items():
        kept, missed = cursor.base.get(name, (0, 0))
        read = now.kept - kept + now.missed - missed
        gaps = head.get(name, NEVER).kept - kept - cursor.got.get(name, 0) + now.missed - missed
        delivered = got.get(name, 0)
        if read or delivered or gaps:
            yield Account(log.place.topic, name, consumer, read, delivered, read - delivered - gaps, gaps)


def began(log: Log, position: Position) -> Cursor:
    """The cursor of a consumer that begins after a position: what was before is no concern of its ledger."""
    segment = log.holding(position)
    head = head_after(log, segment.key)
    before = counts_to(log, segment, position)
    known = {name: head.get(name, NEVER) for name in (*head, *before)}
    base = {name: (each.kept + before.get(name, 0), each.missed) for name, each in known.items()}
    return Cursor(position, 1, at=segment.key, got={name: -count for name, count in before.items()}, base=base)


def head_after(log: Log, at: SegmentKey) -> Mapping[str, Produced]:
    """What the producers had said before the first segment from a key on.

    Where its head cannot be read, the next one that can, less what can be read between them.
    """
    between: dict[str, int] = {}
    for segment in log.from_key(at):
        head = log.head(segment)
        if head is not None:
            return _less(head, between) if between else head
        add(between, log.counts(segment))
    return _less(log.state.producers, between)


def _less(head: Mapping[str, Produced], counts: Mapping[str, int]) -> Mapping[str, Produced]:
    return {name: known._replace(kept=known.kept - counts.get(name, 0)) for name, known in head.items()}


def add(sums: dict[str, int], more: Mapping[str, int]) -> None:
    """Add up by name."""
    for name, count in more.items():
        sums[name] = sums.get(name, 0) + count


def lost_samples(log: Log, segments: Sequence[Segment]) -> int:
    """How many samples go with neighbouring segments, whoever had them; 0 where no head tells."""
    if not segments or (after := log.following(segments[-1])) is None:
        return 0
    before = sum(each.kept for each in head_after(log, segments[0].key).values())
    return max(0, sum(each.kept for each in head_after(log, after.key).values()) - before)
