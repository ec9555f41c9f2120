"""The tables of the configuration that the house itself understands, key by key.

    [gateway]          GatewaySettings
    [supervision]      Supervision (keeping.py, as are the keys of `supervise`)
    [device.NAME]      DeviceCommon, and the keys of the driver's Settings
    [aggregate.NAME]   AggregateCommon, and the keys of the stages' Settings
    [uplink.NAME]      UplinkCommon, and the keys of the uplink's Settings
    [program.NAME]     ProgramCommon, and the keys of a program's Settings
    [line.NAME]        LineCommon, and the keys of a line's Settings
    [rule.NAME]        a rule's Settings alone (actors/rules/settings.py)
    [link.NAME]        a network link's Settings alone (actors/networks/settings.py)
    [principal.NAME]   who may ask for what from above: its Settings alone (actors/steering/settings.py)
    [diagnostics]      what the gateway tells of itself (actors/diagnosing/settings.py)
    [supervisor.NAME]  SupervisorCommon

The table [spool] is the spool's own (transports/spool). Documentation and the starter are made from these fields.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.stages.settings import STAGES
from supervisors.configuration.keeping import DAY_S, SUPERVISE, Supervise, Supervision, significant_problems, span
from supervisors.spec import AutoShutdown, Exhausted, Restart, Strategy
from transports import catalog, content_encoding
from transports.errors import Problem, SettingsError
from transports.settings import duration, nearest, setting, size
from transports.spool.beginning import BEGINNING, start_cure

__all__ = [
    "NAME",
    "NAME_RULE",
    "RESERVED",
    "AggregateCommon",
    "DeviceCommon",
    "GatewaySettings",
    "LineCommon",
    "ProgramCommon",
    "Supervise",
    "Supervision",
    "SupervisorCommon",
    "UplinkCommon",
    "gateway_name_rule",
]

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}", re.ASCII)
NAME_RULE = "must be 1 to 41 of the characters a-z, 0-9, - and _, and start with a letter or digit"
# The gateway's own processes, and `gateway`, whose lock file is the root's (transports/names.py)
RESERVED = ("root", "spooler", "rules", "network", "diagnostics", "zygote", "supervisor", "holdfast", "gateway")
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
    profiles: Path | None = setting(None, help="directory of profiles of your own, beside those that are shipped")
    log_level: str = setting(
        "info", choices=("debug", "info", "warning", "error"), help="the least important line that is logged"
    )
    log_format: str = setting(
        "human", choices=("human", "json"), help="the form of a line that is logged: for people, or one JSON object"
    )


def _retry_order(path: str, first_s: float, ceiling_s: float) -> Iterator[Problem]:
    if ceiling_s < first_s:
        yield Problem(f"{path}.retry_ceiling", f"{ceiling_s:g}s", f"must be at least retry_first ({first_s:g}s)")


@dataclass(frozen=True, kw_only=True)
class DeviceCommon:
    """What every [device.NAME] can say beside its driver's own keys."""

    driver: str = setting(help="the driver that reads it, one of `holdfast drivers`", example="modbus")
    profile: str = setting("", help="what it is, one of `holdfast profiles`: that file says the driver, tags and more")
    profile_tags: tuple[str, ...] = setting((), help="which of the profile's tags, by name with * and ?; none: all")
    enabled: bool = setting(True, help="false leaves the device out")
    period_s: float = duration("1s", le=DAY_S, help="time from one reading to the next")
    retry_first_s: float = duration("500ms", le=DAY_S, help="wait before a lost device is opened again; doubles")
    retry_ceiling_s: float = duration("30s", le=DAY_S, help="longest wait before a lost device is opened again")
    batch_wait_s: float = duration("0s", ge=0, le=3600.0, help="collect readings for this long before they are kept")
    batch_samples: int = setting(
        10_000, ge=1, le=1_000_000, help="keep what is collected once it is this many values", example="1000"
    )
    silent_after_s: float = duration(
        "0s", ge=0, le=DAY_S, help="a device that talks by itself and says nothing for so long is Bad; 0s: never"
    )
    stages: tuple[Mapping[str, Any], ...] = field(default=(), metadata={"facts": STAGES})
    supervise: Supervise = field(default_factory=Supervise, metadata=SUPERVISE)

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings are seen together."""
        yield from _retry_order(path, self.retry_first_s, self.retry_ceiling_s)
        if self.profile_tags and not self.profile:
            yield Problem(f"{path}.profile_tags", "", "needs a profile, from which it chooses")
        if self.stages:
            yield from _stages_of_device(self.stages, f"{path}.stages")


def _stages_of_device(tables: tuple[Mapping[str, Any], ...], path: str) -> Iterator[Problem]:
    from actors.stages.pipeline import steps_of  # numpy with it, which a configuration without stages does not need

    try:
        steps = steps_of(tables, path)
    except SettingsError as wrong:
        yield from wrong.problems
        return
    for number, step in enumerate(steps):
        if step.lasting:
            cure = "remembers what must survive a restart; write it in an [aggregate.NAME], which keeps it on the disk"
            yield Problem(f"{path}[{number}].stage", repr(step.name), cure)


@dataclass(frozen=True, kw_only=True)
class AggregateCommon:
    """What every [aggregate.NAME] can say beside the stages' own keys."""

    enabled: bool = setting(True, help="false leaves the aggregate out")
    supervise: Supervise = field(default_factory=Supervise, metadata=SUPERVISE)


@dataclass(frozen=True, kw_only=True)
class ProgramCommon:
    """What every [program.NAME] can say beside its command."""

    enabled: bool = setting(True, help="false leaves the program out")
    supervise: Supervise = field(default_factory=Supervise, metadata=SUPERVISE)


@dataclass(frozen=True, kw_only=True)
class LineCommon:
    """What every [line.NAME] can say beside its port."""

    enabled: bool = setting(True, help="false leaves the line out")
    supervise: Supervise = field(default_factory=Supervise, metadata=SUPERVISE)


@dataclass(frozen=True, kw_only=True)
class UplinkCommon:
    """What every [uplink.NAME] can say beside its protocol's own keys."""

    type: str = setting(help="the protocol: mqtt, sparkplug, https, jetstream, kafka, file", example="mqtt")
    enabled: bool = setting(True, help="false leaves the uplink out")
    payload: str = setting(
        "json", help="the form of a message: json, json_columns, msgpack, senml, thingsboard, influx", check=_payload
    )
    compress: str = setting(
        "none", choices=content_encoding.CHOICES, help="messages of 256 bytes and more are made smaller"
    )
    batch_records: int = setting(1, ge=1, le=100_000, help="records in one message at most")
    batch_bytes: int = size("128KiB", key="batch_bytes", le=2**28, help="bytes of records in one message at most")
    batch_wait_s: float = duration("0s", ge=0, le=3600.0, help="wait this long for a message to become full")
    window_messages: int = setting(64, ge=1, le=10_000, help="messages on their way and not yet acknowledged, at most")
    window_bytes: int = size("4MiB", key="window_bytes", le=2**30, help="bytes on their way at most")
    retry_first_s: float = duration("500ms", le=DAY_S, help="wait before a lost connection is made again; doubles")
    retry_ceiling_s: float = duration("4s", le=DAY_S, help="longest wait before a lost connection is made again")
    start: str = setting(
        BEGINNING,
        help='where an uplink that is new here begins: "beginning", "now", a time, or "after NAME" of another',
        example="after azure",
        check=start_cure,
    )
    live_first: bool = setting(
        True, help="after an outage fresh records go first, and the backlog is filled in meanwhile"
    )
    live_within_s: float = duration("10s", key="live_within", le=DAY_S, help="how far behind fresh records may be")
    max_messages_per_s: float = setting(
        0.0, key="max_messages_per_s", ge=0, le=1e6, help="messages in any one second at most; 0: no limit"
    )
    max_bytes_per_s: float = setting(
        0.0,
        key="max_bytes_per_s",
        ge=0,
        le=1e12,
        help="bytes in any one second at most, 128 more than its payload for each message; 0: no limit",
    )
    backfill_messages_per_s: float = setting(
        0.0, key="backfill_messages_per_s", ge=0, le=1e6, help="of these, messages of the backlog; 0: no limit"
    )
    backfill_bytes_per_s: float = setting(
        0.0, key="backfill_bytes_per_s", ge=0, le=1e12, help="of these, bytes of the backlog; 0: no limit"
    )
    max_attempts: int = setting(
        5, ge=2, le=1000, help="a record that has cost the connection so often, and others not, is set aside"
    )
    links: tuple[str, ...] | None = setting(
        None,
        help="network links it may use, best first; if left out all of them, by priority; []: whichever the kernel has",
    )
    supervise: Supervise = field(default_factory=Supervise, metadata=SUPERVISE)

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings are seen together."""
        yield from _retry_order(path, self.retry_first_s, self.retry_ceiling_s)
        if self.window_bytes < self.batch_bytes:
            cure = f"must be at least batch_bytes ({self.batch_bytes}), or a full message could never be sent"
            yield Problem(f"{path}.window_bytes", str(self.window_bytes), cure)


@dataclass(frozen=True, kw_only=True)
class SupervisorCommon:
    """The table [supervisor.NAME]: who is kept together, and by which rules. None is as in [supervision]."""

    children: tuple[str, ...] = setting(
        help="whom it keeps, by name or by patterns with * and ?, in the order in which they are started",
        example='["broker", "press-*"]',
    )
    strategy: Strategy = setting(
        Strategy.ONE_FOR_ONE, help="who is restarted when one is: it alone, those after it as well, or all of them"
    )
    intensity: int | None = setting(None, ge=0, le=1000, help="restarts allowed within `period`", example="3")
    period_s: float | None = field(default=None, metadata=span("the time over which restarts are counted", "30s"))
    on_exhausted: Exhausted | None = setting(
        None, help="what comes then: the child waits alone, or (escalate) the supervisor ends", example="escalate"
    )
    healthy_after_s: float | None = field(
        default=None, metadata=span("running this long makes a child's earlier failures forgotten", "10m")
    )
    auto_shutdown: AutoShutdown = setting(
        AutoShutdown.NEVER, help="whether it ends once any of its significant children, or all, ended by themselves"
    )
    restart: Restart = setting(
        Restart.PERMANENT,
        help="when it is started again itself: always, after a failure (transient), never (temporary)",
    )
    significant: bool = setting(False, help="its own end counts for the auto_shutdown of the supervisor above it")

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings are seen together."""
        if not self.children:
            yield Problem(f"{path}.children", "[]", 'must name at least one child, such as "press-*"')
        for at, child in enumerate(self.children):
            if child in self.children[:at]:
                yield Problem(f"{path}.children[{at}]", repr(child), "is written twice; remove one")
        yield from significant_problems(path, self.restart, self.significant)
