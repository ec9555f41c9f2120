"""How far each consumer is: what it has committed, and what of that would survive a power cut."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from transports.errors import NotUnderstood
from transports.spool.state import NOWHERE, Cursor, CursorKey, SegmentKey
from transports.spool.terms import START, Commit, Position

FORGOTTEN_NS = -1  # the time of a cursor that the operator gave up


class Cursors:
    """Of all topics. `consumers` names who reads each: only they can commit, and deletion waits for all of them.

    Cursors of others, found on disk, are kept: who comes back to the configuration goes on where it was, and what one
    has not had waits for it (`keep_removed`), until it is forgotten.
    """

    def __init__(self, consumers: Mapping[str, Collection[str]]) -> None:
        self.consumers = {topic: tuple(names) for topic, names in consumers.items()}
        self._now: dict[CursorKey, Cursor] = {}
        self._written: dict[CursorKey, Cursor] = {}  # but for those that found no room yet, the same
        self._durable: dict[CursorKey, Cursor] = {}

    def found(self, cursors: Mapping[CursorKey, Cursor]) -> None:
        """Some that were read from a log at opening; of the same cursor in several logs the newest counts."""
        for key, cursor in cursors.items():
            self._now[key] = max(cursor, self._now.get(key, NOWHERE), key=_order)
        self._written = dict(self._now)
        self.durable_to(self._now)

    def written(self) -> dict[CursorKey, Cursor]:
        """All of them as the next sync makes them durable."""
        return dict(self._written)

    def durable_to(self, cursors: Mapping[CursorKey, Cursor]) -> None:
        """These commits would survive a power cut."""
        for key, cursor in cursors.items():
            self._durable[key] = max(cursor, self._durable.get(key, NOWHERE), key=_order)

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
        got = dict(now.got)
        for producer, samples in commit.refused:
            got[producer] = got.get(producer, 0) - samples
        return replace(now, position=commit.position, revision=now.revision + 1, state=commit.state, got=got)

    def moved(self, key: CursorKey, cursor: Cursor) -> None:
        """A commit was written."""
        self._now[key] = self._written[key] = cursor

    def noted(self, key: CursorKey, cursor: Cursor) -> None:
        """It moved, but there was no room to write it: it comes with the next one, or with the next snapshot."""
        self._now[key] = cursor

    def revision(self, key: CursorKey) -> int:
        """How often a cursor was written."""
        return self._now.get(key, NOWHERE).revision

    def of(self, topic: str) -> Iterator[tuple[CursorKey, Cursor]]:
        """Every cursor that was ever kept in a topic, and not forgotten."""
        for key, cursor in self._now.items():
            if key[0] == topic and cursor.time_ns != FORGOTTEN_NS:
                yield key, cursor

    def is_known(self, key: CursorKey) -> bool:
        """Whether this consumer is in the configuration."""
        return key[1] in self.consumers.get(key[0], ())

    def slowest(self, topic: str, since_ns: int | None = None) -> tuple[Position, SegmentKey]:
        """What everybody has durably committed, and before which segment their accounts are settled.

        With `since_ns` those count too who are not in the configuration any more, but committed after that time.
        START without anybody, because nothing tells who will come.
        """
        cursors = [self._durable.get((topic, name), NOWHERE) for name in self.consumers.get(topic, ())]
        if since_ns is not None:
            gone = [key for key, _ in self.of(topic) if not self.is_known(key)]
            cursors += [cursor for key in gone if (cursor := self._durable.get(key, NOWHERE)).time_ns > since_ns]
        position = min((cursor.position for cursor in cursors), default=START)
        return position, min((cursor.at for cursor in cursors), default=(0, 0))

    def furthest(self, topic: str) -> Position:
        """The last position that anybody, known or not, ever committed."""
        return max((each.position for (of, _), each in self._now.items() if of == topic), default=START)


def _order(cursor: Cursor) -> tuple[Position, int]:
    return cursor.order
