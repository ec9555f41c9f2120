"""A write that a host asks for, as a request from above (transports/uplinks, Asked).

    {"id": "5f0c...", "verb": "write", "device": "press-1", "tag": "setpoint", "value": 42.5, "why": "a host's DCMD"}

In the words of transports/requests; `why` has the host's own time (ms UTC), where it gave one. Each has an id of its
own: QoS 0 repeats nothing, and two equal commands are two. A NaN or an infinity has no words in JSON, and no device has
a use for it: it is refused.
"""

import base64
import math
import uuid
from collections import deque

import orjson

from transports.samples import Value
from transports.sparkplug.orders import Write
from transports.uplinks import Asked

WAITING_MOST = 256


class Desk:
    """Where requests wait to be taken. `refused` counts what was asked and not handed on."""

    def __init__(self, open_: bool) -> None:
        self._open = open_
        self._waiting: deque[Asked] = deque()
        self.refused = 0

    def put(self, write: Write) -> str:
        """Why it is not handed on; "" when it is."""
        why = self._objection(write)
        if why:
            self.refused += 1
        else:
            self._waiting.append(Asked(_body(write)))
        return why

    def taken(self) -> list[Asked]:
        """The requests that have come since the last call, in their order."""
        told = list(self._waiting)
        self._waiting.clear()
        return told

    def _objection(self, write: Write) -> str:
        if not self._open:
            return "commands are off; `commands = true` lets them in"
        if len(self._waiting) >= WAITING_MOST:
            return f"{WAITING_MOST} commands wait already"
        return "" if _is_finite(write.value) else f"{write.value!r:.40} cannot be written"


def _body(write: Write) -> bytes:
    why = "a host's DCMD" if write.sent_ms is None else f"a host's DCMD, sent at {write.sent_ms} ms"
    told = {"verb": "write", "device": write.device, "tag": write.tag, "value": _plain(write.value), "why": why}
    return orjson.dumps({"id": uuid.uuid4().hex, **told})


def _plain(value: Value) -> object:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _is_finite(value: Value) -> bool:
    items = value if isinstance(value, tuple) else (value,)
    return all(math.isfinite(item) for item in items if isinstance(item, float))
