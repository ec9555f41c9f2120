"""How a command becomes a Modbus request: which function writes a value, and how one bit of a register is written.

    coil                     5, or 15 with write_function = "multiple"
    one register             6, or 16 with "multiple"
    several registers        16: the device takes them all at once or none
    one bit of a register    22 where the device knows it (mask_write = true), else read, change, write

A decider: it imports no I/O.
"""

from transports.modbus import pdu
from transports.modbus.tags import Point
from transports.modbus.values import encode
from transports.samples import Value


def write_request(point: Point, value: Value) -> bytes:
    """The request that sets a whole point. Raises LinkRefused when it cannot be that value."""
    words, many = encode(point, value), point.write_function == "multiple"
    if point.register == "coil":
        on = bool(words[0])
        return pdu.write_bits(point.address, [on]) if many else pdu.write_bit(point.address, on)
    return _registers(point, words)


def mask_request(point: Point, value: Value) -> bytes:
    """The request by which the device itself changes the point's bit. Raises LinkRefused for what is no bool."""
    mask = _mask(point)
    return pdu.mask_register(point.address, mask ^ 0xFFFF, mask if encode(point, value) != (0,) else 0)


def bit_request(point: Point, value: Value, word: int) -> bytes:
    """The request that writes the register, which is `word` now, with the point's bit changed. Raises LinkRefused."""
    mask = _mask(point)
    return _registers(point, (word | mask if encode(point, value) != (0,) else word & ~mask,))


def _registers(point: Point, words: tuple[int, ...]) -> bytes:
    if len(words) > 1 or point.write_function == "multiple":
        return pdu.write_registers(point.address, words)
    return pdu.write_register(point.address, words[0])


def _mask(point: Point) -> int:
    """The point's bit as it lies on the wire, where the two bytes of a register may be exchanged."""
    assert point.bit is not None
    return 1 << (point.bit if point.byte_order == "big" else point.bit ^ 8)
