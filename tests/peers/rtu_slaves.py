"""Modbus RTU slaves on one pseudo-terminal, which misbehave on demand: prints the number N of its /dev/pts/N.

    python tests/peers/rtu_slaves.py --units 1-24        units 1 to 24 answer, any other is dead

Register a of unit u holds u x 256 + a until it is written (functions 3, 4, 6, 16). Beside Modbus, a request that begins
with "?" is answered "T=23.5" and a line end. How they behave (`--help` lists it) can be changed by a line of such
options on the standard input, answered "ok".
"""

import argparse
import asyncio
import os
import shlex
import struct
import sys
import termios
import tty
from collections.abc import Sequence

from lifeline import die_with_parent

_BITS_A_CHARACTER = 11


def checksum(data: bytes) -> bytes:
    """CRC-16 as in the standard's appendix, bit by bit."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            odd = register & 1
            register >>= 1
            if odd:
                register ^= 0xA001
    return struct.pack("<H", register)


class Slaves:
    """All units on the line."""

    def __init__(self, master: int, options: argparse.Namespace) -> None:
        self._master, self.now = master, options
        self._written: dict[tuple[int, int], int] = {}
        self._heard = b""

    def hear(self) -> None:
        """Something has come: serve what is whole. A request that is none is forgotten with the next silence."""
        chunk = os.read(self._master, 4096)
        if self.now.echo:
            os.write(self._master, chunk)
        self._heard += chunk
        if self._heard[:1] == b"?":
            self._heard = b""
            self._say(b"T=23.5\r\n", 0.0)
        elif (size := self._size()) and len(self._heard) >= size:
            request, self._heard = self._heard[:size], b""
            self._serve(request)

    def _size(self) -> int:
        if len(self._heard) < 7:
            return 0
        return 9 + self._heard[6] if self._heard[1] == 16 else 8

    def _serve(self, request: bytes) -> None:
        if checksum(request[:-2]) != request[-2:] or request[0] not in self.now.units:
            return
        body = self._body(request)
        answer = body + checksum(body)
        if self.now.damage:
            answer = answer[:-1] + bytes((answer[-1] ^ 1,))
        line_s = (len(request) + len(answer)) * _BITS_A_CHARACTER / self.now.baud if self.now.baud else 0.0
        delay_s = dict(self.now.late).get(request[0], self.now.delay) + line_s
        self._say(self.now.noise + answer[: self.now.cut or None] + self.now.trailing, delay_s)

    def _say(self, data: bytes, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self.now.split:
            for at in range(len(data)):
                loop.call_later(delay_s + at / 1000, os.write, self._master, data[at : at + 1])
        else:
            loop.call_later(delay_s, os.write, self._master, data)

    def _body(self, request: bytes) -> bytes:
        unit, function, address, word = struct.unpack_from(">BBHH", request)
        if address >= 0x8000:
            return bytes((unit, function | 0x80, 2))
        match function:
            case 3 | 4:
                values = [
                    self._written.get((unit, at), unit * 256 + at & 0xFFFF) for at in range(address, address + word)
                ]
                return struct.pack(f">BBB{word}H", unit, function, 2 * word, *values)
            case 6:
                self._written[unit, address] = word
                return request[:6]
            case 16:
                for at, value in enumerate(struct.unpack_from(f">{word}H", request, 7)):
                    self._written[unit, address + at] = value
                return request[:6]
        return bytes((unit, function | 0x80, 1))


def read_orders(slaves: Slaves) -> None:
    """One line of orders has come; its end is the test's end."""
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    slaves.now = _manners().parse_args(shlex.split(line))
    print("ok", flush=True)


def _units(text: str) -> Sequence[int]:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _late(text: str) -> tuple[int, float]:
    unit, _, delay_s = text.partition(":")
    return int(unit), float(delay_s)


def _manners() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--units", type=_units, default=range(1, 248), help="who answers: FIRST-LAST")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--late", type=_late, action="append", default=[], help="UNIT:SECONDS, may be repeated")
    parser.add_argument("--baud", type=int, default=0, help="take the time that such a line takes")
    parser.add_argument("--echo", action="store_true", help="the adapter hears what it sends")
    parser.add_argument("--noise", type=bytes.fromhex, default=b"", help="hex, before each answer")
    parser.add_argument("--trailing", type=bytes.fromhex, default=b"", help="hex, behind each answer")
    parser.add_argument("--damage", action="store_true", help="each CRC is wrong")
    parser.add_argument("--cut", type=int, default=0, help="send only so many bytes of each answer")
    parser.add_argument("--split", action="store_true", help="send answers byte by byte")
    return parser


async def serve(options: argparse.Namespace) -> None:
    master, slave = os.openpty()  # the slave stays open here, or the line would be hung up when its owner closes it
    tty.setraw(slave, termios.TCSANOW)
    slaves = Slaves(master, options)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, slaves.hear)
    if options.parent:
        loop.add_reader(sys.stdin.fileno(), read_orders, slaves)
    print(os.ttyname(slave).rpartition("/")[2], flush=True)
    await loop.create_future()


def main() -> None:
    parser = argparse.ArgumentParser(parents=[_manners()], description=__doc__)
    parser.add_argument("--parent", type=int, default=0, help="end with this process")
    options = parser.parse_args()
    if options.parent:
        die_with_parent(options.parent)
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
