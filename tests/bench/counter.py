"""A subscriber that only counts: a bare MQTT 3.1.1 socket in a process of its own, cheap beside what it measures.

    python -m tests.bench.counter PORT TOPIC CLIENT_ID PARENT_PID [--keep]

QoS 1, a persistent session, each message acknowledged, connected again within 50 ms when the broker is back. A payload
is not parsed, only searched for what tells records apart: the id (epoch, seq), the device, its number of the first scan
and the first source timestamp. With `--keep` all payloads are kept, for figures at low rates.

Orders on the standard input, one a line, each answered by one line: `count` (distinct records so far, and how many of
them are gaps), `dump FILE` (everything noted, see `Noted`).
"""

import re
import select
import socket
import struct
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgpack

from tests.peers.lifeline import die_with_parent

BUFFER_BYTES = 16 * 1024 * 1024
RETRY_S = 0.05
# an id, then the head's fields of text, of which the device is the first, then readings or a gap
RECORD = re.compile(rb'"epoch":(\d+),"seq":(\d+),"device":"([^"]*)",(?:"\w+":"[^"]*",)*+(?:"source_seq":(\d+)|"gap")')
TIME = re.compile(rb'"times?":\[?(\d+)')
PUBLISH, SUBACK, KEEPALIVE_S = 3, 9, 600
COLUMNS = ("arrival_ns", "epoch", "seq", "device", "source_seq", "source_ns", "wire_bytes")


class Noted:
    """A row for each distinct record: when it came, its id, of which device, its first scan, when that was read, bytes.

    Times are ns UTC. A device is its place in `devices`. `source_seq` and `source_ns` are 0 in the row of a gap. The
    bytes are the whole PUBLISH packet's, counted with its first record. Of the payloads the last, or all, are kept.
    """

    def __init__(self, keep: bool) -> None:
        self.columns = {name: array("q") for name in COLUMNS}
        self.repeated = self.gaps = 0
        self.devices: dict[bytes, int] = {}
        self.payloads: deque[bytes] = deque(maxlen=None if keep else 1)
        self._known: set[tuple[bytes, bytes]] = set()

    def note(self, buffer: bytearray, begin: int, end: int, arrival_ns: int, wire_bytes: int) -> None:
        """Take in the payload that lies in the buffer from `begin` to `end`."""
        fresh = False
        for found in RECORD.finditer(buffer, begin, end):
            epoch, seq, name, source_seq = found.groups()
            if (epoch, seq) in self._known:
                self.repeated += 1
                continue
            self._known.add((epoch, seq))
            read = TIME.search(buffer, found.end(), end) if source_seq else None
            self.gaps += not source_seq
            device = self.devices.setdefault(name, len(self.devices))
            times = int(source_seq or 0), int(read[1]) if read else 0
            row = (arrival_ns, int(epoch), int(seq), device, *times, wire_bytes)
            for column, value in zip(self.columns.values(), row, strict=True):
                column.append(value)
            wire_bytes, fresh = 0, True
        if fresh:
            self.payloads.append(bytes(buffer[begin:end]))

    def dump(self, file: Path) -> None:
        """Everything as one msgpack map: the columns as bytes of int64, the counts, the payloads."""
        columns = {name: column.tobytes() for name, column in self.columns.items()}
        counts = {"repeated": self.repeated, "gaps": self.gaps, "payloads": list(self.payloads)}
        file.write_bytes(msgpack.packb(columns | counts))


class Session:
    """One connection to the broker: bytes in, packets noted, acknowledgements out."""

    def __init__(self, connection: socket.socket, noted: Noted) -> None:
        self.connection, self._noted = connection, noted
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._begin = self._end = 0
        self.subscribed = False

    def read(self) -> None:
        """Take in what has come. Raises ConnectionError when the broker is gone."""
        got = self.connection.recv_into(self._view[self._end :])
        arrival_ns = time.time_ns()
        if not got:
            raise ConnectionError("the broker hung up")
        self._end += got
        acks = b"".join(self._packets(arrival_ns))
        if acks:
            self.connection.sendall(acks)
        rest = self._end - self._begin
        if self._begin and self._end > BUFFER_BYTES // 2:
            self._view[:rest] = self._view[self._begin : self._end]
            self._begin, self._end = 0, rest

    def _packets(self, arrival_ns: int) -> Iterator[bytes]:
        while (framed := _framed(self._buffer, self._begin, self._end)) is not None:
            body, end = framed
            kind = self._buffer[self._begin] >> 4
            if kind == PUBLISH:
                topic_bytes = int.from_bytes(self._buffer[body : body + 2], "big")
                payload = body + 4 + topic_bytes  # two lengths' bytes, the topic, the packet's id
                self._noted.note(self._buffer, payload, end, arrival_ns, end - self._begin)
                yield b"\x40\x02" + self._buffer[payload - 2 : payload]
            self.subscribed |= kind == SUBACK
            self._begin = end


def _framed(buffer: bytearray, begin: int, end: int) -> tuple[int, int] | None:
    """Where the body of the packet at `begin` begins and ends; None when it is not whole yet."""
    size = 0
    for at in range(4):
        if begin + 1 + at >= end:
            return None
        byte = buffer[begin + 1 + at]
        size |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:
            body = begin + 2 + at
            return (body, body + size) if body + size <= end else None
    raise ConnectionError("what came is not MQTT")


def _string(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _packet(kind: int, body: bytes) -> bytes:
    assert len(body) < 128
    return bytes((kind, len(body))) + body


def _opened(port: int, topic: str, client_id: str, noted: Noted) -> Session:
    connection = socket.create_connection(("127.0.0.1", port), 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    hello = _string("MQTT") + struct.pack(">BBH", 4, 0, KEEPALIVE_S) + _string(client_id)  # flags 0: persistent session
    connection.sendall(_packet(0x10, hello) + _packet(0x82, b"\x00\x01" + _string(topic) + b"\x01"))
    return Session(connection, noted)


def _obey(order: list[str], noted: Noted) -> str:
    if order[0] == "count":
        return f"{len(noted.columns['seq'])} {noted.gaps}"
    noted.dump(Path(order[1]))
    return "ok"


def main(port: int, topic: str, client_id: str, keep: bool) -> None:
    noted = Noted(keep)
    session: Session | None = None
    told = False
    while True:
        if session is None:
            with suppress(OSError):
                session = _opened(port, topic, client_id, noted)
        waited = [sys.stdin] if session is None else [sys.stdin, session.connection]
        ready, _, _ = select.select(waited, [], [], RETRY_S if session is None else None)
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                return
            print(_obey(line.split(), noted), flush=True)
        if session is not None and session.connection in ready:
            try:
                session.read()
            except OSError:
                session.connection.close()
                session = None
                continue
            if session.subscribed and not told:
                print("subscribed", flush=True)
                told = True


if __name__ == "__main__":
    die_with_parent(int(sys.argv[4]))
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], "--keep" in sys.argv)
