"""Messages on their way to the MQTT server, until they count as taken.

QoS 1, 2    sent ──PUBACK, PUBCOMP──> taken
QoS 0       sent ──the answer to a question that was asked after it──> taken
confirmed by the application: these, and it has told of all records ──> taken
"""

from collections.abc import Sequence
from typing import NamedTuple

from transports.uplinks import Outgoing
from transports.uplinks._mqtt.confirm import Claim, Confirming
from transports.uplinks._mqtt.entrance import Ack, Said


class Flight(NamedTuple):
    """A message, and as what it was published."""

    message: Outgoing
    said: Said


class Flights:
    """Of one connection. `unasked`: whether messages of QoS 0 wait for a question to be asked."""

    def __init__(self, qos: int, by_application: bool, now: float) -> None:
        self._qos = qos
        self._confirming = Confirming() if by_application else None
        self._flights: dict[int, Flight] = {}
        self._unasked: list[int] = []
        self._asked: tuple[int, list[int]] | None = None
        self._taken: list[int] = []
        self.failed: list[tuple[Flight, Ack]] = []
        self._oldest_since = self._unconfirmed_since = now

    def sent(self, mid: int, flight: Flight, now: float) -> None:
        """It has left."""
        message = flight.message
        if not self._waits:
            self._oldest_since = now
        if self._confirming:
            if self._confirming.oldest is None:
                self._unconfirmed_since = now
            self._confirming.sent(message.ticket, [(each.topic, each.epoch, each.seq) for each in message.records])
        if self._qos:
            self._flights[mid] = flight
        else:
            self._unasked.append(message.ticket)

    @property
    def unasked(self) -> bool:
        """Whether a question should be asked now: one at a time."""
        return bool(self._unasked) and self._asked is None

    def asked(self, mid: int) -> None:
        """A question is on its way, behind all that was sent."""
        self._asked, self._unasked = (mid, self._unasked), []

    @property
    def are_owed(self) -> bool:
        """Whether an answer is waited for, or one was a refusal."""
        return self._waits or bool(self.failed)

    def heard(self, acks: Sequence[Ack], now: float) -> bool:
        """What the server has answered; whether it took a message."""
        if not acks:
            return False
        oldest, takes = self._oldest, False
        for ack in acks:
            if self._asked and ack.mid == self._asked[0]:
                for ticket in self._asked[1]:
                    self._acked(ticket, now)
                self._asked, takes = None, True
            elif flight := self._flights.pop(ack.mid, None):
                if ack.is_failure:
                    self.failed.append((flight, ack))
                else:
                    self._acked(flight.message.ticket, now)
                    takes = True
        if oldest != self._oldest:
            self._oldest_since = now
        return takes

    def told(self, claims: Sequence[Claim], now: float) -> None:
        """What the application has told."""
        if self._confirming:
            oldest = self._confirming.oldest
            self._taken += self._confirming.told(*claims)
            if oldest != self._confirming.oldest:
                self._unconfirmed_since = now

    def taken(self) -> list[int]:
        """The tickets that count since the last call."""
        taken, self._taken = self._taken, []
        return taken

    def patience_ends(self, ack_s: float, confirm_s: float) -> float:
        """When the oldest has waited so long for the server, or so long for the application."""
        server = self._oldest_since + ack_s if self._waits else float("inf")
        waits = self._confirming is not None and self._confirming.oldest is not None
        return min(server, self._unconfirmed_since + confirm_s if waits else float("inf"))

    def what_was_awaited(self, now: float, ack_s: float) -> str:
        """In words, when patience has ended."""
        if self._waits and now >= self._oldest_since + ack_s:
            return f"lives, but a message is unacknowledged for {now - self._oldest_since:.1f} s"
        waited_s = now - self._unconfirmed_since
        return f"has it, but no application has confirmed a message for {waited_s:.1f} s; does one read, and answer?"

    @property
    def _waits(self) -> bool:
        return bool(self._flights or self._unasked or self._asked)

    @property
    def _oldest(self) -> int | None:
        if self._qos:
            return next(iter(self._flights), None)
        return self._asked[0] if self._asked else None

    def _acked(self, ticket: int, now: float) -> None:
        if self._confirming is None:
            self._taken.append(ticket)
            return
        oldest = self._confirming.oldest
        self._taken += self._confirming.acked(ticket)
        if oldest != self._confirming.oldest:
            self._unconfirmed_since = now
