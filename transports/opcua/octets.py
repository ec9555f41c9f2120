"""Bytes of OPC UA's binary encoding, taken one after the other (OPC 10000-6, 5.2).

No claim in the bytes is believed: a length is held against what is left before anything is made of it.
"""

import base64
import struct
import uuid

from transports.errors import NotUnderstood

DEEPEST = 16  # how far values may lie within values; the standard lets a decoder refuse at 100


class Octets:
    """A message and how far it has been read. Everything raises NotUnderstood where the message ends too early."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self._at, self._end = data, at, len(data)

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return self._end - self._at

    @property
    def at(self) -> int:
        """How many bytes have been read."""
        return self._at

    def raw(self, size: int) -> bytes:
        """The next `size` bytes."""
        begin = self._skip(size)
        return self._data[begin : begin + size]

    def skip(self, size: int) -> None:
        """Pass over `size` bytes."""
        self._skip(size)

    def numbers(self, letter: str, size: int, count: int) -> tuple[int | float, ...]:
        """`count` numbers of the struct letter, `size` bytes each."""
        begin = self._skip(size * count)
        return struct.unpack_from(f"<{count}{letter}", self._data, begin)

    def u8(self) -> int:
        return self._data[self._skip(1)]

    def u16(self) -> int:
        return int.from_bytes(self.raw(2), "little")

    def u32(self) -> int:
        return int.from_bytes(self.raw(4), "little")

    def i32(self) -> int:
        return int.from_bytes(self.raw(4), "little", signed=True)

    def i64(self) -> int:
        return int.from_bytes(self.raw(8), "little", signed=True)

    def f64(self) -> float:
        return float(struct.unpack_from("<d", self._data, self._skip(8))[0])

    def count(self, least_bytes: int = 1) -> int:
        """The length of an array whose items take at least so many bytes; a null array has none."""
        count = self.i32()
        if count < -1 or count * least_bytes > self.left:
            raise NotUnderstood(f"an array of {count} items in {self.left} bytes")
        return max(count, 0)

    def block(self) -> bytes | None:
        """A ByteString; None where it is null."""
        size = self.i32()
        if size == -1:
            return None
        if size < 0:
            raise NotUnderstood(f"a string of {size} bytes")
        return self.raw(size)

    def text(self) -> str | None:
        """A String, "" where it is null; None where it is not UTF-8."""
        try:
            return (self.block() or b"").decode()
        except UnicodeDecodeError:
            return None

    def guid(self) -> str:
        """A Guid as text (OPC 10000-6, 5.2.2.6)."""
        return str(uuid.UUID(bytes_le=self.raw(16)))

    def node_id(self) -> str:
        """A NodeId or ExpandedNodeId as text: `ns=2;s=Line.Speed` (OPC 10000-6, 5.2.2.9)."""
        flags = self.u8()
        match flags & 0x3F:
            case 0:
                namespace, identifier = 0, f"i={self.u8()}"
            case 1:
                namespace, identifier = self.u8(), f"i={self.u16()}"
            case 2:
                namespace, identifier = self.u16(), f"i={self.u32()}"
            case 3:
                namespace, identifier = self.u16(), f"s={self.text()}"
            case 4:
                namespace, identifier = self.u16(), f"g={self.guid()}"
            case 5:
                namespace, identifier = self.u16(), f"b={base64.b64encode(self.block() or b'').decode()}"
            case other:
                raise NotUnderstood(f"a node id of form {other}")
        where = f"ns={namespace};" if namespace else ""
        if flags & 0x80:
            where = f"nsu={self.text()};"
        if flags & 0x40:
            self.u32()
        return where + identifier

    def localized(self) -> str | None:
        """The text of a LocalizedText."""
        flags = self.u8()
        if flags & 1:
            self.block()
        return self.text() if flags & 2 else ""

    def extension(self) -> tuple[str, bytes]:
        """An ExtensionObject: the node id of its encoding, its body (b"" without one)."""
        kind, form = self.node_id(), self.u8()
        if form not in (0, 1, 2):
            raise NotUnderstood(f"an extension object of form {form}")
        return kind, (self.block() or b"") if form else b""

    def skip_diagnostics(self, depth: int = 0) -> None:
        """Pass over a DiagnosticInfo, which may hold another one (OPC 10000-6, 5.2.2.12)."""
        if depth > DEEPEST:
            raise NotUnderstood("diagnostics within diagnostics without end")
        flags = self.u8()
        self.skip(4 * sum(bool(flags & bit) for bit in (0x01, 0x02, 0x04, 0x08)))
        if flags & 0x10:
            self.block()
        if flags & 0x20:
            self.skip(4)
        if flags & 0x40:
            self.skip_diagnostics(depth + 1)

    def _skip(self, size: int) -> int:
        """Where the bytes begin that are passed over."""
        begin = self._at
        if size > self._end - begin:
            raise NotUnderstood(f"{size} bytes are missing where {self._end - begin} are left")
        self._at = begin + size
        return begin
