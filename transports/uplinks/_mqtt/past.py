"""What one connection to an MQTT server leaves to the next: the session is clean, and would remember nothing.

when to try again   at most one attempt a second
where               which of the servers (_mqtt/walk.py)
what is refused     messages that the server will never take: the next time they are refused before they leave
what is held        a message that it does not take for now: the next connection counts as one when it is taken
what was said       of certificates, and of what else an operator must hear of once
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from transports.uplinks._mqtt.entrance import Said
from transports.uplinks._mqtt.walk import Walk
from transports.uplinks._past import LEAST_S, Refused

_NOTICES_MOST = 32
_SAID_MOST = 256
_CERTIFICATES_MOST = 64


@dataclass(slots=True)
class Past:
    """See the module's note. `notices` wait to be told; `said` are those that are told once."""

    not_before: float = float("-inf")
    walk: Walk = field(default_factory=Walk)
    refused: Refused[bytes] = field(default_factory=Refused)
    held: Said | None = None
    certificates: Mapping[str, int] = field(default_factory=dict)
    notices: "deque[str]" = field(default_factory=lambda: deque(maxlen=_NOTICES_MOST))
    said: set[str] = field(default_factory=set)

    def attempted(self, now: float) -> None:
        """An attempt begins."""
        self.not_before = now + LEAST_S

    def tell_of(self, certificates: Mapping[str, int]) -> None:
        """This is said of these. Of others it stays said: each of several servers has its own."""
        known = {**self.certificates, **certificates}
        self.certificates = dict([*known.items()][-_CERTIFICATES_MOST:])

    def say(self, notice: str, once: str = "") -> None:
        """Let the operator hear of it; `once` names what is said only once by this process."""
        if once and once in self.said:
            return
        if once:
            if len(self.said) >= _SAID_MOST:
                self.said.clear()
            self.said.add(once)
        self.notices.append(notice)
