"""What one connection of the JetStream uplink leaves to the next.

when to try again  a second after the last try at least, doubling while it fails
which server       after a failure the next of the list is tried first
stuck              the message that all others wait for (Held): it must pass before the uplink is ready again
doubtful           messages without an answer: they may be in the stream, or not
known              records that are in the stream, of the last messages: they are not sent again
refused            messages that the stream will never take: the next time they are refused before they leave

A stream recognises a repeated message for a while only (`duplicate_window`), and only by its id, which differs when its
records come again in another company. And records that were acknowledged do come again: the spool knows up to where all
is delivered, and not what beyond. So what is known is not sent, and what is doubtful is settled when the next
connection begins: of a subject only one message is on its way, so if it is in the stream, it is the last one there.
What is kept of messages is what was on its way: no more than the actor's window.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from transports.uplinks._jetstream.message import Parcel, Place
from transports.uplinks._past import Attempts, Refused

MOST_MESSAGES = 1024
MOST_PLACES = 32_768


class Known:
    """Records of the last messages that are in the stream: of MOST_MESSAGES, and MOST_PLACES in all."""

    def __init__(self) -> None:
        self._places: set[Place] = set()
        self._messages: deque[frozenset[Place]] = deque()

    def add(self, places: frozenset[Place]) -> None:
        """They are in the stream."""
        new = places - self._places
        self._places |= new
        self._messages.append(new)
        while len(self._messages) > MOST_MESSAGES or (len(self._places) > MOST_PLACES and len(self._messages) > 1):
            self._places -= self._messages.popleft()

    def has_all(self, places: frozenset[Place]) -> bool:
        """Whether nothing of it need be sent."""
        return places <= self._places

    def has_some(self, places: frozenset[Place]) -> bool:
        """Whether not all of it need be sent."""
        return not places.isdisjoint(self._places)


@dataclass(slots=True)
class Past(Attempts):
    """`trying` is the message that is sent again just now, before the uplink is ready."""

    turn: int = 0
    stuck: Parcel | None = None
    trying: Parcel | None = None
    doubtful: list[Parcel] = field(default_factory=list)
    known: Known = field(default_factory=Known)
    refused: Refused[bytes] = field(default_factory=Refused)

    def failed(self, now: float, luck: float) -> None:
        """It has ended badly: the next server has its turn."""
        Attempts.failed(self, now, luck)  # a dataclass with slots is made twice, which super() does not see
        self.turn += 1

    def succeeded(self, parcel: Parcel) -> None:
        """A message was taken."""
        self.failures = 0
        self.known.add(parcel.places)

    def left(self, parcels: Iterable[Parcel]) -> None:
        """The connection is gone, and these have no answer. Those before stay in doubt until somebody has looked."""
        both = {each.msg_id: each for each in (*self.doubtful, *parcels)}
        self.doubtful = list(both.values())[-MOST_MESSAGES:]
