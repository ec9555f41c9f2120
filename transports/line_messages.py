"""What a member of a serial line and the line's owner say to each other, one message a packet (SOCK_SEQPACKET).

    H | member, UTF-8                                                       member: here I am
    R | number u32 | urgent u8 | timeout_s f64 | rule length u8 | rule | request     member: ask this on the line
    W | number u32 | bytes                  owner: welcome, or the answer
    T | number u32 | text, UTF-8            owner: no answer (LinkTimeout)
    D | number u32 | text, UTF-8            owner: the port or the owner is gone (LinkDown)
    X | number u32 | text, UTF-8            owner: that can never be asked (LinkRefused)

Big-endian. The number 0 answers an H, any other the R of that number. One request of a member is under way at a time; a
later one takes the place of an earlier one. `rule` says how the end of the answer is found (line_answers.py).
"""

import math
import struct
from dataclasses import dataclass
from enum import Enum

from transports.errors import HoldfastError, LinkDown, LinkRefused, LinkTimeout, NotUnderstood

MOST_BYTES = 8192  # of one packet
NAME_BYTES = 255
_REQUEST = struct.Struct(">cIBdB")
_REPLY = struct.Struct(">cI")


class Outcome(Enum):
    """What the owner answers; the value is the first byte of the packet."""

    ANSWER = b"W"
    SILENT = b"T"
    DOWN = b"D"
    REFUSED = b"X"


@dataclass(frozen=True, slots=True)
class Hello:
    """A member names itself: the first packet on a connection."""

    member: str


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes to send on the line, and how long after the last of them the answer may take."""

    number: int
    frame: bytes
    rule: str
    timeout_s: float
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request: the answer's bytes, or the reason in words."""

    number: int
    outcome: Outcome
    body: bytes = b""

    @property
    def error(self) -> HoldfastError | None:
        """What the member raises; None for an answer."""
        text = self.body.decode("utf-8", "replace")
        match self.outcome:
            case Outcome.SILENT:
                return LinkTimeout(text)
            case Outcome.DOWN:
                return LinkDown(text)
            case Outcome.REFUSED:
                return LinkRefused(text)
        return None


def pack(message: Hello | Request | Reply) -> bytes:
    """The packet that `unpack_asking` or `unpack_reply` reads back."""
    match message:
        case Hello(member):
            return b"H" + member.encode()
        case Request(number, frame, rule, timeout_s, urgent):
            return _REQUEST.pack(b"R", number, urgent, timeout_s, len(rule)) + rule.encode("ascii") + frame
        case Reply(number, outcome, body):
            return _REPLY.pack(outcome.value, number) + body


def unpack_asking(packet: bytes) -> Hello | Request:
    """What a member said. Raises NotUnderstood."""
    try:
        if packet[:1] == b"H" and 1 < len(packet) <= 1 + NAME_BYTES:
            return Hello(packet[1:].decode())
        kind, number, urgent, timeout_s, length = _REQUEST.unpack_from(packet)
        begin = _REQUEST.size + length
        if kind == b"R" and math.isfinite(timeout_s) and timeout_s >= 0 and len(packet) >= begin:
            rule = packet[_REQUEST.size : begin].decode("ascii")
            return Request(number, packet[begin:], rule, timeout_s, bool(urgent))
    except (struct.error, UnicodeDecodeError) as wrong:
        raise NotUnderstood(f"a packet on a line's socket: {wrong}") from wrong
    raise NotUnderstood(f"a packet on a line's socket: {packet[:16]!r}")


def unpack_reply(packet: bytes) -> Reply:
    """What the owner said. Raises NotUnderstood."""
    try:
        kind, number = _REPLY.unpack_from(packet)
        return Reply(number, Outcome(kind), packet[_REPLY.size :])
    except (struct.error, ValueError) as wrong:
        raise NotUnderstood(f"a packet of a line's owner: {wrong}") from wrong
