"""How the machine is: what the driver `host` reads of it, the room for the data, and whether its clock is kept right.

Every tag begins with `host/`. What this machine does not have (temperatures) is not there; what fails is Bad.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import psutil

from transports.clock_discipline import synchronised
from transports.links import host
from transports.links.host import Gauge
from transports.quality import Quality
from transports.samples import DataType, Scan, Tag, Value


class Machine:
    """Raises LinkDown where there is no /proc."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._link = host.connect(host.Settings(disks=(), disk_io=False, processes=False))
        own = (
            Tag("data_free", DataType.UINT64, "B"),
            Tag("data_used_percent", DataType.FLOAT64, "%"),
            Tag("clock_synchronised", DataType.BOOL),
        )
        self._gauge = Gauge(own, self._look)
        self._tags: tuple[Tag, ...] = ()

    def read(self) -> Scan:
        """One scan of everything."""
        (scan,) = cast(Sequence[Scan], self._link.read())
        values, codes = self._gauge.read()
        if not self._tags:
            self._tags = tuple(replace(tag, name=f"host/{tag.name}") for tag in (*scan.tags, *self._gauge.tags))
        theirs = [scan.quality] * len(scan.tags) if isinstance(scan.quality, int) else list(scan.quality)
        quality = [*theirs, *codes]
        return Scan(scan.time_ns, self._tags, [*scan.values, *values], quality if any(quality) else Quality.GOOD)

    def _look(self) -> list[Value | None]:
        usage = psutil.disk_usage(str(self._data_dir))
        return [usage.free, usage.percent, synchronised()]
