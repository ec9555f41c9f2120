"""Reading on while a link lets only some of it pass: what goes, what is left, and what is done by that: a decider.

began ··· done, altogether ··· left ──┤ first record that was left behind ···> read
───────────────────────────────────────────────────────── done by its grade ─────
"""

from dataclasses import dataclass

from actors.delivering import lanes
from actors.delivering.lanes import Lanes, Place
from actors.delivering.passing import Grade

MANY = 10_000  # records; when so many were looked at, a crash should not have them read again


@dataclass(slots=True)
class Sifting:
    """One reading from `began` on. `read` is the last record that was looked at, `left` the one before the first that
    was left behind (None: none was), `noted` is `read` at the last commit."""

    limit: Grade
    began: Place
    read: Place
    noted: Place
    left: Place | None = None

    def wants(self, known: Lanes, place: Place, grade: Grade) -> bool:
        """Whether the record that comes next is to be delivered now."""
        before, self.read = self.read, place
        if lanes.is_delivered(known, place, grade):
            return False
        if grade > self.limit:
            self.left = self.left or before
            return False
        return True

    def taken(self, known: Lanes, place: Place) -> Lanes:
        """Everything up to there that may pass has been taken."""
        return lanes.nothing_left(lanes.sifted(known, self.limit, place), self.began, min(place, self.left or place))

    @property
    def is_far(self) -> bool:
        """Whether much was read since the last commit."""
        return lanes.records_in((self.noted, self.read)) >= MANY


def begun(known: Lanes, limit: Grade) -> Sifting | None:
    """Where to read on when only `limit` may pass; None when everything may."""
    if limit is Grade.ALL:
        return None
    place = lanes.sifting_from(known, limit)
    return Sifting(limit, place, place, place)
