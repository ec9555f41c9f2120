"""I2C transfers as packets, between a driver and a simulated bus: one request, one answer, numbered.

    request   number u16 | messages u8 | each: address u8, reads u8, bytes u16, and the bytes where it writes
    answer    number u16 | errno u16   | each Read: bytes u16, bytes

All numbers are little-endian. They travel over a Unix socket that keeps packets apart (SOCK_SEQPACKET), so a packet is
there whole or not at all.
"""

import struct
from collections.abc import Sequence

from transports.errors import NotUnderstood
from transports.i2c.port import MOST_BYTES, MOST_MESSAGES, Message, Read, Write

MOST_PACKET_BYTES = 64 * 1024
_HEAD, _MESSAGE = struct.Struct("<HB"), struct.Struct("<BBH")
_ANSWER, _LENGTH = struct.Struct("<HH"), struct.Struct("<H")
_UNFIT = (struct.error, IndexError)


def request(number: int, messages: Sequence[Message]) -> bytes:
    """A transfer as a packet."""
    parts = [_HEAD.pack(number, len(messages))]
    for message in messages:
        if isinstance(message, Read):
            parts.append(_MESSAGE.pack(message.address, 1, message.size))
        else:
            parts.append(_MESSAGE.pack(message.address, 0, len(message.data)) + message.data)
    return b"".join(parts)


def asked(packet: bytes) -> tuple[int, list[Message]]:
    """The number and the messages of a request. Raises NotUnderstood."""
    try:
        number, count = _HEAD.unpack_from(packet)
        at, messages = _HEAD.size, list[Message]()
        for _ in range(count):
            address, reads, size = _MESSAGE.unpack_from(packet, at)
            at += _MESSAGE.size
            if reads:
                messages.append(Read(address, size))
            else:
                messages.append(Write(address, packet[at : at + size]))
                at += size
    except _UNFIT as wrong:
        raise NotUnderstood(f"a torn request: {wrong}") from wrong
    if at != len(packet) or not 0 < count <= MOST_MESSAGES or any(_size(each) > MOST_BYTES for each in messages):
        raise NotUnderstood("a request of another form")
    return number, messages


def answer(number: int, code: int, read: Sequence[bytes]) -> bytes:
    """What a transfer brought, or the errno of its failure, as a packet."""
    return _ANSWER.pack(number, code) + b"".join(_LENGTH.pack(len(each)) + each for each in read)


def answered(packet: bytes) -> tuple[int, int, list[bytes]]:
    """The number, the errno (0: all is well) and what was read. Raises NotUnderstood."""
    read = []
    try:
        number, code = _ANSWER.unpack_from(packet)
        at = _ANSWER.size
        while at < len(packet):
            (size,) = _LENGTH.unpack_from(packet, at)
            at += _LENGTH.size + size
            read.append(packet[at - size : at])
    except _UNFIT as wrong:
        raise NotUnderstood(f"a torn answer: {wrong}") from wrong
    if at != len(packet):
        raise NotUnderstood("an answer shorter than it says")
    return number, code, read


def _size(message: Message) -> int:
    return message.size if isinstance(message, Read) else len(message.data)
