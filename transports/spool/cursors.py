"""How far each consumer is: what it has committed, and what of that would survive a power cut."""

from collections.abc import Collection, Mapping

from transports.errors import NotUnderstood
from transports.spool.state import NOWHERE, Cursor, CursorKey
from transports.spool.terms import START, Commit, Position


class Cursors:
    """Of all topics. `consumers` names who reads each: only they can commit, and deletion waits for all of them.

    Cursors of others, found on disk, are kept: who comes back to the configuration goes on where it was.
    """

    def __init__(self, consumers: Mapping[str, Collection[str]]) -> None:
        self.consumers = {topic: tuple(names) for topic, names in consumers.items()}
        self._now: dict[CursorKey, Cursor] = {}
        self._durable: dict[CursorKey, Position] = {}

    def found(self, cursors: Mapping[CursorKey, Cursor]) -> None:
        """Some that were read from a log at opening; of the same cursor in several logs the newest counts."""
        for key, cursor in cursors.items():
            self._now[key] = max(cursor, self._now.get(key, NOWHERE))
        self.durable_to(self.positions())

    def positions(self) -> dict[CursorKey, Position]:
        """Where all of them are now."""
        return {key: cursor.position for key, cursor in self._now.items()}

    def durable_to(self, positions: Mapping[CursorKey, Position]) -> None:
        """These commits would survive a power cut."""
        for key, position in positions.items():
            self._durable[key] = max(position, self._durable.get(key, START))

    def known(self, topic: str, consumer: str) -> CursorKey:
        """Raises NotUnderstood for a consumer that was not named at opening."""
        if consumer not in self.consumers.get(topic, ()):
            raise NotUnderstood(f"{topic!r} has no consumer {consumer!r}; it must be named when the spool is opened")
        return topic, consumer

    def at(self, topic: str, consumer: str) -> Cursor:
        """Where a consumer is; NOWHERE before its first commit."""
        return self._now.get(self.known(topic, consumer), NOWHERE)

    def after(self, commit: Commit) -> Cursor | None:
        """The cursor that a commit makes; None when it leads back or says nothing new."""
        now = self.at(commit.topic, commit.consumer)
        if commit.position < now.position or (commit.position, commit.state) == (now.position, now.state):
            return None
        return Cursor(commit.position, now.revision + 1, commit.state)

    def moved(self, key: CursorKey, cursor: Cursor) -> None:
        """A commit was written."""
        self._now[key] = cursor

    def slowest(self, topic: str) -> Position:
        """What every consumer has durably committed; START without consumers, because nothing tells who will come."""
        return min((self._durable.get((topic, name), START) for name in self.consumers[topic]), default=START)

    def furthest(self, topic: str) -> Position:
        """The last position that anybody, known or not, ever committed."""
        return max((each.position for (of, _), each in self._now.items() if of == topic), default=START)
