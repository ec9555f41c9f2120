"""Registers of an I2C chip as they are written in the configuration: where a value lies, and how it is to be taken.

    level  = { register = 0x04, width = 2, order = "little", signed = true, formula = "raw * 0.1", unit = "mm" }
    mode   = { register = 0x20, bits = [6, 4], writable = true, choices = [0, 1, 3] }
    alarm  = { register = 0x21, type = "bool", bits = [0] }
    total  = { register = 0x30, width = 8 }                               # uint64, exact
    flow   = { register = 0x40, type = "float32" }
    serial = { register = 0x50, type = "string", width = 16 }             # UTF-8 up to the first NUL
    name   = { register = 0x60, type = "string", width = 32, block = true }   # an SMBus block

A formula makes a float64 of the number; `inverse` (of `value`) makes such a tag writable. Whole numbers without a
formula stay exact: uint64, int64 where signed. A bit field is written by reading its register and
changing these bits alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from transports.errors import Problem
from transports.i2c.formula import formula_cure
from transports.samples import DataType
from transports.settings import setting
from transports.writing import Writing

KINDS = ("int", "bool", "float32", "float64", "string", "bytes")
ORDERS = ("big", "little")
_FLOATS = {"float32": 4, "float64": 8}
_MOST_BYTES, _MOST_BLOCK_BYTES = 8, 255


@dataclass(frozen=True, kw_only=True)
class RegisterSettings(Writing):
    """One entry of the table `registers`."""

    register: int = setting(ge=0, le=0xFFFF, help="its number: the pointer that is written first", example="0x05")
    kind: str = setting("int", key="type", choices=KINDS, help="what the bytes are")
    width: int | None = setting(
        None, ge=1, le=_MOST_BLOCK_BYTES, help="bytes; default: 1, 4 for float32, 8 for float64"
    )
    order: str = setting("big", choices=ORDERS, help="which byte of a number comes first, the most significant if big")
    signed: bool = setting(False, help="whether a whole number (or bit field) is two's complement")
    bits: tuple[int, ...] = setting((), help="[hi, lo] (or one bit) of the number, 0 the lowest", example="[6, 4]")
    formula: str = setting("", help="the value, made of the number `raw`", example="raw * 0.0625")
    inverse: str = setting("", help="the number, made of `value`: for writing where there is a formula")
    block: bool = setting(False, help="an SMBus block: its first byte says how many follow")
    unit: str = setting("", help="engineering unit (UCUM), such as Cel")

    @property
    def size(self) -> int:
        """How many bytes it takes (at most, for a block)."""
        return self.width or _FLOATS.get(self.kind, 1)

    @property
    def is_text(self) -> bool:
        """Whether its bytes are no number."""
        return self.kind in ("string", "bytes")

    @property
    def field(self) -> tuple[int, int]:
        """The highest and the lowest bit."""
        return (self.bits[0], self.bits[-1]) if self.bits else (8 * self.size - 1, 0)

    @property
    def type(self) -> DataType:
        """What it is announced as."""
        match self.kind:
            case "bool":
                return DataType.BOOL
            case "string":
                return DataType.STRING
            case "bytes":
                return DataType.BYTES
            case "int" if not self.formula:
                return DataType.INT64 if self.signed else DataType.UINT64
        return DataType.FLOAT64

    def problems(self, path: str) -> Iterator[Problem]:
        """What only shows when the settings of one register are seen together."""
        whole = self.kind in ("int", "bool")
        fixed = _FLOATS.get(self.kind)
        hi, lo = self.field
        rules = (
            ("width", self.width, fixed is not None and self.size != fixed, f"a {self.kind} has {fixed} bytes"),
            ("width", self.width, whole and self.size > _MOST_BYTES, f"a number has at most {_MOST_BYTES} bytes"),
            ("width", "", self.is_text and self.width is None, f"is missing; write how many bytes the {self.kind} has"),
            ("bits", list(self.bits), len(self.bits) > 2, "must be [hi, lo], or one bit"),
            ("bits", list(self.bits), bool(self.bits) and not whole, f"a {self.kind} has no bit fields"),
            (
                "bits",
                list(self.bits),
                bool(self.bits) and whole and not 0 <= lo <= hi < 8 * self.size,
                f"must lie within the register, highest first: at most [{8 * self.size - 1}, 0]",
            ),
            ("signed", True, self.signed and self.kind != "int", "only whole numbers have a sign of their own"),
            ("block", True, self.block and not self.is_text, 'a block is a "string" or "bytes"'),
            ("formula", self.formula, bool(self.formula) and self.is_text, f"a {self.kind} is not worked with"),
            ("inverse", self.inverse, bool(self.inverse) and not self.formula, "needs a formula that it undoes"),
            (
                "writable",
                True,
                self.writable and bool(self.formula) and not self.inverse,
                'has a formula; give what undoes it as inverse, such as "value / 0.0625"',
            ),
            ("writable", True, self.writable and self.block, "a block is not written; leave one of the two out"),
        )
        for key, value, broken, cure in rules:
            if broken:
                yield Problem(f"{path}.{key}", repr(value) if value != "" else "", cure)
        for key, text, variable in (("formula", self.formula, "raw"), ("inverse", self.inverse, "value")):
            cure = formula_cure(text, variable) if text else ""
            if cure:
                yield Problem(f"{path}.{key}", repr(text)[:60], cure)
        yield from self.writing_problems(path)
