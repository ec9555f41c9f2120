"""BME280: temperature, pressure and humidity of air (Bosch BST-BME280-DS002, revision 1.6).

    tags: temperature (Cel), pressure (Pa), humidity (%)

In `mode = "normal"` the sensor measures by itself, and a reading brings its newest values. In "forced" a reading
starts a measurement that the next one collects: no self-heating, the least current. Addresses: 0x76, 0x77.
"""

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from transports.chips import BAD_WAITING_FOR_INITIAL_DATA, Look, look, sensed
from transports.chips.bme280_compensation import Trimming, humidity, pressure, t_fine, temperature
from transports.errors import LinkRefused
from transports.i2c.target import Target
from transports.quality import Quality
from transports.samples import Tag, Value
from transports.settings import setting

ID, BME280_ID = 0xD0, 0x60
CTRL_HUM, STATUS, CTRL_MEAS, CONFIG, DATA = 0xF2, 0xF3, 0xF4, 0xF5, 0xF7  # table 18
TRIMMING, TRIMMING_BYTES, TRIMMING_H, TRIMMING_H_BYTES = 0x88, 26, 0xE1, 7  # table 16
SKIPPED_20, SKIPPED_16 = 0x80000, 0x8000  # what stands where nothing was measured (5.4.7 to 5.4.9, reset state)
_MEASURING, _COPYING = 0x08, 0x01  # status
_SLEEP, _FORCED, _NORMAL = 0, 1, 3
_OVERSAMPLING: Mapping[int, int] = {0: 0, 1: 1, 2: 2, 4: 3, 8: 4, 16: 5}  # tables 20, 23, 24
_FILTER: Mapping[int, int] = {0: 0, 2: 1, 4: 2, 8: 3, 16: 4}  # table 28
_STANDBY: Mapping[str, int] = {  # table 27
    "0.5ms": 0,
    "62.5ms": 1,
    "125ms": 2,
    "250ms": 3,
    "500ms": 4,
    "1s": 5,
    "10ms": 6,
    "20ms": 7,
}
_OTHERS: Mapping[int, str] = {0x58: "a BMP280 (no humidity)", 0x56: "a BMP280", 0x57: "a BMP280", 0x61: "a BME680"}
_MOST_UNFINISHED = 50  # readings in a row that find a measurement still under way; it takes 113 ms at most


@dataclass(frozen=True)
class Settings:
    """How it measures."""

    mode: str = setting("normal", choices=("normal", "forced"), help="by itself, or once a reading")
    temperature: int = setting(1, choices=tuple(_OVERSAMPLING)[1:], help="oversampling of the temperature")
    pressure: int = setting(1, choices=tuple(_OVERSAMPLING), help="oversampling of the pressure; 0: not measured")
    humidity: int = setting(1, choices=tuple(_OVERSAMPLING), help="oversampling of the humidity; 0: not measured")
    filter: int = setting(0, choices=tuple(_FILTER), help="smoothing of temperature and pressure; 0: none")
    standby: str = setting("125ms", choices=tuple(_STANDBY), help="pause between measurements in mode normal")


class Bme280:
    """One sensor; `trimming` is known once it was configured."""

    def __init__(self, settings: Settings) -> None:
        self._forced = self.late = settings.mode == "forced"
        self._hum = _OVERSAMPLING[settings.humidity]
        self._meas = _OVERSAMPLING[settings.temperature] << 5 | _OVERSAMPLING[settings.pressure] << 2
        self._config = _STANDBY[settings.standby] << 5 | _FILTER[settings.filter] << 2
        wanted = (True, settings.pressure > 0, settings.humidity > 0)
        every = (Tag("temperature", unit="Cel"), Tag("pressure", unit="Pa"), Tag("humidity", unit="%"))
        self._wanted = tuple(at for at in range(3) if wanted[at])
        self.tags = tuple(every[at] for at in self._wanted)
        self._trimming = Trimming()
        self._unfinished = 0

    def configure(self, target: Target) -> bool:
        self._check(target)
        low = target.read_register(TRIMMING, TRIMMING_BYTES)
        self._trimming = Trimming.of(low, target.read_register(TRIMMING_H, TRIMMING_H_BYTES))
        target.write_register(CTRL_MEAS, bytes([self._meas | _SLEEP]))  # config may be ignored outside sleep (5.4.6)
        target.write_register(CTRL_HUM, bytes([self._hum]))  # in force with the next write to ctrl_meas (5.4.3)
        target.write_register(CONFIG, bytes([self._config]))
        target.write_register(CTRL_MEAS, bytes([self._meas | (_FORCED if self._forced else _NORMAL)]))
        self._unfinished = 0
        return False

    def read(self, target: Target) -> Look | None:
        data = target.read_register(CTRL_HUM, 13)  # 0xF2 to 0xFE in one burst: settings and values of one moment (4)
        if not self._holds(data):
            return None
        if self._forced and data[1] & _MEASURING:
            return self._still_measuring()
        self._unfinished = 0
        if self._forced:
            target.write_register(CTRL_MEAS, bytes([self._meas | _FORCED]))
        samples = _samples(data[5:], self._trimming)
        return look([samples[at] for at in self._wanted], late=self._forced)

    def _check(self, target: Target) -> None:
        (kind,) = target.read_register(ID, 1)
        if kind != BME280_ID:
            raise LinkRefused(f"chip id 0x{kind:02x} is {_OTHERS.get(kind, 'another chip')}, not a BME280 (0x60)")
        if target.read_register(STATUS, 1)[0] & _COPYING:
            raise BlockingIOError(errno.EAGAIN, "is starting: its trimming is not there yet")

    def _holds(self, data: bytes) -> bool:
        hum, meas, config = data[0] & 0x07, data[2], data[3] & 0xFD  # bit 1 of config is reserved (table 26)
        if hum != self._hum or config != self._config:
            return False
        return meas & 0xFC == self._meas if self._forced else meas == self._meas | _NORMAL

    def _still_measuring(self) -> Look:
        self._unfinished += 1
        if self._unfinished > _MOST_UNFINISHED:
            raise TimeoutError(errno.ETIMEDOUT, "its measurement does not end")
        return Look.nothing()


def chip(settings: Settings) -> Bme280:
    """A BME280."""
    return Bme280(settings)


def _samples(data: bytes, trimming: Trimming) -> list[tuple[Value | None, int]]:
    """Temperature, pressure, humidity from the registers 0xF7 to 0xFE."""
    high, middle, low, t_high, t_middle, t_low, adc_h = struct.unpack(">6BH", data)
    adc_p, adc_t = high << 12 | middle << 4 | low >> 4, t_high << 12 | t_middle << 4 | t_low >> 4
    if adc_t == SKIPPED_20:  # the others cannot be worked out without it
        return [(None, BAD_WAITING_FOR_INITIAL_DATA)] * 3
    fine = t_fine(adc_t, trimming)
    return [
        sensed(temperature(fine), -40, 85),  # operating range, table 1
        _unless_skipped(adc_p == SKIPPED_20, sensed(pressure(adc_p, fine, trimming), 30_000, 110_000)),
        _unless_skipped(adc_h == SKIPPED_16, sensed(humidity(adc_h, fine, trimming), 0, 100)),
    ]


def _unless_skipped(skipped: bool, sample: tuple[float | None, int]) -> tuple[float | None, int]:
    return (None, Quality.BAD_OUT_OF_SERVICE) if skipped else sample
