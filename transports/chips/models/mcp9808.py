"""A simulated MCP9808 in a room."""

from transports.chips.mcp9808 import AMBIENT, CONFIG, MAKER, RESOLUTION, UPPER
from transports.chips.models import WordRegisters, air

_LIMITS = (UPPER, 0x03, 0x04)
_CONVERSION_S = (0.030, 0.065, 0.130, 0.250)  # by resolution


class Mcp9808(WordRegisters):
    """The ambient register is 0 until the first conversion has ended."""

    def __init__(self) -> None:
        super().__init__({MAKER: 0x0054, 0x07: 0x0400, RESOLUTION: 0x0300})
        self._since: float | None = None

    def fetch(self, register: int, now: float) -> int:
        self._since = now if self._since is None else self._since
        if register != AMBIENT:
            return super().fetch(register, now)
        resolution = self.registers[RESOLUTION] >> 8 & 3
        if now < self._since + _CONVERSION_S[resolution]:
            return 0
        steps = round(air(now)[0] * 16)
        steps -= steps % (8 >> resolution)
        flags = sum(0x2000 << at for at, beyond in enumerate(self._beyond(steps)) if beyond)
        return steps & 0x1FFF | flags

    def store(self, register: int, value: int, now: float) -> None:
        if register in _LIMITS or register == CONFIG:
            self.registers[register] = value

    def write(self, data: bytes, now: float) -> bool:
        if len(data) == 2 and data[0] == RESOLUTION:  # the one register of a single byte
            self.registers[RESOLUTION] = data[1] << 8
        return super().write(data, now)

    def _beyond(self, steps: int) -> tuple[bool, bool, bool]:
        upper, lower, critical = (_signed(self.registers.get(limit, 0)) for limit in _LIMITS)
        return steps < lower, steps > upper, steps >= critical


def _signed(word: int) -> int:
    """Thirteen bits, two's complement."""
    return ((word & 0x1FFF) ^ 0x1000) - 0x1000
