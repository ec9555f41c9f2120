"""A descriptor that becomes readable at a given time: timerfd(2), exact to microseconds.

poll(2) and ZeroMQ round their time-outs to milliseconds, which is a fifth of a 5 ms period. Python has its own
`os.timerfd_create` from 3.13 on; this is the same call for 3.11.
"""

import ctypes
import os
from contextlib import suppress

_CLOCK_MONOTONIC = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # TFD_NONBLOCK, TFD_CLOEXEC have the values of O_*
_libc = ctypes.CDLL(None, use_errno=True)


class _TimerSpec(ctypes.Structure):
    """struct itimerspec: interval (never repeated here) and value, each seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Alarm:
    """One timer. Setting it again replaces what was set."""

    def __init__(self) -> None:
        self._descriptor: int = _libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self._descriptor < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self._spec = _TimerSpec()
        self._pointer = ctypes.byref(self._spec)

    def fileno(self) -> int:
        return self._descriptor

    def ring_in(self, seconds: float) -> None:
        """Be readable in so many seconds; a time that has passed rings at once."""
        nanoseconds = max(1, int(seconds * 1e9))
        self._spec.value_s, self._spec.value_ns = divmod(nanoseconds, 1_000_000_000)
        _libc.timerfd_settime(self._descriptor, 0, self._pointer, None)

    def heard(self) -> None:
        """Silence it until it rings again."""
        with suppress(BlockingIOError):
            os.read(self._descriptor, 8)

    def close(self) -> None:
        os.close(self._descriptor)
