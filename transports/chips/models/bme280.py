"""A simulated BME280 in a room."""

import struct

from transports.chips.bme280 import CONFIG, CTRL_HUM, CTRL_MEAS, DATA, ID, STATUS, TRIMMING, TRIMMING_H
from transports.chips.bme280_compensation import Trimming, humidity, pressure, t_fine, temperature
from transports.chips.models import air, nearest_input

# Temperature and pressure: the example of the BMP280's data sheet (BST-BMP280-DS001, 3.12)
_LOW = struct.pack("<H2hH8hxB", 27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000, 75)
_HIGH = struct.pack("<hB3Bb", 360, 0, 0x14, 0x25, 0x03, 30)
_NOTHING = b"\x80\0\0\x80\0\0\x80\0"
_STANDBY_S = (0.0005, 0.0625, 0.125, 0.25, 0.5, 1.0, 0.01, 0.02)
_OVERSAMPLING = (0, 1, 2, 4, 8, 16, 16, 16)


class Bme280:
    """Byte registers behind a pointer that moves on; a measurement takes its time."""

    def __init__(self) -> None:
        self._trimming = Trimming.of(_LOW, _HIGH)
        self._pointer = 0
        self._power_on()

    def write(self, data: bytes, now: float) -> bool:
        self._settle(now)
        self._pointer = data[0] if data else self._pointer
        for register, value in zip((data[:1] + data[2::2]), data[1::2], strict=False):  # pairs (6.2.1)
            if register in (CTRL_HUM, CTRL_MEAS, CONFIG):
                self._memory[register] = value
            if register == CTRL_MEAS:
                self._since, self._last = now, -1.0
            if (register, value) == (0xE0, 0xB6):
                self._power_on()  # soft reset
        return True

    def read(self, size: int, now: float) -> bytes | None:
        self._settle(now)
        return bytes(self._memory[(self._pointer + at) & 0xFF] for at in range(size))

    def _power_on(self) -> None:
        self._memory, self._since, self._last = bytearray(256), 0.0, -1.0
        self._memory[TRIMMING : TRIMMING + len(_LOW)] = _LOW
        self._memory[TRIMMING_H : TRIMMING_H + len(_HIGH)] = _HIGH
        self._memory[DATA : DATA + 8] = _NOTHING
        self._memory[ID] = 0x60

    def _settle(self, now: float) -> None:
        """What was measured by now."""
        mode, took_s = self._memory[CTRL_MEAS] & 3, self._measuring_s()
        self._memory[STATUS] = 0
        if mode == 0:
            return
        cycle_s = took_s + _STANDBY_S[self._memory[CONFIG] >> 5] if mode == 3 else float("inf")
        ended = self._since + (now - self._since) // cycle_s * cycle_s + took_s if mode == 3 else self._since + took_s
        if ended > now:
            self._memory[STATUS] = 0x08
            ended -= cycle_s
        if ended > self._since and ended != self._last:
            self._last = ended
            self._memory[DATA : DATA + 8] = self._measured(ended)
        if mode != 3 and ended > self._since:
            self._memory[CTRL_MEAS] &= 0xFC  # forced: asleep again

    def _measuring_s(self) -> float:
        """Typical duration (9.1)."""
        t, p, h = self._oversampling()
        return (1 + 2 * t + (2 * p + 0.5 if p else 0) + (2 * h + 0.5 if h else 0)) / 1000

    def _oversampling(self) -> tuple[int, int, int]:
        meas, hum = self._memory[CTRL_MEAS], self._memory[CTRL_HUM]
        return _OVERSAMPLING[meas >> 5], _OVERSAMPLING[meas >> 2 & 7], _OVERSAMPLING[hum & 7]

    def _measured(self, when: float) -> bytes:
        degrees, pascals, percent = air(when)
        trimming, (t, p, h) = self._trimming, self._oversampling()
        adc_t = nearest_input(lambda adc: temperature(t_fine(adc, trimming)), degrees, 0xFFFFF)
        fine = t_fine(adc_t, trimming)
        adc_p = nearest_input(lambda adc: pressure(adc, fine, trimming) or 0.0, pascals, 0xFFFFF)
        adc_h = nearest_input(lambda adc: humidity(adc, fine, trimming), percent, 0xFFFF)
        words = (adc_p if p else 0x80000) << 4, (adc_t if t else 0x80000) << 4
        return b"".join(word.to_bytes(3, "big") for word in words) + (adc_h if h else 0x8000).to_bytes(2, "big")
