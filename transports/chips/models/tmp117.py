"""A simulated TMP117 in a room."""

from transports.chips.models import WordRegisters, air, twos_complement
from transports.chips.tmp117 import CONFIG, ID, NOT_YET, TEMPERATURE

_DATA_READY = 0x2000
_FIRST_S = 0.0155 + 0.0015  # one conversion after the start
_WRITABLE = 0x0FFC


class Tmp117(WordRegisters):
    """The result is -256 degrees until the first conversion has ended."""

    def __init__(self) -> None:
        super().__init__({CONFIG: 0x0220, 0x02: 0x6000, 0x03: 0x8000, ID: 0x0117})
        self._since: float | None = None
        self._fresh = True

    def fetch(self, register: int, now: float) -> int:
        self._since = now if self._since is None else self._since
        measured = now >= self._since + _FIRST_S
        if register == TEMPERATURE:
            return twos_complement(air(now)[0] * 128) if measured else NOT_YET
        return super().fetch(register, now) | (_DATA_READY if register == CONFIG and measured else 0)

    def store(self, register: int, value: int, now: float) -> None:
        if register == CONFIG:
            self.registers[CONFIG] = value & _WRITABLE
