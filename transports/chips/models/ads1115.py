"""A simulated ADS1115 with four slow voltages at its inputs."""

from transports.chips.ads1115 import CONFIG, CONVERSION
from transports.chips.models import WordRegisters, twos_complement, wave

_RANGES = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)
_RATES = (8, 16, 32, 64, 128, 250, 475, 860)
_PAIRS = ((0, 1), (0, 3), (1, 3), (2, 3))
_START = _READY = 0x8000
_SINGLE_SHOT = 0x0100


class Ads1115(WordRegisters):
    """A conversion takes the time that the data rate says."""

    def __init__(self) -> None:
        super().__init__({CONFIG: 0x8583 & ~_READY, 0x02: 0x8000, 0x03: 0x7FFF})
        self._since, self._converting, self._result = 0.0, False, 0

    def fetch(self, register: int, now: float) -> int:
        self._settle(now)
        if register == CONVERSION:
            return self._result
        if register == CONFIG:
            return self.registers[CONFIG] | (0 if self._converting else _READY)
        return super().fetch(register, now)

    def store(self, register: int, value: int, now: float) -> None:
        self._settle(now)
        if register in (0x02, 0x03):
            self.registers[register] = value
        elif register == CONFIG:
            self.registers[CONFIG] = value & ~_READY
            self._converting = not value & _SINGLE_SHOT or bool(value & _START)
            self._since = now

    def _settle(self, now: float) -> None:
        config = self.registers[CONFIG]
        took_s = 1 / _RATES[config >> 5 & 7]
        if self._converting and now >= self._since + took_s:
            self._result = self._converted(config, now)
            self._converting = not config & _SINGLE_SHOT

    def _converted(self, config: int, now: float) -> int:
        at = config >> 12 & 7
        volts = _volts(at - 4, now) if at >= 4 else _volts(_PAIRS[at][0], now) - _volts(_PAIRS[at][1], now)
        return twos_complement(volts / _RANGES[config >> 9 & 7] * 32768)


def _volts(at: int, now: float) -> float:
    """What lies at an input: four waves, each a quarter ahead of the one before."""
    return wave(now, 1.5 + 0.25 * at, 0.5, 60, at / 4)
