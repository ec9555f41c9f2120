"""Values in the bytes of a GATT characteristic, and back: by a type, an order of bytes, and perhaps a scale.

A value takes all bytes of its characteristic, unless `at` says where in them it begins: many of the characteristics
that the Bluetooth SIG has assigned are small records.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from transports.errors import LinkRefused, NotUnderstood
from transports.samples import DataType, Value

MOST_BYTES = 512  # of one characteristic (Bluetooth Core Specification, Vol 3, Part F, 3.2.9)
_WHOLE: Mapping[str, tuple[int, bool]] = {  # bytes, signed
    **{f"uint{8 * size}": (size, False) for size in (1, 2, 3, 4, 5, 6, 8)},
    **{f"int{8 * size}": (size, True) for size in (1, 2, 3, 4, 5, 6, 8)},
}
_FLOAT: Mapping[str, tuple[int, str]] = {"float32": (4, "f"), "float64": (8, "d")}
_MARK: Mapping[str, str] = {"little": "<", "big": ">"}
ORDERS = tuple(_MARK)
KINDS = (*_WHOLE, *_FLOAT, "bool", "string", "bytes")
UNSCALED = ("bool", "string", "bytes")


@dataclass(frozen=True, slots=True)
class Form:
    """How one value lies in its characteristic."""

    kind: str
    order: str = "little"
    scale: float = 1.0
    offset: float = 0.0
    at: int | None = None

    @property
    def type(self) -> DataType:
        """What it is announced as: whole numbers stay exact unless they are scaled."""
        fixed = {"bool": DataType.BOOL, "string": DataType.STRING, "bytes": DataType.BYTES}
        if self.kind in fixed:
            return fixed[self.kind]
        if self.kind in _FLOAT or self._scaled:
            return DataType.FLOAT64
        return DataType.INT64 if _WHOLE[self.kind][1] else DataType.UINT64

    def value(self, data: bytes) -> Value:
        """The value in these bytes. Raises NotUnderstood where they are too few or too many, or no text."""
        part = self._part(data)
        if self.kind == "bytes":
            return part
        if self.kind == "string":
            return _text(part)
        if self.kind == "bool":
            return part != b"\0"
        number = self._number(part)
        return number * self.scale + self.offset if self._scaled else number

    def data(self, value: Value) -> bytes:
        """The bytes that say `value`. Raises LinkRefused with the reason when none do."""
        if self.kind in ("bytes", "string"):
            return self._long(value)
        if self.kind == "bool":
            if not isinstance(value, bool):
                raise LinkRefused(f"{value!r:.40}: takes true or false")
            return bytes([value])
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise LinkRefused(f"{value!r:.40}: takes a number")
        try:
            raw = (value - self.offset) / self.scale if self._scaled else value
            return self._packed(raw, value)
        except (OverflowError, struct.error) as wrong:
            raise LinkRefused(f"{value!r:.40}: out of the range of {self.kind}") from wrong

    @property
    def _scaled(self) -> bool:
        return self.scale != 1.0 or self.offset != 0.0

    @property
    def _size(self) -> int | None:
        """How many bytes it takes; None: all that there are."""
        if self.kind in ("string", "bytes"):
            return None
        return 1 if self.kind == "bool" else (_WHOLE.get(self.kind) or _FLOAT[self.kind])[0]

    def _part(self, data: bytes) -> bytes:
        size, begin = self._size, self.at or 0
        if size is None:
            return data[begin:]
        if (len(data) != size) if self.at is None else (len(data) < begin + size):
            wanted = f"{size}" if self.at is None else f"at least {begin + size}"
            raise NotUnderstood(f"{len(data)} bytes where {self.kind} wants {wanted}: {data[:16].hex(' ')}")
        return data[begin : begin + size]

    def _number(self, part: bytes) -> int | float:
        if self.kind in _FLOAT:
            number: float = struct.unpack(_MARK[self.order] + _FLOAT[self.kind][1], part)[0]
            return number
        return int.from_bytes(part, "little" if self.order == "little" else "big", signed=_WHOLE[self.kind][1])

    def _packed(self, raw: float, value: Value) -> bytes:
        if self.kind in _FLOAT:
            return struct.pack(_MARK[self.order] + _FLOAT[self.kind][1], raw)
        if not math.isfinite(raw) or (not self._scaled and raw != round(raw)):
            raise LinkRefused(f"{value!r:.40}: takes a whole number")
        size, signed = _WHOLE[self.kind]
        return round(raw).to_bytes(size, "little" if self.order == "little" else "big", signed=signed)

    def _long(self, value: Value) -> bytes:
        wanted = str if self.kind == "string" else bytes
        if not isinstance(value, wanted):
            raise LinkRefused(f"{value!r:.40}: takes {'text' if wanted is str else 'bytes'}")
        try:
            data = value.encode() if isinstance(value, str) else bytes(value)
        except UnicodeEncodeError as wrong:
            raise LinkRefused(f"{value!r:.40}: half a surrogate pair is no text") from wrong
        if len(data) > MOST_BYTES:
            raise LinkRefused(f"{len(data)} bytes: a characteristic holds at most {MOST_BYTES}")
        return data


def _text(part: bytes) -> str:
    """UTF-8 up to its first NUL: some devices fill up with them."""
    try:
        return part.partition(b"\0")[0].decode()
    except UnicodeDecodeError as wrong:
        raise NotUnderstood(f"no UTF-8: {part[:16].hex(' ')}") from wrong
