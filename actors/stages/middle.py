"""The median of a few columns, elementwise.

Short windows go through a network of comparators (Batcher's odd-even merge sort, of which only what the middle needs is
kept): each comparator is one minimum or maximum of whole columns. Longer ones are partitioned.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST_NETWORK = 11  # beyond it, a partition of each window is faster

Comparator = tuple[int, int, bool, bool]  # places; whether the smaller, and the larger, is needed afterwards


def median(columns: list[NDArray[Any]]) -> NDArray[Any]:
    """The median of an odd number of arrays of one shape, without NaN."""
    if len(columns) > LONGEST_NETWORK:
        stacked = np.stack(columns, axis=-1)
        middle: NDArray[Any] = np.partition(stacked, len(columns) // 2, axis=-1)[..., len(columns) // 2]
        return middle
    places = list(columns)
    for low, high, wants_low, wants_high in network(len(columns)):
        first, second = places[low], places[high]
        if wants_low:
            places[low] = np.minimum(first, second)
        if wants_high:
            places[high] = np.maximum(first, second)
    return places[len(columns) // 2]


@lru_cache
def network(size: int) -> tuple[Comparator, ...]:
    """The comparators that bring the middle one of `size` values to its place, in order."""
    needed, kept = {size // 2}, []
    for low, high in reversed(_sorting(size)):
        if low in needed or high in needed:
            kept.append((low, high, low in needed, high in needed))
            needed |= {low, high}
    return tuple(reversed(kept))


def _sorting(size: int) -> list[tuple[int, int]]:
    """Batcher's network for any size (Knuth, The Art of Computer Programming 5.3.4, merge exchange)."""
    top = 1 << max(0, (size - 1).bit_length() - 1)
    pairs, step = [], top
    while step:
        reach, offset, distance = top, 0, step
        while True:
            pairs += [(at, at + distance) for at in range(size - distance) if at & step == offset]
            if reach == step:
                break
            distance, reach, offset = reach - step, reach // 2, step
        step //= 2
    return pairs
