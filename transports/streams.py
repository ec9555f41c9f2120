"""Streams: what a port, a connection and a socket for datagrams have in common, and how bytes are sent on them.

A stream is opened by its driver; transports/stream_links.py makes a link of it.
"""

import os
import select
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from transports.clock import MachineClock
from transports.errors import LinkDown, LinkTimeout


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that came from one source ("" where there is but one, else "host:port"); b"" when that source has gone."""

    source: str
    data: bytes


class Stream(Protocol):
    """An open way for bytes."""

    name: str

    def fileno(self) -> int:
        """Readable when `receive` has something to say."""
        ...

    def receive(self) -> Sequence[Chunk]:
        """What has come since; nothing when nothing has. Never waits. Raises LinkDown when the far end is gone."""
        ...

    def send(self, data: bytes) -> None:
        """Send all of it. Raises LinkTimeout when not a byte was taken in time, LinkRefused, LinkDown."""
        ...

    def forget(self) -> None:
        """Throw away what has come and was not received. Raises LinkDown."""
        ...

    def fits(self, source: str) -> None:
        """What this source has said makes sense."""
        ...

    def close(self) -> None:
        """Give it back. May be called twice; never raises."""
        ...


def is_ready(descriptor: int, timeout_s: float, events: int = select.POLLIN) -> bool:
    """Whether the descriptor is ready (or broken) within that time. poll(2) takes descriptors above 1023, too."""
    poll = select.poll()
    poll.register(descriptor, events)
    return bool(poll.poll(max(0.0, timeout_s) * 1000))


def send_all(descriptor: int, data: bytes, timeout_s: float, name: str, hint: str) -> None:
    """Write to a descriptor that does not block, until all is taken.

    Raises LinkTimeout when nothing was taken in time, and LinkDown when the far end is gone or took only a part:
    nobody knows then what it makes of it.
    """
    clock = MachineClock()
    deadline, rest = clock.now() + timeout_s, memoryview(data)
    while rest and (left_s := deadline - clock.now()) > 0:
        if is_ready(descriptor, left_s, select.POLLOUT):
            rest = rest[_taken(descriptor, rest, name) :]
    if not rest:
        return
    if len(rest) < len(data):
        raise LinkDown(f"{name}: only {len(data) - len(rest)} of {len(data)} bytes were taken; {hint}")
    raise LinkTimeout(f"{name}: no byte was taken within {timeout_s:g} s; {hint}")


def _taken(descriptor: int, data: memoryview, name: str) -> int:
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0
    except OSError as gone:
        raise LinkDown(f"{name}: the far end is gone ({gone.strerror})") from gone
