"""What an uplink process is told: plain values, from its spec file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Work:
    """`live_first`: when it has fallen more than `live_within_s` behind, fresh records go first and the backlog is
    filled in meanwhile; else everything goes in its order. A rate of 0 is no limit; all include what is repeated.
    `max_attempts`: so often a record must have cost the connection, and others not, before it is set aside.
    `state_dir`: where the uplink's protocol may keep what outlives its process; "" for nowhere.
    `links`: name, interface and policy of each network link it may use, best first; none: whichever the kernel has."""

    type: str
    settings: Mapping[str, Any]
    payload: str = "json"
    compress: str = "none"
    batch_records: int = 1
    batch_bytes: int = 128 * 1024
    batch_wait_s: float = 0.0
    window_messages: int = 64
    window_bytes: int = 4 * 1024 * 1024
    retry_first_s: float = 0.5
    retry_ceiling_s: float = 4.0
    live_first: bool = True
    live_within_s: float = 10.0
    max_messages_per_s: float = 0.0
    max_bytes_per_s: float = 0.0
    backfill_messages_per_s: float = 0.0
    backfill_bytes_per_s: float = 0.0
    max_attempts: int = 5
    state_dir: str = ""
    links: Sequence[tuple[str, str, str]] = ()
    principals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    crashes: str = ""
