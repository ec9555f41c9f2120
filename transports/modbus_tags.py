"""Modbus tags as they are written in the configuration, and the points they stand for.

A *point* is one value at one place in the device: a register table, a first address, how many registers (or bits) it
takes and how they become a value. One tag is one point; `count = N` makes a run of N points at consecutive addresses:

    speed = { address = 100, type = "float32", unit = "rpm", word_order = "little" }
    r     = { address = 0, count = 4 }                      # r0, r1, r2, r3
    alarm = { address = 7, type = "bool", bit = 3 }         # one bit of a holding register
    pump  = { register = "coil", address = 12, writable = true }

Addresses are those on the wire, from 0: the register that a manual calls 40001 is holding register 0.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from transports.errors import Problem
from transports.runs import run_names
from transports.samples import DataType
from transports.settings import setting

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
}
KINDS = (*WIDTH, "string")
BITS = ("coil", "discrete")
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
        return DataType.UINT64 if self.kind.startswith("uint") else DataType.INT64


def _factor(value: float) -> str | None:
    return "must not be 0: every value would be the same" if value == 0 else None


@dataclass(frozen=True)
class TagSettings:
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
    writable: bool = setting(False, help="whether commands may write it")
    word_order: str | None = setting(
        None, choices=ORDERS, help="order of the registers of one number; default: the device's"
    )
    byte_order: str | None = setting(
        None, choices=ORDERS, help="order of the bytes of one register; default: the device's"
    )

    def points(self, name: str, word_order: str, byte_order: str) -> Iterator[Point]:
        """The points that this tag stands for; the orders are the device's, for where the tag names none."""
        kind, width = self._kind(), self._width()
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
                self.word_order or word_order,
                self.byte_order or byte_order,
            )

    def problems(self, path: str) -> Iterable[Problem]:
        """What only shows when the settings of one tag are seen together."""
        kind, in_bits, last = self._kind(), self.register in BITS, self.address + self._width() * (self.count or 1)
        rules = (
            ("type", kind, in_bits and kind != "bool", f"a {self.register} is always bool; leave the type out"),
            ("length", "", kind == "string" and self.length is None, "is missing; write how many registers it takes"),
            ("length", self.length, kind != "string" and self.length is not None, "only a string has a length"),
            ("length", self.length, self.writable and self._width() > WRITABLE, f"one write takes at most {WRITABLE}"),
            ("bit", self.bit, self.bit is not None and kind != "bool", 'a bit is a bool; write type = "bool"'),
            ("bit", self.bit, self.bit is not None and in_bits, f"a {self.register} has no bits; leave it out"),
            ("scale", self.scale, self._scaled() and kind in ("bool", "string"), f"a {kind} is not scaled"),
            (
                "writable",
                True,
                self.writable and self.register in ("input", "discrete"),
                "only holding registers and coils can be written",
            ),
            (
                "writable",
                True,
                self.writable and self.bit is not None,
                "one bit cannot be written without overwriting the other 15; write the whole register",
            ),
            ("address", self.address, last > ADDRESSES, f"ends at {last - 1}; the last address is {ADDRESSES - 1}"),
        )
        return [
            Problem(f"{path}.{key}", repr(value) if value != "" else "", cure)
            for key, value, broken, cure in rules
            if broken
        ]

    def _kind(self) -> str:
        return self.kind or ("bool" if self.register in BITS else "uint16")

    def _width(self) -> int:
        return (self.length or 1) if self._kind() == "string" else WIDTH[self._kind()]

    def _scaled(self) -> bool:
        return self.scale != 1.0 or self.offset != 0.0


def points_of(tags: Mapping[str, TagSettings], word_order: str, byte_order: str) -> tuple[Point, ...]:
    """Every point of a device, in the order of its configuration."""
    return tuple(point for name, tag in tags.items() for point in tag.points(name, word_order, byte_order))
