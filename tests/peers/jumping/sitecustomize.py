"""A stand-in for the machine's wall clock: it jumps by the seconds that stand in the file named by JUMP.

For every process that finds this folder in PYTHONPATH. The monotonic clock, which nobody can set, is left alone.
"""

import os
import time

_time, _time_ns = time.time, time.time_ns


def _jump_s() -> int:
    try:
        with open(os.environ["JUMP"]) as file:
            return int(file.read() or 0)
    except OSError:
        return 0


if "JUMP" in os.environ:
    time.time = lambda: _time() + _jump_s()
    time.time_ns = lambda: _time_ns() + _jump_s() * 10**9
