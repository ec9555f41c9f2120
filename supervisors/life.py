"""The running process of a child, and what it last told of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisors.process import Process


@dataclass(slots=True)
class Life:
    """One incarnation, from birth to death; `token` numbers it as the plan does. Times are monotonic seconds."""

    token: int
    process: Process
    started: float
    last_beat: float
    ready: bool = False
    progress: int = 0
    state: Mapping[str, Any] = field(default_factory=dict)
