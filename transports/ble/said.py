"""What one advertisement says: measures with their values, and how to know a repetition of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from transports.samples import DataType, Tag, Value

RSSI = Tag("rssi", DataType.INT64, "dBm")


class Numbering(Enum):
    """What the number of an advertisement says about the one before."""

    NONE = auto()  # it has none: each one that is heard counts
    PACKET = auto()  # equal: the same packet again, unless it is long ago (a sleeper always begins with the same)
    SEQUENCE = auto()  # equal: the same measurement again
    COUNTER = auto()  # equal: the same again; lower: an old one, recorded and sent again by somebody


PACKET_REPEATS_WITHIN_S = 4.0  # what other receivers of BTHome use
_IS_REPEATED: Mapping[Numbering, Callable[[int, int, float], bool]] = {
    Numbering.NONE: lambda last, number, gap_s: False,
    Numbering.PACKET: lambda last, number, gap_s: number == last and gap_s < PACKET_REPEATS_WITHIN_S,
    Numbering.SEQUENCE: lambda last, number, gap_s: number == last,
    Numbering.COUNTER: lambda last, number, gap_s: number == last,
}


@dataclass(frozen=True, slots=True)
class Said:
    """Each measure with its value; None where the sensor itself says that it has none."""

    values: tuple[tuple[Tag, Value | None], ...]
    numbering: Numbering = Numbering.NONE
    number: int = 0

    def repeats(self, before: "Said | None", gap_s: float) -> bool:
        """Whether it adds nothing to the one `before`, after which it was heard by `gap_s`."""
        if before is None or before.numbering is not self.numbering:
            return False
        return _IS_REPEATED[self.numbering](before.number, self.number, gap_s)

    def is_older(self, before: "Said | None") -> bool:
        """Whether it was said before the one `before`, so that somebody sends it again."""
        return (
            before is not None
            and before.numbering is self.numbering is Numbering.COUNTER
            and (self.number < before.number)
        )


Decode = Callable[[bytes], Said]
