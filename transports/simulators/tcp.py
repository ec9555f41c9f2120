"""A device with a TCP port: speaks lines, NMEA 0183, or answers when asked; it can connect by itself, too.

    holdfast simulate tcp says=answers listen=127.0.0.1:4001

    [device.scale]
    driver = "tcp"
    host = "127.0.0.1"
    port = 4001
    request = "MEAS?\\n"
    pattern = 'T=(?P<temp>\\S+) H=(?P<hum>\\d+) L=(?P<level>\\S+)'
    writes = { level = "SET L {value}\\n" }

With `connect=127.0.0.1:4001` it connects to a gateway that has `listen = "127.0.0.1:4001"`, and again when that has
gone. Faults: silence, timeout, garbage, slow:2s, and down: no connection, until the file says something else.
"""

import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from transports.errors import LinkDown
from transports.settings import setting
from transports.simulated_voice import VoiceSettings
from transports.simulators import Announce
from transports.simulators._speaking import speak
from transports.sockets import address_of, listening_socket, opened, source_of, wrong_address
from transports.streams import Chunk

_CHUNK_BYTES = 4096
_CONNECT_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Settings(VoiceSettings):
    """A device and where it is."""

    listen: str = setting("127.0.0.1:0", help="where it can be connected to", check=wrong_address)
    connect: str = setting(
        "", help="to whom it connects instead", example="127.0.0.1:4001", check=lambda to: to and wrong_address(to)
    )


def serve(settings: Settings, announce: Announce) -> None:
    """Speaks until it is ended. Raises LinkDown when it cannot listen there."""
    if settings.connect:
        announce(f"connecting to {settings.connect}")
        speak(Connections(None, settings.connect), settings)
        return
    cure = "is the address one of this machine's, and the port not in use?"
    with opened(settings.listen, cure, lambda: listening_socket(settings.listen, socket.SOCK_STREAM)) as listener:
        announce(f"listening on {source_of(listener.getsockname())}")
        speak(Connections(listener, ""), settings)


class Connections:
    """All that are connected, or the one that it makes itself."""

    def __init__(self, listener: socket.socket | None, to: str) -> None:
        self._listener, self._to = listener, to
        self._open: dict[str, socket.socket] = {}
        self._there = True

    def heard(self, timeout_s: float) -> Sequence[Chunk]:
        self._call()
        poll = select.poll()
        for each in self._sockets():
            poll.register(each, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(timeout_s * 1000)}
        if self._listener is not None and self._listener.fileno() in ready:
            self._accept(self._listener)
        return [self._read(source) for source, each in list(self._open.items()) if each.fileno() in ready]

    def say(self, data: bytes, source: str | None = None) -> None:
        for name in list(self._open) if source is None else [source] * (source in self._open):
            try:
                self._open[name].send(data)
            except OSError:  # it does not read, or has gone
                self._open.pop(name).close()

    def be_there(self, there: bool) -> None:
        self._there = there
        while not there and self._open:
            self._open.popitem()[1].close()

    def _sockets(self) -> list[socket.socket]:
        return [*self._open.values(), *([] if self._listener is None else [self._listener])]

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, address = listener.accept()
        except OSError:  # gone again
            return
        connection.setblocking(False)
        self._open[source_of(address)] = connection
        self.be_there(self._there)

    def _call(self) -> None:
        """Connect, where that is its part and it is there; what fails is tried again at the next look."""
        if not self._to or self._open or not self._there:
            return
        try:
            connection = opened(self._to, "", lambda: socket.create_connection(address_of(self._to), _CONNECT_S))
        except LinkDown:
            return
        self._open[self._to] = connection

    def _read(self, source: str) -> Chunk:
        try:
            data = self._open[source].recv(_CHUNK_BYTES)
        except OSError:
            data = b""
        if not data:
            self._open.pop(source).close()
        return Chunk(source, data)
