"""Ways to the far end: one file a protocol, found by its name, with no list to edit.

    actors/uplink.py ──> connect(settings, identity) ──gives──> Uplink: send, step, taken ──> broker, file

An uplink file has a `Settings` dataclass, `connect(settings, identity) -> Uplink`, and optionally `EXTRA`, as drivers
have (transports/links). It never buffers: what it was given and has not reported as taken stays in the spool,
and is handed out again after `UplinkDown`. It may own one helper thread for a connect that blocks, never for data.

The same file outside this package is found through the entry point group `holdfast.uplinks`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Identity:
    """Who delivers: the gateway's name and the uplink's own name in the configuration."""

    gateway: str
    uplink: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way: a ticket to recognise it by, where it goes, and its bytes.

    `fields` fill the uplink's topic template: `device`, and whatever else the uplink actor groups by.
    """

    ticket: int
    fields: "dict[str, str]"
    payload: bytes


class Uplink(Protocol):
    """A connection to one far end, driven from the actor's own loop without blocking it.

    After `connect` returned, the connection may still be under way: `ready` tells. Any method may raise UplinkDown,
    after which only `close` may be called. `send` may raise UplinkRefused for that one message.
    """

    def fileno(self) -> int:
        """The descriptor to wait on for reading, or -1 when there is none at the moment."""
        ...

    def wants_write(self) -> bool:
        """Whether the descriptor must also be waited on for writing."""
        ...

    def step(self, now: float) -> None:
        """Do the I/O that is due (read, write, keepalive), without blocking: when `fileno` is ready, and each tick."""
        ...

    def ready(self) -> bool:
        """Whether messages may be sent now."""
        ...

    def send(self, message: Outgoing) -> None:
        """Hand one message over. It counts as delivered only when `taken` names its ticket."""
        ...

    def taken(self) -> Sequence[int]:
        """The tickets that the far end has acknowledged since the last call, in the order it did."""
        ...

    def next_step(self, now: float) -> float:
        """Monotonic time by which `step` must be called again even when nothing arrives."""
        ...

    def close(self, farewell: bool = True) -> None:
        """End the connection; with `farewell` tell the far end first, in bounded time. Never raises."""
        ...
