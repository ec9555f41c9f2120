"""A serial port: lines or other frames, of which a pattern, a struct format or NMEA 0183 makes tags.

A device that talks by itself (scales, meters, scanners) is listened to:

    [device.scale]
    driver = "serial"
    port = "/dev/serial/by-id/usb-FTDI_FT232R-if00-port0"
    pattern = '[SU] +(?P<weight>[-+ 0-9.]+) *kg'
    tags = { weight = { unit = "kg" } }
    silent_after = "10s"                              # says nothing for that long: its tags are Bad

One that answers when asked is polled: `request` is sent before each reading (or each of `requests`, one after the
other), and the first frame that fits is its answer. Whatever came too late for the reading before is thrown away first.

    request = "MEAS?\\n"
    struct = "<Hf"
    fields = ["status", "flow"]
    writes = { flow = "FLOW {value}\\n" }              # makes the tag writable
    tags = { flow = { min = 0, max = 40 } }           # within these limits

A receiver or an instrument that speaks NMEA 0183 needs no pattern: `format = "nmea"`, `sentences = ["RMC", "MWV"]`.

Frames end at a `delimiter`, lie between `start` and `end` (with `escape`: stuffed), have `frame_bytes` or a `length` in
their header, are SLIP, or end with a pause (`gap`). `delimiter`, `start`, `end`, `escape` and requests are bytes: a
character up to "\\u00ff" is the byte of that number. With `checksum` each frame ends with one, which is verified and
cut off before its fields are looked at; it follows what it covers, before the delimiter or the end. A frame of another
form or with a wrong checksum is skipped and counted. Without `request`, the first frame after connecting may be the
rest of one that had begun before: write the pattern so that a rest does not fit. Frames of a fixed size have no mark to
find their beginning by: use them with `request`, or where `start` and `end` enclose them.

Name the port by /dev/serial/by-id (or by-path, for adapters without a serial number): the name stays when it is
unplugged and plugged in again, and the port is opened again then.
"""

import errno
import os
import termios
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import serial

from transports.errors import LinkDown
from transports.frame_settings import FrameSettings
from transports.links import Link
from transports.parity import PARITIES
from transports.settings import setting
from transports.stream_links import ListeningLink, PolledLink
from transports.streams import Chunk, is_ready, send_all

EXTRA = "serial"

_CHUNK_BYTES = 4096  # what Linux holds for a terminal at most
_MOST_NAMED = 6
BY_ID = Path("/dev/serial/by-id")  # udev's names, which stay the same
_CURES = {
    errno.EACCES: "not allowed; add the user that runs holdfast to the port's group (often dialout)",
    errno.EAGAIN: "another program holds it; only one may read a port",
    errno.EBUSY: "another program holds it; only one may read a port",
}
_MISSING = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO)


@dataclass(frozen=True, kw_only=True)
class PortSettings:
    """The line itself."""

    port: str = setting(help="path of the port", example="/dev/serial/by-id/usb-FTDI_FT232R-if00-port0")
    baud: int = setting(9600, ge=50, le=4_000_000, help="bits per second")
    data_bits: int = setting(8, ge=5, le=8, help="data bits of a character")
    parity: str = setting("none", choices=tuple(PARITIES), help="parity bit")
    stop_bits: float = setting(1.0, choices=(1, 1.5, 2), help="stop bits (Linux sends 2 for 1.5)")
    flow: str = setting("none", choices=("none", "rtscts", "xonxoff"), help="flow control")


@dataclass(frozen=True, kw_only=True)
class Settings(FrameSettings, PortSettings):
    """A serial port and what is said on it."""


def connect(settings: Settings) -> Link:
    """Opens the port for this gateway alone. Raises LinkDown, saying what to look at."""
    port = Port(_opened(settings), settings)
    return PolledLink(port, settings) if settings.asked else ListeningLink(port, settings)


class Port:
    """An open port as a stream; the descriptor is read and written without pyserial, which waits in between."""

    def __init__(self, port: serial.Serial, settings: Settings) -> None:
        self._port, self._settings = port, settings
        self.name = settings.port

    def fileno(self) -> int:
        return self._port.fileno() if self._port.is_open else -1

    def receive(self) -> Sequence[Chunk]:
        """What has come. A terminal that is readable and has no byte is one that was hung up."""
        if not is_ready(self._descriptor(), 0):
            return []
        try:
            data = os.read(self._descriptor(), _CHUNK_BYTES)
        except BlockingIOError:
            return []
        except OSError as gone:
            raise self._unplugged(gone.strerror) from gone
        if not data:
            raise self._unplugged("hung up")
        return [Chunk("", data)]

    def send(self, data: bytes) -> None:
        hint = f"is flow = {self._settings.flow!r} right?"
        send_all(self._descriptor(), data, self._settings.timeout_s, self.name, hint)

    def forget(self) -> None:
        try:
            termios.tcflush(self._descriptor(), termios.TCIFLUSH)
        except termios.error as gone:
            raise self._unplugged(str(gone)) from gone

    def fits(self, source: str) -> None:
        """There is but one source on a port."""

    def close(self) -> None:
        with suppress(OSError, termios.error):
            if self._port.is_open and self._settings.flow != "none":
                self._port.reset_output_buffer()  # a line held by flow control would keep close waiting for 30 s
        with suppress(OSError, termios.error):
            self._port.close()

    def _descriptor(self) -> int:
        if not self._port.is_open:
            raise LinkDown(f"{self.name}: the port is closed; connect again")
        return self._port.fileno()

    def _unplugged(self, how: str | None) -> LinkDown:
        return LinkDown(f"{self.name}: unplugged or hung up ({how})")


def _opened(settings: Settings) -> serial.Serial:
    try:
        return serial.Serial(
            settings.port,
            baudrate=settings.baud,
            bytesize=settings.data_bits,
            parity=PARITIES[settings.parity],
            stopbits=settings.stop_bits,
            rtscts=settings.flow == "rtscts",
            xonxoff=settings.flow == "xonxoff",
            timeout=0,
            write_timeout=settings.timeout_s,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as failed:
        raise LinkDown(f"{settings.port}: {_cure(settings.port, failed)}") from failed


def _cure(port: str, failed: Exception) -> str:
    number = failed.errno if isinstance(failed, OSError) else None
    if number in _MISSING:
        return f"no such port; is the device plugged in? {_plugged_in(port)}"
    return _CURES.get(number or 0) or f"cannot be opened as a serial port ({failed})"


def _plugged_in(port: str) -> str:
    """The names of what is there now, where udev keeps names of the kind that was asked for."""
    where = Path(port).parent if Path(port).parent.name in ("by-id", "by-path") else BY_ID
    try:
        there = sorted(entry.name for entry in where.iterdir())
    except OSError:
        there = []
    if not there:
        return f"{where} names no port at the moment; its names stay the same"
    more = f" and {len(there) - _MOST_NAMED} more" if len(there) > _MOST_NAMED else ""
    return f"In {where}, whose names stay the same, there is now: {', '.join(there[:_MOST_NAMED])}{more}"
