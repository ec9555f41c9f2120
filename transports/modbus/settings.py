"""How a Modbus device is written in the configuration: the way to it, its unit, its tags."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transports.errors import LinkRefused, Problem
from transports.modbus.tags import FUNCTIONS, ORDERS, Defaults, Point, TagSettings, points_of
from transports.modbus.values import encode
from transports.parity import MODBUS_PARITIES
from transports.runs import problems_of_names
from transports.settings import duration, setting
from transports.writing import Writing

BROADCAST = 0


def _not_empty(text: str) -> str | None:
    return None if text else "must not be empty"


@dataclass(frozen=True, kw_only=True)
class WaySettings:
    """How to reach it: one of `host`, `serial`, `line`."""

    host: str | None = setting(
        None, help="address of the device or converter", example="192.168.1.10", check=_not_empty
    )
    port: int = setting(502, ge=1, le=65535, help="TCP port of the host")
    framing: str = setting("tcp", choices=("tcp", "rtu"), help="rtu: the host is a converter that passes RTU frames on")
    serial: str | None = setting(
        None, help="path of a serial port of its own", example="/dev/serial/by-id/usb-FTDI-if00-port0", check=_not_empty
    )
    baud: int = setting(9600, ge=50, le=4_000_000, help="bits per second of the serial port; RTU has 8 data bits")
    parity: str = setting("none", choices=MODBUS_PARITIES, help="parity bit of the serial port")
    stop_bits: int = setting(1, choices=(1, 2), help="stop bits of the serial port")
    echo: bool = setting(False, help="the adapter of the serial port hears what it sends")
    line: str | None = setting(
        None, help="name of a [line.NAME] that this device shares with others", example="hall", check=_not_empty
    )

    @property
    def rtu(self) -> bool:
        """Whether requests go out in RTU frames, where the unit 0 is everybody and nobody answers it."""
        return self.host is None or self.framing == "rtu"

    def way_problems(self, path: str) -> Iterator[Problem]:
        """Not one way but none or several, and settings of a way that is not taken."""
        ways = {key: value for key in ("host", "serial", "line") if (value := getattr(self, key)) is not None}
        if not ways:
            yield Problem(f"{path}.host", "", "is missing, or another way to the device: serial or line")
        for key in list(ways)[1:]:
            cure = f"there is one way to a device; write {next(iter(ways))} or {key}, not both"
            yield Problem(f"{path}.{key}", repr(ways[key]), cure)
        for way, keys in _BELONGS.items():
            for key in keys if way not in ways and ways else ():
                if getattr(self, key) != getattr(WaySettings, key):
                    cure = f"belongs to {way}, which is not given{_SHARED if key in _OF_LINE else ''}; leave it out"
                    yield Problem(f"{path}.{key}", repr(getattr(self, key)), cure)


_BELONGS: Mapping[str, tuple[str, ...]] = {
    "host": ("port", "framing"),
    "serial": ("baud", "parity", "stop_bits", "echo"),
}
_OF_LINE = _BELONGS["serial"]
_SHARED = " (a line has its own in [line.NAME])"


@dataclass(frozen=True, kw_only=True)
class Settings(WaySettings):
    """One device, or one unit behind a gateway."""

    unit: int = setting(
        1, ge=0, le=255, help="unit (slave) number; 0 on a serial line is all of them, for writing only"
    )
    tags: Mapping[str, TagSettings] = setting(
        help="what to read: a table for each tag, its name the key", example="{ speed = { address = 100 } }"
    )
    timeout_s: float = duration("1s", help="how long connecting, or one answer, may take")
    word_order: str = setting("big", choices=ORDERS, help="order of the registers that make up one number")
    byte_order: str = setting("big", choices=ORDERS, help="order of the bytes of one register")
    max_gap: int = setting(0, ge=0, le=124, help="unused addresses to read over rather than ask twice")
    write_function: str = setting(
        "auto", choices=FUNCTIONS, help="functions to write by: single (5, 6) or multiple (15, 16)"
    )
    mask_write: bool = setting(False, help="it knows function 22: one bit of a register is written without reading")

    def points(self) -> tuple[Point, ...]:
        """Every value to read, runs expanded."""
        return points_of(self.tags, Defaults(self.word_order, self.byte_order, self.write_function))

    @property
    def broadcasts(self) -> bool:
        """Whether it is no device but all units of a line: written, never read."""
        return self.rtu and self.unit == BROADCAST

    def problems(self, path: str) -> Iterator[Problem]:
        """One way to it; names once each; what only shows of tags and device together."""
        yield from self.way_problems(path)
        yield from problems_of_names({name: tag.count for name, tag in self.tags.items()}, f"{path}.tags")
        for name, tag in self.tags.items():
            yield from self._tag_problems(f"{path}.tags.{name}", name, tag)

    def _tag_problems(self, path: str, name: str, tag: TagSettings) -> Iterator[Problem]:
        if self.broadcasts:
            yield from _broadcast_problems(path, tag)
        if self.write_function == "single" and tag.write_function is None and tag.writable and tag.width > 1:
            cure = f'takes {tag.width} registers, which the device\'s write_function = "single" cannot write'
            yield Problem(f"{path}.writable", "True", f'{cure}; give the tag write_function = "multiple"')
        point = next(tag.points(name, Defaults()))
        for choice in tag.choices:
            try:
                encode(point, choice)
            except LinkRefused as unfit:
                yield Problem(f"{path}.choices", repr(choice), f"cannot be written: {unfit}")


def _broadcast_problems(path: str, tag: Writing) -> Iterator[Problem]:
    if not tag.writable:
        yield Problem(path, "", "unit 0 is all units of the line: none answers, so every tag must be writable = true")
    if tag.read_back:
        yield Problem(f"{path}.read_back", "True", "unit 0 is all units of the line: none can be read back")
