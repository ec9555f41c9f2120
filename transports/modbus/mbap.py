"""Modbus frames on TCP: a header with a transaction number, a length and the unit, before each request and answer.

    0  transaction  2    repeated by the answer
    2  protocol     2    0
    4  length       2    of what follows: unit and message, at most 254
    6  unit         1
    7  message           function and the rest (pdu.py)

Modbus Messaging on TCP/IP Implementation Guide 1.0b, section 3.1.3. A decider: it imports no I/O.
"""

import struct
from typing import NamedTuple

from transports.errors import NotUnderstood

_HEAD = struct.Struct(">HHHB")
_LEAST, _MOST = 3, 254  # unit, function and one byte; unit and the longest message (253)


class Frame(NamedTuple):
    """One frame that has arrived whole; `end` is where in the bytes it ends."""

    transaction: int
    unit: int
    message: bytes
    end: int


def framed(transaction: int, unit: int, message: bytes) -> bytes:
    """A message as it goes out."""
    return _HEAD.pack(transaction, 0, len(message) + 1, unit) + message


def first_frame(heard: bytes) -> Frame | None:
    """The frame that these bytes begin with, None while it is not whole.

    Raises NotUnderstood as soon as they can be no frame: nobody knows then where the next one begins.
    """
    if len(heard) < _HEAD.size:
        return None
    transaction, protocol, length, unit = _HEAD.unpack_from(heard)
    if protocol or not _LEAST <= length <= _MOST:
        raise NotUnderstood(f"what arrived is not Modbus: {heard[:16].hex(' ')}")
    end = 6 + length
    return Frame(transaction, unit, heard[7:end], end) if len(heard) >= end else None
