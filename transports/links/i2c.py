"""I2C: the chips of one bus, by ready profiles or by their registers.

    [device.cabinet]
    driver = "i2c"
    bus = "/dev/i2c-1"
    [device.cabinet.chips.air]
    address = 0x76
    profile = "bme280"
    [device.cabinet.chips.tank]
    address = 0x29
    registers = { level = { register = 0x04, width = 2, formula = "raw * 0.1", unit = "mm" } }

One device is one bus, so that one process owns it. Tags are called chip.tag: air.temperature, tank.level. Profiles
are ads1115, bme280, ina219, mcp9808, sht31 and tmp117 (each with its manual in transports/chips); registers are
described in transports/i2c/registers.py. `bus` is a path, a number ("1" is /dev/i2c-1), or the socket at which
`holdfast simulate i2c` serves.

A chip that does not answer makes its own tags Bad, and the others are read. One that comes back, or that lost power
and came back with the settings of its maker, is configured anew; while it has not measured yet, its tags wait (Bad,
waiting for initial data). When no chip answers at all, that is a LinkTimeout; a bus that is gone is a LinkDown. A chip
that holds the bus costs one `timeout` a reading; those for which no time is left then have their turn first next time.

Chips of equal address go behind a TCA9548A: `mux = { address = 0x70, channel = 2 }`.
"""

import logging
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transports.clock import Clock, MachineClock
from transports.errors import LinkRefused, LinkTimeout, Problem
from transports.i2c.kernel import open_kernel
from transports.i2c.map import RegisterMap
from transports.i2c.port import Port, reason_of
from transports.i2c.remote import open_remote
from transports.i2c.settings import RESERVED_BELOW, ChipSettings, bus_problems
from transports.i2c.station import Outcome, Station
from transports.i2c.target import Target
from transports.quality import Quality
from transports.samples import Scan, Tag, Value
from transports.settings import duration, nearest, setting
from transports.writing import Limits

EXTRA = "i2c"
log = logging.getLogger("holdfast.i2c")


def _path_cure(bus: str) -> str | None:
    return None if bus and "\0" not in bus else "must be a path such as /dev/i2c-1, or a number"


@dataclass(frozen=True)
class Settings:
    """One bus and its chips."""

    bus: str = setting(
        help="path of the bus, or its number",
        example="/dev/i2c-1",
        check=_path_cure,
    )
    chips: Mapping[str, ChipSettings] = setting(
        help="what is on it: a table for each chip, its name the key",
        example='{ air = { address = 0x76, profile = "bme280" } }',
    )
    timeout_s: float = duration("1s", help="how long one transfer may take, and after which no further chip is asked")

    @property
    def path(self) -> str:
        """Where the bus is."""
        return f"/dev/i2c-{self.bus}" if self.bus.isascii() and self.bus.isdigit() else self.bus

    def problems(self, path: str) -> Iterable[Problem]:
        """At least one chip, and no two that answer at once."""
        return bus_problems(self.chips, f"{path}.chips")


class I2cLink:
    """An open bus: one scan of all chips a reading, and one of its own for each chip that measures between two."""

    def __init__(self, port: Port, settings: Settings, clock: Clock) -> None:
        self._port, self._path, self._timeout_s, self._clock = port, settings.path, settings.timeout_s, clock
        self._stations = [
            Station(name, part, _target(port, each, settings.chips))
            for name, each in settings.chips.items()
            for part in each.chips()
        ]
        self.tags = tuple(tag for station in self._stations for tag in station.tags)
        self._together = [station for station in self._stations if not station.late]
        self._tags_together = tuple(tag for station in self._together for tag in station.tags)
        self._some: dict[tuple[Station, tuple[int, ...]], tuple[Tag, ...]] = {}  # a tuple each, always the same
        self._commands = {
            f"{name}.{tag}": (_target(port, each, settings.chips), each, tag)
            for name, each in settings.chips.items()
            for tag in each.registers
        }
        self.writable: Mapping[str, Limits] = {
            name: limits
            for name, (_, each, tag) in self._commands.items()
            if (limits := each.registers[tag].limits) is not None
        }

    def read(self) -> Sequence[Scan]:
        now_ns, deadline = self._clock.utc_ns(), self._clock.now() + self._timeout_s
        outcomes: dict[Station, Outcome] = {}
        for station in sorted(self._stations, key=lambda each: (each.holds_the_bus, not each.was_passed_over)):
            in_time = not outcomes or self._clock.now() < deadline
            outcomes[station] = station.take_turn(now_ns) if in_time else station.passed_over(now_ns)
        if all(outcome.silent for outcome in outcomes.values()):
            name, why = next((each.name, each.reason) for each in outcomes)  # the first was asked
            raise LinkTimeout(f"{self._path}: no chip answers ({name} {why}); is the bus wired and powered?")
        return self._scans(outcomes, now_ns)

    def write(self, tag: str, value: Value) -> None:
        if tag not in self._commands:
            raise LinkRefused(f"{tag}: cannot be written; {nearest(tag, list(self.writable))}")
        target, settings, register = self._commands[tag]
        try:
            target.select()
            RegisterMap(settings.registers, ()).write(target, register, value)
        except OSError as failed:
            raise LinkTimeout(f"{tag} = {value!r:.40}: the chip {reason_of(failed)}") from failed

    def close(self) -> None:
        self._port.close()

    def _scans(self, outcomes: Mapping[Station, Outcome], now_ns: int) -> list[Scan]:
        """What was measured now, as one scan; before it what was measured between two readings, oldest first."""
        scans = [self._apart(station, outcomes[station]) for station in self._stations if station.late]
        scans = sorted((scan for scan in scans if scan.tags), key=lambda scan: scan.time_ns)
        if self._together:
            looks = [outcomes[station].look for station in self._together]
            values = [value for look in looks for value in look.values]
            codes = [code for look in looks for code in look.codes]
            scans.append(Scan(now_ns, self._tags_together, values, codes if any(codes) else Quality.GOOD))
        return scans

    def _apart(self, station: Station, outcome: Outcome) -> Scan:
        look = outcome.look
        return Scan(outcome.time_ns, self._tags_at(station, look.at), look.values, look.codes)

    def _tags_at(self, station: Station, at: tuple[int, ...] | None) -> tuple[Tag, ...]:
        if at is None:
            return station.tags
        key = (station, at)
        if key not in self._some:
            self._some[key] = tuple(station.tags[each] for each in at)
        return self._some[key]


def connect(settings: Settings) -> I2cLink:
    """Open the bus. Raises LinkDown with the cure; chips are looked for by the first reading."""
    for name, chip in settings.chips.items():
        if chip.address < RESERVED_BELOW:
            log.warning("%s has the reserved address 0x%02x; not every adapter and chip bears that", name, chip.address)
    clock = MachineClock()
    return I2cLink(_opened(settings, clock), settings, clock)


def _opened(settings: Settings, clock: Clock) -> Port:
    try:
        served = stat.S_ISSOCK(Path(settings.path).stat().st_mode)
    except (OSError, ValueError):
        served = False  # opening it will say what is wrong
    if served:
        return open_remote(settings.path, settings.timeout_s, clock)
    return open_kernel(settings.path, settings.timeout_s)


def _target(port: Port, chip: ChipSettings, every: Mapping[str, ChipSettings]) -> Target:
    muxes = {each.mux.address for each in every.values() if each.mux and each.address == chip.address}
    own = chip.behind
    others = sorted(muxes - {own.address}) if own else ()
    return Target(port, chip.address, pec=chip.pec, pointer_bytes=chip.pointer, behind=own, others=others)
