"""What came of a request that was granted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transports.requests.answers import Result


@dataclass(frozen=True, slots=True)
class Ended:
    """`is_audited`: whoever did it, or refused to, tells the audit of it."""

    result: Result
    reason: str = ""
    why: str = ""
    value: Any = None
    is_audited: bool = True


Then = Callable[[Ended], None]
