"""Where a consumer begins that has never been here: pure, but for the reading of a segment by time.

"beginning"              with the oldest record that is there (what everybody gets when nothing is said)
"now"                    after the newest
"after NAME"             where the consumer of that name is: an uplink under a new name takes over from the old one
"2026-11-20T06:00:00Z"   with the first record that was appended then or later
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from transports.spool.accounts import began
from transports.spool.log import Log
from transports.spool.state import Cursor, CursorKey
from transports.spool.terms import NUMBERED, START, Position

BEGINNING, NOW, AFTER = "beginning", "now", "after "


def start_cure(start: str) -> str | None:
    """None for a start that is one; what to write instead for everything else."""
    if start in (BEGINNING, NOW) or (start.startswith(AFTER) and start.removeprefix(AFTER).strip()):
        return None
    return None if _time_ns(start) is not None else 'must be "beginning", "now", "after UPLINK", or a time in ISO 8601'


def begin_at(log: Log, start: str, known: Mapping[CursorKey, Cursor]) -> Cursor:
    """The first cursor of a consumer of this log."""
    topic = log.place.topic
    if start.startswith(AFTER):
        return known.get((topic, start.removeprefix(AFTER).strip())) or began(log, START)
    if start == NOW:
        return began(log, log.state.end)
    time_ns = _time_ns(start)
    return began(log, START if time_ns is None else _last_before(log, time_ns))


def _last_before(log: Log, time_ns: int) -> Position:
    """The last record that was appended before a time."""
    for segment in reversed(log.segments):
        if log.begun_ns(segment) < time_ns:
            before = [each.seq for each in log.entries(segment) if each.kind in NUMBERED and each.time_ns < time_ns]
            if before:
                return Position(segment.epoch, before[-1])
    return START


def _time_ns(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.astimezone(UTC)
    return round(moment.timestamp() * 10**9)
