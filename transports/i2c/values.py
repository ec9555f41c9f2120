"""Values from the bytes of registers and back, exact to the bit.

A float32 is widened bit by bit, not by the processor, which would make a signalling NaN a quiet one.
"""

import math
import struct
from collections.abc import Callable
from typing import Literal

from transports.errors import LinkRefused
from transports.i2c.formula import Formula
from transports.i2c.registers import RegisterSettings
from transports.samples import Value

Decoder = Callable[[bytes], Value | None]
Order = Literal["big", "little"]


def decoder(settings: RegisterSettings) -> Decoder:
    """A function from the register's bytes to its value; None where they say none."""
    if settings.is_text:
        return _string if settings.kind == "string" else bytes
    number = _number(settings)
    if settings.formula:
        formula = Formula(settings.formula, "raw")
        if settings.kind == "bool":
            return lambda data: _truth(formula.number(number(data)))
        return lambda data: formula.value(number(data))
    if settings.kind == "bool":
        return lambda data: number(data) != 0
    return number


def encode(name: str, settings: RegisterSettings, value: Value, before: bytes) -> bytes:
    """The register's bytes that say `value`, and keep the bits of `before` beside its field.

    Raises LinkRefused with the reason when they cannot.
    """
    said = f"{name} = {value!r:.40}"
    if settings.is_text:
        return _text(said, settings, value)
    number = _raw(said, settings, value)
    if settings.kind in ("float32", "float64"):
        return _float_bytes(said, settings, number)
    hi, lo = settings.field
    width = hi - lo + 1
    whole = _whole(said, number, rounded=bool(settings.inverse))
    least, most = (-(1 << width - 1), (1 << width - 1) - 1) if settings.signed else (0, (1 << width) - 1)
    if not least <= whole <= most:
        raise LinkRefused(f"{said}: it holds numbers from {least} to {most}")
    order = _order(settings)
    mask = ((1 << width) - 1) << lo
    kept = int.from_bytes(before, order) & ~mask
    return (kept | (whole << lo) & mask).to_bytes(settings.size, order)


def _number(settings: RegisterSettings) -> Callable[[bytes], int | float]:
    order = _order(settings)
    if settings.kind == "float32":
        return lambda data: _widened(int.from_bytes(data, order))
    if settings.kind == "float64":
        letter = ">d" if order == "big" else "<d"
        return lambda data: float(struct.unpack(letter, data)[0])
    hi, lo = settings.field
    mask = (1 << hi - lo + 1) - 1
    sign = 1 << hi - lo if settings.signed else 0

    def whole(data: bytes) -> int:
        field = int.from_bytes(data, order) >> lo & mask
        return (field ^ sign) - sign

    return whole


def _widened(bits: int) -> float:
    """The float64 of the same sign, number or NaN payload as these 32 bits."""
    if bits & 0x7F80_0000 == 0x7F80_0000:  # infinity, NaN
        wide = (bits & 0x8000_0000) << 32 | 0x7FF << 52 | (bits & 0x7F_FFFF) << 29
        return float(struct.unpack("<d", wide.to_bytes(8, "little"))[0])
    return float(struct.unpack("<f", bits.to_bytes(4, "little"))[0])


def _narrowed(number: float) -> bytes:
    """Four bytes, most significant first; the upper payload of a NaN is kept."""
    if not math.isnan(number):
        return struct.pack(">f", number)
    wide = int.from_bytes(struct.pack(">d", number), "big")
    payload = (wide >> 29) & 0x7F_FFFF or 0x40_0000
    return ((wide >> 32) & 0x8000_0000 | 0x7F80_0000 | payload).to_bytes(4, "big")


def _float_bytes(said: str, settings: RegisterSettings, number: int | float) -> bytes:
    try:
        wide = float(number)
        data = _narrowed(wide) if settings.kind == "float32" else struct.pack(">d", wide)
    except OverflowError as wrong:
        raise LinkRefused(f"{said}: out of the range of {settings.kind}") from wrong
    return data if _order(settings) == "big" else data[::-1]


def _raw(said: str, settings: RegisterSettings, value: Value) -> int | float:
    """The number to be written."""
    if settings.kind == "bool" and not settings.formula:
        if value in (False, True) and isinstance(value, (bool, int)):
            return int(value)
        raise LinkRefused(f"{said}: takes true or false")
    if isinstance(value, bool) and settings.kind != "bool":
        raise LinkRefused(f"{said}: takes a number")
    if not isinstance(value, (int, float)):
        raise LinkRefused(f"{said}: takes a number")
    if not settings.inverse:
        return value
    number = Formula(settings.inverse, "value").number(value)
    if number is None:
        raise LinkRefused(f"{said}: {settings.inverse!r} makes no number of it")
    return number


def _whole(said: str, number: int | float, rounded: bool) -> int:
    if isinstance(number, int):
        return int(number)
    if not math.isfinite(number) or (not rounded and not number.is_integer()):
        raise LinkRefused(f"{said}: takes a whole number")
    return round(number)


def _text(said: str, settings: RegisterSettings, value: Value) -> bytes:
    if settings.kind == "bytes":
        if isinstance(value, bytes) and len(value) == settings.size:
            return value
        raise LinkRefused(f"{said}: takes {settings.size} bytes")
    if not isinstance(value, str):
        raise LinkRefused(f"{said}: takes text")
    data = value.encode(errors="replace")  # half a surrogate pair is no text
    if len(data) > settings.size or b"\0" in data:
        raise LinkRefused(f"{said}: takes at most {settings.size} bytes of text without NUL")
    return data.ljust(settings.size, b"\0")


def _string(data: bytes) -> str | None:
    try:
        return data.partition(b"\0")[0].decode()
    except UnicodeDecodeError:
        return None


def _truth(number: int | float | None) -> bool | None:
    return None if number is None or (isinstance(number, float) and math.isnan(number)) else bool(number)


def _order(settings: RegisterSettings) -> Order:
    return "little" if settings.order == "little" else "big"
