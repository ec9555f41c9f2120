"""What is allowed and still worth a word: warnings about a whole configuration."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from actors.stages.patterns import takes_from
from supervisors.configuration.claims import kept
from supervisors.configuration.gateway import AggregateSpec, Gateway, Spec
from supervisors.spec import AutoShutdown
from transports.errors import Problem, SettingsError
from transports.settings import Secret, key_of


def cautions(gateway: Gateway) -> Iterator[Problem]:
    """The warnings, as problems that stop nothing; `gateway` still has what is disabled."""
    if not any(spec.enabled for spec in gateway.uplinks):
        yield Problem("uplink", "", "there is none; readings wait in the spool until its quota drops the oldest")
    if not any(spec.enabled for spec in gateway.devices):
        yield Problem("device", "", "there is none; nothing is read")
    disabled = [spec.name for spec in gateway.devices if not spec.enabled]
    for spec in (spec for spec in gateway.specs() if spec.enabled):
        yield from _values(spec)
        if isinstance(spec, AggregateSpec) and spec.settings is not None:
            yield from _silent_sources(spec, disabled)
    for rule in gateway.rules:
        if rule.settings.enabled and 0 < rule.settings.silent_after_s < rule.settings.for_s:
            cure = "is longer than silent_after: a tag that is only told when it changes grows old before it counts"
            yield Problem(f"{rule.path}.for", f"{rule.settings.for_s:g}s", cure)
    yield from _supervisors(gateway)


def _supervisors(gateway: Gateway) -> Iterator[Problem]:
    """Supervisors that have nothing to do, or wait for what cannot happen."""
    specs = gateway.in_start_order()
    tree = kept([spec.name for spec in specs], {spec.name: spec.children for spec in gateway.supervisors})
    disabled = {spec.name for spec in specs if not spec.enabled}
    significant = {spec.name for spec in specs if spec.supervise.significant}
    significant |= {spec.name for spec in gateway.supervisors if spec.significant}
    for spec in gateway.supervisors:
        if disabled.issuperset(tree.processes(spec.name)):
            yield Problem(f"{spec.path}.children", "", "are all disabled; it is left out")
        elif spec.auto_shutdown is not AutoShutdown.NEVER and not significant.intersection(tree.children[spec.name]):
            cure = "has no effect: none of its children has supervise = { significant = true }"
            yield Problem(f"{spec.path}.auto_shutdown", repr(spec.auto_shutdown.value), cure)


def _values(spec: Spec) -> Iterator[Problem]:
    for path, value in walk(spec.settings, spec.path):
        if isinstance(value, Secret):
            yield from _secret(path, value)
        elif isinstance(value, Path):
            yield from relative(path, value)


def relative(path: str, value: Path) -> Iterator[Problem]:
    """A word on a path that means another place when holdfast is started elsewhere."""
    if not value.expanduser().is_absolute():
        cure = "is a relative path: where it is depends on where holdfast is started; write an absolute path"
        yield Problem(path, repr(str(value)), cure)


def _secret(path: str, secret: Secret) -> Iterator[Problem]:
    """Secrets are read when they are used, by the user that runs the gateway: here they may rightly be missing."""
    try:
        secret.reveal()
    except SettingsError as missing:
        for problem in missing.problems:
            yield Problem(path, problem.path, problem.cure)


def _silent_sources(spec: AggregateSpec, disabled: list[str]) -> Iterator[Problem]:
    for name in (name for name in disabled if takes_from(spec.settings.from_, name)):
        yield Problem(f"{spec.path}.from", "", f"device.{name} is disabled, nothing comes from it")


def walk(settings: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value in built settings, tables and lists included, with the path where it is written."""
    yield path, settings
    if isinstance(settings, Secret):
        return
    if is_dataclass(settings) and not isinstance(settings, type):
        for field in fields(settings):
            yield from walk(getattr(settings, field.name), f"{path}.{key_of(field)}")
    elif isinstance(settings, Mapping):
        for key, item in settings.items():
            yield from walk(item, f"{path}.{key}")
    elif isinstance(settings, tuple):
        for at, item in enumerate(settings):
            yield from walk(item, f"{path}[{at}]")
