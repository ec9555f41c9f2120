"""A wire tap between a far end and the gateway: passes all bytes on, and notes what the gateway has acknowledged.

python -m tests.field.tap mqtt LISTEN_PORT TO_PORT NOTES       # the gateway connects to it, the broker is TO_PORT
python -m tests.field.tap http LISTEN_PORT TO_PORT NOTES       # the far end connects to it, the gateway is TO_PORT

A note is written before the acknowledgement is passed on: what the far end may believe to be safe is among the notes,
also when both are killed.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

from tests.field.acknowledged import Http, Mqtt

CHUNK_BYTES = 65536
Hear = Callable[[bytes], Iterable[str]]


class Tap:
    """Whatever connects is connected to `to_port`."""

    def __init__(self, protocol: str, to_port: int, notes: int) -> None:
        self._is_mqtt, self._to_port, self._notes = protocol == "mqtt", to_port, notes

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            beyond_reader, beyond_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.transport.abort()
            return
        watcher = Mqtt() if self._is_mqtt else Http()

        def far_end(data: bytes) -> Iterable[str]:
            watcher.far_end_said(data)
            return ()

        here, beyond = (watcher.gateway_said, far_end) if self._is_mqtt else (far_end, watcher.gateway_said)
        await asyncio.gather(self._pass_on(reader, beyond_writer, here), self._pass_on(beyond_reader, writer, beyond))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: Hear) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                for note in hear(data):
                    os.write(self._notes, note.encode() + b"\n")
                writer.write(data)
                await writer.drain()
        writer.close()


async def main() -> None:
    protocol, listen_port, to_port, notes = sys.argv[1:]
    descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    server = await asyncio.start_server(
        Tap(protocol, int(to_port), descriptor).connected, "127.0.0.1", int(listen_port)
    )
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
