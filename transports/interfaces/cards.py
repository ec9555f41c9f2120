"""A network interface as the kernel shows it: whether it can carry anything, and how much it has carried.

/sys/class/net/NAME (Documentation/ABI/testing/sysfs-class-net): `flags` has IFF_UP in its lowest bit, `carrier` is 1
with a cable or a radio link and cannot be read while the interface is down, `operstate` is RFC 2863's; interfaces that
know no state of their own (ppp, tun, some modems) say "unknown" and carry. `ifindex` is another one when an interface
of the same name is made anew: then its counters begin at 0.
"""

from dataclasses import dataclass
from pathlib import Path

SYS = Path("/sys/class/net")
_CARRIES = ("up", "unknown")
_IFF_UP = 1


@dataclass(frozen=True, slots=True)
class Card:
    """`trouble` says why it carries nothing, "" when it does; `index` is 0 when there is none of that name. `bytes` is
    what was received and sent since its counters began."""

    trouble: str
    index: int = 0
    bytes: int = 0

    @property
    def carries(self) -> bool:
        """Whether packets could pass it, as far as one can see from here."""
        return not self.trouble


def card(name: str, root: Path = SYS) -> Card:
    """How the interface of that name is now. Never raises: one that is not there carries nothing."""
    place = root / name
    try:
        index = int(_read(place / "ifindex"))
    except (OSError, ValueError):
        return Card(f"there is no network interface {name!r}")
    return Card(_trouble(name, place), index, _count(place, "rx_bytes") + _count(place, "tx_bytes"))


def _trouble(name: str, place: Path) -> str:
    try:
        if not int(_read(place / "flags"), 16) & _IFF_UP:
            return f"{name} is switched off (ip link set {name} up)"
        if _read(place / "carrier") != "1":
            return f"{name} has no carrier: no cable, or no radio link"
        state = _read(place / "operstate")
    except (OSError, ValueError) as gone:
        return f"{name} is going away or down ({gone})"
    return "" if state in _CARRIES else f"{name} is {state}"


def _count(place: Path, name: str) -> int:
    try:
        return int(_read(place / "statistics" / name))
    except (OSError, ValueError):
        return 0


def _read(path: Path) -> str:
    return path.read_text().strip()
