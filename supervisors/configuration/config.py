"""From a configuration file to a gateway: read once, checked whole, before anything starts.

    file ──document──> tables and their lines ──sections──> specs ──names──> a Gateway, or every mistake, one line each

What is wrong in the text refuses the whole file: SettingsError, whose text has one line a mistake,
`FILE:LINE: path = value: cure`. What is wrong with a stranger's module breaks the one child that uses it: the spec has
`broken`, `Gateway.broken` has the line for `holdfast check`, and `holdfast run` goes on with the others.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from actors.diagnosing.settings import Settings as DiagnosticsSettings
from actors.rules.rule import problems_of as rule_problems
from actors.steering.settings import cautions_of as principal_cautions
from actors.steering.settings import problems_of as principal_problems
from supervisors.configuration import sections
from supervisors.configuration.cautions import cautions, relative
from supervisors.configuration.claims import claim_problems, kept, significance_problems
from supervisors.configuration.document import Document, read
from supervisors.configuration.gateway import (
    Gateway,
    LinkSpec,
    PrincipalSpec,
    RuleSpec,
    Spec,
    SupervisorSpec,
    default_data_dir,
    default_run_dir,
)
from supervisors.configuration.names import (
    line_problems,
    link_problems,
    name_problems,
    run_dir_problems,
    source_problems,
)
from supervisors.configuration.profiles import Shelf, device
from supervisors.configuration.tables import NAME, GatewaySettings, Supervision, gateway_name_rule
from supervisors.spec import AutoShutdown
from transports.building import build
from transports.errors import Problem, SettingsError
from transports.names import ROOT
from transports.settings import nearest
from transports.spool.settings import Settings as SpoolSettings

T = TypeVar("T")
S = TypeVar("S", bound=Spec | SupervisorSpec | RuleSpec | LinkSpec | PrincipalSpec)
_NAMED = ("device", "aggregate", "uplink", "program", "line", "supervisor")
_TABLES = ("gateway", "supervision", "spool", *_NAMED, "rule", "link", "principal", "diagnostics")
_IDLE = "has nothing to do; write at least one table [device.NAME], [uplink.NAME] or [program.NAME]"
_MEANT = re.compile(r"unknown setting; did you mean '(.+)'\?")


def load(path: Path | str, data_dir: Path | str | None = None, run_dir: Path | str | None = None) -> Gateway:
    """The gateway that the file at `path` describes; `data_dir` and `run_dir` win over what it says.

    Raises SettingsError with every mistake in the text, in file order, each a `document.Located` (or `Elsewhere`).
    """
    document = read(Path(path))
    problems: list[Problem] = []
    gateway = _gateway(document, problems)
    gateway = replace(
        gateway,
        data_dir=_absolute(data_dir or gateway.data_dir),
        run_dir=_absolute(run_dir or gateway.run_dir),
    )
    problems += _together(document, gateway)
    if not problems and not (gateway.devices or gateway.uplinks or gateway.programs):
        problems.append(Problem("gateway", "", _IDLE))
    if problems:
        raise document.error(_one_each(problems))
    return _running(document, gateway)


def _gateway(document: Document, problems: list[Problem]) -> Gateway:
    """Everything that could be read, in spite of problems: the names are checked all the same."""
    table = document.table
    for key in table.keys() - set(_TABLES):
        problems.append(Problem(key, "", f"unknown table; {nearest(key, list(_TABLES))}"))
    settings = _built(GatewaySettings, table, "gateway", problems) or GatewaySettings()
    shelf = Shelf(settings.profiles)
    problems += shelf.problems("gateway.profiles")
    name = settings.name or document.file.stem
    rule = gateway_name_rule(name)
    if rule and not settings.name:
        cure = f"is missing, and the file's name {name!r} cannot be used instead: a name {rule}"
        problems.append(Problem("gateway.name", "", cure))
    return Gateway(
        name=name,
        data_dir=settings.data_dir or default_data_dir(name),
        run_dir=settings.run_dir or default_run_dir(name),
        log_level=settings.log_level,
        log_format=settings.log_format,
        supervision=_built(Supervision, table, "supervision", problems) or Supervision(),
        spool=_built(SpoolSettings, table, "spool", problems),
        devices=_specs(table, "device", partial(device, shelf), problems),
        aggregates=_specs(table, "aggregate", sections.aggregate, problems),
        uplinks=_specs(table, "uplink", sections.uplink, problems),
        programs=_specs(table, "program", sections.program, problems),
        lines=_specs(table, "line", sections.line, problems),
        rules=_specs(table, "rule", sections.rule, problems),
        links=_specs(table, "link", sections.link, problems),
        principals=_specs(table, "principal", sections.principal, problems),
        diagnostics=_built(DiagnosticsSettings, table, "diagnostics", problems) if "diagnostics" in table else None,
        supervisors=_specs(table, "supervisor", sections.supervisor, problems),
    )


def _built(cls: type[T], table: Mapping[str, Any], key: str, problems: list[Problem]) -> T | None:
    try:
        return build(cls, table.get(key, {}), key)
    except SettingsError as wrong:
        problems.extend(wrong.problems)
        return None


def _specs(
    table: Mapping[str, Any], section: str, make: Callable[[str, Any, list[Problem]], S | None], problems: list[Problem]
) -> tuple[S, ...]:
    entries = table.get(section, {})
    if not isinstance(entries, Mapping):
        problems.append(
            Problem(
                section,
                "[...]" if isinstance(entries, list) else f"{entries!r:.60}",
                f"must be written as tables, [{section}.NAME]",
            )
        )
        return ()
    made = (make(name, entry, problems) for name, entry in entries.items())
    return tuple(spec for spec in made if spec is not None)


def _together(document: Document, gateway: Gateway) -> Iterator[Problem]:
    """What only shows when the whole file is seen; the names are those in the text, also of specs with mistakes."""
    line_of = document.places.line_of
    named = [(section, name) for section in _NAMED for name in _names(document.table, section)]
    actors = [name for section, name in named if section != "supervisor"]
    yield from name_problems(named, line_of)
    yield from run_dir_problems(gateway.run_dir, filter(NAME.fullmatch, actors))
    for spec in gateway.aggregates:
        if not spec.broken:
            yield from source_problems(spec.path, spec.settings.from_, _names(document.table, "device"))
    devices = _names(document.table, "device")
    for rule in gateway.rules:
        yield from rule_problems(rule.settings, rule.path, devices)
    yield from line_problems(gateway.devices, _names(document.table, "line"))
    yield from link_problems(gateway.links, gateway.uplinks, _names(document.table, "link"))
    for principal in gateway.principals:
        yield from principal_problems(principal.settings, principal.path, _names(document.table, "uplink"))
    for process in gateway.specs():
        yield from process.supervise.beside(gateway.supervision, f"{process.path}.supervise")
    lists = {name: _children(document.table, name) for name in _names(document.table, "supervisor")}
    yield from claim_problems(actors, lists, line_of)
    yield from significance_problems(*_significance(gateway), kept(actors, lists), line_of)


def _children(table: Mapping[str, Any], supervisor: str) -> list[str]:
    """The claims of a supervisor as they are written; none where they are not a list of texts: that is a mistake."""
    entry = table["supervisor"][supervisor]
    children = entry.get("children") if isinstance(entry, Mapping) else None
    texts = children if isinstance(children, list) else []
    return texts if all(isinstance(text, str) for text in texts) else []


def _significance(gateway: Gateway) -> tuple[Mapping[str, str], Collection[str]]:
    """Where it is written of whom that it is significant, and the keepers to whom that means nothing."""
    processes = {spec.name: f"{spec.path}.supervise" for spec in gateway.specs() if spec.supervise.significant}
    supervisors = {spec.name: spec.path for spec in gateway.supervisors if spec.significant}
    never = {ROOT, *(spec.name for spec in gateway.supervisors if spec.auto_shutdown is AutoShutdown.NEVER)}
    return {**processes, **supervisors}, never


def _names(table: Mapping[str, Any], section: str) -> list[str]:
    entries = table.get(section, {})
    return list(entries) if isinstance(entries, Mapping) else []


def _one_each(problems: Iterable[Problem]) -> list[Problem]:
    """One mistake, one line: a key is not also missing where a misspelling of it was already named."""
    problems = list(problems)
    meant = {
        f"{problem.path.rpartition('.')[0]}.{match[1]}" for problem in problems if (match := _MEANT.match(problem.cure))
    }
    return [p for p in problems if not (p.path in meant and p.cure.startswith("is missing"))]


def _running(document: Document, gateway: Gateway) -> Gateway:
    """The gateway without what is disabled, with its warnings and what is broken in it."""
    specs = gateway.specs()
    broken = [Problem(spec.path, "", f"cannot run: {spec.broken}") for spec in specs if spec.enabled and spec.broken]
    return replace(
        gateway,
        devices=tuple(spec for spec in gateway.devices if spec.enabled),
        aggregates=tuple(spec for spec in gateway.aggregates if spec.enabled),
        uplinks=tuple(spec for spec in gateway.uplinks if spec.enabled),
        programs=tuple(spec for spec in gateway.programs if spec.enabled),
        lines=tuple(spec for spec in gateway.lines if spec.enabled),
        rules=tuple(spec for spec in gateway.rules if spec.settings.enabled),
        links=tuple(spec for spec in gateway.links if spec.settings.enabled),
        diagnostics=gateway.diagnostics if gateway.diagnostics and gateway.diagnostics.enabled else None,
        disabled=tuple(spec.name for spec in specs if not spec.enabled),
        warnings=tuple(map(document.located, _warnings(document, gateway))),
        broken=tuple(map(document.located, broken)),
    )


def _warnings(document: Document, gateway: Gateway) -> Iterator[Problem]:
    yield from _relative_directories(document.table)
    yield from cautions(gateway)
    uplinks = {spec.name: spec.settings for spec in gateway.uplinks if spec.enabled}
    yield from principal_cautions({each.name: each.settings for each in gateway.principals}, uplinks)


def _relative_directories(table: Mapping[str, Any]) -> Iterator[Problem]:
    written = table.get("gateway", {})
    for key in (key for key in ("data_dir", "run_dir", "profiles") if key in written):
        yield from relative(f"gateway.{key}", Path(written[key]))


def _absolute(path: Path | str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path)))
