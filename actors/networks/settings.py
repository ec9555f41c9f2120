"""What can be written in a table `[link.NAME]`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from transports.errors import Problem
from transports.settings import Facts, duration, setting
from transports.sockets import wrong_address
from transports.units import parse_size

UPLINK = "uplink"
_INTERFACE = re.compile(r"[^\s/:]{1,15}")  # IFNAMSIZ is 16 bytes with the closing zero


def _interface(name: str) -> str | None:
    if _INTERFACE.fullmatch(name) and name not in (".", "..") and len(name.encode()) <= 15:
        return None
    return 'must be the name of a network interface, such as "eth0"; `ip link` lists them'


def _check(text: str) -> str | None:
    if text == UPLINK or (wrong_address(text) is None and not text.endswith(":0")):
        return None
    return 'must be "uplink", or a host and a port that are reached over this link alone, such as "10.0.0.1:443"'


_MONTHLY = Facts(
    "bytes in and out in a calendar month (UTC); if left out, no limit",
    "monthly_bytes",
    example='"2GiB"',
    ge=1,
    le=2**60,
    parse=parse_size,
    form='a size such as "500MB" or "2GiB"',
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which interface it is, when it is used, how it is checked, and what may pass."""

    interface: str = setting(help="the network interface", example="eth0", check=_interface)
    kind: str = setting("ethernet", choices=("ethernet", "wifi", "cellular"), help="what it is; cellular has a modem")
    priority: int = setting(100, ge=1, le=1000, help="the lowest number that works is used; of equal ones the first")
    passes: str = setting(
        "all",
        key="pass",
        choices=("all", "aggregated", "alarms"),
        help="what may pass: everything, what aggregates made and alarms, or alarms; the rest waits in the spool",
    )
    monthly_bytes: int | None = field(default=None, metadata={"facts": _MONTHLY})
    over_budget: str = setting(
        "alarms", choices=("alarms", "none"), help="what passes when these are used up: alarms, or nothing"
    )
    check: str = setting(
        UPLINK, help='what a check connects to: "uplink" for the uplink\'s own server, or HOST:PORT', check=_check
    )
    check_period_s: float = duration(
        "2s", ge=0.05, le=3600, help="how often it is checked, while it is in use or could be gone back to"
    )
    check_timeout_s: float = duration("1s", ge=0.01, le=60, help="how long a check waits for the connection")
    standby_period_s: float = duration(
        "60s", ge=0.05, le=86400, help="how often it is checked while a better link is in use; 400 bytes each time"
    )
    fail_after: int = setting(3, ge=1, le=100, help="so many checks in a row must fail before another link is used")
    recover_after_s: float = duration(
        "30s", ge=0, le=3600, help="checks must be good for so long before it is gone back to"
    )
    enabled: bool = setting(True, help="false leaves the link out")

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings are seen together."""
        if self.monthly_bytes is None and self.over_budget != "alarms":
            yield Problem(f"{path}.over_budget", repr(self.over_budget), "needs monthly_bytes, which it is about")
