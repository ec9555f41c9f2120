"""The columns of a batch in a form that compresses well. To the bit, and back.

    values     a b c   row by row       ->  COLUMNS  a a a b b b c c c   tag after tag: what has few different values
               a b c                        PLANES   the same, but all first bytes, then all second bytes, ... of the
               a b c                                 little-endian values: what moves slowly and is measured finely
    times      t0 t1 t2                 ->  [n, t0, step] where all steps are equal, else
                                            planes of t0, t1 - t0, t2 - t1, ... (modulo 2^64)

Neighbours of a slow signal share sign, exponent and the first digits: in planes that is a run of equal bytes. Which of
the two is shorter is not known before both have been tried.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Form(IntEnum):
    """How values lie; the numbers are part of the record format."""

    COLUMNS = 0
    PLANES = 1


# the shape (rows, tags, bytes of an item) turned, which is its own inverse
_TURNED = {Form.COLUMNS: (1, 0, 2), Form.PLANES: (2, 1, 0)}


def turned(block: bytes, rows: int, item_bytes: int, form: Form) -> bytes:
    """A block of rows in this form."""
    return _turned(block, (rows, -1, item_bytes), form) if block else block


def turned_back(block: bytes, rows: int, item_bytes: int, form: Form) -> bytes:
    """The block of rows again. Raises ValueError when it cannot have been one of so many."""
    shape = (rows, -1, item_bytes)
    one, two, three = (shape[at] for at in _TURNED[form])
    return _turned(block, (one, two, three), form) if block else block


def packed_times(times_ns: Sequence[int]) -> tuple[int, int, int] | bytes:
    """Times in ns, int64."""
    steps = _steps(times_ns)
    if len(steps) > 1 and bool((steps[1:] == steps[1]).all()):
        return len(times_ns), times_ns[0], int(steps[1:2].view(np.int64)[0])
    return turned(steps.tobytes(), len(steps), 8, Form.PLANES)


def unpacked_times(times: Any, most: int) -> tuple[int, ...]:
    """The times again, `most` at most. Raises ValueError, TypeError, OverflowError."""
    if isinstance(times, bytes):
        steps = np.frombuffer(turned_back(times, len(times) // 8, 8, Form.PLANES), "<u8")
    else:
        n, first, step = times
        if any(type(each) is not int for each in times):
            raise TypeError(f"{times!r:.60} is not how many, the first, and the step")
        if not 2 <= n <= most:
            raise ValueError(f"{n} times for {most} bytes of values")
        steps = np.full(n, np.array(step, np.int64).view(np.uint64))
        steps[0] = np.array(first, np.int64).view(np.uint64)
    return tuple(np.cumsum(steps, dtype=np.uint64).view(np.int64).tolist())


def _steps(times_ns: Sequence[int]) -> NDArray[np.uint64]:
    times = np.array(times_ns, np.int64).view(np.uint64)
    return np.diff(times, prepend=np.zeros(1, np.uint64))


def _turned(block: bytes, shape: tuple[int, int, int], form: Form) -> bytes:
    return np.frombuffer(block, np.uint8).reshape(shape).transpose(_TURNED[form]).tobytes()
