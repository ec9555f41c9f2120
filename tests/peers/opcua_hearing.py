"""What a link says, waited for: for tests of subscriptions."""

import select
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transports.building import build
from transports.links import opcua
from transports.samples import Scan, Value

WITHIN_S = 20.0
Newest = Mapping[str, tuple[Value | None, int, int]]


def settings(port: int, tags: Mapping[str, Any], **more: Any) -> opcua.Settings:
    """For a server on this machine."""
    return build(opcua.Settings, {"url": f"opc.tcp://127.0.0.1:{port}", "tags": tags, **more}, "device.x")


def newest(scans: Sequence[Scan]) -> Newest:
    """The last value of each tag, its status code and its time."""
    found: dict[str, tuple[Value | None, int, int]] = {}
    for scan in scans:
        codes = [scan.quality] * len(scan.tags) if isinstance(scan.quality, int) else scan.quality
        for tag, value, code in zip(scan.tags, scan.values, codes, strict=True):
            found[tag.name] = (value, code, scan.time_ns)
    return found


def hear(link: opcua.SubscribedServer, enough: Callable[[list[Scan]], object]) -> list[Scan]:
    """Everything that the link says until it is enough; fails when that takes too long."""
    scans: list[Scan] = []
    deadline = time.monotonic() + WITHIN_S
    while not enough(scans):
        left_s = deadline - time.monotonic()
        assert left_s > 0, f"heard only {scans[-20:]}"
        if select.select([link.fileno()], [], [], left_s)[0]:
            scans += link.read()
    return scans


def values_of(scans: Sequence[Scan], tag: str) -> list[Value | None]:
    """Every value of one tag, in order."""
    return [value for scan in scans for each, value in zip(scan.tags, scan.values, strict=True) if each.name == tag]
