"""Ways to the far end: one file a protocol, found by its name, with no list to edit.

    actors/uplink.py ──> connect(settings, identity) ──gives──> Uplink: send, step, taken ──> broker, file

An uplink file has a `Settings` dataclass, `connect(settings, identity) -> Uplink`, and optionally `EXTRA`, as drivers
have (transports/links). It never buffers: what it was given and has not reported as taken stays in the spool,
and is handed out again after `UplinkDown`. It may own one helper thread for a connect that blocks, never for data.

A protocol with a form of its own says `OWN_FORM = True` in its file: it is handed records, and no payload. What an
uplink can be beside a way out: `Telling`, `Asking`, `Gathering`; its settings: `Limited`.

The same file outside this package is found through the entry point group `holdfast.uplinks`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from transports.payloads import OutRecord


@dataclass(frozen=True, slots=True)
class Identity:
    """Who delivers: the gateway's name and the uplink's own name in the configuration; and from where.

    `state_dir` is a directory of this uplink alone, which it makes when it needs it (None: it may keep nothing).
    `interface` is the network interface that its sockets must be bound to, "" for whichever the kernel chooses.
    """

    gateway: str
    uplink: str
    state_dir: Path | None = None
    interface: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way: a ticket to recognise it by, where it goes, and its bytes.

    `fields` fill the uplink's topic template: `device`, and whatever else the uplink actor groups by. `records` is what
    the payload says; `content_type` its media type, `content_encoding` how it is compressed ("gzip", "zstd", or "").
    """

    ticket: int
    fields: "dict[str, str]"
    payload: bytes
    records: Sequence[OutRecord] = ()
    content_type: str = ""
    content_encoding: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request from above, as it came: `body` in the words of docs/commands.md, `reply` what the uplink finds the way
    back by, `sender` whom the transport vouches for ("" for nobody: anybody could have sent it)."""

    body: bytes
    reply: Any = None
    sender: str = ""


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


@runtime_checkable
class Limited(Protocol):
    """Settings of a far end that takes only so much: what the uplink keeps to where its own table says nothing."""

    @property
    def messages_per_s(self) -> float:
        """In any one second at most; 0: no limit."""
        ...

    @property
    def bytes_per_s(self) -> float:
        """The same of bytes."""
        ...


@runtime_checkable
class Telling(Protocol):
    """An uplink that has more to tell than whether it is connected."""

    def standing(self) -> Mapping[str, Any]:
        """Plain values for `holdfast status`: which server, which warnings."""
        ...

    def notices(self) -> Sequence[str]:
        """What an operator must hear of once, since the last call: a certificate that will expire."""
        ...


@runtime_checkable
class Gathering(Protocol):
    """An uplink that writes what it was given together, once it knows that it is told when this is all for now."""

    def flush(self) -> None:
        """Nothing more is sent at the moment; to be called after each `send`, or some. May raise UplinkDown."""
        ...


@runtime_checkable
class Asking(Protocol):
    """An uplink over which commands come, where the configuration lets them."""

    def asked(self) -> Sequence[Asked]:
        """What has come since the last call, in its order. Bounded: what is not taken in time is refused by itself."""
        ...

    def answer(self, asked: Asked, body: bytes) -> None:
        """The answer, on its way back as well as can be; nobody hears whether it arrived. May raise UplinkDown."""
        ...
