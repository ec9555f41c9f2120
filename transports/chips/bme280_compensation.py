"""The arithmetic of the BME280: from what its converters say to degrees, pascals and percent.

Bosch gives it in whole numbers (BST-BME280-DS002-15, 4.2.3, revision 1.1 of the formulas); it is done in the same
steps here, so that results agree to the last digit. Right shifts round down, divisions are cut
off toward zero, as in C.
"""

import struct
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Trimming:
    """What the maker measured of this very sensor (table 16)."""

    t: tuple[int, int, int] = (0, 0, 0)
    p: tuple[int, ...] = (0,) * 9
    h: tuple[int, ...] = (0,) * 6

    @classmethod
    def of(cls, low: bytes, high: bytes) -> Self:
        """From the registers 0x88 to 0xA1 and 0xE1 to 0xE7."""
        t1, t2, t3, *p = struct.unpack("<H2hH8h", low[:24])
        h2, h3, e4, e5, e6, h6 = struct.unpack("<hBbBbb", high)
        # H4 and H5 are 12 bits each, signed, and share 0xE5: its low half is H4's, its high half H5's
        return cls((t1, t2, t3), tuple(p), (low[25], h2, h3, e4 << 4 | e5 & 0x0F, e6 << 4 | e5 >> 4, h6))


def t_fine(adc: int, trimming: Trimming) -> int:
    """The fine temperature (5120 a degree) that the other two need as well."""
    t1, t2, t3 = trimming.t
    linear = (((adc >> 3) - (t1 << 1)) * t2) >> 11
    off = (adc >> 4) - t1
    return linear + ((((off * off) >> 12) * t3) >> 14)


def temperature(fine: int) -> float:
    """Degrees Celsius, in steps of 0.01."""
    return ((fine * 5 + 128) >> 8) / 100


def pressure(adc: int, fine: int, trimming: Trimming) -> float | None:
    """Pascals, in steps of 1/256; None where the trimming makes none (a division by zero)."""
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = trimming.p
    a = fine - 128_000
    b = a * a * p6 + ((a * p5) << 17) + (p4 << 35)
    a = ((a * a * p3) >> 8) + ((a * p2) << 12)
    a = (((1 << 47) + a) * p1) >> 33
    if a == 0:
        return None
    p = _cut((((1_048_576 - adc) << 31) - b) * 3125, a)
    c = (p9 * (p >> 13) * (p >> 13)) >> 25
    d = (p8 * p) >> 19
    return (((p + c + d) >> 8) + (p7 << 4)) / 256


def humidity(adc: int, fine: int, trimming: Trimming) -> float:
    """Percent, in steps of 1/1024, from 0 to 100."""
    h1, h2, h3, h4, h5, h6 = trimming.h
    a = fine - 76_800
    left = ((adc << 14) - (h4 << 20) - h5 * a + 16_384) >> 15
    right = ((((a * h6) >> 10) * (((a * h3) >> 11) + 32_768)) >> 10) + 2_097_152
    v = left * ((right * h2 + 8_192) >> 14)
    v -= ((((v >> 15) * (v >> 15)) >> 7) * h1) >> 4
    return (min(max(v, 0), 419_430_400) >> 12) / 1024


def _cut(dividend: int, divisor: int) -> int:
    """The quotient, cut off toward zero."""
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient
