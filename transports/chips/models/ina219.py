"""A simulated INA219 at a 12 V supply, with a shunt of 0.1 ohm."""

from transports.chips.ina219 import BUS, CALIBRATION, CONFIG, CURRENT, POWER, SHUNT
from transports.chips.models import WordRegisters, twos_complement, wave

SHUNT_OHM = 0.1
_RESET = 0x8000
_FULL_SCALE = (4000, 8000, 16000, 32000)  # steps of 10 uV


class Ina219(WordRegisters):
    """Current and power are worked out from the calibration, as in 8.5.1."""

    def __init__(self) -> None:
        super().__init__({CONFIG: 0x399F, CALIBRATION: 0})

    def fetch(self, register: int, now: float) -> int:
        amperes, volts = wave(now, 1.2, 0.7, 120), wave(now, 12.0, 0.2, 300)
        full_scale = _FULL_SCALE[self.registers[CONFIG] >> 11 & 3]
        shunt = min(max(round(amperes * SHUNT_OHM / 10e-6), -full_scale), full_scale)
        bus = round(volts / 4e-3)
        current = shunt * self.registers[CALIBRATION] // 4096
        power = abs(current) * bus // 5000
        too_large = abs(current) > 0x7FFF or power > 0xFFFF
        values = {SHUNT: twos_complement(shunt), BUS: bus << 3 | 2 | too_large}
        values |= {CURRENT: twos_complement(current), POWER: power & 0xFFFF}
        return values[register] if register in values else super().fetch(register, now)

    def store(self, register: int, value: int, now: float) -> None:
        if register == CONFIG and value & _RESET:
            self.registers = {CONFIG: 0x399F, CALIBRATION: 0}
        elif register == CONFIG:
            self.registers[CONFIG] = value
        elif register == CALIBRATION:
            self.registers[CALIBRATION] = value & 0xFFFE
