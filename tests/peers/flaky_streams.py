"""Reading and writing one side of a TCP connection as a bad link does: packet by packet, late, or not at all."""

import asyncio
import select
import socket
import struct
from contextlib import suppress
from typing import cast

GONE = (ConnectionError, asyncio.IncompleteReadError, OSError)


class Gone(Exception):
    """One side has ended the connection."""


async def packet(reader: asyncio.StreamReader) -> bytes:
    """The next whole MQTT packet. Raises Gone at the end of the stream."""
    try:
        head, length, shift = await reader.readexactly(1), 0, 0
        while True:
            byte = await reader.readexactly(1)
            head += byte
            length |= (byte[0] & 0x7F) << shift
            shift += 7
            if not byte[0] & 0x80:
                return head + await reader.readexactly(length)
    except GONE as gone:
        raise Gone from gone


async def until_gone(reader: asyncio.StreamReader) -> None:
    """Take whatever comes until there is no more."""
    with suppress(*GONE):
        while await reader.read(65536):
            pass


async def until_hung_up(writer: asyncio.StreamWriter) -> None:
    """Read nothing, as a dead link does, until the other side's FIN or RST is here all the same."""
    cast(asyncio.Transport, writer.transport).pause_reading()
    poll = select.poll()
    poll.register(writer.get_extra_info("socket").fileno(), select.POLLRDHUP)
    while not poll.poll(0):
        await asyncio.sleep(0.02)  # the loop cannot wait for a hang-up alone


def reset(writer: asyncio.StreamWriter) -> None:
    """End with a RST: a lingering time of zero (tcp(7), socket(7))."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Late:
    """A writer whose bytes leave `delay_s` after they were written, in order."""

    def __init__(self, writer: asyncio.StreamWriter, delay_s: float) -> None:
        self._writer, self._delay_s = writer, delay_s

    async def write(self, data: bytes) -> None:
        """Raises Gone when nobody takes it."""
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._now, data)
            return
        try:
            self._writer.write(data)
            await self._writer.drain()
        except GONE as gone:
            raise Gone from gone

    def _now(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)
