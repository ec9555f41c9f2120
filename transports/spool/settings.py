"""What can be said about the spool in the configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from transports.errors import Problem
from transports.settings import duration, setting, size


class Policy(Enum):
    """What happens when a topic has used its disk space.

    drop_oldest  the oldest segment goes; its gaps and alarms stay while there is reserve for them
    thin         the oldest samples are diluted, with their statistics, to 1 s, to 10 s, to 1 min; then as drop_oldest
    drop_newest  what comes is not taken any more, and a gap says so
    block        what comes must wait; a device reads on, and its own buffer drops the oldest with a gap
    """

    DROP_OLDEST = "drop_oldest"
    THIN = "thin"
    DROP_NEWEST = "drop_newest"
    BLOCK = "block"


DEAD, ZSTD = "dead", "zstd"
DILUTE_S = (1, 10, 60)


@dataclass(frozen=True)
class Quota:
    """The room of one topic: bytes on disk, age (0: none), and what happens beyond."""

    max_bytes: int
    max_age_s: float
    policy: Policy

    def reserve(self, wanted_bytes: int) -> int:
        """What of it is for gaps and alarms only: as much as is wanted, but an eighth at most."""
        return min(wanted_bytes, self.max_bytes // 8)

    def data_bytes(self, reserve_bytes: int) -> int:
        """What of it may be used for everything else."""
        return self.max_bytes - self.reserve(reserve_bytes)


@dataclass(frozen=True)
class Settings:
    """Sizes are enforced by the spool; when to sync is decided by its owner, who reads it here."""

    segment_bytes: int = size("4MiB", ge=64 * 1024, le=1 << 30, help="a file of this size is closed, a new one begun")
    raw_bytes: int = size("256MiB", key="raw_max", help="disk space for what devices read, until it is aggregated")
    out_bytes: int = size("2GiB", key="out_max", help="disk space for what uplinks have yet to deliver")
    dead_bytes: int = size("16MiB", key="dead_max", help="disk space for what could not be delivered at all")
    total_bytes: int = size(0, key="max", ge=0, help="disk space for all of these together; 0: the sum of them")
    reserve_bytes: int = size(
        "1MiB", key="reserve", help="of each topic's space, what is kept free for gaps and alarms"
    )
    raw_age_s: float = duration(0.0, key="raw_max_age", ge=0.0, help="what devices read goes after this long; 0: never")
    out_age_s: float = duration(0.0, key="out_max_age", ge=0.0, help="undelivered records go after this long; 0: never")
    raw_policy: Policy = setting(Policy.DROP_OLDEST, key="raw_when_full", help="what happens when raw_max is used")
    out_policy: Policy = setting(Policy.DROP_OLDEST, key="out_when_full", help="what happens when out_max is used")
    keep_removed_s: float = duration(
        "30d", key="keep_removed", ge=0.0, help="how long records wait for an uplink that was taken out of this file"
    )
    raw_dir: str = setting(
        "",
        help="another directory for what devices read, such as one in memory, which is empty after a power cut",
        example="/dev/shm/holdfast",
    )
    compress: str = setting("none", choices=("none", ZSTD), help="zstd: records are compressed by whoever makes them")
    sync_s: float = duration("50ms", key="sync", help="longest wait of an append for the disk: the power-cut window")
    sync_records: int = setting(256, ge=1, help="sync earlier when this many records wait")
    strict: bool = setting(False, help="sync after each append: slower, and nothing acknowledged waits for a window")
    ledger_every_s: float = duration(
        0.0, key="ledger_every", ge=0.0, help="how often the ledger is sent to the uplinks as readings; 0: never"
    )

    def quota(self, topic: str) -> Quota:
        """The room of one topic: `raw` and `dead` have their own, every other topic is an `out`."""
        if topic == "raw":
            return Quota(self.raw_bytes, self.raw_age_s, self.raw_policy)
        if topic == DEAD:
            return Quota(self.dead_bytes, 0.0, Policy.DROP_OLDEST)
        return Quota(self.out_bytes, self.out_age_s, self.out_policy)

    def directory(self, house: str, topic: str) -> str:
        """Where the segments of a topic lie."""
        return self.raw_dir if topic == "raw" and self.raw_dir else house

    def problems(self, path: str) -> Iterator[Problem]:
        """A quota must hold the segment being written, one to give up, and the reserve."""
        least = 2 * self.segment_bytes + self.reserve_bytes
        for key, value in (("raw_max", self.raw_bytes), ("out_max", self.out_bytes), ("dead_max", self.dead_bytes)):
            if value < least:
                yield Problem(f"{path}.{key}", str(value), f"must be at least two segments and the reserve, {least}")
        if self.total_bytes and self.total_bytes < 3 * least:
            yield Problem(f"{path}.max", str(self.total_bytes), f"must be 0 or at least {3 * least}, for three topics")
        if self.raw_dir and not self.raw_dir.startswith("/"):
            yield Problem(f"{path}.raw_dir", repr(self.raw_dir), "must be an absolute path")
