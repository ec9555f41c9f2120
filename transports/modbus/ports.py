"""Where RTU bytes go and come from: a serial port, or a TCP connection to a converter.

Both are read without waiting; whoever reads waits on the descriptor first, by `wait`.
"""

import errno
import select
import socket
import termios
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import serial

from transports.errors import LinkDown, LinkTimeout
from transports.parity import PARITIES

_CHUNK_BYTES = 4096  # what Linux holds for a terminal at most
_CURES = {
    errno.ENOENT: "no such port; is the adapter plugged in? The names in /dev/serial/by-id stay the same",
    errno.EACCES: "not allowed; add the user that runs holdfast to the port's group (often dialout)",
    errno.EAGAIN: "another program holds it; several devices on one port need a [line.NAME]",
    errno.EBUSY: "another program holds it; several devices on one port need a [line.NAME]",
}


class Port(Protocol):
    """Bytes both ways."""

    def fileno(self) -> int:
        """What to wait on. Raises LinkDown once it is closed."""
        ...

    def read(self) -> bytes:
        """What is there now, perhaps nothing. Raises LinkDown."""
        ...

    def write(self, data: bytes) -> None:
        """All of it. Raises LinkTimeout when it is not taken in time, LinkDown."""
        ...

    def close(self) -> None:
        """Give it back. May be called twice; never raises."""
        ...


def wait(port: Port, timeout_s: float) -> bool:
    """Whether there is something to read, an end included, before the time is up."""
    poll = select.poll()
    poll.register(port.fileno(), select.POLLIN)
    return bool(poll.poll(max(timeout_s, 0.0) * 1000))


class SocketPort:
    """A connection to a converter that passes RTU bytes on."""

    def __init__(self, connection: socket.socket, timeout_s: float) -> None:
        self._connection: socket.socket | None = connection
        connection.settimeout(timeout_s)

    def fileno(self) -> int:
        return self._open().fileno()

    def read(self) -> bytes:
        try:
            chunk = self._open().recv(_CHUNK_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""
        except OSError as gone:
            raise LinkDown(f"the connection is lost ({gone})") from gone
        if not chunk:
            raise LinkDown("the far end closed the connection")
        return chunk

    def write(self, data: bytes) -> None:
        try:
            self._open().sendall(data)
        except OSError as gone:
            raise LinkDown(f"the connection takes no request ({gone})") from gone

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def _open(self) -> socket.socket:
        if self._connection is None:
            raise LinkDown("the connection is closed")
        return self._connection


@dataclass(frozen=True, slots=True)
class Characters:
    """How a character looks on the line."""

    baud: int
    data_bits: int
    parity: str
    stop_bits: float

    @property
    def seconds(self) -> float:
        """How long one takes: start bit, data, parity, stop."""
        return (1 + self.data_bits + (self.parity != "none") + self.stop_bits) / self.baud


class SerialPort:
    """A port of this machine, opened for this process alone."""

    def __init__(self, path: str, characters: Characters, timeout_s: float) -> None:
        """Raises LinkDown, saying what to look at."""
        try:
            self._port = serial.Serial(
                path,
                baudrate=characters.baud,
                bytesize=characters.data_bits,
                parity=PARITIES[characters.parity],
                stopbits=characters.stop_bits,
                timeout=0,
                write_timeout=timeout_s,
                exclusive=True,
            )
        except (OSError, ValueError, termios.error) as failed:
            cure = _CURES.get(failed.errno or 0) if isinstance(failed, OSError) else None
            raise LinkDown(f"{path}: {cure or f'cannot be opened as a serial port ({failed})'}") from failed

    def fileno(self) -> int:
        if not self._port.is_open:
            raise LinkDown("the port is closed")
        return int(self._port.fileno())

    def read(self) -> bytes:
        try:
            return bytes(self._port.read(_CHUNK_BYTES))
        except (OSError, TypeError, termios.error) as gone:  # TypeError: pyserial, of a port closed meanwhile
            raise LinkDown(f"unplugged or hung up ({gone})") from gone

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as late:
            raise LinkTimeout("the port took no bytes in time") from late
        except (OSError, termios.error) as gone:
            raise LinkDown(f"unplugged or hung up ({gone})") from gone

    def close(self) -> None:
        with suppress(OSError, termios.error):
            if self._port.is_open:
                self._port.reset_output_buffer()  # what cannot be sent would keep close waiting
        with suppress(OSError, termios.error):
            self._port.close()
