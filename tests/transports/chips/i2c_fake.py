"""A fake: an I2C bus at the port, because no bus can be here. Its chips are register maps with fixed contents."""

import errno
import os
from collections.abc import Mapping, Sequence

from transports.i2c.crc import SMBUS, crc8
from transports.i2c.port import Message, Read


class FakeChip:
    """Byte registers behind a pointer; `words` has a register be 16 bits wide, else reading moves on byte by byte."""

    def __init__(
        self,
        registers: Mapping[int, bytes] | None = None,
        *,
        words: bool = False,
        pointer_bytes: int = 1,
        pec: bool = False,
        answers: Sequence[bytes] = (),
    ) -> None:
        self.maker = dict(registers or {})  # what it holds when power comes
        self.words, self.pointer_bytes, self.pec = words, pointer_bytes, pec
        self.answers = list(answers)  # said one after the other, in place of registers
        self.failure = 0
        self.read_only: set[int] = set()
        self.written: list[bytes] = []
        self.power_cycle()

    def power_cycle(self) -> None:
        self.pointer, self.contents = 0, dict[int, bytes]()
        for register, data in self.maker.items():
            self.put(register, data)

    def put(self, register: int, data: bytes) -> None:
        if self.words:
            self.contents[register] = data
        else:
            self.contents |= {register + at: bytes([byte]) for at, byte in enumerate(data)}

    def take(self, data: bytes) -> None:
        self.written.append(data)
        self.pointer = int.from_bytes(data[: self.pointer_bytes], "big")
        rest = data[self.pointer_bytes :]
        if rest and self.pointer not in self.read_only:
            self.put(self.pointer, rest)

    def say(self, size: int) -> bytes:
        if self.answers:
            return self.answers.pop(0)
        if self.words:
            return self.contents.get(self.pointer, b"\0\0").ljust(size, b"\xff")[:size]
        return b"".join(self.contents.get(self.pointer + at, b"\0") for at in range(size))


class FakeBus:
    """The port; `chips` by address. `gone` is what to raise for the bus itself."""

    def __init__(self, chips: Mapping[int, FakeChip]) -> None:
        self.chips, self.gone = dict(chips), None
        self.gone: Exception | None
        self.transfers: list[Sequence[Message]] = []
        self.closed = 0

    def transfer(self, messages: Sequence[Message]) -> list[bytes]:
        self.transfers.append(messages)
        if self.gone is not None:
            raise self.gone
        said, read = b"", []
        for message in messages:
            chip = self.chips.get(message.address)
            failure = chip.failure if chip else errno.EREMOTEIO
            if chip is None or failure:
                raise OSError(failure, os.strerror(failure))
            if isinstance(message, Read):
                said += bytes([message.address << 1 | 1])
                data = chip.say(message.size - chip.pec)
                data += bytes([crc8(said + data, SMBUS)]) if chip.pec else b""
                read.append(data)
            else:
                said += bytes([message.address << 1]) + message.data
                whole = len(messages) == 1 and chip.pec
                if whole and crc8(said, SMBUS) != 0:
                    raise OSError(errno.EREMOTEIO, "the chip refuses a wrong PEC")
                chip.take(message.data[:-1] if whole else message.data)
        return read

    def close(self) -> None:
        self.closed += 1
