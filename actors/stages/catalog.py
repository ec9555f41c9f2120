"""From the name of a stage in the configuration to the module that does it: the house's own, then entry points.

A stage is a module in actors/stages/steps/, or one that an entry point of the group `holdfast.stages` names. It has

- a first line that says what it does;
- `Settings`, a frozen dataclass that inherits `Chosen` (chosen.py), with an optional `problems(path)`;
- `make(settings) -> Stage` (stage.py): a stage for the readings of one source;
- `LASTING`: whether what it remembers must survive a restart, because it cannot be learnt again from what comes next;
- optionally `THINS = True`: it leaves samples out that a window of statistics would need.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from actors.stages.stage import Stage
from transports.building import build
from transports.errors import Problem, SettingsError
from transports.settings import nearest

GROUP = "holdfast.stages"
_PACKAGE = "actors.stages.steps"


@dataclass(frozen=True, slots=True)
class Step:
    """One stage as it was written: its table, and what was built from it."""

    name: str
    table: Mapping[str, Any]
    module: ModuleType
    settings: Any

    @property
    def lasting(self) -> bool:
        """Whether what it remembers must survive a restart."""
        return bool(self.module.LASTING)

    @property
    def thins(self) -> bool:
        """Whether it leaves samples out that a window would need."""
        return bool(getattr(self.module, "THINS", False))

    def make(self) -> Stage:
        """A stage that remembers nothing yet."""
        made: Stage = self.module.make(self.settings)
        return made


def names() -> list[str]:
    """Every stage that can be written in a configuration, sorted."""
    return sorted({*_own(), *(point.name for point in entry_points(group=GROUP))})


def load(name: str, path: str) -> ModuleType:
    """The module of that name; `path` is where it was written. Raises SettingsError for a name that is of none.

    Whatever else a stranger's module raises while it is imported passes through.
    """
    if name in _own():
        return importlib.import_module(f"{_PACKAGE}.{name}")
    for point in entry_points(group=GROUP, name=name):
        module = point.load()
        fault = _fault_of(module)
        if fault:
            raise SettingsError(Problem(path, repr(name), f"the entry point {point.value!r} {fault}"))
        return module  # type: ignore[no-any-return]
    raise SettingsError(Problem(path, repr(name), f"unknown stage; {nearest(name, names())}"))


def step(table: Mapping[str, Any], path: str) -> Step:
    """A stage from its table `{ stage = "scale", factor = 0.1 }`. Raises SettingsError with every mistake in it."""
    name = table.get("stage")
    if not isinstance(name, str):
        raise SettingsError(Problem(f"{path}.stage", "", f"is missing; write one of {', '.join(names())}"))
    module = load(name, f"{path}.stage")
    own = {key: value for key, value in table.items() if key != "stage"}
    return Step(name, table, module, build(module.Settings, own, path))


def _fault_of(module: Any) -> str:
    if not isinstance(module, ModuleType):
        return "must name a module"
    settings = getattr(module, "Settings", None)
    if not (isinstance(settings, type) and is_dataclass(settings)):
        return "has no dataclass Settings"
    if not callable(getattr(module, "make", None)):
        return "has no function make"
    return "" if isinstance(getattr(module, "LASTING", None), bool) else "does not say whether it is LASTING"


@lru_cache
def _own() -> frozenset[str]:
    package = importlib.import_module(_PACKAGE)
    return frozenset(found.name for found in pkgutil.iter_modules(package.__path__) if not found.name.startswith("_"))
