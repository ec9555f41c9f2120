"""Samples put onto a grid of times: which points of it are decided by some samples, and what they say there.

The points are multiples of the step since 1970-01-01 UTC. With `last` a point has the newest sample at or before it,
with `linear` what the straight line between its neighbours says, with `mean` the mean of the samples since the point
before it. What is older than `max_age` is Bad at a point; after one such point there are none until a sample comes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.stages.columnwise import usable
from actors.stages.numbers import BAD
from transports.samples import Quality

Vector = NDArray[np.int64]
Filled = tuple[NDArray[Any], NDArray[np.uint32]]  # values and status codes at the points, each (points, tags)


@dataclass(frozen=True, slots=True)
class Points:
    """Points of the grid in order: their times, and for each the number of the last sample at or before it."""

    times_ns: Vector
    samples: NDArray[np.intp]


@dataclass(slots=True)
class Samples:
    """Samples of some tags in order of time, the first of them known from before: times (m,), the rest (m, tags)."""

    times_ns: Vector
    values: NDArray[Any]
    codes: NDArray[np.uint32]


@dataclass(slots=True)
class Sums:
    """What has come since the last point: sum, number and worst status code of each tag's samples."""

    total: NDArray[np.float64]
    count: Vector
    worst: NDArray[np.uint32]


def decided(times_ns: Vector, step_ns: int, max_age_ns: int) -> Points:
    """The points after the first time and up to the last one, but where the sample before them is too old."""
    firsts = -(-times_ns // step_ns)
    firsts[0] = times_ns[0] // step_ns + 1
    ends = times_ns // step_ns
    ends[:-1] = np.minimum(firsts[1:] - 1, (times_ns[:-1] + max_age_ns) // step_ns + 1)
    counts = np.maximum(ends - firsts + 1, 0)
    samples = np.repeat(np.arange(len(times_ns)), counts)
    within = np.arange(len(samples)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Points((firsts[samples] + within) * step_ns, samples)


def last(points: Points, samples: Samples, max_age_ns: int) -> Filled:
    """The newest sample at each point."""
    values, codes = samples.values[points.samples], samples.codes[points.samples]
    old = (points.times_ns - samples.times_ns[points.samples] > max_age_ns)[:, None]
    return values, np.where(old & (codes < BAD), np.uint32(Quality.BAD_NO_COMMUNICATION), codes)


def linear(points: Points, samples: Samples, max_age_ns: int) -> Filled:
    """What the line to the next sample says; where that cannot be drawn the one before, Uncertain."""
    held, codes = last(points, samples, max_age_ns)
    following = np.minimum(points.samples + 1, len(samples.times_ns) - 1)
    since, until = samples.times_ns[points.samples], samples.times_ns[following]
    between = (points.times_ns > since)[:, None]
    joined = between & (until - since <= max_age_ns)[:, None]
    fine = usable(samples.values, samples.codes)
    if fine is not None:
        joined = joined & fine[points.samples] & fine[following]
    part = ((points.times_ns - since) / np.maximum(until - since, 1))[:, None]
    with np.errstate(all="ignore"):
        straight = held * (1.0 - part) + samples.values[following] * part
    worse = np.maximum(codes, samples.codes[following])
    return np.where(joined, straight, held), np.where(joined, worse, np.where(between, _alone(codes), codes))


def mean(points: Points, samples: Samples, sums: Sums, step_ns: int, max_age_ns: int) -> tuple[Filled, Sums]:
    """The mean at each point, and the sums that wait for the next one; without a usable sample the last, Uncertain."""
    held, codes = last(points, samples, max_age_ns)
    fine = usable(samples.values, samples.codes)
    if fine is None:
        values, counted, worst = samples.values, np.ones(samples.values.shape, np.int64), samples.codes
    else:
        values, counted = np.where(fine, samples.values, 0.0), fine.astype(np.int64)
        worst = np.where(fine, samples.codes, np.uint32(Quality.UNCERTAIN_SUB_NORMAL))
    # the point that each new sample is counted at; behind the last point they wait for the next one
    into = np.searchsorted(points.times_ns, -(-samples.times_ns[1:] // step_ns) * step_ns)
    heads = np.flatnonzero(np.diff(into, prepend=-1))
    shape = (len(points.times_ns) + 1, values.shape[1])
    total, count, marks = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.uint32)
    with np.errstate(over="ignore", invalid="ignore"):
        total[into[heads]] = np.add.reduceat(values[1:], heads)
        count[into[heads]] = np.add.reduceat(counted[1:], heads)
        marks[into[heads]] = np.maximum.reduceat(worst[1:], heads)
        total[0], count[0], marks[0] = total[0] + sums.total, count[0] + sums.count, np.maximum(marks[0], sums.worst)
        means = total[:-1] / np.maximum(count[:-1], 1)
    none = count[:-1] == 0
    filled = np.where(none, held, means), np.where(none, _alone(codes), marks[:-1])
    return filled, Sums(total[-1], count[-1], marks[-1])


def _alone(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The status code of a value that is only held."""
    return np.where(codes < BAD, np.maximum(codes, np.uint32(Quality.UNCERTAIN_LAST_USABLE)), codes)
