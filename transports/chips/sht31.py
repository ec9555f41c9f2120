"""SHT31: temperature and humidity of air (Sensirion SHT3x-DIS data sheet, version 7; also SHT30 and SHT35).

    tags: temperature (Cel), humidity (%)

In `mode = "single"` a reading starts a measurement, which takes up to 15.5 ms, and the next one collects it, stamped
with the time of its start. In "stretch" the sensor holds the clock line until it has measured, and the value is of
this reading; some adapters (the Raspberry Pi's up to model 3) do not bear that. Each word has a CRC-8 of its own.
Addresses: 0x44, 0x45.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from transports.chips import BAD_WAITING_FOR_INITIAL_DATA, Look, look, sensed
from transports.i2c.crc import SENSIRION, crc8
from transports.i2c.port import garbled
from transports.i2c.target import Target
from transports.samples import Tag
from transports.settings import setting

BREAK = b"\x30\x93"  # ends a periodic measurement that somebody else began (table 15)
_SINGLE: Mapping[str, bytes] = {"high": b"\x24\x00", "medium": b"\x24\x0b", "low": b"\x24\x16"}  # table 9
_STRETCH: Mapping[str, bytes] = {"high": b"\x2c\x06", "medium": b"\x2c\x0d", "low": b"\x2c\x10"}


@dataclass(frozen=True)
class Settings:
    """How it measures."""

    mode: str = setting("single", choices=("single", "stretch"), help="collect at the next reading, or hold the clock")
    repeatability: str = setting("high", choices=tuple(_SINGLE), help="less noise, or a shorter measurement")


class Sht31:
    """One sensor."""

    tags: tuple[Tag, ...] = (Tag("temperature", unit="Cel"), Tag("humidity", unit="%"))

    def __init__(self, settings: Settings) -> None:
        self.late = settings.mode == "single"
        self._command = (_SINGLE if self.late else _STRETCH)[settings.repeatability]
        self._started = False

    def configure(self, target: Target) -> bool:
        target.write(BREAK)
        self._started = False
        return False

    def read(self, target: Target) -> Look | None:
        if not self.late:
            target.write(self._command)
            return look(samples_of(target.read(6)))
        started, self._started = self._started, False  # what fails below is not collected later
        data = target.read(6) if started else b""
        target.write(self._command)
        self._started = True
        if not started:
            return look([(None, BAD_WAITING_FOR_INITIAL_DATA)] * 2)
        return look(samples_of(data), late=True)


def samples_of(data: bytes) -> list[tuple[float | None, int]]:
    """Temperature and humidity from two words, each followed by its checksum (4.3, 4.13). Raises OSError."""
    raw_t, crc_t, raw_h, crc_h = struct.unpack(">HBHB", data)
    for at, crc in ((0, crc_t), (3, crc_h)):
        if crc8(data[at : at + 2], SENSIRION, 0xFF) != crc:
            raise garbled("its checksum does not fit")
    return [sensed(-45 + 175 * raw_t / 65535, -40, 125), sensed(100 * raw_h / 65535, 0, 100)]


def chip(settings: Settings) -> Sht31:
    """An SHT31."""
    return Sht31(settings)
