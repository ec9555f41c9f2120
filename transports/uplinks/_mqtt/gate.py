"""What must be answered before messages may leave, and what becomes of those that the broker does not take.

    let in ──> subscriptions, and the message that was refused last ──all answered──> open

A message that the broker can never take is refused when it comes again. Any other is held: it is what the next
connections try first, until it is taken; so nothing is set aside for what may be mended.
"""

from collections.abc import Sequence

from transports.errors import UplinkRefused
from transports.uplinks._mqtt.entrance import Ack
from transports.uplinks._mqtt.envelopes import digest_of
from transports.uplinks._mqtt.flights import Flight
from transports.uplinks._mqtt.line import Line
from transports.uplinks._mqtt.past import Past
from transports.uplinks._mqtt.reasons import is_of_the_message, unpublished, unsubscribed

_HELD = ""


class Gate:
    """Of one connection. `ends` is when patience ends (monotonic s); `warnings` what is refused and can be done
    without."""

    def __init__(self, past: Past, confirm_topic: str, request_topic: str) -> None:
        self._past, self._confirm_topic = past, confirm_topic
        self._topics = [topic for topic in (confirm_topic, request_topic) if topic]
        self._awaited: dict[int, str] | None = None  # by id: the topic that was subscribed to, or _HELD
        self.ends = float("inf")
        self.warnings: list[str] = []

    @property
    def is_open(self) -> bool:
        """Whether everything has been answered."""
        return self._awaited is not None and not self._awaited

    def enter(self, line: Line, ends: float) -> None:
        """The server has let us in. Raises UplinkDown."""
        self.ends = ends
        self._awaited = {line.subscribe(topic): topic for topic in self._topics}
        if self._past.held:
            try:
                self._awaited[line.publish(*self._past.held)] = _HELD
            except UplinkRefused:
                self._past.held = None  # it has become too large: its next coming is refused as such

    def heard(self, ack: Ack, place: str) -> str:
        """An answer. Why the connection must be ended because of it; "" mostly."""
        if self._awaited is None or ack.mid not in self._awaited:
            return ""
        topic, held = self._awaited.pop(ack.mid), self._past.held
        if topic == _HELD:
            if ack.is_failure and held:
                return f"{place}: {unpublished(held.topic, ack.code or 0, ack.said)}"
            self._past.held = None
            return ""
        if not ack.is_failure:
            return ""
        why = f"{place}: {unsubscribed(topic, ack.code or 0, ack.said)}"
        if topic == self._confirm_topic:
            return why
        self.warn(f"{why}; no commands come")
        return ""

    def warn(self, warning: str) -> None:
        """Something is refused that can be done without."""
        self.warnings.append(warning)
        self._past.say(warning, once=warning)


def set_aside(past: Past, failed: Sequence[tuple[Flight, Ack]], place: str) -> str:
    """What becomes of messages that were refused; the reason that counts: of the one that is held, if there is one."""
    reasons = []
    for flight, ack in failed:
        why = f"{place}: {unpublished(flight.said.topic, ack.code or 0, ack.said)}"
        if is_of_the_message(ack):
            past.refused.refuse(digest_of(flight.said, flight.message), why)
            reasons.append(why)
        elif past.held is None:
            past.held = flight.said
            reasons.insert(0, why)
    return reasons[0]
