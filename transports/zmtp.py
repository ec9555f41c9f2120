"""ZMTP 3.0, the bytes that ZeroMQ sockets speak (rfc.zeromq.org/spec/23), from a ROUTER's side. Pure: bytes in and out.

    greeting   FF, 8 bytes of no meaning, 7F · version 03 00 · mechanism "NULL" in 20 bytes · 00 · 31 x 00
    frame      flags (1: more follow, 2: long, 4: command) · size, 1 byte or, when long, 8 bytes, big-endian · body
    READY      command: 05 "READY", then properties: 1 byte length, name, 4 bytes length, value; `Identity` is the name

Both sides send greeting and READY without waiting for the other's. Commands after READY (a newer peer's PING, say) are
passed over: a peer sends them only to who announced ZMTP 3.1.
"""

import struct
from collections.abc import Sequence

from transports.errors import NotUnderstood

MORE, LONG, COMMAND = 1, 2, 4
GREETING_BYTES = 64
MAX_BYTES = 8 * 1024 * 1024  # of one message; what is longer is none of the house's
FRAME_BYTES = 64  # that a frame costs beside its body, so that frames without one do not go on for ever
_SHORT = struct.Struct(">BB")
_LONG = struct.Struct(">BQ")
_VALUE = struct.Struct(">I")


def _frame(flags: int, body: bytes) -> bytes:
    if len(body) > 255:
        return _LONG.pack(flags | LONG, len(body)) + body
    return _SHORT.pack(flags, len(body)) + body


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + _VALUE.pack(len(value)) + value


_SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
_READY = b"\x05READY"
HELLO = (_SIGNATURE + b"\x03\x00" + b"NULL").ljust(GREETING_BYTES, b"\0") + _frame(
    COMMAND, _READY + _property(b"Socket-Type", b"ROUTER") + _property(b"Identity", b"")
)  # what this side says first, all of it


def packed(frames: Sequence[bytes]) -> bytes:
    """One message as it goes over the wire."""
    *first, last = frames
    return b"".join([*(_frame(MORE, frame) for frame in first), _frame(0, last)])


class Hearing:
    """What one peer says. `identity` is None until its READY is here; b"" when it has chosen none."""

    def __init__(self) -> None:
        self.identity: bytes | None = None
        self._rest = b""
        self._greeted = False
        self._frames: list[bytes] = []
        self._held_bytes = 0  # in those frames

    def heard(self, data: bytes) -> list[list[bytes]]:
        """The messages that are complete with these bytes, as frames. Raises NotUnderstood when it is no ZMTP 3, or
        too large; the connection is of no use then."""
        data = self._rest + data if self._rest else data
        at = 0
        if not self._greeted:
            if not _greeting(data):
                self._rest = data
                return []
            self._greeted, at = True, GREETING_BYTES
        messages: list[list[bytes]] = []
        while frame := _frame_at(data, at, MAX_BYTES - self._held_bytes):
            flags, body, at = frame
            if flags & COMMAND:
                self._command(body)
            elif self._completes(flags, body):
                messages.append(self._frames)
                self._frames, self._held_bytes = [], 0
        self._rest = data[at:]
        return messages

    def _completes(self, flags: int, body: bytes) -> bool:
        if self.identity is None:
            raise NotUnderstood("a message before ZMTP's READY")
        self._frames.append(body)
        self._held_bytes += len(body) + FRAME_BYTES
        return not flags & MORE

    def _command(self, body: bytes) -> None:
        if self.identity is not None:
            return
        if not body.startswith(_READY):
            raise NotUnderstood(f"{body[:20]!r} where ZMTP has READY")
        self.identity = _properties(body[len(_READY) :]).get(b"identity", b"")


def _frame_at(data: bytes, at: int, max_bytes: int) -> tuple[int, bytes, int] | None:
    """The frame that begins there: flags, body, and where the next one begins. None when it is not all here."""
    left = len(data) - at
    if left < _SHORT.size or (data[at] & LONG and left < _LONG.size):
        return None
    layout = _LONG if data[at] & LONG else _SHORT
    flags, size = layout.unpack_from(data, at)
    if flags > MORE | LONG | COMMAND or size > max_bytes:
        raise NotUnderstood(f"a ZMTP frame with flags {flags:#x} and {size} bytes")
    start = at + layout.size
    return (flags, data[start : start + size], start + size) if left >= layout.size + size else None


def _greeting(data: bytes) -> bool:
    """Whether the peer's greeting is complete. Raises NotUnderstood as soon as it is none."""
    if data[:1] not in (b"", b"\xff") or (len(data) > 9 and data[9] != 0x7F) or (len(data) > 10 and data[10] < 3):
        raise NotUnderstood("no greeting of ZMTP 3")
    if len(data) < GREETING_BYTES:
        return False
    if data[12:32].rstrip(b"\0") != b"NULL":
        raise NotUnderstood(f"the security mechanism {data[12:32]!r}")
    return True


def _properties(data: bytes) -> dict[bytes, bytes]:
    """By name in small letters, which is how names are compared."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        value_at = at + 1 + data[at] + _VALUE.size
        if value_at > len(data):
            raise NotUnderstood("a property of ZMTP's READY is cut short")
        (size,) = _VALUE.unpack_from(data, value_at - _VALUE.size)
        if value_at + size > len(data):
            raise NotUnderstood("a property of ZMTP's READY is cut short")
        found[data[at + 1 : at + 1 + data[at]].lower()] = data[value_at : value_at + size]
        at = value_at + size
    return found
