"""Simulated I2C chips: they keep the register maps of real ones, and measure waves that follow the clock.

A model answers writes and reads of bytes as its chip would, at the times at which its chip would: a driver cannot tell.
Each file has a class of the protocol below; MODELS names them. Chips have the data sheet that their profile names.
"""

import math
from collections.abc import Callable, Mapping
from typing import Protocol


class Model(Protocol):
    """A chip that is powered."""

    def write(self, data: bytes, now: float) -> bool:
        """Take bytes; whether it acknowledges them. `now` is seconds, UTC."""
        ...

    def read(self, size: int, now: float) -> bytes | None:
        """Say that many bytes; None where it does not acknowledge its address."""
        ...


class WordRegisters:
    """A chip of 16-bit registers behind an 8-bit pointer, most significant byte first: `fetch` and `store` make it."""

    def __init__(self, registers: Mapping[int, int]) -> None:
        self.registers, self._pointer = dict(registers), 0

    def fetch(self, register: int, now: float) -> int:
        """What a register says."""
        return self.registers.get(register, 0)

    def store(self, register: int, value: int, now: float) -> None:
        """A register is written. What only measures does not take it."""

    def write(self, data: bytes, now: float) -> bool:
        if data:
            self._pointer = data[0]
        if len(data) >= 3:
            self.store(self._pointer, int.from_bytes(data[1:3], "big"), now)
        return True

    def read(self, size: int, now: float) -> bytes | None:
        return self.fetch(self._pointer, now).to_bytes(2, "big").ljust(size, b"\xff")[:size]


def wave(now: float, middle: float, swing: float, period_s: float, ahead: float = 0.0) -> float:
    """A slow sine around a middle."""
    return middle + swing * math.sin(2 * math.pi * (now / period_s + ahead))


def air(now: float) -> tuple[float, float, float]:
    """Temperature (degrees Celsius), pressure (Pa) and humidity (%) of a room."""
    return wave(now, 22.0, 3.0, 600), wave(now, 101_325.0, 400.0, 3600), wave(now, 48.0, 12.0, 900, 0.3)


def twos_complement(number: float) -> int:
    """The nearest 16-bit word, held at the ends of its range."""
    return min(max(round(number), -0x8000), 0x7FFF) & 0xFFFF


def nearest_input(output: Callable[[int], float], wanted: float, most: int) -> int:
    """The converter value from 0 to `most` of which a monotonous function makes about what is wanted."""
    rising = output(most) > output(0)
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if (output(middle) < wanted) == rising:
            low = middle + 1
        else:
            high = middle
    return low
