"""Signals as functions of time: what a simulated device would show at a given instant.

    sine  square  triangle  sawtooth  step     between -1 and 1, once a period counted from 1970-01-01 UTC
    constant                                   0
    noise                                      normally distributed, from a seeded generator
    counter                                    the number of the scan

A value is `amplitude x wave + offset`, plus normal noise where that is asked for. A decider: it imports no I/O; times
and scan numbers are handed in, and thousands of values are one array.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

LEVELS = 5  # of the stairs that "step" climbs once a period

# each takes the part of the period that has passed, 0 <= phase < 1
WAVES: Mapping[str, Callable[[Floats], Floats]] = {
    "sine": lambda phase: np.sin(2 * np.pi * phase),
    "square": lambda phase: np.where(phase < 0.5, 1.0, -1.0),
    "triangle": lambda phase: 1 - 4 * np.abs(phase - 0.5),
    "sawtooth": lambda phase: 2 * phase - 1,
    "step": lambda phase: np.floor(phase * LEVELS) * (2 / (LEVELS - 1)) - 1,
}
KINDS = (*WAVES, "constant", "noise", "counter")


@dataclass(frozen=True, slots=True)
class Signal:
    """One simulated tag. `phase` is how much of a period it runs ahead, `noise` a standard deviation."""

    kind: str
    period_ns: int = 10_000_000_000
    amplitude: float = 1.0
    offset: float = 0.0
    noise: float = 0.0
    phase: float = 0.0


@dataclass(frozen=True, slots=True)
class _Group:
    """The signals of one wave: their columns, the different periods they have, and which of those each has."""

    wave: Callable[[Floats], Floats]
    columns: Indices
    periods_ns: NDArray[np.int64]
    which: Indices
    phases: Floats

    def values(self, times_ns: NDArray[np.int64]) -> Floats:
        # the remainder is taken of whole numbers: a float of today's nanoseconds is only good to 256 of them
        passed = (times_ns[:, None] % self.periods_ns) / self.periods_ns
        phase = passed[:, self.which] + self.phases
        phase -= np.floor(phase)
        return self.wave(phase)


class Waves:
    """Signals side by side, made ready once: the values at some times are then a few array operations."""

    def __init__(self, signals: Sequence[Signal], seed: int) -> None:
        self._signals = len(signals)
        self._groups = tuple(_groups(signals))
        self._random = _columns(signals, "noise")
        self._counters = _columns(signals, "counter")
        self._amplitude = np.array([signal.amplitude for signal in signals], np.float64)
        self._offset = np.array([signal.offset for signal in signals], np.float64)
        self._noise = np.array([signal.noise for signal in signals], np.float64)
        self._noisy = bool(self._noise.any())
        self._seed = seed

    @cached_property
    def _generator(self) -> np.random.Generator:
        """Made for the first noise: it costs half a megabyte, which a quiet signal need not pay."""
        return np.random.Generator(np.random.PCG64(self._seed))

    def set_offset(self, column: int, value: float) -> None:
        """From now on the signal in that column lies around `value`; a constant is it."""
        self._offset[column] = value

    def values(self, times_ns: NDArray[np.int64], first: int) -> Floats:
        """Values of shape (times, signals); `first` is the number of the first of these scans."""
        values = np.zeros((len(times_ns), self._signals))
        for group in self._groups:
            values[:, group.columns] = group.values(times_ns)
        if self._random.size:
            values[:, self._random] = self._generator.standard_normal((len(times_ns), self._random.size))
        if self._counters.size:
            values[:, self._counters] = np.arange(first, first + len(times_ns))[:, None]
        values *= self._amplitude
        values += self._offset
        if self._noisy:
            values += self._noise * self._generator.standard_normal(values.shape)
        return values


def _groups(signals: Sequence[Signal]) -> Iterator[_Group]:
    for kind, wave in WAVES.items():
        columns = _columns(signals, kind)
        if columns.size:
            mine = [signals[column] for column in columns]
            periods_ns, which = np.unique([signal.period_ns for signal in mine], return_inverse=True)
            yield _Group(wave, columns, periods_ns, which, np.array([signal.phase for signal in mine]))


def _columns(signals: Sequence[Signal], kind: str) -> Indices:
    return np.array([at for at, signal in enumerate(signals) if signal.kind == kind], np.intp)
