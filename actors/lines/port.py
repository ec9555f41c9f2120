"""A line's port: opened for this process alone, bytes out and in, without ever waiting."""

import errno
import os
import termios
from contextlib import suppress

from actors.lines.settings import Settings
from transports.errors import LinkDown, MissingExtra
from transports.parity import PARITIES

try:
    import serial
except ModuleNotFoundError as missing:
    raise MissingExtra("line", "serial") from missing

EXTRA = "serial"

_CHUNK_BYTES = 4096  # what Linux holds for a terminal at most
_TAKEN = "another program holds it; only one may own a line"
_CURES = {
    errno.ENOENT: "no such port; is the adapter plugged in? The names in /dev/serial/by-id stay the same",
    errno.EACCES: "not allowed; add the user that runs holdfast to the port's group (often dialout)",
    errno.EAGAIN: _TAKEN,
    errno.EBUSY: _TAKEN,
}


class Port:
    """An open port. All but `close` raise LinkDown when it is gone."""

    def __init__(self, port: serial.Serial, path: str) -> None:
        self._port, self._path = port, path

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._port.fileno())

    def send(self, frame: bytes) -> None:
        """Hand a frame to the driver, which takes it whole; one that does not hangs, and is down."""
        try:
            taken = os.write(self.fileno(), frame)
        except BlockingIOError:
            taken = 0
        except OSError as gone:
            raise self._gone(gone) from gone
        if taken < len(frame):
            raise LinkDown(f"{self._path}: took {taken} of {len(frame)} bytes: the adapter hangs; it is opened again")

    def read(self) -> bytes:
        """What has arrived; b"" when nothing has."""
        try:
            chunk = os.read(self.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except OSError as gone:
            raise self._gone(gone) from gone
        if not chunk:  # with VMIN = 0 that is "nothing there", too, so ask
            self._is_there()
        return chunk

    def close(self) -> None:
        """Give it back; never raises, nor waits for bytes that nobody takes."""
        with suppress(OSError, termios.error):
            self._port.reset_output_buffer()
        with suppress(OSError, termios.error):
            self._port.close()

    def _is_there(self) -> None:
        try:
            termios.tcgetattr(self.fileno())
        except (OSError, termios.error) as gone:
            raise self._gone(gone) from gone

    def _gone(self, why: Exception) -> LinkDown:
        return LinkDown(f"{self._path}: unplugged or hung up ({why})")


def opened(settings: Settings) -> Port:
    """Open the port for this process alone. Raises LinkDown, saying what to look at."""
    try:
        port = serial.Serial(
            settings.port,
            baudrate=settings.baud,
            bytesize=settings.data_bits,
            parity=PARITIES[settings.parity],
            stopbits=settings.stop_bits,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as failed:
        cure = _CURES.get(failed.errno or 0) if isinstance(failed, OSError) else None
        raise LinkDown(f"{settings.port}: {cure or f'cannot be opened as a serial port ({failed})'}") from failed
    with suppress(OSError, ValueError, NotImplementedError):
        port.set_low_latency_mode(True)  # an FTDI adapter else holds each answer back for up to 16 ms
    return Port(port, settings.port)
