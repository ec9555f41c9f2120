"""A simulated SHT31 in a room."""

import struct

from transports.chips.models import air
from transports.i2c.crc import SENSIRION, crc8

_SINGLE_S = {0x2400: 0.015, 0x240B: 0.006, 0x2416: 0.004}  # table 4, high to low repeatability
_STRETCH = (0x2C06, 0x2C0D, 0x2C10)
_STATUS, _CLEAR, _RESET_SEEN = 0xF32D, 0x3041, 0x0010


class Sht31:
    """Commands of two bytes, words with a checksum each."""

    def __init__(self) -> None:
        self._answer, self._ready, self._status = b"", 0.0, _RESET_SEEN

    def write(self, data: bytes, now: float) -> bool:
        if now < self._ready:
            return False  # measuring
        command = int.from_bytes(data[:2], "big")
        if command in _SINGLE_S or command in _STRETCH:
            self._ready = now + _SINGLE_S.get(command, 0.0)
            degrees, _, percent = air(self._ready)
            self._answer = _word((degrees + 45) / 175 * 65535) + _word(percent / 100 * 65535)
        elif command == _STATUS:
            self._answer = _word(self._status)
        elif command == _CLEAR:
            self._status = 0
        return True

    def read(self, size: int, now: float) -> bytes | None:
        if not self._answer or now < self._ready:
            return None
        answer, self._answer = self._answer, b""
        return answer.ljust(size, b"\xff")[:size]


def _word(number: float) -> bytes:
    data = struct.pack(">H", round(number))
    return data + bytes([crc8(data, SENSIRION, 0xFF)])
