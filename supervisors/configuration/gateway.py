"""A whole gateway as its configuration describes it: frozen, checked, ready to be built.

    Gateway
    ├── supervision   how often may a process fail, how long may it be silent
    ├── spool         how much may wait on the disk, how soon is it safe there
    ├── devices       DeviceSpec: which driver, how often, and the driver's own settings
    ├── aggregates    AggregateSpec: what becomes of readings on their way to the uplinks
    ├── uplinks       UplinkSpec: where everything goes, in which form
    ├── programs      ProgramSpec: what others made and runs beside them, supervised alike
    ├── lines         LineSpec: a port that several devices share
    ├── rules         RuleSpec: which device commands which, and when; one process has them all
    ├── links         LinkSpec: the networks that lead to the uplinks' far ends; one process has them all
    ├── principals    PrincipalSpec: who may ask for what from above, over which uplinks
    ├── diagnostics   how often the gateway tells of itself, None: never
    └── supervisors   SupervisorSpec: who of all these is kept together, and how

A spec carries its own settings twice: built, for this process, and as `table`, plain data for the process that runs it
(`building.build(module.Settings, spec.table, spec.path)` there). A spec whose module raised when it was imported has
`broken`, the reason, and no settings: it is one broken child, the others run.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from actors.diagnosing.settings import Settings as DiagnosticsSettings
from actors.networks.settings import Settings as LinkSettings
from actors.rules.settings import Settings as RuleSettings
from actors.steering.settings import Settings as PrincipalSettings
from supervisors.configuration.tables import (
    AggregateCommon,
    DeviceCommon,
    LineCommon,
    ProgramCommon,
    Supervision,
    SupervisorCommon,
    UplinkCommon,
)
from transports.errors import Problem

S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class _Named:
    """What all specs have: a name, the module's own settings as `table` (plain data) and `settings` (built)."""

    section: ClassVar[str]

    name: str
    table: Mapping[str, Any] = field(hash=False)
    settings: Any = field(default=None, hash=False)
    broken: str = ""

    @property
    def path(self) -> str:
        """Where it stands in the configuration."""
        return f"{self.section}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class DeviceSpec(_Named, DeviceCommon):
    """One device: the common settings, and the driver's own."""

    section = "device"


@dataclass(frozen=True, kw_only=True)
class AggregateSpec(_Named, AggregateCommon):
    """One aggregate: the common settings, and the stages' own."""

    section = "aggregate"


@dataclass(frozen=True, kw_only=True)
class UplinkSpec(_Named, UplinkCommon):
    """One uplink: the common settings, and the protocol's own."""

    section = "uplink"


@dataclass(frozen=True, kw_only=True)
class ProgramSpec(_Named, ProgramCommon):
    """One program: the common settings, and its own."""

    section = "program"


@dataclass(frozen=True, kw_only=True)
class LineSpec(_Named, LineCommon):
    """One line: the common settings, and its own."""

    section = "line"


@dataclass(frozen=True, kw_only=True)
class _Part(Generic[S]):
    """What has no process of its own, and so no settings but these, as `table` and built."""

    section: ClassVar[str]

    name: str
    table: Mapping[str, Any] = field(hash=False)
    settings: S = field(hash=False)

    @property
    def path(self) -> str:
        """Where it stands in the configuration."""
        return f"{self.section}.{self.name}"


class RuleSpec(_Part[RuleSettings]):
    """One rule."""

    section = "rule"


class LinkSpec(_Part[LinkSettings]):
    """One network link."""

    section = "link"


class PrincipalSpec(_Part[PrincipalSettings]):
    """Somebody who may ask from above."""

    section = "principal"


Spec = DeviceSpec | AggregateSpec | UplinkSpec | ProgramSpec | LineSpec


@dataclass(frozen=True, kw_only=True)
class SupervisorSpec(SupervisorCommon):
    """One supervisor below the root; it has no process of its own, so no settings but these."""

    name: str

    @property
    def path(self) -> str:
        """Where it stands in the configuration."""
        return f"supervisor.{self.name}"


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """Everything that is configured. What is `enabled = false` was checked and is named in `disabled` only."""

    name: str
    data_dir: Path
    run_dir: Path
    log_level: str
    log_format: str = "human"
    supervision: Supervision
    spool: Any
    devices: tuple[DeviceSpec, ...] = ()
    aggregates: tuple[AggregateSpec, ...] = ()
    uplinks: tuple[UplinkSpec, ...] = ()
    programs: tuple[ProgramSpec, ...] = ()
    lines: tuple[LineSpec, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    links: tuple[LinkSpec, ...] = ()
    principals: tuple[PrincipalSpec, ...] = ()
    diagnostics: DiagnosticsSettings | None = None
    supervisors: tuple[SupervisorSpec, ...] = ()
    disabled: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    broken: tuple[Problem, ...] = ()

    def specs(self) -> Iterable[Spec]:
        """Every device, aggregate, uplink, program and line that is to run, in this order."""
        return (*self.devices, *self.aggregates, *self.uplinks, *self.programs, *self.lines)

    def in_start_order(self) -> tuple[Spec, ...]:
        """The same, others' foundations first: programs, uplinks, aggregates, lines, devices."""
        return (*self.programs, *self.uplinks, *self.aggregates, *self.lines, *self.devices)


def default_data_dir(name: str) -> Path:
    """Where a gateway of that name keeps its spool when nothing else is said."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(home) / "holdfast" / name


def default_run_dir(name: str) -> Path:
    """Where a gateway of that name has its sockets when nothing else is said."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    return (Path(session) / "holdfast" if session else Path(f"/tmp/holdfast-{os.getuid()}")) / name
