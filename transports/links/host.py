"""This machine itself: processor, memory, disks, temperatures, network, uptime.

    [device.gateway]
    driver = "host"
    disks = ["/", "/data"]
    interfaces = ["eth0", "wwan0"]

Which tags there are is settled when the driver connects: what the settings name is announced even if it is not there
yet, what they leave open (temperatures, interfaces) is what was found. What is missing at a reading is Bad until it
is back. Names are lower-case words of letters and digits: `/data` is `disk_data_free`, `eth0` is `net_eth0_bytes_in`.
Counters count since the machine or the interface started and are exact 64-bit numbers.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import psutil

from transports.clock import MachineClock
from transports.errors import LinkDown, LinkRefused, Problem
from transports.links import Link
from transports.samples import DataType, Quality, Scan, Tag, Value
from transports.settings import setting
from transports.tag_names import distinct, word

Look = Callable[[], Sequence[Value | None]]
# what psutil raises for a file of /proc or /sys that is gone, missing in this system, or unlike those it knows
_UNREADABLE = (OSError, NotImplementedError, ValueError, LookupError, psutil.Error)
_BAD_WAITING_FOR_INITIAL_DATA = 0x8032_0000  # OPC 10000-6, Annex A.2


@dataclass(frozen=True)
class Settings:
    """Which readings to take."""

    cpu: bool = setting(True, help="processor use since the previous reading, load averages")
    memory: bool = setting(True, help="memory used and available")
    swap: bool = setting(True, help="swap space used")
    disks: tuple[str, ...] = setting(("/",), help="mount points of which to read the space")
    disk_io: bool = setting(True, help="bytes and operations of all disks together")
    temperatures: bool = setting(True, help="every temperature sensor that is found at the start")
    network: bool = setting(True, help="bytes and errors of network interfaces")
    interfaces: tuple[str, ...] = setting((), help="network interfaces; empty means all that are up, without loopback")
    uptime: bool = setting(True, help="time since the machine started")
    processes: bool = setting(True, help="number of processes")

    def problems(self, path: str) -> Iterable[Problem]:
        for at, disk in enumerate(self.disks):
            if not disk.startswith("/"):
                yield Problem(f"{path}.disks[{at}]", repr(disk), "must be a mount point, which begins with /")
        for key, names in (("disks", self.disks), ("interfaces", self.interfaces)):
            for name in (name for name, count in Counter(names).items() if count > 1):
                yield Problem(f"{path}.{key}", repr(name), "must not be named twice")
        if self.interfaces and not self.network:
            yield Problem(f"{path}.interfaces", repr(list(self.interfaces)), "are not read while network is false")
        chosen = (self.cpu, self.memory, self.swap, self.disks, self.disk_io, self.temperatures, self.network)
        if not any((*chosen, self.uptime, self.processes)):
            yield Problem(path, "", "nothing is left to read; switch something on, such as cpu = true")


@dataclass(frozen=True, slots=True)
class Gauge:
    """Some tags that are read together; `missing` is the status code of those that come back as None."""

    tags: tuple[Tag, ...]
    look: Look
    missing: int = Quality.BAD_SENSOR_FAILURE

    def read(self) -> tuple[Sequence[Value | None], list[int]]:
        """A value and a status code for each tag."""
        try:
            values = self.look()
        except _UNREADABLE:
            values = [None] * len(self.tags)
        return values, [self.missing if value is None else Quality.GOOD for value in values]


def connect(settings: Settings) -> Link:
    """Looks what this machine has. Raises LinkDown where not even that can be read."""
    try:
        return HostLink(_distinct(list(_gauges(settings))))
    except _UNREADABLE as wrong:
        raise LinkDown(f"this machine's counters cannot be read: is /proc mounted? ({wrong})") from wrong


class HostLink:
    """All gauges, read one after the other."""

    def __init__(self, gauges: Sequence[Gauge]) -> None:
        self._gauges, self._clock = gauges, MachineClock()
        self.tags = tuple(tag for gauge in gauges for tag in gauge.tags)

    def read(self) -> Sequence[Scan]:
        """One scan of everything; what cannot be read is Bad, and nothing is raised for it."""
        time_ns = self._clock.utc_ns()
        values: list[Value | None] = []
        codes: list[int] = []
        for gauge in self._gauges:
            read, quality = gauge.read()
            values += read
            codes += quality
        return [Scan(time_ns, self.tags, values, codes if any(codes) else Quality.GOOD)]

    def write(self, tag: str, value: Value) -> None:
        raise LinkRefused(f"{tag} is a reading of this machine and cannot be written")

    def close(self) -> None:
        """Nothing is held."""


def _gauges(settings: Settings) -> Iterator[Gauge]:
    if settings.cpu:
        yield Gauge((_number("cpu_percent", "%"),), CpuUse().look, _BAD_WAITING_FOR_INITIAL_DATA)
        yield Gauge(tuple(_number(f"load_{span}") for span in ("1m", "5m", "15m")), psutil.getloadavg)
    if settings.memory:
        yield Gauge(
            (_count("memory_used", "B"), _count("memory_available", "B"), _number("memory_percent", "%")), _memory
        )
    if settings.swap:
        yield Gauge((_count("swap_used", "B"), _number("swap_percent", "%")), _swap)
    for disk in settings.disks:
        name = f"disk_{word(disk) or 'root'}"
        yield Gauge((_number(f"{name}_used_percent", "%"), _count(f"{name}_free", "B")), _disk(disk))
    if settings.disk_io:
        tags = [_count(f"disk_io_{way}_bytes", "B") for way in ("read", "write")]
        tags += [_count(f"disk_io_{way}_count") for way in ("read", "write")]
        yield Gauge(tuple(tags), _disk_io)
    if settings.network and (interfaces := settings.interfaces or _up()):
        tags = [tag for interface in interfaces for tag in _interface_tags(interface)]
        yield Gauge(tuple(tags), _network(interfaces))
    if settings.temperatures and (sensors := _temperatures()):
        tags = [_number(_sensor_name(*sensor), "Cel") for sensor in sensors]
        yield Gauge(tuple(tags), lambda: _same(sensors, _temperatures()))
    if settings.uptime:
        yield Gauge((_number("uptime", "s"),), lambda: [time.clock_gettime(time.CLOCK_BOOTTIME)])
    if settings.processes:
        yield Gauge((_count("processes"),), lambda: [len(psutil.pids())])


class CpuUse:
    """The share of processor time that was not idle since the previous look, over all processors.

    None until a clock tick (10 ms) has passed since the first; a look within a tick repeats the one before.
    """

    def __init__(self) -> None:
        self._busy_s, self._total_s = _cpu_seconds()
        self._percent: float | None = None

    def look(self) -> Sequence[Value | None]:
        busy_s, total_s = _cpu_seconds()
        if total_s > self._total_s:
            share = (busy_s - self._busy_s) / (total_s - self._total_s)
            self._percent = min(max(100.0 * share, 0.0), 100.0)  # iowait may run backwards: proc(5), /proc/stat
            self._busy_s, self._total_s = busy_s, total_s
        return [self._percent]


def _cpu_seconds() -> tuple[float, float]:
    """Busy and total seconds of all processors since the start. The time of guests is in user and nice already."""
    times = psutil.cpu_times()
    total_s = sum(times) - times.guest - times.guest_nice
    return total_s - times.idle - times.iowait, total_s


def _memory() -> Sequence[Value | None]:
    memory = psutil.virtual_memory()
    return [memory.used, memory.available, memory.percent]


def _swap() -> Sequence[Value | None]:
    swap = psutil.swap_memory()
    return [swap.used, swap.percent]


def _disk(mount_point: str) -> Look:
    def look() -> Sequence[Value | None]:
        if not os.path.ismount(mount_point):  # the numbers would be those of the disk below it
            return [None, None]
        usage = psutil.disk_usage(mount_point)
        return [usage.percent, usage.free]

    return look


def _disk_io() -> Sequence[Value | None]:
    io = psutil.disk_io_counters(nowrap=False)
    return [None] * 4 if io is None else [io.read_bytes, io.write_bytes, io.read_count, io.write_count]


def _up() -> tuple[str, ...]:
    found = psutil.net_if_stats().items()
    return tuple(sorted(name for name, state in found if state.isup and "loopback" not in state.flags.split(",")))


def _interface_tags(interface: str) -> list[Tag]:
    name = f"net_{word(interface)}"
    sizes = [_count(f"{name}_bytes_{way}", "B") for way in ("in", "out")]
    return sizes + [_count(f"{name}_errors_{way}") for way in ("in", "out")]


def _network(interfaces: Sequence[str]) -> Look:
    def look() -> Sequence[Value | None]:
        counters = psutil.net_io_counters(pernic=True, nowrap=False)
        values: list[Value | None] = []
        for interface in interfaces:
            io = counters.get(interface)
            values += [None] * 4 if io is None else [io.bytes_recv, io.bytes_sent, io.errin, io.errout]
        return values

    return look


Sensor = tuple[str, str, int]  # chip, label, which of several with that chip and label (from 1)


def _temperatures() -> dict[Sensor, float]:
    found: dict[Sensor, float] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for chip, readings in psutil.sensors_temperatures().items():
        for reading in readings:
            seen[chip, reading.label] += 1
            found[chip, reading.label, seen[chip, reading.label]] = reading.current
    return found


def _same(sensors: Iterable[Sensor], found: dict[Sensor, float]) -> Sequence[Value | None]:
    """A value for each sensor of the start; of equal ones of which one is gone, none, as nobody knows which it is."""
    then = Counter((chip, label) for chip, label, _ in sensors)
    now = Counter((chip, label) for chip, label, _ in found)
    return [found.get(sensor) if then[sensor[:2]] == now[sensor[:2]] else None for sensor in sensors]


def _sensor_name(chip: str, label: str, nth: int) -> str:
    return "_".join(word for word in ("temp", word(chip), word(label), str(nth) if nth > 1 else "") if word)


def _distinct(gauges: Sequence[Gauge]) -> list[Gauge]:
    """The gauges with distinct tag names, where the machine has two parts such as `eth0.1` and `eth0-1`."""
    names = iter(distinct(tag.name for gauge in gauges for tag in gauge.tags))
    return [replace(gauge, tags=tuple(replace(tag, name=next(names)) for tag in gauge.tags)) for gauge in gauges]


def _number(name: str, unit: str = "") -> Tag:
    return Tag(name, DataType.FLOAT64, unit)


def _count(name: str, unit: str = "") -> Tag:
    return Tag(name, DataType.UINT64, unit)
