"""Modbus requests, and whether an answer fits one: what is the same however it is framed.

    function            request after it            answer after it
    1 2 3 4   read      address, count              bytes, data
    5 6       write     address, value              the same again (some devices: what they made of the value)
    15 16     write     address, count, bytes, data address, count
    22        mask      address, and, or            the same again
    128 + f   refusal                               exception code

Two bytes each, most significant first; function, bytes and exception code are one (Modbus Application Protocol 1.1b3,
section 6). A decider: it imports no I/O.
"""

import struct
from collections.abc import Mapping, Sequence

READ: Mapping[str, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
WRITE_BIT, WRITE_REGISTER, WRITE_BITS, WRITE_REGISTERS, MASK_REGISTER = 5, 6, 15, 16, 22
REFUSAL = 0x80
_TWO, _THREE = struct.Struct(">BHH"), struct.Struct(">BHHH")
_MANY = struct.Struct(">BHHB")


def read(register: str, address: int, count: int) -> bytes:
    """Ask for `count` registers or bits of one of the four tables."""
    return _TWO.pack(READ[register], address, count)


def write_bit(address: int, on: bool) -> bytes:
    """Set one coil."""
    return _TWO.pack(WRITE_BIT, address, 0xFF00 if on else 0)


def write_bits(address: int, bits: Sequence[bool]) -> bytes:
    """Set coils that lie side by side."""
    data = sum(1 << at for at, bit in enumerate(bits) if bit).to_bytes((len(bits) + 7) // 8, "little")
    return _MANY.pack(WRITE_BITS, address, len(bits), len(data)) + data


def write_register(address: int, word: int) -> bytes:
    """Set one holding register."""
    return _TWO.pack(WRITE_REGISTER, address, word)


def write_registers(address: int, words: Sequence[int]) -> bytes:
    """Set holding registers that lie side by side, all at once."""
    data = struct.pack(f">{len(words)}H", *words)
    return _MANY.pack(WRITE_REGISTERS, address, len(words), len(data)) + data


def mask_register(address: int, keep: int, add: int) -> bytes:
    """Have the device itself make a holding register (register AND keep) OR (add AND NOT keep)."""
    return _THREE.pack(MASK_REGISTER, address, keep, add)


def answer_length(request: bytes) -> int:
    """How many bytes the answer has when it is no refusal."""
    function = request[0]
    if function in (1, 2, 3, 4):
        return 2 + _bytes_asked(request)
    return len(request) if function == MASK_REGISTER else 5


def misfit(request: bytes, answer: bytes) -> str:
    """Why these bytes are no answer to that request, "" when they are; a refusal is an answer."""
    function = request[0]
    if len(answer) < 2 or answer[0] & ~REFUSAL != function:
        return f"answered function {answer[0] if answer else 'nothing'} where {function} was asked"
    if answer[0] & REFUSAL:
        return "" if len(answer) == 2 and answer[1] else "a refusal without a reason came"
    if function in (1, 2, 3, 4):
        asked, came = _bytes_asked(request), len(answer) - 2
        return "" if came == asked == answer[1] else f"{came} bytes came where {asked} were asked"
    repeated = 5 if function in (WRITE_BITS, WRITE_REGISTERS) else 3
    if len(answer) != answer_length(request) or answer[:repeated] != request[:repeated]:
        return "the answer is about another address"
    return ""


def refusal(answer: bytes) -> int:
    """The exception code of an answer that fits, 0 when it is no refusal."""
    return answer[1] if answer[0] & REFUSAL else 0


def _bytes_asked(request: bytes) -> int:
    count = int.from_bytes(request[3:5], "big")
    return (count + 7) // 8 if request[0] <= 2 else 2 * count
