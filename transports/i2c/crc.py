"""The checksum of small buses: CRC-8, most significant bit first."""

from collections.abc import Sequence
from functools import lru_cache

SMBUS = 0x07  # x^8 + x^2 + x + 1: packet error code (SMBus 3.2, section 6.4.1.2)
SENSIRION = 0x31  # x^8 + x^5 + x^4 + 1 (data sheet of the SHT3x-DIS, table 20)


def crc8(data: bytes, polynomial: int, start: int = 0) -> int:
    """The checksum of `data`; `start` is what it is before the first byte."""
    table, crc = _table(polynomial), start
    for byte in data:
        crc = table[crc ^ byte]
    return crc


@lru_cache(maxsize=8)
def _table(polynomial: int) -> Sequence[int]:
    return tuple(_shifted(byte, polynomial) for byte in range(256))


def _shifted(crc: int, polynomial: int) -> int:
    for _ in range(8):
        crc = (crc << 1) ^ polynomial if crc & 0x80 else crc << 1
    return crc & 0xFF
