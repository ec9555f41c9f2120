"""OPC UA tags as they are written in the configuration.

speed    = { node = "ns=2;s=Line.Speed", unit = "rpm" }
setpoint = { node = "nsu=urn:maker:plc;i=1042", writable = true, min = 0, max = 120 }
shift    = { node = "ns=2;s=Line.Shift", mode = "poll", period = "1m" }
"""

from collections.abc import Iterator
from dataclasses import dataclass

from transports.errors import Problem
from transports.opcua.nodes import check_node
from transports.opcua.types import NAMES
from transports.settings import duration, setting
from transports.writing import Writing

SUBSCRIBE, POLL = MODES = ("subscribe", "poll")
_WATCHED = ("sampling_interval", "queue_size", "deadband")


@dataclass(frozen=True, kw_only=True)
class TagSettings(Writing):
    """One entry of the table `tags`."""

    node: str = setting(check=check_node, help="the variable's node id", example='"ns=2;s=Line.Speed"')
    mode: str | None = setting(None, choices=MODES, help="subscribe or poll; default: the device's")
    type: str | None = setting(
        None, choices=tuple(NAMES), help="default: what the server says; else values that fit it, and Bad for others"
    )
    unit: str = setting("", help="engineering unit, such as degC")
    period_s: float | None = duration(None, help="a polled tag's own period; default: the device's")
    sampling_s: float | None = duration(
        None, key="sampling_interval", ge=0, help="how often the server looks; default: the device's"
    )
    queue_size: int | None = setting(
        None, ge=1, le=10_000, help="values that the server keeps between two notifications; default: the device's"
    )
    deadband: float | None = setting(
        None, ge=0, help="the least change of a number that is told; default: the device's"
    )

    def problems(self, path: str) -> Iterator[Problem]:
        """Limits of what cannot be written."""
        yield from self.writing_problems(path)

    def mode_problems(self, path: str, mode: str) -> Iterator[Problem]:
        """What plays no part in the mode that the tag has, by itself or from its device."""
        watched = zip(_WATCHED, (self.sampling_s, self.queue_size, self.deadband), strict=True)
        given = dict(watched) if mode == POLL else {"period": self.period_s}
        for key, value in given.items():
            if value is not None:
                other = SUBSCRIBE if mode == POLL else POLL
                yield Problem(f"{path}.{key}", repr(value), f'is for a tag of mode = "{other}"; this one has "{mode}"')
