"""What a simulated device on a line says: readings that follow the clock, and one setpoint that is kept.

    says = "lines"     T=52.31 H=41 L=20      once a period
    says = "nmea"      $GPRMC... $GPGGA...    once a period: a ship on a circle
    says = "answers"   nothing by itself;     MEAS? -> T=52.31 H=41 L=20    SET L 42 -> OK    anything else -> ERR

`SET L 42` is understood in every mode; what is set is kept while it runs, and shown as L.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from transports.checksums import Checksum
from transports.settings import duration, setting

_LONGEST_BYTES = 4096  # of a request that has not ended yet
_SET = re.compile(r"SET L ([-+]?\d{1,12}(?:\.\d{1,12})?)", re.ASCII)
_NMEA = Checksum("nmea")


@dataclass(frozen=True, kw_only=True)
class VoiceSettings:
    """How it speaks, and how it misbehaves."""

    says: str = setting("lines", choices=("lines", "nmea", "answers"), help="what it says by itself, if anything")
    period_s: float = duration("1s", ge=0.001, le=3600, help="how often it speaks by itself")
    faults: str = setting("", help="path of a file whose text says how to misbehave", example="/run/holdfast/fault")


class Voice:
    """The device itself; each who speaks to it is a source of its own."""

    def __init__(self, says: str) -> None:
        self._says, self.level = says, "20"
        self._begun: dict[str, bytes] = {}

    def unasked(self, time_ns: int) -> bytes:
        """What it says by itself at that time."""
        match self._says:
            case "lines":
                return self._line(time_ns)
            case "nmea":
                return b"".join(_NMEA.appended(each.encode()) + b"\r\n" for each in _sentences(time_ns))
            case _:
                return b""

    def answers(self, source: str, data: bytes, time_ns: int) -> bytes:
        """What it answers to the lines that this completes."""
        *lines, rest = (self._begun.pop(source, b"") + data).split(b"\n")
        if rest:
            self._begun[source] = rest[-_LONGEST_BYTES:]
        return b"".join(self._answer(line.strip().decode("ascii", "replace"), time_ns) for line in lines)

    def forget(self, source: str) -> None:
        """A source has gone."""
        self._begun.pop(source, None)

    def _answer(self, line: str, time_ns: int) -> bytes:
        if line == "MEAS?":
            return self._line(time_ns)
        if set_to := _SET.fullmatch(line):
            self.level = set_to[1]
            return b"OK\n" if self._says == "answers" else b""
        return b"ERR\n" if self._says == "answers" else b""

    def _line(self, time_ns: int) -> bytes:
        around = 2 * math.pi * (time_ns / 60e9 % 1)
        return b"T=%.2f H=%d L=%s\n" % (50 + 20 * math.sin(around), 40 + 5 * math.cos(around), self.level.encode())


def garbage(time_ns: int) -> bytes:
    """Bytes that mean nothing, with line ends among them."""
    return bytes((time_ns // 1_000 * (at + 3) * 2_654_435_761 >> 13) & 0xFF for at in range(40)) + b"\n"


def _sentences(time_ns: int) -> tuple[str, str]:
    """A circle of a nautical mile around 54 N 10 E, once in ten minutes, at 37.7 knots."""
    around = 2 * math.pi * (time_ns / 600e9 % 1)
    at = datetime.fromtimestamp(time_ns / 1e9, UTC)
    north, east = 54 + math.cos(around) / 60, 10 + math.sin(around) / 60 / math.cos(math.radians(54))
    where = f"{_angle(north, 2)},N,{_angle(east, 3)},E"
    course = (math.degrees(around) + 90) % 360
    return (
        f"$GPRMC,{at:%H%M%S.00},A,{where},37.70,{course:.1f},{at:%d%m%y},,",
        f"$GPGGA,{at:%H%M%S.00},{where},1,09,0.9,12.3,M,42.1,M,,",
    )


def _angle(degrees: float, digits: int) -> str:
    """Degrees and minutes, as NMEA 0183 writes them."""
    tenthousandths = round(degrees * 600_000)
    return f"{tenthousandths // 600_000:0{digits}d}{tenthousandths % 600_000 / 10_000:07.4f}"
