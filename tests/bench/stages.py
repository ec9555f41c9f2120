"""Nanoseconds a sample for each stage, on batches of 1,000 scans of one tag and of ten scans of 100 tags.

A stage takes one batch after the other of a slow signal, of which nothing is refused and little left to send: what is
decided sample by sample costs more. Said for each stage is the median of five runs of the slower shape; the figures are
the median over all stages, and the slowest one.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from actors.stages.pipeline import pipeline_of
from tests.bench.report import Values
from tests.bench.rig import Bench
from transports.samples import Batch, DataType, Tag

NAMES = ("stage_ns_median", "stage_ns_slowest")
RUNS, PERIOD_NS = 5, 1_000_000_000
STAGES: Mapping[str, dict[str, Any]] = {
    "scale": {"factor": 0.1, "offset": 4.0},
    "range": {"min": -1e6, "max": 1e6},
    "rate": {"max": 1e6},
    "median": {"window": 5},
    "hampel": {"window": 5},
    "average": {"window": 10},
    "exponential": {"share": 0.2},
    "counter": {},
    "deadband": {"absolute": 1e6},
    "swinging_door": {"deviation": 1e6},
    "resample": {"every": "1s"},
    "derive": {"tag": "double", "expression": "t0 * 2 + 1"},
}


def measure(bench: Bench) -> Values:
    """Quick: 20 batches a run. Thorough: 200."""
    batches = round(bench.either(20, 200))
    runs: list[dict[str, float]] = []
    for _ in range(RUNS):
        runs.append({name: max(_ns(name, shape, batches) for shape in ((1000, 1), (10, 100))) for name in STAGES})
    for name in STAGES:
        bench.say(f"{name:14} {median(run[name] for run in runs):6.0f} ns")
    return {NAMES[0]: [median(run.values()) for run in runs], NAMES[1]: [max(run.values()) for run in runs]}


def _ns(name: str, shape: tuple[int, int], batches: int) -> float:
    """Of one stage, per sample."""
    pipeline = pipeline_of([{"stage": name, **STAGES[name]}])
    made = [_batch(shape, at) for at in range(batches + 2)]
    for batch in made[:2]:
        pipeline.take(batch)
    begun = time.perf_counter_ns()
    for batch in made[2:]:
        pipeline.take(batch)
    return (time.perf_counter_ns() - begun) / (batches * shape[0] * shape[1])


def _batch(shape: tuple[int, int], at: int) -> Batch:
    scans, width = shape
    tags = _TAGS[:width]
    begin = at * scans
    times = tuple((begin + row) * PERIOD_NS for row in range(scans))
    rows = np.arange(begin, begin + scans, dtype=np.float64)[:, None] / 100 + np.arange(width)
    values = np.floor(np.sin(rows) * 50 + begin + np.arange(scans)[:, None])
    return replace(_EMPTY, tags=tags, times_ns=times, blocks={DataType.FLOAT64: values.astype("<f8").tobytes()})


_TAGS = tuple(Tag(f"t{at}") for at in range(100))
_EMPTY = Batch("bench", 1, (), (), {})
