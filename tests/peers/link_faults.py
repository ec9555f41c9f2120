"""What a bad link does to one connection, by name; and which it does to the n-th one of a seed. Pure."""

import random
from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """`after` packets from the client have been forwarded whole (its CONNECT is the first), then it strikes."""

    WELL = "well"  # forwards
    CUT_RST = "cut-rst"  # forwards a part of the next packet, then resets both sides
    CUT_FIN = "cut-fin"  # the same, with an orderly end of the connection
    STALL_UP = "stall-up"  # nothing of the client's arrives any more; the connection stays
    STALL_DOWN = "stall-down"  # nothing of the broker's arrives any more; the connection stays
    STALL_BOTH = "stall-both"
    SILENT = "silent"  # accepts, and nobody is behind it: no CONNACK ever
    HANG_UP = "hang-up"  # closes when CONNECT has come
    SWALLOW_ONE = "swallow-one"  # one PUBACK is lost, the later ones come
    SWALLOW_ALL = "swallow-all"  # every PUBACK from then on is lost, the rest comes
    DELAY = "delay"  # everything comes late, then it is cut-rst
    REFUSE = "refuse"  # resets, and nobody listens for a while

    @property
    def shows_at_once(self) -> bool:
        """Whether the client sees it when it strikes; of the others it must find out by its own patience."""
        return self in (Fault.CUT_RST, Fault.CUT_FIN, Fault.HANG_UP, Fault.DELAY, Fault.REFUSE)


FAULTS = tuple(fault for fault in Fault if fault is not Fault.WELL)


@dataclass(frozen=True)
class Plan:
    """What happens to one connection. `part` of the packet that is cut gets through, never all of it."""

    fault: Fault = Fault.WELL
    after: int = 1
    part: float = 0.5
    delay_s: float = 0.0
    refuse_s: float = 0.0

    def cut(self, packet_bytes: int) -> int:
        """How many bytes of the packet that is cut get through: at least one, and not all."""
        return min(max(1, int(packet_bytes * self.part)), packet_bytes - 1)


def plan_of(seed: int, connection: int, most: int) -> Plan:
    """What happens to the `connection`-th one (from 1): always the same for a seed. Strikes within `most` packets."""
    dice = random.Random(f"{seed}/{connection}")
    fault = dice.choice(FAULTS)
    delay_s = dice.uniform(0.005, 0.05) if fault is Fault.DELAY else 0.0
    return Plan(fault, dice.randint(1, most), dice.random(), delay_s, dice.uniform(0.05, 0.3))
