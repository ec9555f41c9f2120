"""Modbus tags as they are written in the configuration, and the points they stand for.

A *point* is one value at one place in the device: a register table, a first address, how many registers (or bits) it
takes and how they become a value. One tag is one point; `count = N` makes a run of N points at consecutive addresses:

    speed = { address = 100, type = "float32", unit = "rpm", word_order = "little" }
    r     = { address = 0, count = 4 }                      # r0, r1, r2, r3
    alarm = { address = 7, type = "bool", bit = 3 }         # one bit of a holding register
    pump  = { register = "coil", address = 12, writable = true }
    hours = { address = 900, type = "uint32", period = "1m" }  # read less often than the others

Addresses are those on the wire, from 0: the register that a manual calls 40001 is holding register 0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transports.errors import Problem
from transports.runs import run_names
from transports.samples import DataType
from transports.settings import duration, setting
from transports.writing import Writing

REGISTERS = ("holding", "input", "coil", "discrete")
ORDERS = ("big", "little")
WIDTH: Mapping[str, int] = {
    "uint16": 1,
    "int16": 1,
    "uint32": 2,
    "int32": 2,
    "uint64": 4,
    "int64": 4,
    "float32": 2,
    "float64": 4,
    "bool": 1,
    "bcd16": 1,
    "bcd32": 2,
}
KINDS = (*WIDTH, "string")
BCD = ("bcd16", "bcd32")
FALLIBLE = ("string", *BCD)  # of which a device can hold what is none
BITS = ("coil", "discrete")
FUNCTIONS = ("auto", "single", "multiple")
ADDRESSES = 65536
READABLE, WRITABLE = 125, 123  # registers that one request can carry (Modbus Application Protocol 1.1b3, 6.3 and 6.12)


@dataclass(frozen=True, slots=True)
class Point:
    """One value in the device: `width` registers (bits, for coils and discrete inputs) from `address` on."""

    name: str
    register: str
    address: int
    kind: str
    width: int = 1
    bit: int | None = None
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    writable: bool = False
    word_order: str = "big"
    byte_order: str = "big"
    write_function: str = "auto"
    period_s: float | None = None

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + self.width

    @property
    def scaled(self) -> bool:
        """Whether the number in the device is not yet the value."""
        return self.scale != 1.0 or self.offset != 0.0

    @property
    def type(self) -> DataType:
        """What it is announced as: whole numbers stay exact unless they are scaled."""
        if self.kind == "bool":
            return DataType.BOOL
        if self.kind == "string":
            return DataType.STRING
        if self.scaled or self.kind.startswith("float"):
            return DataType.FLOAT64
        return DataType.INT64 if self.kind.startswith("int") else DataType.UINT64


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the device says for tags that say nothing."""

    word_order: str = "big"
    byte_order: str = "big"
    write_function: str = "auto"


Rule = tuple[str, object, bool, str]  # the key, what was written, whether that is wrong, and the cure


def _factor(value: float) -> str | None:
    return "must not be 0: every value would be the same" if value == 0 else None


@dataclass(frozen=True)
class TagSettings(Writing):
    """One entry of the table `tags`."""

    address: int = setting(ge=0, le=ADDRESSES - 1, help="first address on the wire, from 0", example="100")
    register: str = setting("holding", choices=REGISTERS, help="which of the device's four tables")
    kind: str | None = setting(
        None, key="type", choices=KINDS, help="default: uint16 in registers, bool in coils and discretes"
    )
    count: int | None = setting(None, ge=1, le=ADDRESSES, help="a run of that many tags: name0, name1, ...")
    length: int | None = setting(None, ge=1, le=READABLE, help="registers that a string takes, 2 bytes each")
    bit: int | None = setting(None, ge=0, le=15, help="which bit of the register is the bool, 0 the lowest")
    scale: float = setting(1.0, check=_factor, help="value = number in the device x scale + offset")
    offset: float = setting(0.0, help="added after scaling")
    unit: str = setting("", help="engineering unit, such as degC")
    period_s: float | None = duration(None, ge=0.001, help="how often to read it; default: the device's period")
    word_order: str | None = setting(
        None, choices=ORDERS, help="order of the registers of one number; default: the device's"
    )
    byte_order: str | None = setting(
        None, choices=ORDERS, help="order of the bytes of one register; default: the device's"
    )
    write_function: str | None = setting(
        None, choices=FUNCTIONS, help="function to write it by: single (5, 6) or multiple (15, 16)"
    )

    def points(self, name: str, device: Defaults) -> Iterator[Point]:
        """The points that this tag stands for."""
        kind, width = self._kind(), self.width
        for at, each in enumerate(run_names(name, self.count)):
            yield Point(
                each,
                self.register,
                self.address + at * width,
                kind,
                width,
                self.bit,
                self.scale,
                self.offset,
                self.unit,
                self.writable,
                self.word_order or device.word_order,
                self.byte_order or device.byte_order,
                self.write_function or device.write_function,
                self.period_s,
            )

    @property
    def width(self) -> int:
        """Registers, or bits, that one value takes."""
        return (self.length or 1) if self._kind() == "string" else WIDTH[self._kind()]

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings of one tag are seen together."""
        for key, value, broken, cure in (*self._form_rules(), *self._writing_rules()):
            if broken:
                yield Problem(f"{path}.{key}", repr(value) if value != "" else "", cure)
        yield from self.writing_problems(path)

    def _form_rules(self) -> Iterator[Rule]:
        kind, in_bits, last = self._kind(), self.register in BITS, self.address + self.width * (self.count or 1)
        scaled = self.scale != 1.0 or self.offset != 0.0
        yield "type", kind, in_bits and kind != "bool", f"a {self.register} is always bool; leave the type out"
        yield "length", "", kind == "string" and self.length is None, "is missing; write how many registers it takes"
        yield "length", self.length, kind != "string" and self.length is not None, "only a string has a length"
        yield "bit", self.bit, self.bit is not None and kind != "bool", 'a bit is a bool; write type = "bool"'
        yield "bit", self.bit, self.bit is not None and in_bits, f"a {self.register} has no bits; leave it out"
        yield "scale", self.scale, scaled and kind in ("bool", "string"), f"a {kind} is not scaled"
        yield "address", self.address, last > ADDRESSES, f"ends at {last - 1}; the last address is {ADDRESSES - 1}"

    def _writing_rules(self) -> Iterator[Rule]:
        kind, fixed = self._kind(), self.register in ("input", "discrete")
        limited, unnumbered = self.lowest is not None or self.highest is not None, kind in ("bool", "string")
        yield "writable", True, self.writable and fixed, "only holding registers and coils can be written"
        yield "length", self.length, self.writable and self.width > WRITABLE, f"one write takes at most {WRITABLE}"
        yield (
            "write_function",
            self.write_function,
            self.write_function == "single" and self.width > 1,
            f"{self.width} registers cannot be written as one; only multiple can do that",
        )
        yield (
            "write_function",
            self.write_function,
            self.write_function is not None and not self.writable,
            "needs writable = true: it says how a command is written",
        )
        yield "min" if self.lowest is not None else "max", "", limited and unnumbered, f"a {kind} has no least or most"

    def _kind(self) -> str:
        return self.kind or ("bool" if self.register in BITS else "uint16")


def points_of(tags: Mapping[str, TagSettings], device: Defaults) -> tuple[Point, ...]:
    """Every point of a device, in the order of its configuration."""
    return tuple(point for name, tag in tags.items() for point in tag.points(name, device))
