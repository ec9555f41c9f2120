"""A simulated I2C bus: chips and muxes that acknowledge, and what can go wrong with them.

Faults are lines of a name and a word; `*` is every chip:

    nack      it does not acknowledge, but keeps what it was told
    off       it has no power; when it is back, its registers are those of its maker
    reset     its power fails for a moment, once, when the line appears
    timeout   it holds the bus until the adapter gives up
    garbage   a bit of each byte that it says is wrong
    hang      the whole bus says nothing any more
"""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from transports.chips.models import Model
from transports.i2c.port import Message, Read, Write
from transports.i2c.target import Channel

FAULTS = ("nack", "off", "reset", "timeout", "garbage", "hang")
Make = Callable[[], Model]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chip is: its address, and the mux channel that it is behind."""

    address: int
    behind: Channel | None = None


class SimulatedBus:
    """Chips by their names."""

    def __init__(self, chips: Mapping[str, tuple[Place, Make]]) -> None:
        self._places = {name: place for name, (place, _) in chips.items()}
        self._makes = {name: make for name, (_, make) in chips.items()}
        self._models = {name: make() for name, make in self._makes.items()}
        self._masks = {place.behind.address: 0 for place in self._places.values() if place.behind}
        self._faults: dict[str, str] = {}

    def suffer(self, faults: Mapping[str, str]) -> None:
        """What is wrong from now on, by name."""
        now = {name: fault for name in self._models if (fault := faults.get(name) or faults.get("*"))}
        for name in self._models:
            was, is_now = self._faults.get(name), now.get(name)
            if (is_now != was and "off" in (was, is_now)) or (is_now == "reset" and was != "reset"):
                self._models[name] = self._makes[name]()
        self._faults = now

    @property
    def hangs(self) -> bool:
        """Whether no transfer ends."""
        return "hang" in self._faults.values()

    def transfer(self, messages: Sequence[Message], now: float) -> list[bytes]:
        """What was read. Raises OSError as the kernel would."""
        read, masks = [], dict(self._masks)
        for message in messages:
            if message.address in self._masks:
                if isinstance(message, Read):
                    read.append(bytes([self._masks[message.address]]) * message.size)
                elif message.data:
                    masks[message.address] = message.data[-1]  # in force with the STOP
            elif isinstance(message, Read):
                read.append(self._said(message, now))
            else:
                self._told(message, now)
        self._masks = masks
        return read

    def _told(self, message: Write, now: float) -> None:
        acknowledged = [self._models[name].write(message.data, now) for name in self._here(message.address)]
        if True not in acknowledged:
            raise _failure(errno.EREMOTEIO)

    def _said(self, message: Read, now: float) -> bytes:
        """Where two speak at once, a 0 of either is on the wire."""
        wire: bytes | None = None
        for name in self._here(message.address):
            said = self._models[name].read(message.size, now)
            if said is not None and self._faults.get(name) == "garbage":
                said = bytes(byte ^ 0x10 for byte in said)
            if said is not None:
                wire = said if wire is None else bytes(a & b for a, b in zip(wire, said, strict=True))
        if wire is None:
            raise _failure(errno.EREMOTEIO)
        return wire

    def _here(self, address: int) -> list[str]:
        """The chips that are addressed. Raises OSError when one of them holds the bus."""
        here = [name for name, place in self._places.items() if place.address == address and self._reached(place)]
        if any(self._faults.get(name) == "timeout" for name in here):
            raise _failure(errno.ETIMEDOUT)
        return [name for name in here if self._faults.get(name) not in ("nack", "off")]

    def _reached(self, place: Place) -> bool:
        return place.behind is None or bool(self._masks[place.behind.address] >> place.behind.number & 1)


def faults_of(text: str) -> dict[str, str]:
    """The faults in a file's text. Raises ValueError for a line of another form."""
    faults: dict[str, str] = {}
    for line in text.splitlines():
        name, _, fault = line.strip().rpartition(" ")
        if line.strip():
            if fault not in FAULTS or not name:
                raise ValueError(f"{line.strip()!r:.60}: must be a chip's name and one of {', '.join(FAULTS)}")
            faults[name.strip()] = fault
    return faults


def _failure(code: int) -> OSError:
    return OSError(code, os.strerror(code))
