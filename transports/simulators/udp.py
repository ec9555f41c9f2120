"""A device that speaks by datagrams: to a gateway by itself, or as an answer to whoever asks.

    holdfast simulate udp says=answers listen=127.0.0.1:5025
    holdfast simulate udp says=nmea to=127.0.0.1:10110

    [device.meter]
    driver = "udp"
    host = "127.0.0.1"
    port = 5025
    request = "MEAS?\\n"
    pattern = 'T=(?P<temp>\\S+) H=(?P<hum>\\d+) L=(?P<level>\\S+)'
    writes = { level = "SET L {value}\\n" }

    [device.ship]
    driver = "udp"
    listen = "127.0.0.1:10110"
    format = "nmea"
    delimiter = "\\n"

Faults: silence, timeout, garbage, slow:2s, and down: nobody is there, until the file says something else.
"""

import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from transports.settings import setting
from transports.simulated_voice import VoiceSettings
from transports.simulators import Announce
from transports.simulators._speaking import speak
from transports.sockets import address_of, listening_socket, opened, source_of, wrong_address
from transports.streams import Chunk, is_ready

_MOST_BYTES = 65535


@dataclass(frozen=True, kw_only=True)
class Settings(VoiceSettings):
    """A device, where it is and to whom it speaks."""

    listen: str = setting("127.0.0.1:0", help="where it can be asked", check=wrong_address)
    to: str = setting(
        "", help="to whom it speaks by itself", example="127.0.0.1:10110", check=lambda to: to and wrong_address(to)
    )


def serve(settings: Settings, announce: Announce) -> None:
    """Speaks until it is ended. Raises LinkDown when it cannot listen there."""
    ends = Datagrams(settings.listen, settings.to)
    announce(f"listening on {ends.address}")
    speak(ends, settings)


class Datagrams:
    """A socket while the device is there; it comes back with the same address."""

    def __init__(self, listen: str, to: str) -> None:
        self._to, self._socket = to, _bound(listen)
        self.address = source_of(self._socket.getsockname())

    def heard(self, timeout_s: float) -> Sequence[Chunk]:
        if self._socket.fileno() < 0:
            select.poll().poll(timeout_s * 1000)
            return []
        if not is_ready(self._socket.fileno(), timeout_s):
            return []
        try:
            data, address = self._socket.recvfrom(_MOST_BYTES)
        except OSError:  # whom it spoke to is not there
            return []
        return [Chunk(source_of(address), data)]

    def say(self, data: bytes, source: str | None = None) -> None:
        to = self._to if source is None else source
        if to and self._socket.fileno() >= 0:
            with suppress(OSError):  # a datagram may be lost
                self._socket.sendto(data, address_of(to))

    def be_there(self, there: bool) -> None:
        if not there:
            self._socket.close()
        elif self._socket.fileno() < 0:
            self._socket = _bound(self.address)


def _bound(listen: str) -> socket.socket:
    cure = "is the address one of this machine's, and the port not in use?"
    return opened(listen, cure, lambda: listening_socket(listen, socket.SOCK_DGRAM))
