"""What a device says: tags, scans, batches of scans in columns, and the gaps where it said nothing.

A *tag* is announced by name, type and unit. A *scan* is one look at a device: one source timestamp and a value for
each of its tags. A *batch* is some scans of the same tags, stored by type so that thousands of numbers are one
piece of memory. A *gap* stands where readings are missing and says why.

Where a sample's quality is Bad there is no value: the slot in the block is a placeholder and reads as `None`.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, cast

from transports.errors import NotUnderstood
from transports.quality import Quality as Quality
from transports.quality import is_bad as is_bad

if TYPE_CHECKING:
    import numpy
    import numpy.typing

type_error = "a value for every tag, of the type that the tag announced"

Value = bool | int | float | str | bytes | tuple[int, ...] | tuple[float, ...]


class DataType(IntEnum):
    """The types that travel exactly from driver to cloud; the numbers are part of the record format."""

    BOOL = 1
    INT64 = 2
    UINT64 = 3
    FLOAT64 = 4
    STRING = 5
    BYTES = 6
    INT64_ARRAY = 7
    UINT64_ARRAY = 8
    FLOAT64_ARRAY = 9


# struct letter, bytes an item, numpy's name: the types whose values lie side by side in one block of memory
FIXED: Mapping[DataType, tuple[str, int, str]] = {
    DataType.BOOL: ("?", 1, "?"),
    DataType.INT64: ("q", 8, "<i8"),
    DataType.UINT64: ("Q", 8, "<u8"),
    DataType.FLOAT64: ("d", 8, "<f8"),
}
# struct letter of the items: the types of which each value is a block of its own
ARRAYS: Mapping[DataType, str] = {
    DataType.INT64_ARRAY: "q",
    DataType.UINT64_ARRAY: "Q",
    DataType.FLOAT64_ARRAY: "d",
}
PLACEHOLDER: Mapping[DataType, Any] = {
    DataType.BOOL: False,
    DataType.INT64: 0,
    DataType.UINT64: 0,
    DataType.FLOAT64: 0.0,
    DataType.STRING: "",
    DataType.BYTES: b"",
    DataType.INT64_ARRAY: (),
    DataType.UINT64_ARRAY: (),
    DataType.FLOAT64_ARRAY: (),
}


@dataclass(frozen=True, slots=True)
class Tag:
    """One thing that a device measures: its name within the device, its type, its unit ("" if none)."""

    name: str
    type: DataType = DataType.FLOAT64
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """One look at a device: a value for each tag at one instant (UTC ns, taken at the driver).

    `quality` is one status code for all, or one a tag. A value may be `None` only where its quality is Bad.
    """

    time_ns: int
    tags: tuple[Tag, ...]
    values: Sequence[Value | None]
    quality: int | Sequence[int] = Quality.GOOD


@dataclass(frozen=True, slots=True)
class Batch:
    """`n` scans of the same `k` tags from one source, by type.

    `seq` numbers the first scan; the others follow. `blocks[type]` holds the values of the tags of that type in the
    order of `tags`, row by row: little-endian bytes (n x k_type items) for the FIXED types, a list for the others.
    `quality` is one status code for all samples or n x k little-endian uint32, row by row over all tags.
    `window_ns` is the length of the window that each scan sums up (its time is the window's start), 0 for readings.
    `aggregate` names the aggregate that made it, whose own `seq` it then has; "" for what the device said itself.
    `thinned_to` is 0, or this stands for the scans numbered `seq` to `thinned_to`, which the spool thinned for want of
    room (dilution): its own scans are windows then, as an aggregate makes them, and are not numbered one by one.
    """

    source: str
    seq: int
    tags: tuple[Tag, ...]
    times_ns: tuple[int, ...]
    blocks: Mapping[DataType, bytes | list[Any]]
    quality: int | bytes = Quality.GOOD
    window_ns: int = 0
    aggregate: str = ""
    thinned_to: int = 0

    @property
    def samples(self) -> int:
        """How many single values this is: scans times tags."""
        return len(self.times_ns) * len(self.tags)

    def matrix(self, kind: DataType) -> "numpy.typing.NDArray[Any]":
        """The values of one FIXED type as an array of shape (scans, tags of that type), without a copy."""
        import numpy as np

        _, _, dtype = FIXED[kind]
        block = cast(bytes, self.blocks[kind])
        width = sum(tag.type is kind for tag in self.tags)
        return np.frombuffer(block, dtype).reshape(len(self.times_ns), width)

    def qualities(self) -> "numpy.typing.NDArray[numpy.uint32]":
        """The status codes as an array of shape (scans, tags)."""
        import numpy as np

        shape = (len(self.times_ns), len(self.tags))
        if isinstance(self.quality, int):
            return np.full(shape, self.quality, np.uint32)
        return np.frombuffer(self.quality, "<u4").reshape(shape)

    def rows(self) -> Iterator[tuple[int, tuple[Value | None, ...], tuple[int, ...]]]:
        """Each scan as (time, values, status codes) in the order of `tags`; a Bad sample's value is None."""
        n, k = len(self.times_ns), len(self.tags)
        lists = {kind: _items(kind, block) for kind, block in self.blocks.items()}
        widths = {kind: len(items) // max(n, 1) for kind, items in lists.items()}
        slots = _slots(self.tags)
        codes = (
            (self.quality,) * (n * k) if isinstance(self.quality, int) else struct.unpack(f"<{n * k}I", self.quality)
        )
        for i in range(n):
            status = codes[i * k : (i + 1) * k]
            values = (lists[kind][i * widths[kind] + at] for kind, at in slots)
            yield self.times_ns[i], tuple(None if is_bad(s) else v for v, s in zip(values, status, strict=True)), status


@dataclass(frozen=True, slots=True)
class Gap:
    """Readings that are not there, and why: every loss has a name and a number.

    The missing scans of `source` lie after `since_ns` and before `until_ns` (UTC ns). `first_seq` and `last_seq`
    are their sequence numbers, `count` how many; each is `None` where nobody can know (the process died).
    `aggregate` names the aggregate in whose output they are missing; "" when it is the device's own. `samples` is how
    many single values were in the missing scans: what the ledger counts.
    """

    source: str
    reason: str
    since_ns: int
    until_ns: int
    first_seq: int | None = None
    last_seq: int | None = None
    count: int | None = None
    detail: str = field(default="", compare=False)
    aggregate: str = ""
    samples: int | None = None


_UNFIT = (struct.error, TypeError, ValueError, OverflowError)


def batch_of(source: str, seq: int, scans: Sequence[Scan]) -> Batch:
    """Columns from scans that share one tuple of tags.

    Raises NotUnderstood when a driver handed out something else than it announced.
    """
    if not scans:
        raise NotUnderstood(f"{source}: a batch has at least one scan")
    tags = scans[0].tags
    if any(len(scan.values) != len(tags) or (scan.tags is not tags and scan.tags != tags) for scan in scans):
        raise NotUnderstood(f"{source}: the driver must return {type_error}")
    filled = [_filled(scan) for scan in scans]
    columns: dict[DataType, list[Any]] = {tag.type: [] for tag in tags}
    for row in filled:
        for tag, value in zip(tags, row, strict=True):
            columns[tag.type].append(value)
    try:
        blocks = {kind: _block(kind, items) for kind, items in columns.items()}
        quality = _quality(scans)
        times_ns = tuple(scan.time_ns for scan in scans)
        struct.pack(f"<{len(times_ns)}q", *times_ns)
    except _UNFIT as wrong:
        raise NotUnderstood(f"{source}: the driver must return {type_error}: {_culprit(scans) or wrong}") from wrong
    return Batch(source, seq, tags, times_ns, blocks, quality)


def all_bad(source: str, seq: int, tags: tuple[Tag, ...], time_ns: int, quality: int) -> Batch:
    """One scan that says: no value of any tag is to be had now, for this reason."""
    return batch_of(source, seq, [Scan(time_ns, tags, [None] * len(tags), quality)])


def _filled(scan: Scan) -> Sequence[Any]:
    if None not in scan.values:
        return scan.values
    return [
        PLACEHOLDER[tag.type] if value is None else value for tag, value in zip(scan.tags, scan.values, strict=True)
    ]


def _block(kind: DataType, items: list[Any]) -> bytes | list[Any]:
    if kind in FIXED:
        letter, _, _ = FIXED[kind]
        if kind is DataType.BOOL and not all(isinstance(item, (bool, int)) for item in items):
            raise TypeError("a bool tag takes true or false")
        return struct.pack(f"<{len(items)}{letter}", *items)
    wanted: type = {DataType.STRING: str, DataType.BYTES: bytes}.get(kind, tuple)
    if not all(isinstance(item, wanted) for item in items):
        raise TypeError(f"a {kind.name.lower()} tag takes {wanted.__name__}")
    for item in items:  # what cannot be packed must not get past the driver that made it
        if kind is DataType.STRING:
            item.encode()  # a lone surrogate has no bytes
        elif kind in ARRAYS:
            struct.pack(f"<{len(item)}{ARRAYS[kind]}", *item)
    return items


def _quality(scans: Sequence[Scan]) -> int | bytes:
    first = scans[0].quality
    if isinstance(first, int) and all(scan.quality == first for scan in scans):
        if not is_bad(first) and any(None in scan.values for scan in scans):
            raise ValueError("a value is None though its quality is not Bad")
        struct.pack("<I", first)
        return int(first)
    codes: list[int] = []
    for scan in scans:
        k = len(scan.tags)
        status = [scan.quality] * k if isinstance(scan.quality, int) else list(scan.quality)
        if any(value is None and not is_bad(code) for value, code in zip(scan.values, status, strict=True)):
            raise ValueError("a value is None though its quality is not Bad")
        codes += status
    return struct.pack(f"<{len(codes)}I", *codes)


def _culprit(scans: Iterable[Scan]) -> str:
    """The first tag whose value does not fit its type, for the error's text."""
    for scan in scans:
        for tag, value in zip(scan.tags, scan.values, strict=True):
            if value is None:
                continue
            try:
                _block(tag.type, [value])
            except _UNFIT:
                return f"{tag.name} = {value!r:.60} is not {tag.type.name.lower()}"
    return ""


def _items(kind: DataType, block: bytes | list[Any]) -> Sequence[Any]:
    if isinstance(block, list):
        return block
    letter, size, _ = FIXED[kind]
    return struct.unpack(f"<{len(block) // size}{letter}", block)


def _slots(tags: Sequence[Tag]) -> list[tuple[DataType, int]]:
    """For each tag its block and its column there."""
    seen: dict[DataType, int] = {}
    slots = []
    for tag in tags:
        at = seen.get(tag.type, 0)
        seen[tag.type] = at + 1
        slots.append((tag.type, at))
    return slots
