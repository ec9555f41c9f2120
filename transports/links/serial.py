"""A serial port: lines or other frames, of which a pattern or a struct format makes tags.

A device that talks by itself (scales, meters, scanners) is listened to:

    [device.scale]
    driver = "serial"
    port = "/dev/serial/by-id/usb-FTDI_FT232R-if00-port0"
    pattern = '[SU] +(?P<weight>[-+ 0-9.]+) *kg'
    tags = { weight = { unit = "kg" } }

One that answers when asked is polled: `request` is sent before each reading, and the first frame that fits is its
answer. Whatever came too late for the reading before is thrown away first.

    request = "MEAS?\\n"
    struct = "<Hf"
    fields = ["status", "flow"]

`delimiter`, `start`, `end` and `request` are bytes: a character up to "\\u00ff" is the byte of that number. A frame of
another form is skipped and counted. Without `request`, the first frame after connecting may be the rest of one that had
begun before: write the pattern so that a rest does not fit. Frames of a fixed size have no mark to find their beginning
by: use them with `request`, or where `start` and `end` enclose them.
"""

import errno
import select
import termios
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import serial

from transports.clock import Clock, MachineClock
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.fields import tags_of
from transports.frame_settings import FrameSettings, wire
from transports.links import Link
from transports.samples import Scan, Value
from transports.settings import setting

EXTRA = "serial"

_CHUNK_BYTES = 4096  # what Linux holds for a terminal at most
_PARITY = {
    "none": serial.PARITY_NONE,
    "even": serial.PARITY_EVEN,
    "odd": serial.PARITY_ODD,
    "mark": serial.PARITY_MARK,
    "space": serial.PARITY_SPACE,
}
_CURES = {
    errno.ENOENT: "no such port; is the device plugged in? The names in /dev/serial/by-id stay the same",
    errno.EACCES: "not allowed; add the user that runs holdfast to the port's group (often dialout)",
    errno.EAGAIN: "another program holds it; only one may read a port",
    errno.EBUSY: "another program holds it; only one may read a port",
}


@dataclass(frozen=True, kw_only=True)
class PortSettings:
    """The line itself."""

    port: str = setting(help="path of the port", example="/dev/serial/by-id/usb-FTDI_FT232R-if00-port0")
    baud: int = setting(9600, ge=50, le=4_000_000, help="bits per second")
    data_bits: int = setting(8, ge=5, le=8, help="data bits of a character")
    parity: str = setting("none", choices=tuple(_PARITY), help="parity bit")
    stop_bits: float = setting(1.0, choices=(1, 1.5, 2), help="stop bits (Linux sends 2 for 1.5)")
    flow: str = setting("none", choices=("none", "rtscts", "xonxoff"), help="flow control")


@dataclass(frozen=True, kw_only=True)
class Settings(FrameSettings, PortSettings):
    """A serial port and what is said on it."""


def connect(settings: Settings) -> Link:
    """Opens the port for this gateway alone. Raises LinkDown, saying what to look at."""
    port = _opened(settings)
    return PolledPort(port, settings) if settings.request is not None else ListeningPort(port, settings)


class _Port:
    """An open port: frames in, commands out."""

    def __init__(self, port: serial.Serial, settings: Settings, clock: Clock | None = None) -> None:
        self._port, self._settings, self._clock = port, settings, clock or MachineClock()
        self._framer, self._reader = settings.framer(), settings.reader()
        self._misfits = 0
        self._fields = {field.tag.name: field for field in self._reader.fields}
        self.tags = tags_of(self._reader.fields)
        self.last_rejected = ""

    @property
    def rejected(self) -> int:
        """How many frames were skipped since the connection: of another form, too long or torn."""
        return self._misfits + self._framer.lost

    def write(self, tag: str, value: Value) -> None:
        """Sends the tag's command. Raises LinkRefused, LinkTimeout (flow control holds the line), LinkDown."""
        if tag not in self._settings.writes:
            raise LinkRefused(f"{self._name}: {tag} cannot be written; give its command in writes.{tag}")
        try:
            command = self._settings.command(self._fields[tag], value)
        except (ValueError, OverflowError) as wrong:
            raise LinkRefused(f"{self._name}: {tag}: {wrong}") from wrong
        self._send(command)

    def close(self) -> None:
        with suppress(OSError, termios.error):
            if self._port.is_open and self._settings.flow != "none":
                self._port.reset_output_buffer()  # a line held by flow control would keep close waiting for 30 s
        with suppress(OSError, termios.error):
            self._port.close()

    @property
    def _name(self) -> str:
        return self._settings.port

    def _scans(self) -> list[Scan]:
        """What the bytes that are there now complete; none when no byte is there."""
        try:
            chunk = self._port.read(_CHUNK_BYTES)
        except OSError as gone:
            raise LinkDown(f"{self._name}: unplugged or hung up ({gone})") from gone
        time_ns = self._clock.utc_ns()
        read = (self._scan(frame, time_ns) for frame in self._framer.feed(chunk))
        return [scan for scan in read if scan is not None]

    def _scan(self, frame: bytes, time_ns: int) -> Scan | None:
        scan = self._reader.scan(frame, time_ns)
        if scan is None and frame.strip(b"\r\n"):  # an empty line is no loss
            self._misfits += 1
            self.last_rejected = frame[:80].decode(self._settings.encoding, errors="replace")
        return scan

    def _send(self, command: bytes) -> None:
        try:
            self._port.write(command)
        except serial.SerialTimeoutException as late:
            raise LinkTimeout(
                f"{self._name}: the line took no bytes; is flow = {self._settings.flow!r} right?"
            ) from late
        except OSError as gone:
            raise LinkDown(f"{self._name}: unplugged or hung up ({gone})") from gone


class ListeningPort(_Port):
    """A device that talks by itself: the port's descriptor says when to read."""

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._port.fileno()

    def read(self) -> Sequence[Scan]:
        """The frames that have become complete, oldest first. Never waits. Raises LinkDown."""
        return self._scans()


class PolledPort(_Port):
    """A device that answers when asked."""

    def read(self) -> Sequence[Scan]:
        """Asks once and returns the first frame that fits. Raises LinkTimeout, LinkDown."""
        self._forget_late_answers()
        rejected_before = self.rejected
        self._send(wire(self._settings.request or ""))
        deadline = self._clock.now() + self._settings.timeout_s
        while (left_s := deadline - self._clock.now()) > 0:
            select.select([self._port.fileno()], [], [], left_s)
            if scans := self._scans():
                return scans[:1]
        unfit = f"; but one that does not fit: {self.last_rejected!r}" if self.rejected > rejected_before else ""
        raise LinkTimeout(f"{self._name}: no answer within {self._settings.timeout_s:g} s{unfit}")

    def _forget_late_answers(self) -> None:
        self._framer.reset()
        try:
            self._port.reset_input_buffer()
        except (OSError, termios.error) as gone:
            raise LinkDown(f"{self._name}: unplugged or hung up ({gone})") from gone


def _opened(settings: Settings) -> serial.Serial:
    try:
        return serial.Serial(
            settings.port,
            baudrate=settings.baud,
            bytesize=settings.data_bits,
            parity=_PARITY[settings.parity],
            stopbits=settings.stop_bits,
            rtscts=settings.flow == "rtscts",
            xonxoff=settings.flow == "xonxoff",
            timeout=0,
            write_timeout=settings.timeout_s,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as failed:
        cure = _CURES.get(failed.errno or 0) if isinstance(failed, OSError) else None
        raise LinkDown(f"{settings.port}: {cure or f'cannot be opened as a serial port ({failed})'}") from failed
