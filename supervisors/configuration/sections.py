"""From a table of the configuration to a spec: common keys, the module that is named, and the module's own keys.

A mistake in the text is a problem, and stops the whole configuration. A stranger's module that raises something of its
own when it is imported or asked is not: that one spec is broken, with the reason, and the others run.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from types import ModuleType
from typing import Any, TypeVar

from actors.lines.settings import Settings as LineSettings
from actors.networks.settings import Settings as LinkSettings
from actors.program_settings import Settings as ProgramSettings
from actors.rules.settings import Settings as RuleSettings
from actors.stages.settings import Settings as AggregateSettings
from actors.steering.settings import Settings as PrincipalSettings
from supervisors.configuration import trial
from supervisors.configuration.gateway import (
    AggregateSpec,
    DeviceSpec,
    LineSpec,
    LinkSpec,
    PrincipalSpec,
    ProgramSpec,
    RuleSpec,
    SupervisorSpec,
    UplinkSpec,
)
from supervisors.configuration.tables import (
    NAME,
    NAME_RULE,
    AggregateCommon,
    DeviceCommon,
    LineCommon,
    ProgramCommon,
    SupervisorCommon,
    UplinkCommon,
)
from transports import catalog
from transports.building import build
from transports.errors import MissingExtra, Problem, SettingsError
from transports.settings import key_of, nearest

T = TypeVar("T")
Problems = list[Problem]
_VERY_NEAR = 0.85  # of 1; "perod" is to "period", "tags" is not to "stages"
_INSTALL = "needs a library that is not installed: pip install 'holdfast[{}]'"


@dataclass(frozen=True, slots=True)
class Broken:
    """Why a module cannot be used although the configuration says nothing wrong."""

    reason: str


def device(name: str, table: Any, problems: Problems) -> DeviceSpec | None:
    """The device of that name, or None when `problems` grew."""
    read = _read("device", name, table, (DeviceCommon, catalog.LINKS, "driver"), problems)
    return None if read is None else DeviceSpec(name=name, **read)


def uplink(name: str, table: Any, problems: Problems) -> UplinkSpec | None:
    """The uplink of that name, or None when `problems` grew."""
    read = _read("uplink", name, table, (UplinkCommon, catalog.UPLINKS, "type"), problems)
    if read is None:
        return None
    spec, before = UplinkSpec(name=name, **read), len(problems)
    payload = _loaded(catalog.PAYLOADS, spec.payload, f"{spec.path}.payload", problems)
    if getattr(_loaded(catalog.UPLINKS, spec.type, f"{spec.path}.type", problems), "OWN_FORM", False):
        problems.extend(_meaningless(table, spec))
    if len(problems) > before:
        return None
    if isinstance(payload, Broken) and not spec.broken:
        return replace(spec, settings=None, broken=payload.reason)
    return spec


def aggregate(name: str, table: Any, problems: Problems) -> AggregateSpec | None:
    """The aggregate of that name, or None when `problems` grew."""
    read = _read_own("aggregate", name, table, (AggregateCommon, AggregateSettings), problems)
    return None if read is None else AggregateSpec(name=name, **read)


def _meaningless(table: Mapping[str, Any], spec: UplinkSpec) -> Iterator[Problem]:
    """What is said of the form of messages where the protocol has a form of its own."""
    for key in ("payload", "compress"):
        if key in table:
            cure = f"must be left out; {spec.type} has a form of its own"
            yield Problem(f"{spec.path}.{key}", repr(table[key]), cure)


def program(name: str, table: Any, problems: Problems) -> ProgramSpec | None:
    """The program of that name, or None when `problems` grew."""
    read = _read_own("program", name, table, (ProgramCommon, ProgramSettings), problems)
    return None if read is None else ProgramSpec(name=name, **read)


def line(name: str, table: Any, problems: Problems) -> LineSpec | None:
    """The line of that name, or None when `problems` grew."""
    read = _read_own("line", name, table, (LineCommon, LineSettings), problems)
    return None if read is None else LineSpec(name=name, **read)


def rule(name: str, table: Any, problems: Problems) -> RuleSpec | None:
    """The rule of that name, or None when `problems` grew. What its expressions say is looked at with all devices."""
    settings = _own_settings(RuleSettings, f"rule.{name}", table, problems)
    return None if settings is None else RuleSpec(name=name, table=dict(table), settings=settings)


def link(name: str, table: Any, problems: Problems) -> LinkSpec | None:
    """The network link of that name, or None when `problems` grew."""
    settings = _own_settings(LinkSettings, f"link.{name}", table, problems)
    return None if settings is None else LinkSpec(name=name, table=dict(table), settings=settings)


def principal(name: str, table: Any, problems: Problems) -> PrincipalSpec | None:
    """The principal of that name, or None when `problems` grew."""
    if not NAME.fullmatch(name):
        problems.append(Problem(f"principal.{name}", repr(name), f"a name {NAME_RULE}"))
    settings = _own_settings(PrincipalSettings, f"principal.{name}", table, problems)
    return None if settings is None else PrincipalSpec(name=name, table=dict(table), settings=settings)


def _own_settings(settings: type[T], path: str, table: Any, problems: Problems) -> T | None:
    """Of a table that has no keys but these; None when `problems` grew."""
    return _collected(lambda: build(settings, table, path), problems) if _is_table(table, path, problems) else None


def supervisor(name: str, table: Any, problems: Problems) -> SupervisorSpec | None:
    """The supervisor of that name, or None when `problems` grew."""
    path = f"supervisor.{name}"
    if not _is_table(table, path, problems):
        return None
    shared = _collected(lambda: build(SupervisorCommon, table, path), problems)
    return None if shared is None else SupervisorSpec(name=name, **_values(shared))


def foreign(call: Callable[[], T]) -> T | Broken:
    """What a stranger's code answers, or Broken with what it raised. Mistakes in the text still raise SettingsError."""
    try:
        return call()
    except (SettingsError, MissingExtra):
        raise
    except (Exception, SystemExit) as raised:  # noqa: BLE001 - the frontier: a stranger's module may raise anything
        text = " ".join(str(raised).split())
        return Broken(f"{type(raised).__name__}: {text}"[:300] if text else type(raised).__name__)


def fault_of(module: ModuleType, common: type) -> str:
    """What a module lacks of the contract of drivers and uplinks; "" when it keeps it."""
    settings = getattr(module, "Settings", None)
    if not (isinstance(settings, type) and is_dataclass(settings)):
        return f"the module {module.__name__} has no dataclass Settings"
    if not callable(getattr(module, "connect", None)):
        return f"the module {module.__name__} has no function connect"
    twice = sorted(set(_keys(settings)) & set(_keys(common)))
    return f"the module {module.__name__} has settings that the gateway has itself: {', '.join(twice)}" if twice else ""


def _read(
    section: str, name: str, table: Any, kind: tuple[type, str, str], problems: Problems
) -> dict[str, Any] | None:
    """The fields of a spec but its name."""
    common_class, catalog_kind, key = kind
    path, before = f"{section}.{name}", len(problems)
    if not _is_table(table, path, problems):
        return None
    module = _module(catalog_kind, table.get(key), f"{path}.{key}", common_class, problems)
    own_class = module.Settings if isinstance(module, ModuleType) else None
    common, own = _shared_out(table, path, common_class, own_class, problems)
    shared: Any = _collected(lambda: build(common_class, common, path), problems)
    settings = _collected(lambda: foreign(lambda: build(own_class, own, path)), problems) if own_class else module
    if len(problems) > before or shared is None:
        return None
    return {**_values(shared), "table": own, **_outcome(settings)}


def _read_own(
    section: str, name: str, table: Any, classes: tuple[type, type], problems: Problems
) -> dict[str, Any] | None:
    """The fields of a spec but its name, where the settings are the house's own."""
    path, before = f"{section}.{name}", len(problems)
    if not _is_table(table, path, problems):
        return None
    common, own = _shared_out(table, path, *classes, problems)
    shared: Any = _collected(lambda: build(classes[0], common, path), problems)
    settings = _collected(lambda: foreign(lambda: build(classes[1], own, path)), problems)
    if len(problems) > before or shared is None:
        return None
    return {**_values(shared), "table": own, **_outcome(settings)}


def _module(kind: str, named: Any, path: str, common: type, problems: Problems) -> ModuleType | Broken | None:
    """The module that keeps the contract, why it is of no use, or None: then the problems say it."""
    if not isinstance(named, str):
        return None  # the common settings say what is wrong with it
    module = _loaded(kind, named, path, problems)
    fault = fault_of(module, common) if isinstance(module, ModuleType) else ""
    return Broken(fault) if fault else module


def _loaded(kind: str, named: str, path: str, problems: Problems) -> ModuleType | Broken | None:
    fault = trial.fault_of(kind, named)
    if fault:
        return Broken(fault)
    try:
        return foreign(lambda: catalog.load(kind, named, path))
    except SettingsError as wrong:
        problems.extend(wrong.problems)
    except MissingExtra as missing:
        problems.append(Problem(path, repr(named), _INSTALL.format(missing.extra)))
    return None


def _shared_out(
    table: Mapping[str, Any], path: str, common: type, own: type | None, problems: Problems
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The table as the common part and the module's own part. Unknown keys are compared with both."""
    ours, theirs = _keys(common), _keys(own) if own else []
    for key in (key for key in table if key not in ours and key not in theirs):
        # without a module its keys cannot be told from mistakes, unless they are very near
        if own or get_close_matches(key, ours, n=1, cutoff=_VERY_NEAR):
            problems.append(Problem(f"{path}.{key}", "", f"unknown setting; {nearest(key, [*theirs, *ours])}"))
    rest = {key: value for key, value in table.items() if key not in ours and (own is None or key in theirs)}
    return {key: value for key, value in table.items() if key in ours}, rest


def _is_table(table: Any, path: str, problems: Problems) -> bool:
    if isinstance(table, Mapping):
        return True
    shown = "[...]" if isinstance(table, list) else f"{table!r:.60}"
    problems.append(
        Problem(path, shown, f"must be a table of settings; write [{path.partition('.')[0]}.NAME] above them")
    )
    return False


def _collected(call: Callable[[], T], problems: Problems) -> T | None:
    try:
        return call()
    except SettingsError as wrong:
        problems.extend(wrong.problems)
        return None


def _outcome(settings: Any) -> dict[str, Any]:
    if isinstance(settings, Broken):
        return {"settings": None, "broken": settings.reason}
    return {"settings": settings, "broken": ""}


def _values(settings: Any) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def _keys(cls: type) -> list[str]:
    return [key_of(field) for field in fields(cls)]
