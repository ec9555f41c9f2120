"""Which benchmarks there are, in the order in which they are run."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.report import Values
from tests.bench.rig import Bench

MODULES = (
    "passthrough",
    "aggregated",
    "modbus",
    "latency",
    "rules",
    "shared_line",
    "stages",
    "restart",
    "restart_erl",
    "flapping",
    "memory",
    "spool_append",
    "spool_open",
    "spool_bytes",
    "drain",
    "outage",
    "wire",
    "uplinks",
)


@dataclass(frozen=True)
class Benchmark:
    """One file: the figures it gives, what it says that it measures, and how."""

    title: str
    names: tuple[str, ...]
    measure: Callable[[Bench], Values]


def load() -> list[Benchmark]:
    """All of them."""
    return [_benchmark(name) for name in MODULES]


def _benchmark(name: str) -> Benchmark:
    module = importlib.import_module(f"tests.bench.{name}")
    return Benchmark((inspect.getdoc(module) or "").partition("\n")[0], module.NAMES, module.measure)
