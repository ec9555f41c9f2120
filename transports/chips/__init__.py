"""Ready profiles of I2C chips: one file each, written from the maker's data sheet.

    [device.cabinet.chips.air]
    address = 0x76
    profile = "bme280"
    settings = { mode = "forced" }

A profile's file has
- a first line that says what the chip measures; its module docstring names the data sheet and the tags;
- `Settings`, a frozen dataclass of `setting(...)` fields, each with a default where one is sensible;
- `chip(settings) -> Chip`.

A new one is such a file and its line in PROFILES. Chips wait for nothing: a measurement that takes time is started by
one reading and collected by the next (`late`), and is stamped with the time at which it was started.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from transports.i2c.target import Target
from transports.quality import Quality
from transports.samples import Tag, Value

# OPC 10000-6, Annex A.2
UNCERTAIN_SENSOR_NOT_ACCURATE = 0x4093_0000  # "the value is at one of the sensor limits", or beyond what it is made for
BAD_WAITING_FOR_INITIAL_DATA = 0x8032_0000

PROFILES: Mapping[str, str] = {
    "ads1115": "transports.chips.ads1115",
    "bme280": "transports.chips.bme280",
    "ina219": "transports.chips.ina219",
    "mcp9808": "transports.chips.mcp9808",
    "sht31": "transports.chips.sht31",
    "tmp117": "transports.chips.tmp117",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What one reading of a chip brought: values and status codes of its tags, or of the tags numbered `at`."""

    values: Sequence[Value | None]
    codes: Sequence[int]
    at: tuple[int, ...] | None = None
    late: bool = False  # measured since the reading before, which is the time to stamp it with

    @classmethod
    def nothing(cls) -> "Look":
        """What is being measured has not ended yet."""
        return cls((), (), ())


class Chip(Protocol):
    """A chip of one kind with its settings; it keeps what it learnt at its last configuration."""

    tags: tuple[Tag, ...]
    """All that it measures, named within the chip."""

    late: bool
    """Whether its looks are stamped apart from those of other chips."""

    def configure(self, target: Target) -> bool:
        """Write its configuration. Whether it can be read at once; if not, at the next reading.

        Raises OSError when it does not answer, LinkRefused when another kind of chip answers there.
        """
        ...

    def read(self, target: Target) -> Look | None:
        """What it measured; None when it does not hold what was configured: it lost power, configure it anew."""
        ...


class Profile(Protocol):
    """What a profile's module has."""

    Settings: type[Any]

    def chip(self, settings: Any) -> Chip:
        """A chip of this kind."""
        ...


def sensed(value: float | None, least: float, most: float) -> tuple[float | None, int]:
    """A value with its status: uncertain beyond the range that the data sheet gives, Bad when there is none."""
    if value is None:
        return None, Quality.BAD_SENSOR_FAILURE
    return value, Quality.GOOD if least <= value <= most else UNCERTAIN_SENSOR_NOT_ACCURATE


def look(samples: Sequence[tuple[Value | None, int]], late: bool = False) -> Look:
    """A look at all tags of a chip."""
    return Look([value for value, _ in samples], [code for _, code in samples], late=late)
