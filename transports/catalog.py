"""From a name in the configuration to the module that does it: the house's own files first, then entry points.

A driver, an uplink, a payload is a module; its name is the file's name. Nothing is imported until it is asked for,
because a module may be broken: that is its user's problem alone.
"""

import importlib
import pkgutil
from functools import lru_cache
from importlib.metadata import entry_points
from types import ModuleType

from transports.errors import MissingExtra, Problem, SettingsError
from transports.settings import nearest

LINKS, UPLINKS, PAYLOADS, SIMULATORS = "links", "uplinks", "payloads", "simulators"


def names(kind: str) -> list[str]:
    """Every name of a kind (`links`, `uplinks`, `payloads`, `simulators`) that can be written, sorted."""
    return sorted({*_own(kind), *(point.name for point in entry_points(group=f"holdfast.{kind}"))})


def is_own(kind: str, name: str) -> bool:
    """Whether a name is one of the house's own files, which may be loaded before it is needed."""
    return name in _own(kind)


def load(kind: str, name: str, path: str) -> ModuleType:
    """The module of that name; `path` is where the configuration named it.

    Raises SettingsError for an unknown name and MissingExtra for a driver whose library is not installed. Whatever
    else a stranger's module raises while it is imported passes through.
    """
    if is_own(kind, name):
        return _imported(kind, name)
    for point in entry_points(group=f"holdfast.{kind}", name=name):
        module = point.load()
        if isinstance(module, ModuleType):
            return module
        raise SettingsError(Problem(path, repr(name), f"the entry point {point.value!r} must name a module"))
    raise SettingsError(Problem(path, repr(name), f"unknown {_SINGULAR[kind]}; {nearest(name, names(kind))}"))


_SINGULAR = {LINKS: "driver", UPLINKS: "uplink", PAYLOADS: "payload format", SIMULATORS: "simulator"}


@lru_cache
def _own(kind: str) -> frozenset[str]:
    package = importlib.import_module(f"transports.{kind}")
    return frozenset(found.name for found in pkgutil.iter_modules(package.__path__) if not found.name.startswith("_"))


def _imported(kind: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(f"transports.{kind}.{name}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in ("transports", "actors", "supervisors"):
            raise
        raise MissingExtra(name, name) from missing
