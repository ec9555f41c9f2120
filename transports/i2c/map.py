"""A chip that is described by its registers alone: what to write into it first, what to read, what may be written.

Fields of one register share one transfer, so that they are of one moment. A register that the chip does not
acknowledge makes its own tags Bad; when none is acknowledged, the chip is not there.
"""

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from transports.chips import Look
from transports.errors import LinkRefused, Problem
from transports.i2c.port import quality_of
from transports.i2c.registers import ORDERS, RegisterSettings
from transports.i2c.target import Target
from transports.i2c.values import Decoder, decoder, encode
from transports.quality import Quality
from transports.samples import Tag, Value
from transports.settings import setting

_Place = tuple[int, int, bool]  # register, bytes, whether it is a block


@dataclass(frozen=True)
class SetupSettings:
    """A register that is written when the chip is found, and each time that it is found again."""

    register: int = setting(ge=0, le=0xFFFF, help="its number", example="0x20")
    value: int = setting(ge=0, help="what to write", example="0x47")
    width: int = setting(1, ge=1, le=8, help="bytes")
    order: str = setting("big", choices=ORDERS, help="which byte comes first")
    check: bool = setting(True, help="whether it then reads so, until the chip loses power")

    @property
    def data(self) -> bytes:
        """The bytes to write."""
        return self.value.to_bytes(self.width, "little" if self.order == "little" else "big")

    def problems(self, path: str) -> Iterator[Problem]:
        """The value fits."""
        if self.value >> 8 * self.width:
            yield Problem(f"{path}.value", f"{self.value:#x}", f"does not fit into {self.width} bytes")


class RegisterMap:
    """Such a chip."""

    late = False

    def __init__(self, registers: Mapping[str, RegisterSettings], setup: Sequence[SetupSettings]) -> None:
        self._registers, self._setup = registers, setup
        self.tags = tuple(Tag(name, each.type, each.unit) for name, each in registers.items())
        self._decoders = [decoder(each) for each in registers.values()]
        self._places = [(each.register, each.size, each.block) for each in registers.values()]

    def configure(self, target: Target) -> bool:
        for each in self._setup:
            target.write_register(each.register, each.data)
        return True

    def read(self, target: Target) -> Look | None:
        if any(target.read_register(each.register, each.width) != each.data for each in self._setup if each.check):
            return None
        read = self._contents(target)
        samples = [
            self._sample(read[place], decode) for place, decode in zip(self._places, self._decoders, strict=True)
        ]
        return Look([value for value, _ in samples], [code for _, code in samples])

    def write(self, target: Target, tag: str, value: Value) -> None:
        """Set one register or bit field. Raises LinkRefused, OSError, LinkDown."""
        where = self._registers[tag]
        if not where.writable:
            raise LinkRefused(f"{tag}: read only; set writable = true where it is configured")
        before = target.read_register(where.register, where.size) if where.bits else bytes(where.size)
        target.write_register(where.register, encode(tag, where, value, before))

    def _contents(self, target: Target) -> Mapping[_Place, bytes | OSError]:
        """What each register holds, or why it could not be read. Raises the failure that all of them share."""
        read: dict[_Place, bytes | OSError] = {}
        for place in self._places:
            if place not in read:
                read[place] = _tried(target, place)
        failures = [each for each in read.values() if isinstance(each, OSError)]
        if failures and len(failures) == len(read):
            raise failures[0]
        return read

    def _sample(self, contents: bytes | OSError, decode: Decoder) -> tuple[Value | None, int]:
        if isinstance(contents, OSError):
            return None, quality_of(contents)
        value = decode(contents)
        return value, Quality.BAD_DECODING if value is None else Quality.GOOD


def _tried(target: Target, place: _Place) -> bytes | OSError:
    register, size, block = place
    try:
        return target.read_block(register, size) if block else target.read_register(register, size)
    except OSError as failed:
        if failed.errno == errno.ETIMEDOUT:
            raise  # it holds the bus: asking on would only cost as much again
        return failed
