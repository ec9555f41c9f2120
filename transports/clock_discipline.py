"""Whether somebody keeps the machine's clock right: the kernel knows, whoever it is (NTP, PTP, GPS).

adjtimex(2) with `modes` 0 reads and changes nothing. It answers TIME_ERROR when STA_UNSYNC is set: nobody has corrected
the clock since the machine started, or not for so long that it may be 16 s wrong.
"""

import ctypes

_TIMEX_BYTES = 208  # struct timex on 64 bits (linux/timex.h), 128 on 32; zeros mean modes = 0
_TIME_ERROR = 5
_libc = ctypes.CDLL(None, use_errno=True)


def synchronised() -> bool | None:
    """None where the kernel does not tell (a sandbox)."""
    state: int = _libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR
