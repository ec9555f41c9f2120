"""Is the primary host there? Its STATE messages, of which older ones that come late are not heeded: a decider.

    spBv1.0/STATE/HOST, retained, JSON: {"online": true, "timestamp": 1700000000000}

The host's certificate of death is its Last Will, registered when it connected: it may come long after the host is back
under a new timestamp. What was heard is forgotten with each connection: a server's retained message is its present
truth, timestamps are a host's count for each server, and a host whose clock was set back is not locked out for ever.
"""

import json
import math
from dataclasses import dataclass
from typing import NamedTuple

from transports.errors import NotUnderstood

_STATE_MOST_BYTES = 4096


class State(NamedTuple):
    """What one STATE message says: whether the host is online, since when (ms UTC)."""

    online: bool
    timestamp_ms: int | float


def read_state(payload: bytes) -> State:
    """Raises NotUnderstood for what is no STATE of Sparkplug 3.0, such as the words ONLINE and OFFLINE of 2.2."""
    if len(payload) > _STATE_MOST_BYTES:
        raise NotUnderstood(f"a STATE of {len(payload)} bytes")
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError) as wrong:
        raise NotUnderstood(f"a STATE that is not JSON: {payload!r:.40}") from wrong
    online, timestamp = (told.get("online"), told.get("timestamp")) if isinstance(told, dict) else (None, None)
    if not isinstance(online, bool) or isinstance(timestamp, bool) or not isinstance(timestamp, (int, float)):
        raise NotUnderstood(f'a STATE without "online" and "timestamp": {payload!r:.80}')
    if not math.isfinite(timestamp):  # nothing is newer than infinity, and NaN cannot be compared
        raise NotUnderstood(f'a STATE without "online" and "timestamp": {payload!r:.80}')
    return State(online, timestamp)


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of the primary host on the present connection."""

    online: bool = False
    heard: State | None = None  # the newest that was valid


def heard(host: Host, state: State) -> tuple[Host, bool]:
    """The host after a STATE message, and whether the message was heeded.

    One that is older than the newest heard is not, be it online or offline:
    tck-id-message-flow-edge-node-birth-publish-phid-wait-timestamp,
    tck-id-operational-behavior-edge-node-termination-host-offline-timestamp.
    Equal ones are: birth and death of one host session carry the same timestamp. The first is, whatever it says.
    """
    if host.heard is not None and state.timestamp_ms < host.heard.timestamp_ms:
        return host, False
    return Host(state.online, state), True
