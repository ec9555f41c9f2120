"""INA219: voltage, current and power of a supply (Texas Instruments SBOS448G).

    tags: bus_voltage (V), shunt_voltage (V), current (A), power (W)

From `shunt_ohm` and `max_current` follow the range of the shunt amplifier and the chip's calibration (8.5.1); the
current's step is max_current / 32768 or a little less. Addresses: 0x40 to 0x4f.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transports.chips import UNCERTAIN_SENSOR_NOT_ACCURATE, Look, look
from transports.errors import Problem
from transports.i2c.target import Target
from transports.quality import Quality
from transports.samples import Tag, Value
from transports.settings import setting

CONFIG, SHUNT, BUS, POWER, CURRENT, CALIBRATION = range(6)  # table 2
_OVERFLOW = 0x0001  # of the bus voltage register: current and power are meaningless
_SHUNT_STEPS, _BUS_STEPS = 100_000, 250  # a volt: 10 uV and 4 mV each
_BOTH_ALWAYS = 7  # measures shunt and bus all the time
_GAINS: Mapping[float, int] = {0.040: 0, 0.080: 1, 0.160: 2, 0.320: 3}  # full scale of the shunt in V (table 4)
_SAMPLES: Mapping[int, int] = {1: 3, 2: 9, 4: 10, 8: 11, 16: 12, 32: 13, 64: 14, 128: 15}  # 12 bits each (table 5)


@dataclass(frozen=True)
class Settings:
    """What is wired to it, and how it measures."""

    shunt_ohm: float = setting(0.1, gt=0, le=1e3, help="resistance of the shunt")
    max_current: float = setting(3.2, gt=0, le=1e3, help="the highest current that is expected (A)")
    bus_range: int = setting(32, choices=(16, 32), help="the highest bus voltage (V)")
    samples: int = setting(1, choices=tuple(_SAMPLES), help="conversions of 532 us that make one value")

    @property
    def calibration(self) -> int:
        """What goes into the calibration register: 0.04096 / (step of the current x shunt), its lowest bit void."""
        return int(0.04096 / (self.max_current / 2**15 * self.shunt_ohm) + 1e-9) & ~1

    def problems(self, path: str) -> Iterator[Problem]:
        """The shunt's voltage lies within the amplifier's range, and the calibration within its register."""
        volts = self.shunt_ohm * self.max_current
        if volts > 0.320 * (1 + 1e-9):
            cure = f"makes {volts:.3g} V at the shunt, of {self.shunt_ohm:g} ohm; it measures at most 0.32 V"
            yield Problem(f"{path}.max_current", f"{self.max_current:g}", cure)
        elif not 2 <= self.calibration <= 0xFFFE:
            least = 0.04096 * 2**15 / 0xFFFE / self.shunt_ohm
            cure = f"is too small for a shunt of {self.shunt_ohm:g} ohm; at least {least:.3g} A"
            yield Problem(f"{path}.max_current", f"{self.max_current:g}", cure)


class Ina219:
    """One chip."""

    tags: tuple[Tag, ...] = (
        Tag("bus_voltage", unit="V"),
        Tag("shunt_voltage", unit="V"),
        Tag("current", unit="A"),
        Tag("power", unit="W"),
    )
    late = False

    def __init__(self, settings: Settings) -> None:
        volts = settings.shunt_ohm * settings.max_current
        self._full_scale_v = next(scale for scale in _GAINS if volts <= scale * (1 + 1e-9))
        self._bus_range = settings.bus_range
        self._calibration = settings.calibration.to_bytes(2, "big")
        self._current_step = 0.04096 / (settings.calibration * settings.shunt_ohm)
        averaging = _SAMPLES[settings.samples]
        config = (settings.bus_range == 32) << 13 | _GAINS[self._full_scale_v] << 11
        self._config = (config | averaging << 7 | averaging << 3 | _BOTH_ALWAYS).to_bytes(2, "big")

    def configure(self, target: Target) -> bool:
        target.write_register(CONFIG, self._config)
        target.write_register(CALIBRATION, self._calibration)
        return False

    def read(self, target: Target) -> Look | None:
        if target.read_register(CALIBRATION, 2) != self._calibration or self._config != target.read_register(CONFIG, 2):
            return None
        shunt, bus, current = (target.read_register(register, 2) for register in (SHUNT, BUS, CURRENT))
        return look(self._samples(shunt, bus, current, target.read_register(POWER, 2)))

    def _samples(self, shunt: bytes, bus: bytes, current: bytes, power: bytes) -> list[tuple[Value | None, int]]:
        raw_bus = int.from_bytes(bus, "big")
        shunt_v, bus_v = int.from_bytes(shunt, "big", signed=True) / _SHUNT_STEPS, (raw_bus >> 3) / _BUS_STEPS
        amperes = int.from_bytes(current, "big", signed=True) * self._current_step
        watts = int.from_bytes(power, "big") * 20 * self._current_step  # 8.5.1: its step is 20 of the current's
        shunt_code = _within(abs(shunt_v) < self._full_scale_v - 0.5 / _SHUNT_STEPS)
        bus_code = _within(bus_v < self._bus_range)
        worked_out: list[tuple[Value | None, int]] = [(None, Quality.BAD_OUT_OF_RANGE)] * 2
        if not raw_bus & _OVERFLOW:
            worked_out = [(amperes, shunt_code), (watts, max(shunt_code, bus_code))]
        return [(bus_v, bus_code), (shunt_v, shunt_code), *worked_out]


def chip(settings: Settings) -> Ina219:
    """An INA219."""
    return Ina219(settings)


def _within(inside: bool) -> int:
    """A converter at the end of its scale cannot say how far beyond the voltage is."""
    return Quality.GOOD if inside else UNCERTAIN_SENSOR_NOT_ACCURATE
