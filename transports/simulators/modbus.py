"""A Modbus device, or several units behind one address: over TCP, RTU over TCP, or RTU on a serial port.

    holdfast simulate modbus port=5020 units=3 dead_units=[2]

    table               addresses    what                                     form
    input registers     0, 1         seconds since 1970                       uint32
                        2, 3         sine of 60 s, -100 to 100                float32
                        4            sawtooth of 10 s, 0 to 999               uint16
                        5            sine of 300 s, 15 to 25 degC             int16, 0.1 degC
                        6 to 9       milliseconds since 1970                  uint64
                        10 to 13     sine of 10 s, -1 to 1                    float64
                        14 to 17     HOLDFAST                                 string of 4 registers
                        18 to 99     65535 - address                          uint16
                        100 to 149   not there: exception 2
                        150 to 199   65535 - address                          uint16
    holding registers   0 to 999     their own address, until written         uint16
                        1000 to 1009 not there: exception 2
                        1010 on      their own address, until written         uint16
    coils               0 to 2015    on where the address is odd, until written
    discrete inputs     0 to 15      the bits of the seconds: input n changes every 2^n seconds
                        16 to 2015   on where the address is odd

A device table to match:

    [device.simulated]
    driver = "modbus"
    host = "127.0.0.1"
    port = 5020
    tags.sine = { register = "input", address = 2, type = "float32" }
    tags.setpoint = { address = 40, writable = true, max = 1000 }

Each unit keeps its own registers; unit 0 (and 255 on TCP) is the first one, on a line unit 0 is all of them. Units that
are dead or not there are silent. The control file `faults` makes all of them misbehave while it says: `timeout` (no
answer), `slow:2s`, `garbage` (noise in place of the answer), `down` (connections are closed, none is taken).
"""

import asyncio
import logging
import math
import signal
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

from transports.clock import MachineClock
from transports.errors import LinkDown
from transports.faults import fault_in
from transports.parity import MODBUS_PARITIES, PARITIES
from transports.settings import setting
from transports.simulators import Announce
from transports.units import parse_duration

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # it complains of what the faults make it do

REGISTERS, BITS = 2000, 2016
MOVING, READ_DISCRETE, READ_INPUT = 18, 2, 4
LOOK_S = 0.05  # how often the control file is looked at while nobody asks
GARBAGE = b"\x00HTTP/1.1 400 Bad Request\r\n\r\n"
_UNIT_AT: Mapping[FramerType, int] = {FramerType.SOCKET: 6, FramerType.RTU: 0}  # in a frame
_KNOWN = "timeout, slow:2s, garbage, down"
Server = ModbusTcpServer | ModbusSerialServer


@dataclass(frozen=True)
class Settings:
    """Where it is, how many units it has, and how it misbehaves."""

    host: str = setting("127.0.0.1", help="address to listen on")
    port: int = setting(5020, ge=0, le=65535, help="TCP port; 0 picks a free one")
    framing: str = setting("tcp", choices=("tcp", "rtu"), help="rtu: RTU frames over TCP, as a converter has them")
    serial: str = setting("", help="path of a serial port; then it speaks RTU there, not on the network")
    baud: int = setting(9600, ge=50, le=4_000_000, help="bits per second of the serial port")
    parity: str = setting("none", choices=MODBUS_PARITIES, help="parity bit of the serial port")
    stop_bits: int = setting(1, choices=(1, 2), help="stop bits of the serial port")
    units: int = setting(1, ge=1, le=247, help="how many units there are, numbered from 1")
    dead_units: tuple[int, ...] = setting((), help="units that do not answer")
    faults: Path | None = setting(None, help="control file: the fault that it shows at the moment")

    @property
    def framer(self) -> FramerType:
        """How its frames look."""
        return FramerType.RTU if self.serial or self.framing == "rtu" else FramerType.SOCKET

    @property
    def alive(self) -> frozenset[int]:
        """The unit numbers that answer."""
        return frozenset({0, *range(1, self.units + 1), 255} - set(self.dead_units))


def serve(settings: Settings, announce: Announce) -> None:
    """Answer until SIGTERM or Ctrl-C. Raises LinkDown when it cannot listen, or does not know the fault."""
    asyncio.run(_serve(settings, announce))


def moving(utc_ns: int) -> list[int]:
    """The first input registers at that time."""
    seconds = utc_ns / 1e9
    data = struct.pack(
        ">IfHhQd8s",
        utc_ns // 10**9 & 0xFFFF_FFFF,
        100 * _sine(seconds, 60),
        int(seconds * 100) % 1000,
        round(200 + 50 * _sine(seconds, 300)),
        utc_ns // 10**6,
        _sine(seconds, 10),
        b"HOLDFAST",
    )
    return list(struct.unpack(f">{MOVING}H", data))


def _sine(seconds: float, period_s: float) -> float:
    return math.sin(2 * math.pi * (seconds % period_s) / period_s)


class _Manners:
    """What becomes of an answer on its way out."""

    def __init__(self, settings: Settings) -> None:
        self._faults, self._alive, self._unit_at = settings.faults, settings.alive, _UNIT_AT[settings.framer]
        self._clock = MachineClock()

    def fault(self) -> str:
        """The fault that is asked for. Raises LinkDown when it is none of those that are known."""
        fault = fault_in(self._faults)
        if fault in ("", "timeout", "garbage", "down") or _slow_s(fault):
            return fault
        raise LinkDown(f"unknown fault {fault!r:.40} in the control file; known are {_KNOWN}")

    def packet(self, sending: bool, packet: bytes) -> bytes:
        """Called for each frame; what is returned goes out."""
        if not sending:
            return packet
        fault = fault_in(self._faults)
        if packet[self._unit_at] not in self._alive or fault in ("timeout", "down"):
            return b""
        return GARBAGE if fault == "garbage" else packet

    async def before_answer(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called before each access; what is in `registers` then is what it sends."""
        slow_s = _slow_s(fault_in(self._faults))
        if slow_s:
            await asyncio.sleep(slow_s)
        if function == READ_INPUT and address < MOVING:
            registers[:MOVING] = moving(self._clock.utc_ns())
        if function == READ_DISCRETE:
            registers[0] = self._clock.utc_ns() // 10**9 & 0xFFFF
        return None


def _slow_s(fault: str) -> float:
    kind, _, span = fault.partition(":")
    with suppress(ValueError):
        return parse_duration(span) if kind == "slow" else 0.0
    return 0.0


def _unit(number: int, manners: _Manners) -> SimDevice:
    def registers(first: int, end: int, values: partial[int] | type[int] = int) -> SimData:
        return SimData(first, values=[values(at) for at in range(first, end)], datatype=DataType.REGISTERS)

    odd = [bool(at & 1) for at in range(BITS)]
    down = partial(int.__sub__, 0xFFFF)
    holding = [registers(0, 1000), registers(1010, REGISTERS)]
    inputs = [registers(0, 100, down), registers(150, 200, down)]
    bits, fixed = (SimData(0, values=list(odd), datatype=DataType.BITS) for _ in range(2))
    return SimDevice(number, ([bits], [fixed], holding, inputs), action=manners.before_answer)


async def _serve(settings: Settings, announce: Announce) -> None:
    manners, stopped = _Manners(settings), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    core = SimCore([_unit(number, manners) for number in range(1, settings.units + 1)])
    core.devices[0] = core.devices[1]
    server: Server | None = await _opened(settings, settings.port, core, manners)
    port = _port(server) if server is not None and not settings.serial else 0
    announce(f"listening on {settings.serial or f'{settings.host}:{port}'}")
    while not stopped.is_set():
        wanted = manners.fault() != "down"
        if server is not None and not wanted:
            await _closed(server)
            server = None
        elif server is None and wanted:
            server = await _opened(settings, port, core, manners)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), LOOK_S)
    if server is not None:
        await _closed(server)


async def _closed(server: Server) -> None:
    await server.shutdown()  # type: ignore[no-untyped-call]


async def _opened(settings: Settings, port: int, core: SimCore, manners: _Manners) -> Server:
    server = _made(settings, port, manners)
    server.context = core  # what was written is kept while it runs, also when it was down
    try:
        await server.serve_forever(background=True)
    except RuntimeError as failed:
        where = settings.serial or f"{settings.host}:{port}"
        cure = "is it there, and not taken?" if settings.serial else "is the port free? 0 picks one that is"
        raise LinkDown(f"cannot listen on {where}; {cure}") from failed
    return server


def _made(settings: Settings, port: int, manners: _Manners) -> Server:
    nothing = SimDevice(0, SimData(0, datatype=DataType.REGISTERS))
    if settings.serial:
        return ModbusSerialServer(
            nothing,
            port=settings.serial,
            baudrate=settings.baud,
            parity=PARITIES[settings.parity],
            stopbits=settings.stop_bits,
            broadcast_enable=True,
            trace_packet=manners.packet,
        )
    return ModbusTcpServer(
        nothing,
        framer=settings.framer,
        address=(settings.host, port),
        broadcast_enable=settings.framing == "rtu",
        trace_packet=manners.packet,
    )


def _port(server: Server) -> int:
    return int(server.transport.sockets[0].getsockname()[1])  # type: ignore[attr-defined]
