"""MCP9808: temperature, within 0.5 degrees (Microchip DS20005095, revision B).

    tags: temperature (Cel)

Its alert limits are set to the ends of its range. They are 0 after a loss of power, which tells a chip that has just
started (and still says 0.0 degrees) from one that has measured. Addresses: 0x18 to 0x1f.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from transports.chips import Look, look, sensed
from transports.errors import LinkRefused
from transports.i2c.target import Target
from transports.samples import Tag
from transports.settings import setting

CONFIG, UPPER, AMBIENT, MAKER, RESOLUTION = 0x01, 0x02, 0x05, 0x06, 0x08  # table 5-1
MICROCHIP = b"\x00\x54"
HIGHEST = b"\x07\xd0"  # 125 degrees
_RESOLUTIONS: Mapping[float, int] = {0.5: 0, 0.25: 1, 0.125: 2, 0.0625: 3}  # register 5-7; 30 ms to 250 ms


@dataclass(frozen=True)
class Settings:
    """How it measures."""

    resolution: float = setting(0.0625, choices=tuple(_RESOLUTIONS), help="degrees a step; a finer one takes longer")


class Mcp9808:
    """One sensor."""

    tags: tuple[Tag, ...] = (Tag("temperature", unit="Cel"),)
    late = False

    def __init__(self, settings: Settings) -> None:
        self._resolution = bytes([_RESOLUTIONS[settings.resolution]])

    def configure(self, target: Target) -> bool:
        maker = target.read_register(MAKER, 2)
        if maker != MICROCHIP:
            raise LinkRefused(f"maker 0x{maker.hex()} is not Microchip (0x0054): no MCP9808")
        target.write_register(CONFIG, b"\x00\x00")  # measuring all the time, no alert
        target.write_register(UPPER, HIGHEST)
        target.write_register(RESOLUTION, self._resolution)
        return False

    def read(self, target: Target) -> Look | None:
        if target.read_register(UPPER, 2) != HIGHEST or target.read_register(RESOLUTION, 1) != self._resolution:
            return None
        return look([sensed(degrees(target.read_register(AMBIENT, 2)), -40, 125)])


def degrees(data: bytes) -> float:
    """From the ambient register: three alert flags, a sign, twelve bits of 1/16 degree (5.1.3.1)."""
    raw = int.from_bytes(data, "big")
    return (raw & 0x0FFF) / 16 - (256 if raw & 0x1000 else 0)


def chip(settings: Settings) -> Mcp9808:
    """An MCP9808."""
    return Mcp9808(settings)
