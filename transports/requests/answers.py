"""The answer to a request, as JSON: what came of it, in a word, a reason and a sentence. Pure.

{"id", "gateway", "result", "reason", "why", "value", "earlier"}; members that say nothing are left out, `id` and
`result` never. Whole numbers are exact, bytes are {"base64": "..."}, NaN and the infinite are null.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from json import dumps
from math import isfinite
from typing import Any

MOST_BYTES = 128 * 1024  # what the strictest clouds carry


class Result(StrEnum):
    """What can come of a request. The last four are what a device's command can end as (actors/commanding)."""

    REFUSED = "refused"  # the gateway did nothing
    FAILED = "failed"  # it was tried, and could not be done
    DONE = "done"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """`reason` is one word for programs (see docs/commands.md), `why` a sentence for people. `earlier` is what was
    answered when the same request came first."""

    id: str
    result: Result
    reason: str = ""
    why: str = ""
    value: Any = None
    earlier: "Answer | None" = None

    def told(self) -> dict[str, Any]:
        """As plain data."""
        said = {"id": self.id, "result": str(self.result), "reason": self.reason, "why": self.why}
        said = {key: text for key, text in said.items() if text or key in ("id", "result")}
        value = {} if self.value is None else {"value": _plain(self.value)}
        return {**said, **value, **({"earlier": self.earlier.told()} if self.earlier is not None else {})}


def packed(answer: Answer, gateway: str) -> bytes:
    """The bytes to send; an answer that is too long says so instead of its value."""
    body = _dumped(answer, gateway)
    if len(body) <= MOST_BYTES:
        return body
    why = f"it has {len(body)} bytes, and an answer at most {MOST_BYTES}; ask for one name, or for less"
    return _dumped(Answer(answer.id, Result.FAILED, "too-long", why), gateway)


def _dumped(answer: Answer, gateway: str) -> bytes:
    return dumps({**answer.told(), "gateway": gateway}, separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    match value:
        case float():
            return value if isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case bytes():
            return {"base64": base64.b64encode(value).decode()}
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case Sequence():
            return [_plain(item) for item in value]
    return str(value)
