"""What of a log may go: what every consumer has had, and what the quota has no room for."""

from itertools import takewhile

from transports.spool.log import Log
from transports.spool.segment import Segment
from transports.spool.terms import Dropped, Position


def remove_consumed(log: Log, slowest: Position) -> None:
    """Delete the oldest segments as far as everything in them is behind the slowest consumer."""
    log.remove(list(takewhile(lambda segment: log.last_of(segment) <= slowest, log.segments[:-1])))


def drop_oldest(log: Log, slowest: Position, excess_bytes: int, reason: str) -> list[Dropped]:
    """Delete the oldest segments, had or not, until this much is freed; the active one never."""
    going: list[Segment] = []
    for segment in log.segments[:-1]:
        if excess_bytes <= 0:
            break
        excess_bytes -= segment.disk_bytes
        going.append(segment)
    dropped = [_dropped(log, segment, slowest, reason) for segment in going]
    log.remove(going)
    return [each for each in dropped if each.count > 0]


def disk_bytes(log: Log) -> int:
    """What a topic takes on disk."""
    return sum(segment.disk_bytes for segment in log.segments)


def _dropped(log: Log, segment: Segment, slowest: Position, reason: str) -> Dropped:
    """What is lost with a segment; the part that every consumer has had is not."""
    last = log.last_of(segment)
    first = max(segment.first, slowest.seq + 1) if slowest.epoch == segment.epoch else segment.first
    since_ns = log.begun_ns(segment)
    return Dropped(
        log.place.topic,
        Position(segment.epoch, first),
        last,
        last.seq - first + 1,
        since_ns,
        max(since_ns, log.begun_ns(log.following(segment))),
        "quarantined" if segment.lost_to is not None else reason,
    )
