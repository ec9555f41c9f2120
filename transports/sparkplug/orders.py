"""What an edge node's session wants done: messages, subscriptions, the end of a connection, writes to devices."""

from dataclasses import dataclass
from typing import NamedTuple

from transports.samples import Value


class Moment(NamedTuple):
    """Now: on the monotonic clock (s) for waiting, and UTC (ms) for timestamps."""

    now: float
    utc_ms: int


@dataclass(frozen=True, slots=True)
class Publish:
    """A message to publish."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A topic filter to subscribe to."""

    topic: str
    qos: int = 1


@dataclass(frozen=True, slots=True)
class HangUp:
    """Send DISCONNECT when everything before is written, then connect anew, to the server of `EdgeNode.server`."""

    why: str


@dataclass(frozen=True, slots=True)
class Write:
    """A host wants a tag set. `sent_ms` is the host's timestamp (ms UTC), None when it gave none."""

    device: str
    tag: str
    value: Value
    sent_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something came that is not done, and why: to be said and audited. `what` is the metric, or "" for all."""

    topic: str
    what: str
    why: str


Order = Publish | Subscribe | HangUp | Write | Refusal
