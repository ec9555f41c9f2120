"""Descriptors kept for the day when there are no others: given up one by one, taken back when there are."""

import os
from contextlib import suppress

KEPT = 8


class Reserve:
    """So many descriptors on nothing. They are opened early, so their numbers are low, and serve under a lowered
    limit too (RLIMIT_NOFILE bounds the numbers, not the count)."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._descriptors: list[int] = []
        self.refill()

    def give_up_one(self) -> bool:
        """Close one, for something that is needed more; whether there was one."""
        if not self._descriptors:
            return False
        os.close(self._descriptors.pop(0))
        return True

    def refill(self) -> None:
        """Take back what was given up, as far as the system allows."""
        with suppress(OSError):
            while len(self._descriptors) < self._kept:
                self._descriptors.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))

    def close(self) -> None:
        """Give all of them back."""
        self._kept = 0
        while self.give_up_one():
            pass
