"""TMP117: temperature, within 0.1 degrees (Texas Instruments SNOSD82, revision D).

    tags: temperature (Cel)

It measures by itself, each `cycle`, the mean of `averages` conversions of 15.5 ms. Addresses: 0x48 to 0x4b.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transports.chips import BAD_WAITING_FOR_INITIAL_DATA, Look, look, sensed
from transports.errors import LinkRefused, Problem
from transports.i2c.target import Target
from transports.samples import Tag, Value
from transports.settings import setting

TEMPERATURE, CONFIG, ID = 0x00, 0x01, 0x0F  # table 7-3
TMP117_ID = 0x117  # in the lower twelve bits; the upper four are the revision
NOT_YET = 0x8000  # -256 degrees: no conversion has ended since power came (7.6.2)
FLAGS = 0xF003  # alerts, data ready, EEPROM busy; soft reset and the unused bit (7.6.3)
_AVERAGES: Mapping[int, int] = {1: 0, 8: 1, 32: 2, 64: 3}
_CYCLES: Mapping[str, int] = {"15.5ms": 0, "125ms": 1, "250ms": 2, "500ms": 3, "1s": 4, "4s": 5, "8s": 6, "16s": 7}
_LEAST_CYCLE: Mapping[int, int] = {1: 0, 8: 1, 32: 3, 64: 4}  # averaging takes that long (table 7-7)


@dataclass(frozen=True)
class Settings:
    """How it measures."""

    averages: int = setting(8, choices=tuple(_AVERAGES), help="conversions that make one value")
    cycle: str = setting("1s", choices=tuple(_CYCLES), help="time from one value to the next")

    def problems(self, path: str) -> Iterator[Problem]:
        """A cycle is as long as its conversions at least."""
        least = _LEAST_CYCLE[self.averages]
        if _CYCLES[self.cycle] < least:
            cure = f"is shorter than {self.averages} conversions take; at least {list(_CYCLES)[least]}"
            yield Problem(f"{path}.cycle", repr(self.cycle), cure)


class Tmp117:
    """One sensor."""

    tags: tuple[Tag, ...] = (Tag("temperature", unit="Cel"),)
    late = False

    def __init__(self, settings: Settings) -> None:
        self._config = _CYCLES[settings.cycle] << 7 | _AVERAGES[settings.averages] << 5

    def configure(self, target: Target) -> bool:
        kind = int.from_bytes(target.read_register(ID, 2), "big") & 0x0FFF
        if kind != TMP117_ID:
            raise LinkRefused(f"device id 0x{kind:03x} is no TMP117 (0x117)")
        target.write_register(CONFIG, self._config.to_bytes(2, "big"))
        return False

    def read(self, target: Target) -> Look | None:
        config = int.from_bytes(target.read_register(CONFIG, 2), "big")
        if config & ~FLAGS != self._config:
            return None
        return look([sample_of(target.read_register(TEMPERATURE, 2))])


def sample_of(data: bytes) -> tuple[Value | None, int]:
    """From the result register: two's complement, 1/128 degree a step."""
    if int.from_bytes(data, "big") == NOT_YET:
        return None, BAD_WAITING_FOR_INITIAL_DATA
    return sensed(int.from_bytes(data, "big", signed=True) / 128, -55, 150)


def chip(settings: Settings) -> Tmp117:
    """A TMP117."""
    return Tmp117(settings)
