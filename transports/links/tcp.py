"""A TCP connection: lines or other frames of a device server, a scanner, a scale; as client or as server.

As client, to a device that talks by itself, or that answers when asked (`request`):

    [device.scale]
    driver = "tcp"
    host = "192.168.1.20"
    port = 4001
    request = "MEAS?\\r\\n"
    pattern = 'T=(?P<temp>\\S+)'

As server, for devices that connect by themselves: so many at once, from where `allow` says.

    [device.scanners]
    driver = "tcp"
    listen = "0.0.0.0:4001"
    allow = ["192.168.1.0/24"]
    max_clients = 16
    peer = true                         # each reading has a tag `peer`: the address of who has said it
    pattern = '(?P<code>\\d{8,14})'
    tags = { code = { type = "string" } }

Frames, checksums, NMEA 0183 and `writes` are those of the driver `serial`. A command goes to every client that is
connected; one that does not take it at once is let go. When the last client of which something fitted has left (with
`peer`: any of them) its tags are Bad. A far end that vanished without a word is found after `dead_after`; with
`silent_after`, one that is there and says nothing.
"""

import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from transports.errors import LinkDown, Problem
from transports.frame_settings import FrameSettings
from transports.links import Link
from transports.settings import duration, setting
from transports.sockets import (
    Allowed,
    listening_socket,
    opened,
    reason,
    watch_over,
    wrong_address,
    wrong_networks,
)
from transports.stream_links import ListeningLink, PolledLink, peer_problems
from transports.streams import Chunk, send_all
from transports.tcp_clients import Clients

_CHUNK_BYTES = 64 * 1024
_MOST_FORGOTTEN = 256  # chunks; a far end that never stops talking is read on by the answer that it is asked for


@dataclass(frozen=True, kw_only=True)
class EndSettings:
    """Who calls whom."""

    host: str | None = setting(None, help="address of the device to connect to", example="192.168.1.20")
    port: int | None = setting(None, ge=1, le=65535, help="its port", example="4001")
    listen: str | None = setting(
        None,
        help="address and port for devices that connect by themselves",
        example="0.0.0.0:4001",
        check=wrong_address,
    )
    allow: tuple[str, ...] = setting(
        (), help="addresses and networks from which devices may connect; all where none is named", check=wrong_networks
    )
    max_clients: int = setting(8, ge=1, le=256, help="how many devices may be connected at once")
    peer: bool = setting(False, help="whether each reading has a tag `peer`, the address of who has said it")
    dead_after_s: float = duration("30s", ge=3, le=7200, help="how long a far end that vanished may stay unnoticed")


@dataclass(frozen=True, kw_only=True)
class Settings(FrameSettings, EndSettings):
    """A connection and what is said on it."""

    def problems(self, path: str) -> Iterable[Problem]:
        problems = [*self._end_problems(path), *super().problems(path)]
        yield from problems or peer_problems(self.reader(), self.peer, path)

    def _end_problems(self, path: str) -> Iterable[Problem]:
        if (self.host is None) == (self.listen is None):
            yield Problem(f"{path}.host", repr(self.host) if self.host else "", "write either host and port, or listen")
        elif self.host is not None and self.port is None:
            yield Problem(f"{path}.port", "", "is missing beside host")
        elif self.host is None and self.port is not None:
            yield Problem(f"{path}.port", repr(self.port), "belongs to host; listen has its own")
        if self.listen is not None and (self.request is not None or self.requests):
            cure = "needs host: who connects by himself talks by himself"
            yield Problem(f"{path}.{'request' if self.request is not None else 'requests'}", "", cure)
        if self.listen is None and (self.allow or self.peer):
            key = "allow" if self.allow else "peer"
            yield Problem(f"{path}.{key}", "", "belongs to listen; as client there is but one far end")


def connect(settings: Settings) -> Link:
    """Connects, or begins to listen. Raises LinkDown, saying what to look at."""
    if settings.listen is not None:
        return ListeningLink(_server(settings, settings.listen), settings, settings.peer)
    where = f"{settings.host}:{settings.port}"
    address = (settings.host or "", settings.port or 0)
    cure = "is it switched on, on this network, and not taken by another client?"
    made = opened(where, cure, lambda: _connected(address, settings.timeout_s))
    with suppress(OSError):  # the far end may have gone again already: reading will tell
        watch_over(made, settings.dead_after_s)
    connection = Connection(made, where, settings.timeout_s)
    return PolledLink(connection, settings) if settings.asked else ListeningLink(connection, settings)


def _connected(address: tuple[str, int], timeout_s: float) -> socket.socket:
    """Raises OSError. A port of this machine that nobody listens on may be met by itself (RFC 9293, 3.5)."""
    made = socket.create_connection(address, timeout_s)
    if made.getsockname() == made.getpeername():
        made.close()
        raise ConnectionRefusedError("nobody listens there")
    return made


def _server(settings: Settings, listen: str) -> Clients:
    cure = "is the address one of this machine's, and the port not in use?"
    listener = opened(listen, cure, lambda: listening_socket(listen, socket.SOCK_STREAM))
    return Clients(listen, listener, settings.max_clients, Allowed(settings.allow), settings.dead_after_s)


class Connection:
    """One connection as a stream."""

    def __init__(self, connection: socket.socket, name: str, timeout_s: float) -> None:
        self._connection, self._timeout_s, self.name = connection, timeout_s, name

    def fileno(self) -> int:
        return self._connection.fileno()

    def receive(self) -> Sequence[Chunk]:
        data = self._received()
        return [] if data is None else [Chunk("", data)]

    def send(self, data: bytes) -> None:
        if self.fileno() < 0:
            raise LinkDown(f"{self.name}: the connection is closed; connect again")
        send_all(self.fileno(), data, self._timeout_s, self.name, "the device does not read what it is sent")

    def forget(self) -> None:
        for _ in range(_MOST_FORGOTTEN):
            if self._received() is None:
                return

    def fits(self, source: str) -> None:
        """There is but one source on a connection."""

    def close(self) -> None:
        with suppress(OSError):
            self._connection.close()

    def _received(self) -> bytes | None:
        """The next bytes, None when there are none at the moment."""
        try:
            data = self._connection.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return None
        except OSError as gone:
            raise LinkDown(f"{self.name}: the connection is gone ({reason(gone)})") from gone
        if not data:
            raise LinkDown(f"{self.name}: the device closed the connection")
        return data
