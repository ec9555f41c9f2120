"""A simulated PCF8570: 256 bytes of memory, for trying register maps and writes."""


class Pcf8570:
    """A pointer that moves on with each byte (NXP's data sheet, 7.2)."""

    def __init__(self) -> None:
        self._memory, self._pointer = bytearray(256), 0

    def write(self, data: bytes, now: float) -> bool:
        for at, byte in enumerate(data):
            if at == 0:
                self._pointer = byte
            else:
                self._memory[self._pointer] = byte
                self._pointer = (self._pointer + 1) & 0xFF
        return True

    def read(self, size: int, now: float) -> bytes | None:
        read = bytes(self._memory[(self._pointer + at) & 0xFF] for at in range(size))
        self._pointer = (self._pointer + size) & 0xFF
        return read
