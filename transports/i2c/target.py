"""One chip's address on an I2C bus: what is written there and read from there, behind its mux and with its checksum.

A target is the specification's word (NXP UM10204) for who is addressed. Registers are addressed as nearly every chip
does it: a pointer of one or two bytes (most significant first) is written, then, after a repeated START, bytes are
read; or the bytes to be written follow the pointer at once.

With `pec` each transfer ends with a CRC-8 over all its bytes, addresses included (SMBus 3.2, section 6.4).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from transports.i2c.crc import SMBUS, crc8
from transports.i2c.port import Message, Port, Read, Write, garbled


@dataclass(frozen=True, slots=True)
class Channel:
    """One of the eight channels of a TCA9548A, behind which a chip is."""

    address: int
    number: int


class Target:
    """Raises OSError when the chip fails, LinkDown when the bus is gone."""

    def __init__(
        self,
        port: Port,
        address: int,
        *,
        pec: bool = False,
        pointer_bytes: int = 1,
        behind: Channel | None = None,
        others: Iterable[int] = (),
    ) -> None:
        """`others` are the addresses of muxes behind which a chip of the same address is."""
        self._port, self.address, self._pec, self._pointer_bytes = port, address, pec, pointer_bytes
        self._behind, self._others = behind, tuple(others)

    def select(self) -> None:
        """Open the way to the chip. A mux takes its mask at the STOP (TCA9548A, 8.5.1): a transfer of its own."""
        for mux in self._others:
            with suppress(OSError):  # a mux that does not answer leads nowhere either
                self._port.transfer([Write(mux, b"\0")])
        if self._behind is not None:
            self._port.transfer([Write(self._behind.address, bytes([1 << self._behind.number]))])

    def read_register(self, register: int, size: int) -> bytes:
        """`size` bytes from a register on."""
        return self._read([Write(self.address, self._pointer(register))], size)

    def read_block(self, register: int, most: int) -> bytes:
        """An SMBus block: its first byte says how many follow."""
        first = [Write(self.address, self._pointer(register))]
        answer = self._port.transfer([*first, Read(self.address, most + 1 + self._pec)])[0]
        if not answer or answer[0] > most:
            raise garbled(f"a block of {answer[0] if answer else 0} bytes came where at most {most} are allowed")
        whole = answer[: answer[0] + 1 + self._pec]
        return self._checked(first, whole)[1:]

    def write_register(self, register: int, data: bytes) -> None:
        """Set a register."""
        self.write(self._pointer(register) + data)

    def read(self, size: int) -> bytes:
        """`size` bytes of a chip that has no registers."""
        return self._read([], size)

    def write(self, data: bytes) -> None:
        """A command, or a pointer and what follows it."""
        check = bytes([crc8(bytes([self.address << 1]) + data, SMBUS)]) if self._pec else b""
        self._port.transfer([Write(self.address, data + check)])

    def _read(self, before: Sequence[Message], size: int) -> bytes:
        answer = self._port.transfer([*before, Read(self.address, size + self._pec)])[0]
        if len(answer) != size + self._pec:
            raise garbled(f"{len(answer)} bytes came where {size + self._pec} were asked")
        return self._checked(before, answer)

    def _checked(self, before: Sequence[Message], answer: bytes) -> bytes:
        if not self._pec:
            return answer
        said = b"".join(bytes([self.address << 1]) + each.data for each in before if isinstance(each, Write))
        if crc8(said + bytes([self.address << 1 | 1]) + answer, SMBUS) != 0:  # a message and its own CRC give 0
            raise garbled("the packet error code does not fit")
        return answer[:-1]

    def _pointer(self, register: int) -> bytes:
        return register.to_bytes(self._pointer_bytes, "big")
