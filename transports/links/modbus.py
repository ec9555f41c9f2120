"""Modbus, over TCP or a serial line (RTU): registers, coils and discrete inputs of PLCs, drives, meters.

    [device.press-1]
    driver = "modbus"
    host = "192.168.1.10"
    [device.press-1.tags]
    speed = { address = 100, type = "float32", unit = "rpm" }
    hours = { address = 900, type = "uint32", period = "1m" }
    limit = { address = 40, writable = true, min = 0, max = 1500 }

The way to the device is one of three:

    host = "192.168.1.10"              Modbus TCP; with framing = "rtu" through a converter that passes RTU frames on
    serial = "/dev/serial/by-id/..."   RTU on a port of its own: baud, parity, stop_bits
    line = "hall"                      RTU on the [line.hall] that it shares with other devices (unit tells them apart)

**Reading.** Tags that lie side by side are read in one request (up to 125 registers or 2000 bits); `max_gap` lets a
request read over unused addresses between them. A tag with a `period` of its own is read by that, in requests of its
own. A device that refuses a request for addresses that it does not have is asked again in halves until the tag is
found: that one is Bad, is named in the log and is tried again every 5 minutes, and the others are read. Other refusals
make the tags of their request Bad.

**Writing.** One register is written by function 6, several by 16, a coil by 5; `write_function = "multiple"` (of the
device or a tag) takes 16 and 15 where a device knows only those. A tag with a `bit` is written by function 22 where
the device knows it (`mask_write = true`); otherwise its register is read, changed and written, and what the device
itself changes of the other 15 bits in between is overwritten. On a serial line unit 0 writes to all units at once;
nobody answers, and nothing is read.

No answer within `timeout` is a LinkTimeout; the connection stays. An answer that comes later is never taken for
another's: on TCP it is known by its transaction number, on a line it is waited for before the next request. On TCP
whatever else arrives ends the connection; on a line it is noise, and passed over.
"""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from transports.clock import Clock, MachineClock
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.modbus import pdu
from transports.modbus.exceptions import named
from transports.modbus.ports import Characters, SerialPort, SocketPort
from transports.modbus.reading import Reading
from transports.modbus.settings import Settings as Settings
from transports.modbus.tags import Point
from transports.modbus.wire import Wire
from transports.modbus.wire_line import open_line_wire
from transports.modbus.wire_rtu import RtuWire, Times, silence_s
from transports.modbus.wire_tcp import TcpWire
from transports.modbus.writing import bit_request, mask_request, write_request
from transports.runs import run_names
from transports.samples import Scan, Tag, Value
from transports.settings import nearest
from transports.writing import Limits

EXTRA = "modbus"
DATA_BITS = 8  # RTU sends whole bytes (Modbus over Serial Line 1.02, section 2.5.1)


class ModbusLink:
    """An open way to one unit: one scan a read, one request a block."""

    def __init__(self, wire: Wire, where: str, settings: Settings, clock: Clock) -> None:
        points = settings.points()
        self.tags = tuple(Tag(point.name, point.type, point.unit) for point in points)
        self.writable: Mapping[str, Limits] = {
            name: limits
            for key, tag in settings.tags.items()
            if (limits := tag.limits) is not None
            for name in run_names(key, tag.count)
        }
        self._wire, self._where, self._settings = wire, where, settings
        self._points = {point.name: point for point in points}
        self._readings: dict[float | None, Reading] = {}
        for period_s in () if settings.broadcasts else dict.fromkeys(point.period_s for point in points):
            some = [point for point in points if point.period_s == period_s]
            self._readings[period_s] = Reading(some, settings.max_gap, self._ask, where, clock)
        self.paces = tuple(period_s for period_s in self._readings if period_s is not None)
        if len(self._readings) == 1:
            (self.tags,) = (reading.tags for reading in self._readings.values())  # compared by identity first

    def read(self) -> Sequence[Scan]:
        return self._read(None)

    def read_pace(self, period_s: float) -> Sequence[Scan]:
        return self._read(period_s)

    def write(self, tag: str, value: Value) -> None:
        point = self._points.get(tag)
        if point is None:
            raise LinkRefused(f"{tag}: no such tag; {nearest(tag, list(self._points))}")
        if not point.writable:
            raise LinkRefused(f"{tag}: read only; set writable = true where it is configured")
        request = write_request(point, value) if point.bit is None else self._bit_request(point, value)
        if self._settings.broadcasts:
            self._tell(request)
        else:
            self._order(point, value, request)

    def close(self) -> None:
        self._wire.close()

    def _read(self, period_s: float | None) -> Sequence[Scan]:
        reading = self._readings.get(period_s)
        return [reading.read()] if reading is not None else []

    def _bit_request(self, point: Point, value: Value) -> bytes:
        if self._settings.mask_write or self._settings.broadcasts:
            return mask_request(point, value)
        mask_request(point, value)  # refuses what is no bool before anything is asked
        answer = self._order(point, value, pdu.read(point.register, point.address, 1))
        return bit_request(point, value, int.from_bytes(answer[2:], "big"))

    def _order(self, point: Point, value: Value, request: bytes) -> bytes:
        answer = self._ask(request)
        code = pdu.refusal(answer)
        if code:
            raise LinkRefused(f"{point.name} = {value!r:.40}: {self._where} answered {named(code)}")
        return answer

    def _ask(self, request: bytes) -> bytes:
        """The answer, which may be a refusal; where nobody knows what comes next, the end of the connection."""
        try:
            return self._wire.ask(self._settings.unit, request)
        except LinkTimeout as late:
            raise LinkTimeout(f"{self._where}: {late}") from late
        except LinkDown as wrong:
            raise self._down(wrong) from wrong

    def _tell(self, request: bytes) -> None:
        try:
            self._wire.tell(self._settings.unit, request)
        except LinkTimeout as late:
            raise LinkTimeout(f"{self._where}: {late}") from late
        except LinkDown as wrong:
            raise self._down(wrong) from wrong

    def _down(self, reason: LinkDown) -> LinkDown:
        self.close()
        return LinkDown(f"{self._where}: {reason}")


def connect(settings: Settings) -> ModbusLink:
    """Open the way to the device. Raises LinkDown with the address and the cure."""
    clock = MachineClock()
    wire, where = _wire(settings, clock)
    return ModbusLink(wire, where, settings, clock)


def _wire(settings: Settings, clock: Clock) -> tuple[Wire, str]:
    """The way that is configured, and its name in messages."""
    timeout_s, unit = settings.timeout_s, settings.unit
    if settings.line is not None:
        return open_line_wire(settings.line, unit, timeout_s), f"line {Path(settings.line).stem} unit {unit}"
    if settings.serial is not None:
        characters = Characters(settings.baud, DATA_BITS, settings.parity, settings.stop_bits)
        times = Times(timeout_s, characters.seconds, silence_s(settings.baud, characters.seconds))
        port = SerialPort(settings.serial, characters, timeout_s)
        return RtuWire(port, times, clock, settings.echo), f"{settings.serial} unit {unit}"
    where = f"{settings.host}:{settings.port}"
    connection = _connected(settings.host or "", settings.port, timeout_s)
    if settings.framing == "rtu":
        return RtuWire(SocketPort(connection, timeout_s), Times(timeout_s), clock), f"{where} unit {unit}"
    return TcpWire(connection, timeout_s, clock), where


def _connected(host: str, port: int, timeout_s: float) -> socket.socket:
    try:
        connection = socket.create_connection((host, port), timeout_s)
    except (OSError, UnicodeError) as wrong:  # UnicodeError: a host name that DNS cannot carry
        raise LinkDown(
            f"cannot connect to {host}:{port} ({wrong}); is it switched on, on this network, and not taken by another "
            "client?"
        ) from wrong
    for level, option, value in _KEEP:
        connection.setsockopt(level, option, value)
    return connection


# Nagle's algorithm would hold a request back; keepalive finds a device that vanished between two slow polls.
_KEEP = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
