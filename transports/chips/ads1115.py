"""ADS1115: up to four voltages, or differences of two (Texas Instruments SBAS444, revision D).

    [device.cabinet.chips.inputs]
    address = 0x48
    profile = "ads1115"
    [device.cabinet.chips.inputs.settings.channels]
    level = { input = "0", range = 4.096, formula = "volts * 10", unit = "mm" }
    shunt = { input = "2-3", range = 0.256 }

    tags: one a channel, in V where it has no formula

One channel alone is converted all the time. Of several, a reading collects one and starts the next, so each is new
once in as many readings as there are channels, stamped with the time at which its conversion began. Addresses: 0x48 to
0x4b.
"""

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transports.chips import UNCERTAIN_SENSOR_NOT_ACCURATE, Look
from transports.errors import Problem
from transports.i2c.formula import Formula, formula_cure
from transports.i2c.target import Target
from transports.quality import Quality
from transports.samples import Tag, Value
from transports.settings import setting

CONVERSION, CONFIG = 0x00, 0x01  # table 8-1
START = READY = 0x8000  # OS: written it starts a conversion, read it says that none is under way (table 8-3)
_SINGLE_SHOT, _NO_COMPARATOR = 0x0100, 0x0003
_INPUTS: Mapping[str, int] = {"0-1": 0, "0-3": 1, "1-3": 2, "2-3": 3, "0": 4, "1": 5, "2": 6, "3": 7}
_RANGES: Mapping[float, int] = {6.144: 0, 4.096: 1, 2.048: 2, 1.024: 3, 0.512: 4, 0.256: 5}
_RATES: Mapping[int, int] = {8: 0, 16: 1, 32: 2, 64: 3, 128: 4, 250: 5, 475: 6, 860: 7}
_MOST_UNFINISHED = 50  # readings in a row that find a conversion still under way; it takes 125 ms at most


@dataclass(frozen=True)
class Channel:
    """One thing to measure."""

    input: str = setting(choices=tuple(_INPUTS), help="an input against ground, or one against another", example="0")
    range: float = setting(4.096, choices=tuple(_RANGES), help="full scale, plus and minus (V)")
    formula: str = setting("", help="the value, made of `volts`", example="volts * 10")
    unit: str = setting("", help="engineering unit (UCUM) of what the formula makes; V without one")

    def problems(self, path: str) -> Iterator[Problem]:
        """A formula of `volts`."""
        cure = formula_cure(self.formula, "volts") if self.formula else ""
        if cure:
            yield Problem(f"{path}.formula", repr(self.formula)[:60], cure)


@dataclass(frozen=True)
class Settings:
    """What is wired to it, and how it measures."""

    channels: Mapping[str, Channel] = setting(
        {f"ain{at}": Channel(str(at)) for at in range(4)}, help="what to measure: a table for each, its name the key"
    )
    rate: int = setting(128, choices=tuple(_RATES), help="conversions a second: fewer have less noise")

    def problems(self, path: str) -> Iterator[Problem]:
        """At least one channel."""
        if not self.channels:
            yield Problem(f"{path}.channels", "{}", "must name at least one")


class Ads1115:
    """One converter; `_turn` is the channel that is being converted."""

    def __init__(self, settings: Settings) -> None:
        self._channels = tuple(settings.channels.values())
        self.tags = tuple(
            Tag(name, unit=each.unit or ("" if each.formula else "V")) for name, each in settings.channels.items()
        )
        self._formulas = tuple(Formula(each.formula, "volts") if each.formula else None for each in self._channels)
        self.late = len(self._channels) > 1
        how = _RATES[settings.rate] << 5 | _NO_COMPARATOR | (_SINGLE_SHOT if self.late else 0)
        self._configs = tuple(_INPUTS[each.input] << 12 | _RANGES[each.range] << 9 | how for each in self._channels)
        self._turn = self._unfinished = 0

    def configure(self, target: Target) -> bool:
        self._start(target, 0)
        return False

    def read(self, target: Target) -> Look | None:
        turn = self._turn
        config = int.from_bytes(target.read_register(CONFIG, 2), "big")
        if config & ~READY != self._configs[turn]:
            return None
        if self.late and not config & READY:
            return self._still_converting()
        value, code = self._sample(turn, target.read_register(CONVERSION, 2))
        if self.late:
            self._start(target, (turn + 1) % len(self._channels))
        return Look((value,), (code,), (turn,) if self.late else None, late=self.late)

    def _start(self, target: Target, turn: int) -> None:
        target.write_register(CONFIG, (self._configs[turn] | START).to_bytes(2, "big"))
        self._turn, self._unfinished = turn, 0

    def _still_converting(self) -> Look:
        self._unfinished += 1
        if self._unfinished > _MOST_UNFINISHED:
            raise TimeoutError(errno.ETIMEDOUT, "its conversion does not end")
        return Look.nothing()

    def _sample(self, turn: int, data: bytes) -> tuple[Value | None, int]:
        raw = int.from_bytes(data, "big", signed=True)
        formula, volts = self._formulas[turn], raw * self._channels[turn].range / 32768
        value = formula.value(volts) if formula else volts
        if value is None:
            return None, Quality.BAD_DECODING
        clipped = raw in (0x7FFF, -0x8000)  # 8.5.4: beyond full scale it stays there
        return value, UNCERTAIN_SENSOR_NOT_ACCURATE if clipped else Quality.GOOD


def chip(settings: Settings) -> Ads1115:
    """An ADS1115."""
    return Ads1115(settings)
