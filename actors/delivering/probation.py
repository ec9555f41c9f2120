"""Who goes next when messages go one at a time, because one of them is suspected of killing the connection.

poison.py says what a loss tells, and when the suspect may be tried; here is what is at hand to try: the suspect itself,
others that are ready, and the last message that was acknowledged, to be sent once more as a witness.
"""

from actors.delivering import poison
from actors.delivering.departures import Departure, Departures, Position
from actors.delivering.lanes import BACKFILL, LIVE
from actors.delivering.poison import Flown, Suspicion
from transports.uplinks import Outgoing

WITNESS_BYTES = 64 * 1024  # a larger message is not remembered


class Probation:
    """Of one uplink. `witness` is the last message that was acknowledged; `repeating` the ticket under which it is on
    its way once more."""

    def __init__(self, departures: Departures, max_attempts: int) -> None:
        self._departures = departures
        self._suspicion = Suspicion(max_attempts)
        self.witness: Outgoing | None = None
        self.repeating = 0

    @property
    def is_on(self) -> bool:
        """Whether messages go one at a time."""
        return self._suspicion.to_pass > 0

    @property
    def hits(self) -> int:
        """How often in a row the suspect has cost the connection."""
        return self._suspicion.hits

    def connected(self) -> None:
        """A connection stands."""
        self._suspicion = poison.connected(self._suspicion)

    def acknowledged(self, place: Position | None) -> None:
        """The one in flight was taken; None for a witness."""
        if self.is_on:
            self._suspicion = poison.acknowledged(self._suspicion, place)
            self._departures.singly = self.is_on

    def lost(self, written: bool) -> Position | None:
        """The connection is gone. The place of the record that is condemned by that, if there is one."""
        repeating, self.repeating = bool(self.repeating), 0
        messages = self._departures.in_flight + repeating
        flown = Flown(tuple(self._departures.heads()), messages, written, repeating)
        self._suspicion, condemned = poison.lost(self._suspicion, flown)
        self._departures.singly = self.is_on
        return condemned

    def next(self) -> Departure | Outgoing | None:
        """What to send now, a message of its own or the witness once more; None while one is on its way."""
        suspicion, departures = self._suspicion, self._departures
        if departures.in_flight or self.repeating:
            return None
        lane = next((lane for lane in (LIVE, BACKFILL) if self._is_suspect(lane)), None)
        if lane is None:
            return departures.next()
        other = BACKFILL if lane == LIVE else LIVE
        others_wait = departures.waiting(other) is not None
        if poison.may_try(suspicion, others_wait and other == LIVE):
            return departures.departing(lane)
        if others_wait and not suspicion.wary:
            return departures.departing(other)
        return self.witness or departures.candidate(max(0, suspicion.failures - suspicion.max_attempts), lane)

    def _is_suspect(self, lane: str) -> bool:
        group = self._departures.waiting(lane)
        return group is not None and (group.records[0].epoch, group.records[0].seq) == self._suspicion.suspect
