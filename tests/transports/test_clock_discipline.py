"""Whether the clock is kept right is what the kernel says of it, and asking changes nothing."""

import ctypes

import pytest

from transports import clock_discipline
from transports.clock_discipline import synchronised


class Kernel:
    def __init__(self, state: int) -> None:
        self.state, self.modes = state, b""

    def adjtimex(self, timex: "ctypes.Array[ctypes.c_char]") -> int:
        self.modes = timex.raw[:4]
        return self.state


@pytest.mark.parametrize(("state", "expected"), [(0, True), (1, True), (5, False), (-1, None)])
def test_the_kernels_word_is_taken(monkeypatch: pytest.MonkeyPatch, state: int, expected: bool | None) -> None:
    kernel = Kernel(state)
    monkeypatch.setattr(clock_discipline, "_libc", kernel)
    assert synchronised() is expected
    assert kernel.modes == bytes(4), "modes 0: nothing is set"


def test_this_machines_kernel_can_be_asked() -> None:
    assert synchronised() in (True, False, None)
