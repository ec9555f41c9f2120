"""What can be said about the spool in the configuration."""

from collections.abc import Iterator
from dataclasses import dataclass

from transports.errors import Problem
from transports.settings import duration, setting, size


@dataclass(frozen=True)
class Settings:
    """Sizes are enforced by the spool; when to sync is decided by its owner, who reads it here."""

    segment_bytes: int = size("4MiB", ge=64 * 1024, le=1 << 30, help="a file of this size is closed, a new one begun")
    raw_bytes: int = size("256MiB", key="raw_max", help="disk space for what devices read, until it is aggregated")
    out_bytes: int = size("2GiB", key="out_max", help="disk space for what uplinks have yet to deliver")
    sync_s: float = duration("50ms", key="sync", help="longest wait of an append for the disk: the power-cut window")
    sync_records: int = setting(256, ge=1, help="sync earlier when this many records wait")
    strict: bool = setting(False, help="sync after each append: slower, and nothing acknowledged waits for a window")

    def quota_bytes(self, topic: str) -> int:
        """Disk space of one topic: `raw` has its own, every other topic is an `out`."""
        return self.raw_bytes if topic == "raw" else self.out_bytes

    def problems(self, path: str) -> Iterator[Problem]:
        """A quota must hold the segment being written and one to give up."""
        for key, value in (("raw_max", self.raw_bytes), ("out_max", self.out_bytes)):
            if value < 2 * self.segment_bytes:
                yield Problem(f"{path}.{key}", str(value), f"must be at least two segments, {2 * self.segment_bytes}")
