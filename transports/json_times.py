"""When a device says that it took its readings: a time in a JSON document, believed only where it can be true.

    time = { path = "$.ts", unit = "ms" }

A time before 2001 is a clock that was never set (devices begin at 1970, 1980 or 2000), one that lies more than an hour
ahead is set wrongly: the readings are then stamped with our own time and marked Uncertain.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from transports.json_paths import MISSING, JsonPath, path_cure
from transports.settings import setting

_UNITS_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_EARLIEST_NS = 978_307_200 * 10**9  # 2001-01-01T00:00:00Z
_AHEAD_NS = 3600 * 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT_MOST = 64


@dataclass(frozen=True)
class TimeSettings:
    """Where a document says when its readings were taken."""

    path: str = setting(help="JSONPath of the time", example="$.ts", check=path_cure)
    unit: str = setting(
        "iso8601",
        choices=("iso8601", *_UNITS_NS),
        help="how it is written: as text (UTC, where it names no zone), or since 1970 in this unit",
    )


@dataclass(frozen=True, slots=True)
class SourceTime:
    """The time of a scan; `said` is whether the device said it, `doubtful` that it said one that cannot be true."""

    time_ns: int
    said: bool = False
    doubtful: bool = False


class JsonTime:
    """Reads the source time from documents; without settings it is always our own."""

    def __init__(self, settings: TimeSettings | None) -> None:
        self._path = JsonPath(settings.path) if settings else None
        self._unit = settings.unit if settings else ""

    def of(self, document: Any, now_ns: int) -> SourceTime:
        """When the document's readings were taken, `now_ns` where it does not say so believably."""
        if self._path is None:
            return SourceTime(now_ns)
        given = self._path.first(document)
        if given is MISSING or given is None:
            return SourceTime(now_ns)
        time_ns = _read(given, self._unit)
        if time_ns is None or not _EARLIEST_NS <= time_ns <= now_ns + _AHEAD_NS:
            return SourceTime(now_ns, doubtful=True)
        return SourceTime(time_ns, said=True)


def _read(given: Any, unit: str) -> int | None:
    """Nanoseconds UTC, None for what is no time. Exact: a double holds only some 100 ns of today's nanoseconds."""
    if isinstance(given, bool) or (isinstance(given, str) and len(given) > _TEXT_MOST):
        return None
    try:
        if unit == "iso8601":
            return _iso(given) if isinstance(given, str) else None
        if isinstance(given, str) and not set(given) <= set("0123456789.-"):
            return None  # an exponent could ask for a number of any length
        return int(Fraction(given) * _UNITS_NS[unit]) if isinstance(given, (str, int, float)) else None
    except (ValueError, ArithmeticError):
        return None


def _iso(text: str) -> int:
    when = datetime.fromisoformat(text)
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000
