"""UDP: datagrams of devices that send by themselves, or the answers of one that is asked.

    [device.weather]
    driver = "udp"
    listen = "0.0.0.0:10110"
    allow = ["192.168.1.0/24"]
    format = "nmea"
    delimiter = "\\n"                     # several sentences in one datagram
    sentences = ["MWV", "MTW"]

    [device.meter]
    driver = "udp"
    host = "192.168.1.30"
    port = 5025
    request = "MEAS?\\n"
    pattern = 'T=(?P<temp>\\S+)'

A datagram is a frame. With one of the framings of the driver `serial` it is a piece of a stream instead, a stream of
its own for each sender. Checksums, NMEA 0183 and `writes` are as there, too. Nobody hears when a datagram is lost: what
was asked for and does not come is a time-out, and a command may be lost without a word. A device that sends by itself
and stops is told by `silent_after` alone. Who may send is not known for sure: an address in a datagram can be false.
"""

import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from transports.errors import LinkDown, LinkRefused, LinkTimeout, Problem
from transports.frame_settings import FrameSettings
from transports.framing import Datagrams, Framer
from transports.links import Link
from transports.settings import setting
from transports.sockets import (
    Allowed,
    host_of,
    listening_socket,
    opened,
    reason,
    source_of,
    wrong_address,
    wrong_networks,
)
from transports.stream_links import ListeningLink, PolledLink, peer_problems
from transports.streams import Chunk

_MOST_BYTES = 65535
_MOST_AT_ONCE = 64  # datagrams in one reading
_MOST_FORGOTTEN = 4096


@dataclass(frozen=True, kw_only=True)
class EndSettings:
    """Who sends to whom."""

    host: str | None = setting(None, help="address of the device that is asked", example="192.168.1.30")
    port: int | None = setting(None, ge=1, le=65535, help="its port", example="5025")
    listen: str | None = setting(
        None, help="address and port for devices that send by themselves", example="0.0.0.0:10110", check=wrong_address
    )
    allow: tuple[str, ...] = setting(
        (), help="addresses and networks whose datagrams are read; all where none is named", check=wrong_networks
    )
    peer: bool = setting(False, help="whether each reading has a tag `peer`, the address of who has sent it")


@dataclass(frozen=True, kw_only=True)
class Settings(FrameSettings, EndSettings):
    """Where datagrams come from and what they say."""

    def problems(self, path: str) -> Iterable[Problem]:
        problems = [*self._end_problems(path), *super().problems(path)]
        yield from problems or peer_problems(self.reader(), self.peer, path)

    def _unframed(self) -> Framer:
        return Datagrams(self.max_frame_bytes)

    def _end_problems(self, path: str) -> Iterable[Problem]:
        asks = self.request is not None or bool(self.requests)
        if (self.host is None) == (self.listen is None):
            yield Problem(f"{path}.host", repr(self.host) if self.host else "", "write either host and port, or listen")
        elif self.host is not None and self.port is None:
            yield Problem(f"{path}.port", "", "is missing beside host")
        elif self.host is not None and not asks:
            yield Problem(f"{path}.request", "", "is missing beside host; a device that sends by itself needs listen")
        if self.listen is not None:
            away = {"port": self.port is not None, "request": asks, "writes": bool(self.writes)}
            for key in (key for key, given in away.items() if given):
                yield Problem(f"{path}.{key}", "", "belongs to host; see listen")
        elif self.allow or self.peer:
            key = "allow" if self.allow else "peer"
            yield Problem(f"{path}.{key}", "", "belongs to listen; beside host there is but one far end")


def connect(settings: Settings) -> Link:
    """Opens the socket. Raises LinkDown, saying what to look at; a device that is not there is seen when asked."""
    if settings.listen is not None:
        listen = settings.listen
        cure = "is the address one of this machine's, and the port not in use?"
        bound = opened(listen, cure, lambda: listening_socket(listen, socket.SOCK_DGRAM))
        return ListeningLink(Datagram(bound, listen, Allowed(settings.allow)), settings, settings.peer)
    where = f"{settings.host}:{settings.port}"
    address = (settings.host or "", settings.port or 0)
    made = opened(where, "is the name right, and this machine on that network?", lambda: _towards(address))
    return PolledLink(Datagram(made, where, Allowed(())), settings)


def _towards(address: tuple[str, int]) -> socket.socket:
    """A socket that hears that address alone. Raises OSError."""
    family, kind, protocol, _, found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.connect(found)
    except OSError:
        made.close()
        raise
    return made


class Datagram:
    """A socket for datagrams as a stream."""

    def __init__(self, made: socket.socket, name: str, allowed: Allowed) -> None:
        self._socket, self._allowed, self.name, self.turned_away = made, allowed, name, 0

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> Sequence[Chunk]:
        chunks: list[Chunk] = []
        for _ in range(_MOST_AT_ONCE):
            received = self._received()
            if received is None:
                break
            data, source = received
            if self._allowed.admits(host_of(source)):
                chunks += [Chunk(source, data)] if data else []
            else:
                self.turned_away += 1
        return chunks

    def send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except BlockingIOError as full:
            raise LinkTimeout(f"{self.name}: the network takes no datagram at the moment") from full
        except OSError as wrong:
            if self._socket.fileno() >= 0 and len(data) > _MOST_BYTES - 28:
                raise LinkRefused(f"{self.name}: {len(data)} bytes are too long for a datagram") from wrong
            raise LinkDown(f"{self.name}: cannot be sent to ({reason(wrong)})") from wrong

    def forget(self) -> None:
        for _ in range(_MOST_FORGOTTEN):
            if self._received() is None:
                return

    def fits(self, source: str) -> None:
        """A sender of datagrams has no place to keep."""

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()

    def _received(self) -> tuple[bytes, str] | None:
        """The next datagram, None when there is none at the moment."""
        try:
            data, address = self._socket.recvfrom(_MOST_BYTES)
        except BlockingIOError:
            return None
        except OSError as gone:
            raise LinkDown(f"{self.name}: nothing listens there ({reason(gone)})") from gone
        return data, source_of(address)
