"""Modbus over TCP: registers, coils and discrete inputs of PLCs, drives, meters.

    [device.press-1]
    driver = "modbus"
    host = "192.168.1.10"
    [device.press-1.tags]
    speed = { address = 100, type = "float32", unit = "rpm" }

Tags that lie side by side are read in one request (up to 125 registers or 2000 bits); `max_gap` lets a request read
over unused addresses between them. A device that refuses one request (a Modbus exception) makes the tags of that
request Bad, and the others are read. No answer within `timeout` is a LinkTimeout; the connection stays, and an answer
that comes later is known by its transaction number and passed over. Whatever else arrives ends the connection.
"""

import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from transports.clock import Clock, MachineClock
from transports.errors import LinkDown, LinkRefused, LinkTimeout, Problem
from transports.modbus_exceptions import named, quality_of
from transports.modbus_plan import Block, plan
from transports.modbus_tags import BITS, ORDERS, Point, TagSettings, points_of
from transports.modbus_values import Decoder, decoder, encode
from transports.runs import problems_of_names
from transports.samples import Quality, Scan, Tag, Value
from transports.settings import duration, nearest, setting

EXTRA = "modbus"
log = logging.getLogger("holdfast.modbus")
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # each of its complaints is an error raised here, too

_MOST_UNASKED_BYTES = 4096  # an answer has at most 260; some late ones may lie before it
Request = tuple[int, Callable[..., ModbusPDU]]  # the function code that the answer must repeat, and how to ask
_READ: Mapping[str, Request] = {
    "coil": (1, ModbusTcpClient.read_coils),
    "discrete": (2, ModbusTcpClient.read_discrete_inputs),
    "holding": (3, ModbusTcpClient.read_holding_registers),
    "input": (4, ModbusTcpClient.read_input_registers),
}
_WRITE_COIL: Request = (5, ModbusTcpClient.write_coil)
_WRITE_REGISTER: Request = (6, ModbusTcpClient.write_register)
_WRITE_REGISTERS: Request = (16, ModbusTcpClient.write_registers)


@dataclass(frozen=True)
class Settings:
    """One device, or one unit behind a gateway."""

    host: str = setting(
        help="address of the device", example="192.168.1.10", check=lambda host: None if host else "must not be empty"
    )
    tags: Mapping[str, TagSettings] = setting(
        help="what to read: a table for each tag, its name the key", example="{ speed = { address = 100 } }"
    )
    port: int = setting(502, ge=1, le=65535, help="TCP port")
    unit: int = setting(1, ge=0, le=255, help="unit (slave) number behind that address")
    timeout_s: float = duration("1s", help="how long connecting, or one answer, may take")
    word_order: str = setting("big", choices=ORDERS, help="order of the registers that make up one number")
    byte_order: str = setting("big", choices=ORDERS, help="order of the bytes of one register")
    max_gap: int = setting(0, ge=0, le=124, help="unused addresses to read over rather than ask twice")

    def points(self) -> tuple[Point, ...]:
        """Every value to read, runs expanded."""
        return points_of(self.tags, self.word_order, self.byte_order)

    def problems(self, path: str) -> Iterable[Problem]:
        """At least one tag, and no name twice once runs are expanded."""
        yield from problems_of_names({name: tag.count for name, tag in self.tags.items()}, f"{path}.tags")


class Wire(ModbusTcpClient):
    """pymodbus's client, for frames and transactions, with the bytes in our hands.

    It never connects again by itself, and it tells "no answer" (LinkTimeout) from "something that is no answer"
    (LinkDown): after the latter nobody knows where the next frame begins.
    """

    def __init__(self, connection: socket.socket, timeout_s: float, clock: Clock) -> None:
        super().__init__("", timeout=timeout_s, retries=0)
        self.socket = connection
        self._timeout_s, self._clock = timeout_s, clock
        self._deadline, self._heard_bytes = 0.0, 0

    def connect(self) -> bool:
        return self._open() is not None

    def send(self, request: bytes, addr: tuple[Any, ...] | None = None) -> int:
        self._deadline, self._heard_bytes = self._clock.now() + self._timeout_s, 0
        self._open().settimeout(self._timeout_s)
        self._open().sendall(request)
        return len(request)

    def recv(self, size: int | None) -> bytes:
        left_s = self._deadline - self._clock.now()
        try:
            self._open().settimeout(max(left_s, 0.001))
            data = self._open().recv(_MOST_UNASKED_BYTES)
        except TimeoutError as late:
            if self._heard_bytes:
                raise LinkDown("what arrived is not the answer to what was asked") from late
            raise LinkTimeout(f"no answer within {self._timeout_s:g} s") from late
        self._heard_bytes += len(data)
        if not data or self._heard_bytes > _MOST_UNASKED_BYTES:
            raise LinkDown("what arrived is not Modbus" if data else "the device closed the connection")
        return data

    def close(self) -> None:
        connection, self.socket = self.socket, None
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def _open(self) -> socket.socket:
        if self.socket is None:
            raise LinkDown("the connection is closed")
        return self.socket


class ModbusLink:
    """An open connection: one scan a read, one request a block."""

    def __init__(self, wire: Wire, where: str, settings: Settings, clock: Clock) -> None:
        points = settings.points()
        self.tags = tuple(Tag(point.name, point.type, point.unit) for point in points)
        self._wire, self._where, self._unit, self._clock = wire, where, settings.unit, clock
        self._points = {point.name: point for point in points}
        blocks = plan(points, settings.max_gap)
        self._parts: list[tuple[Block, Decoder]] = [(block, decoder(points, block)) for block in blocks]
        self._in_tag_order = _in_order([member for block in blocks for member in block.members])
        self._refused: dict[Block, int] = {}

    def read(self) -> Sequence[Scan]:
        time_ns = self._clock.utc_ns()
        values: list[Value | None] = []
        codes: list[int] = []
        for block, decode in self._parts:
            some, status = self._values(block, decode)
            values += some
            codes += status
        quality = self._in_tag_order(codes) if any(codes) else Quality.GOOD
        return [Scan(time_ns, self.tags, self._in_tag_order(values), quality)]

    def write(self, tag: str, value: Value) -> None:
        point = self._points.get(tag)
        if point is None:
            raise LinkRefused(f"{tag}: no such tag; {nearest(tag, list(self._points))}")
        if not point.writable:
            raise LinkRefused(f"{tag}: read only; set writable = true where it is configured")
        registers = encode(point, value)
        if point.register == "coil":
            answer = self._ask(_WRITE_COIL, point.address, bool(registers[0]))
        elif point.width == 1:
            answer = self._ask(_WRITE_REGISTER, point.address, registers[0])
        else:
            answer = self._ask(_WRITE_REGISTERS, point.address, list(registers))
        if answer.isError():
            raise LinkRefused(f"{tag} = {value!r:.40}: {self._where} answered {named(answer.exception_code)}")
        if answer.address != point.address:
            raise self._down("the answer is about another address")

    def close(self) -> None:
        self._wire.close()

    def _values(self, block: Block, decode: Decoder) -> tuple[list[Value | None], list[int]]:
        """One block: a value and a status code for each of its members."""
        answer = self._ask(_READ[block.register], block.address, count=block.count)
        self._note(block, answer.exception_code)
        if answer.isError():
            members = len(block.members)
            return [None] * members, [quality_of(answer.exception_code)] * members
        values = decode(self._contents(block, answer))
        if None in values:
            return values, [Quality.BAD_DECODING if value is None else Quality.GOOD for value in values]
        return values, [0] * len(values)

    def _ask(self, request: Request, *args: Any, **counted: Any) -> ModbusPDU:
        """The answer to one request, which may be a refusal; anything but an answer to it ends the connection."""
        function, ask = request
        try:
            answer = ask(self._wire, *args, device_id=self._unit, **counted)
        except LinkTimeout as late:
            raise LinkTimeout(f"{self._where}: {late}") from late
        except (LinkDown, ModbusException, OSError) as wrong:
            raise self._down(str(wrong)) from wrong
        if answer.function_code & 0x7F != function:
            raise self._down(f"answered function {answer.function_code} where {function} was asked")
        return answer

    def _contents(self, block: Block, answer: ModbusPDU) -> Sequence[int]:
        bits = block.register in BITS
        contents: Sequence[int] = answer.bits if bits else answer.registers
        expected = (block.count + 7) // 8 * 8 if bits else block.count
        if len(contents) != expected:
            raise self._down(f"{len(contents)} values came where {expected} were asked ({block})")
        return contents

    def _down(self, reason: str) -> LinkDown:
        self.close()
        return LinkDown(f"{self._where}: {reason}")

    def _note(self, block: Block, code: int) -> None:
        """Log when a block's refusal comes, changes or goes, not at each read."""
        if self._refused.get(block, 0) == code:
            return
        if code:
            self._refused[block] = code
            log.warning("%s refuses to read %s: %s", self._where, block, named(code))
        else:
            del self._refused[block]
            log.info("%s answers again for %s", self._where, block)


def connect(settings: Settings) -> ModbusLink:
    """Open the connection. Raises LinkDown with the address and the cure."""
    where, clock = f"{settings.host}:{settings.port}", MachineClock()
    try:
        connection = socket.create_connection((settings.host, settings.port), settings.timeout_s)
    except (OSError, UnicodeError) as wrong:  # UnicodeError: a host name that DNS cannot carry
        raise LinkDown(
            f"cannot connect to {where} ({wrong}); is it switched on, on this network, and not taken by another client?"
        ) from wrong
    for level, option, value in _KEEP:
        connection.setsockopt(level, option, value)
    return ModbusLink(Wire(connection, settings.timeout_s, clock), where, settings, clock)


# Nagle's algorithm would hold a request back; keepalive finds a device that vanished between two slow polls.
_KEEP = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


def _in_order(members: Sequence[int]) -> Callable[[list[Any]], Sequence[Any]]:
    """From the order in which blocks are read to the order in which tags were announced."""
    if list(members) == list(range(len(members))):
        return lambda items: items
    place = {member: at for at, member in enumerate(members)}
    return itemgetter(*(place[at] for at in range(len(members))))
