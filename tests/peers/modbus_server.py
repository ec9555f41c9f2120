"""A Modbus TCP server for tests and benchmarks: it counts what it serves, and misbehaves on demand.

    python tests/peers/modbus_server.py --port 0                 prints its port; serves until killed
    python tests/peers/modbus_server.py --registers 1000         a plain, static bank: for benchmarks
    python tests/peers/modbus_server.py --engine pymodbus        pymodbus's own server, static
    python tests/peers/modbus_server.py --engine simulator --simulate '{"units": 3}'      the house's simulator

Holding registers 0 to 3 say how many reads that touch them were served, the present one included:
r0 = count mod 65536, r1 = count >> 16, r2 = 4242, r3 = r0 again. With `--log FILE`, "count time_ns" is written to FILE
before that answer is sent, so every count that a client ever saw is in the file.
Elsewhere a register holds its own address, an input register 65535 - address, a coil or discrete input whether its
address is odd. Holding registers and coils can be written (functions 5, 6, 15, 16), all units are one.

How it behaves (`--help` lists it: delay, refuse, hang, hold, garbage and more) can be changed by a line of such
options on its standard input, answered "ok"; an empty line is good behaviour.
"""

import argparse
import asyncio
import json
import os
import shlex
import struct
import sys
import time
from dataclasses import dataclass, field

from lifeline import die_with_parent

_SIZE = 65536
_MARK = 4242
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3
_REQUEST = struct.Struct(">HHHBBHH")  # transaction, protocol, length, unit, function, address, count or value
_GARBAGE = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class Refusal(Exception):
    """An exception code to answer with."""

    def __init__(self, code: int) -> None:
        self.code = code


@dataclass
class Bank:
    """The device's four tables, registers as bytes on the wire, and the counter in front of them."""

    size: int
    counting: bool
    served: int = 0
    log: int | None = None
    holding: bytearray = field(default_factory=lambda: bytearray(struct.pack(f">{_SIZE}H", *range(_SIZE))))
    input: bytes = field(default_factory=lambda: struct.pack(f">{_SIZE}H", *reversed(range(_SIZE))))
    coils: list[bool] = field(default_factory=lambda: [bool(at & 1) for at in range(_SIZE)])
    discrete: list[bool] = field(default_factory=lambda: [bool(at & 1) for at in range(_SIZE)])

    def answer(self, function: int, address: int, word: int, rest: bytes) -> bytes:
        """The answer after the function code; `word` is the count or the value. Raises Refusal."""
        match function:
            case 3 | 4:
                return self._registers(function, address, word)
            case 1 | 2:
                return self._bits(self.coils if function == 1 else self.discrete, address, word)
            case 5:
                self._check(address, 1)
                self.coils[address] = word == 0xFF00
            case 6:
                self._check(address, 1)
                struct.pack_into(">H", self.holding, 2 * address, word)
            case 15:
                self._check(address, word)
                bits = int.from_bytes(rest[1:], "little")
                self.coils[address : address + word] = [bool(bits >> at & 1) for at in range(word)]
            case 16:
                self._check(address, word)
                self.holding[2 * address : 2 * (address + word)] = rest[1:]
            case _:
                raise Refusal(_ILLEGAL_FUNCTION)
        return struct.pack(">HH", address, word)

    def _registers(self, function: int, address: int, count: int) -> bytes:
        self._check(address, count, 125)
        if function == 3 and address < 4 and self.counting:
            self._count()
        table = self.holding if function == 3 else self.input
        return bytes((2 * count,)) + table[2 * address : 2 * (address + count)]

    def _count(self) -> None:
        self.served += 1
        low = self.served & 0xFFFF
        struct.pack_into(">4H", self.holding, 0, low, self.served >> 16 & 0xFFFF, _MARK, low)
        if self.log is not None:
            os.write(self.log, f"{self.served} {time.time_ns()}\n".encode())

    def _bits(self, table: list[bool], address: int, count: int) -> bytes:
        self._check(address, count, 2000)
        number = sum(1 << at for at, bit in enumerate(table[address : address + count]) if bit)
        size = (count + 7) // 8
        return bytes((size,)) + number.to_bytes(size, "little")

    def _check(self, address: int, count: int, most: int = 1968) -> None:
        if not 1 <= count <= most:
            raise Refusal(_ILLEGAL_VALUE)
        if address + count > self.size:
            raise Refusal(_ILLEGAL_ADDRESS)


class Session(asyncio.Protocol):
    """One client: requests are answered one after the other, each after the delay that is in force."""

    def __init__(self, bank: Bank, manners: "Manners") -> None:
        self.bank, self.manners = bank, manners
        self.buffer = b""
        self.held: list[bytes] = []
        self.free_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.manners.sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.manners.sessions.discard(self)

    def release(self) -> None:
        """Send the answers that were held back."""
        self.transport.writelines(self.held)
        self.held.clear()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= 12:
            size = 6 + int.from_bytes(self.buffer[4:6], "big")
            if len(self.buffer) < size:
                return
            frame, self.buffer = self.buffer[:size], self.buffer[size:]
            self._serve(frame)

    def _serve(self, frame: bytes) -> None:
        manners = self.manners.now
        if manners.hang:
            return
        if manners.drop:
            self.transport.abort()
            return
        if manners.hold:
            self.held.append(self._answer(frame, manners))
            return
        loop = asyncio.get_running_loop()
        if manners.delay <= 0 and self.free_at <= loop.time():
            self.transport.write(self._answer(frame, manners))
            return
        self.free_at = max(self.free_at, loop.time()) + manners.delay
        loop.call_at(self.free_at, lambda: self.transport.write(self._answer(frame, manners)))

    def _answer(self, frame: bytes, manners: argparse.Namespace) -> bytes:
        if manners.garbage:
            return _GARBAGE
        transaction, _, _, unit, function, address, word = _REQUEST.unpack_from(frame)
        try:
            for refused, code in manners.refuse:
                if address <= refused < address + (word if function in (1, 2, 3, 4, 15, 16) else 1):
                    raise Refusal(code)
            body = bytes((function,)) + self.bank.answer(function, address, word, frame[12:])
        except Refusal as refusal:
            body = bytes((function | 0x80, refusal.code))
        if manners.wrong_function:
            body = bytes((body[0] ^ 7,)) + body[1:]
        transaction = (transaction + manners.transaction_off) & 0xFFFF
        answer = struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body
        return answer[: manners.cut] if manners.cut else answer


class Manners:
    """How the server behaves at the moment."""

    def __init__(self, now: argparse.Namespace) -> None:
        self.now = now
        self.sessions: set[Session] = set()

    def read_orders(self) -> None:
        """One line of orders has come on the standard input; its end is the test's end."""
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        self.now = _manners().parse_args(shlex.split(line))
        for session in self.sessions:
            session.release()
        print("ok", flush=True)


def _refusal(text: str) -> tuple[int, int]:
    address, _, code = text.partition(":")
    return int(address), int(code or _ILLEGAL_ADDRESS)


def _manners() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--refuse", type=_refusal, action="append", default=[], help="ADDRESS[:CODE], may be repeated")
    parser.add_argument("--garbage", action="store_true", help="answer with bytes that are not Modbus")
    parser.add_argument("--hang", action="store_true", help="take requests and never answer")
    parser.add_argument("--hold", action="store_true", help="keep answers back until the next order comes")
    parser.add_argument("--drop", action="store_true", help="close the connection at each request")
    parser.add_argument("--cut", type=int, default=0, help="send only so many bytes of each answer")
    parser.add_argument("--transaction-off", type=int, default=0, help="add this to each transaction number")
    parser.add_argument("--wrong-function", action="store_true", help="answer another function than was asked")
    return parser


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(parents=[_manners()], description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--registers", type=int, default=0, help="a plain static bank of that many, no counter")
    parser.add_argument("--start", type=int, default=0, help="how many reads count as served already")
    parser.add_argument("--log", help="file to append 'count time_ns' to")
    parser.add_argument("--engine", choices=("own", "pymodbus", "simulator"), default="own")
    parser.add_argument("--simulate", type=json.loads, default={}, help="the simulator's settings, as JSON")
    parser.add_argument("--parent", type=int, default=0, help="end with this process")
    return parser


async def _serve_own(options: argparse.Namespace, manners: Manners) -> None:
    log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if options.log else None
    bank = Bank(options.registers or _SIZE, not options.registers, options.start, log)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(bank, manners), "127.0.0.1", options.port)
    print(server.sockets[0].getsockname()[1], flush=True)
    if options.parent:
        loop.add_reader(sys.stdin.fileno(), manners.read_orders)
    await server.serve_forever()


async def _serve_pymodbus(options: argparse.Namespace) -> None:
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    registers = [SimData(0, values=list(range(1000)), datatype=DataType.REGISTERS)]
    inputs = [SimData(0, values=[_SIZE - 1 - at for at in range(1000)], datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[bool(at & 1) for at in range(1008)], datatype=DataType.BITS)]
    device = SimDevice(0, (bits, bits, registers, inputs))
    server = ModbusTcpServer(device, address=("127.0.0.1", options.port))
    await server.serve_forever(background=True)
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    await server.serving


def _simulate(options: argparse.Namespace) -> None:
    """Prints the port, 0 on a serial line."""
    from transports.building import build
    from transports.simulators.modbus import Settings, serve

    settings = build(Settings, {"port": options.port, **options.simulate}, "simulator")
    serve(settings, lambda where: print(0 if settings.serial else where.rpartition(":")[2], flush=True))


def main() -> None:
    options = _options().parse_args()
    if options.parent:
        die_with_parent(options.parent)
    if options.engine == "simulator":
        _simulate(options)
        return
    if options.engine == "pymodbus":
        asyncio.run(_serve_pymodbus(options))
        return
    asyncio.run(_serve_own(options, Manners(options)))


if __name__ == "__main__":
    main()
