"""What an I2C bus is to whoever reads chips: messages in one transfer, and what its failures mean.

    links/i2c ──> station ──> target ──> Port ──┬─ kernel   /dev/i2c-1, over smbus2
    (one bus)     (a chip)    (an address)     └─ remote   the simulator's socket

A transfer is what goes between a START and a STOP: each further message begins with a repeated START. A chip that
fails is an OSError with the kernel's number (Documentation/i2c/fault-codes.rst); a bus that is gone is a LinkDown.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from transports.errors import LinkDown
from transports.samples import Quality

MOST_BYTES = 8192  # of one message, and
MOST_MESSAGES = 42  # of one transfer: what i2c-dev takes (uapi/linux/i2c-dev.h, drivers/i2c/i2c-dev.c)


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes for the chip at a 7-bit address."""

    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """How many bytes are wanted of the chip at a 7-bit address."""

    address: int
    size: int


Message = Write | Read


class Port(Protocol):
    """An open bus."""

    def transfer(self, messages: Sequence[Message]) -> list[bytes]:
        """What was read, one item a Read. Raises OSError (the chip failed), LinkDown (the bus is gone)."""
        ...

    def close(self) -> None:
        """Give the bus back. May be called twice; never raises."""
        ...


_BUS_GONE = frozenset(
    (errno.ENODEV, errno.EBADF, errno.ESHUTDOWN, errno.ENOTTY, errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN)
)
_REASONS = {
    errno.ENXIO: "does not acknowledge its address",
    errno.EREMOTEIO: "does not acknowledge its address",
    errno.ETIMEDOUT: "holds the bus: no end of the transfer in time",
    errno.EBADMSG: "its checksum does not fit what it said",
    errno.EAGAIN: "is not ready yet, or another master has the bus",
}
_QUALITIES = {
    errno.ENXIO: Quality.BAD_NO_COMMUNICATION,
    errno.EREMOTEIO: Quality.BAD_NO_COMMUNICATION,
    errno.ETIMEDOUT: Quality.BAD_TIMEOUT,
    errno.EBADMSG: Quality.BAD_DECODING,
}


def judged(failed: OSError, where: str) -> OSError | LinkDown:
    """The failure of a transfer as the caller should take it: a chip's, or the end of the whole bus."""
    if failed.errno in _BUS_GONE:
        return LinkDown(f"{where}: the bus is gone ({failed.strerror}); is its adapter plugged in, its driver loaded?")
    return failed


def reason_of(failed: OSError) -> str:
    """A chip's failure in words."""
    return _REASONS.get(failed.errno or 0) or (failed.strerror or str(failed))


def quality_of(failed: OSError) -> int:
    """The status of the tags of a chip that failed so."""
    return _QUALITIES.get(failed.errno or 0, Quality.BAD_COMMUNICATION)


def was_garbled(failed: OSError) -> bool:
    """Whether the chip answered, but not in one piece: it is there, and keeps its settings."""
    return failed.errno == errno.EBADMSG


def garbled(what: str) -> OSError:
    """The failure of a chip whose answer does not fit its own checksum or length."""
    return OSError(errno.EBADMSG, what)
