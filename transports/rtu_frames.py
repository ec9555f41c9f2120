"""Modbus RTU frames: their checksum, how long an answer is, and whether a frame answers a request.

Layout (MODBUS over Serial Line 1.02, section 2.5.1; Application Protocol 1.1b3, section 6):

    unit 1 | function 1 | data 0..252 | CRC 2, low byte first           an answer repeats unit and function
    unit 1 | function 1 + 0x80 | exception code 1 | CRC 2               or is an exception, always 5 bytes

A decider: nothing but bytes in, numbers and booleans out. The length of most answers follows from the request, so that
what a damaged or hostile frame claims of itself is not waited for.
"""

from collections.abc import Callable, Mapping

MOST_BYTES = 256
BROADCAST = 0
_FAILED = 0x80
_EXCEPTION_BYTES = 5
_SHORTEST_REQUEST = 4  # unit, function, CRC


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)  # x^16 + x^15 + x^2 + 1, bits reversed
    return byte


_TABLE = tuple(_entry(byte) for byte in range(256))


def crc(data: bytes) -> int:
    """CRC-16/MODBUS; sent with its low byte first."""
    register = 0xFFFF
    for byte in data:
        register = register >> 8 ^ _TABLE[(register ^ byte) & 0xFF]
    return register


def with_crc(body: bytes) -> bytes:
    """A whole frame of unit, function and data."""
    return body + crc(body).to_bytes(2, "little")


def has_good_crc(frame: bytes) -> bool:
    """Whether the last two bytes are the checksum of those before."""
    return len(frame) >= _SHORTEST_REQUEST and crc(frame[:-2]).to_bytes(2, "little") == frame[-2:]


# --- how long an answer is ------------------------------------------------------------------------------------------


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _bits(request: bytes, so_far: bytes) -> int:
    return 5 + (_word(request, 4) + 7) // 8


def _registers(request: bytes, so_far: bytes) -> int:
    return 5 + 2 * _word(request, 4)


def _counted(request: bytes, so_far: bytes) -> int | None:
    return 5 + so_far[2] if len(so_far) > 2 else None


def _queue(request: bytes, so_far: bytes) -> int | None:
    return 6 + _word(so_far, 2) if len(so_far) > 3 else None


def _identification(request: bytes, so_far: bytes) -> int | None:
    """Section 6.21: eight bytes of which the last counts the objects, each of them an id, a length and a text."""
    if len(so_far) < 8:
        return None
    at = 8
    for _ in range(so_far[7]):
        if len(so_far) < at + 2:
            return None
        at += 2 + so_far[at + 1]
    return at + 2


def _echoed(request: bytes, so_far: bytes) -> int:
    return len(request)


def _fixed(size: int) -> Callable[[bytes, bytes], int]:
    return lambda request, so_far: size


_Length = Callable[[bytes, bytes], int | None]
# function: length of the answer, by the request (whole) and the answer (as far as it is here)
_LENGTHS: Mapping[int, _Length] = {
    1: _bits,
    2: _bits,
    3: _registers,
    4: _registers,
    5: _fixed(8),
    6: _fixed(8),
    7: _fixed(5),
    8: _echoed,
    11: _fixed(8),
    12: _counted,
    15: _fixed(8),
    16: _fixed(8),
    17: _counted,
    20: _counted,
    21: _counted,
    22: _fixed(10),
    23: _registers,
    24: _queue,
    43: _identification,
}
# function: so many bytes after the function code are the same in request and answer; a value that was written need not
# be, since there are devices that answer what they made of it
_REPEATED: Mapping[int, int] = {5: 2, 6: 2, 8: 2, 15: 4, 16: 4, 22: 2, 43: 1}
_COUNTED = (1, 2, 3, 4, 23)  # whose third byte counts the bytes that follow


def known(request: bytes) -> bool:
    """Whether it is a request, with a good CRC, whose answer's length can be told."""
    whole = 8 if len(request) > 1 and request[1] in _COUNTED else _SHORTEST_REQUEST
    return len(request) >= whole and request[1] in _LENGTHS and has_good_crc(request)


def answer_length(request: bytes, so_far: bytes) -> int | None:
    """Bytes of the whole answer to `request`, of which `so_far` has arrived; None while that is not known yet.

    `request` is one that is `known`.
    """
    if len(so_far) < 2:
        return None
    return _EXCEPTION_BYTES if so_far[1] & _FAILED else _LENGTHS[request[1]](request, so_far)


def is_answer(request: bytes, frame: bytes) -> bool:
    """Whether `frame` is a whole, undamaged answer to this request, an exception included. A broadcast has none."""
    if request[0] == BROADCAST or frame[:1] != request[:1] or len(frame) < _EXCEPTION_BYTES:
        return False
    if frame[1] & ~_FAILED != request[1] or answer_length(request, frame) != len(frame):
        return False
    return (bool(frame[1] & _FAILED) or _fits(request, frame)) and has_good_crc(frame)


def _fits(request: bytes, frame: bytes) -> bool:
    if request[1] in _COUNTED and frame[2] + 5 != len(frame):
        return False
    repeated = 2 + _REPEATED.get(request[1], 0)
    return frame[2:repeated] == request[2:repeated]
