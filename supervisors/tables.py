"""The tables of the configuration that the house itself understands, key by key.

    [gateway]          GatewaySettings
    [supervision]      Supervision
    [device.NAME]      DeviceCommon, and the keys of the driver's Settings
    [aggregate.NAME]   AggregateCommon, and the keys of the stages' Settings
    [uplink.NAME]      UplinkCommon, and the keys of the uplink's Settings

The table [spool] is the spool's own (transports/spool). Documentation and the starter are made from these fields.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transports import catalog
from transports.errors import Problem
from transports.settings import duration, nearest, setting, size

DAY_S = 86_400.0
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}", re.ASCII)
NAME_RULE = "must be 1 to 41 of the characters a-z, 0-9, - and _, and start with a letter or digit"
# The gateway's own processes, and `gateway`, whose lock file is the root's (transports/names.py)
RESERVED = ("root", "spooler", "zygote", "supervisor", "holdfast", "gateway")
_GATEWAY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def gateway_name_rule(name: str) -> str | None:
    """What a gateway's name must be, None when it is."""
    rule = "must be 1 to 64 of the characters A-Z, a-z, 0-9, -, . and _, and start with a letter or digit"
    return None if _GATEWAY_NAME.fullmatch(name) else rule


def _payload(name: str) -> str | None:
    known = catalog.names(catalog.PAYLOADS)
    return None if name in known else f"unknown payload format; {nearest(name, known)}"


@dataclass(frozen=True)
class GatewaySettings:
    """The table [gateway]: who this is and where its files are."""

    name: str = setting(
        "",
        help="name of the gateway in topics and messages; by default the file's name without its ending",
        example="press-line",
        check=gateway_name_rule,
    )
    data_dir: Path | None = setting(
        None, help="directory of the spool and the crash reports", example="/var/lib/holdfast/press-line"
    )
    run_dir: Path | None = setting(
        None, help="directory of the sockets between the processes", example="/run/holdfast/press-line"
    )
    log_level: str = setting(
        "info", choices=("debug", "info", "warning", "error"), help="the least important line that is logged"
    )


@dataclass(frozen=True)
class Supervision:
    """The table [supervision]: when a process is restarted, when it is left alone for a while."""

    intensity: int = setting(5, ge=0, le=1000, help="restarts allowed within `period` before a process is quarantined")
    period_s: float = duration("60s", le=DAY_S, help="the time over which restarts are counted")
    backoff_first_s: float = duration("500ms", le=DAY_S, help="wait before the second restart; doubles each time")
    backoff_ceiling_s: float = duration("300s", le=DAY_S, help="longest wait between two restarts")
    backoff_jitter: float = setting(0.2, ge=0, le=1, help="how far a wait is moved at random, as a part of it")
    healthy_after_s: float = duration("600s", le=DAY_S, help="running this long makes earlier failures forgotten")
    heartbeat_s: float = duration("1s", le=3600.0, help="how often a process says that it gets on")
    hang_after_s: float = duration("10s", le=DAY_S, help="silent for this long is hung: the process is ended")
    start_within_s: float = duration("30s", le=DAY_S, help="how long a process may take to become ready")
    grace_s: float = duration("5s", le=3600.0, help="how long a process may take to stop before it is killed")

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the times are seen together."""
        if self.backoff_ceiling_s < self.backoff_first_s:
            cure = f"must be at least backoff_first ({self.backoff_first_s:g}s)"
            yield Problem(f"{path}.backoff_ceiling", f"{self.backoff_ceiling_s:g}s", cure)
        if self.hang_after_s < 2 * self.heartbeat_s:
            cure = f"must be at least twice the heartbeat ({self.heartbeat_s:g}s), or one late beat ends a process"
            yield Problem(f"{path}.hang_after", f"{self.hang_after_s:g}s", cure)


def _retry_order(path: str, first_s: float, ceiling_s: float) -> Iterator[Problem]:
    if ceiling_s < first_s:
        yield Problem(f"{path}.retry_ceiling", f"{ceiling_s:g}s", f"must be at least retry_first ({first_s:g}s)")


@dataclass(frozen=True, kw_only=True)
class DeviceCommon:
    """What every [device.NAME] can say beside its driver's own keys."""

    driver: str = setting(help="the driver that reads it, one of `holdfast drivers`", example="modbus")
    enabled: bool = setting(True, help="false leaves the device out")
    period_s: float = duration("1s", le=DAY_S, help="time from one reading to the next")
    retry_first_s: float = duration("500ms", le=DAY_S, help="wait before a lost device is opened again; doubles")
    retry_ceiling_s: float = duration("30s", le=DAY_S, help="longest wait before a lost device is opened again")
    batch_wait_s: float = duration("0s", ge=0, le=3600.0, help="collect readings for this long before they are kept")
    batch_samples: int = setting(
        10_000, ge=1, le=1_000_000, help="keep what is collected once it is this many values", example="1000"
    )

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings are seen together."""
        return _retry_order(path, self.retry_first_s, self.retry_ceiling_s)


@dataclass(frozen=True, kw_only=True)
class AggregateCommon:
    """What every [aggregate.NAME] can say beside the stages' own keys."""

    enabled: bool = setting(True, help="false leaves the aggregate out")


@dataclass(frozen=True, kw_only=True)
class UplinkCommon:
    """What every [uplink.NAME] can say beside its protocol's own keys."""

    type: str = setting(help="the protocol: mqtt, file", example="mqtt")
    enabled: bool = setting(True, help="false leaves the uplink out")
    payload: str = setting("json", help="the form of a message: json, json_columns, msgpack", check=_payload)
    batch_records: int = setting(1, ge=1, le=100_000, help="records in one message at most")
    batch_bytes: int = size("128KiB", key="batch_bytes", le=2**28, help="bytes of records in one message at most")
    batch_wait_s: float = duration("0s", ge=0, le=3600.0, help="wait this long for a message to become full")
    window_messages: int = setting(64, ge=1, le=10_000, help="messages on their way and not yet acknowledged, at most")
    window_bytes: int = size("4MiB", key="window_bytes", le=2**30, help="bytes on their way at most")
    retry_first_s: float = duration("500ms", le=DAY_S, help="wait before a lost connection is made again; doubles")
    retry_ceiling_s: float = duration("4s", le=DAY_S, help="longest wait before a lost connection is made again")

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings are seen together."""
        yield from _retry_order(path, self.retry_first_s, self.retry_ceiling_s)
        if self.window_bytes < self.batch_bytes:
            cure = f"must be at least batch_bytes ({self.batch_bytes}), or a full message could never be sent"
            yield Problem(f"{path}.window_bytes", str(self.window_bytes), cure)
