"""The spooler's side of those who read: what comes next is handed out, at once or when there is something to hand out.

Fetch first ──> cursor and state ──Fetch──> records, or wait ──> Fetched      each lane of a consumer waits by itself
                                              └── `until` reached: an empty answer at once
Commit ──> written; refused by a full disk it is kept, the last of each consumer, and tried again
"""

from collections.abc import Callable
from dataclasses import replace

from actors.spooling.room import Room, gap_of
from actors.spooling.sessions import Sessions
from transports import codec
from transports.errors import NotUnderstood, SpoolFull
from transports.messages import Commit, Fetch, Fetched, Message, NoSession, Place
from transports.spool import Commit as SpoolCommit
from transports.spool import Fetched as Found
from transports.spool import Position, Spool

Lane = tuple[str, str, str]  # topic, consumer, lane


class Readers:
    """Of one open spool; the sessions outlive it."""

    def __init__(
        self,
        spool: Spool,
        room: Room,
        sessions: Sessions,
        tell: Callable[[str, Message], None],
        committed: Callable[[], None],
    ) -> None:
        self._spool, self._room, self._sessions = spool, room, sessions
        self._tell, self._committed = tell, committed
        self._waiting: dict[Lane, tuple[str, Fetch]] = {}
        self._commits: dict[tuple[str, str], SpoolCommit] = {}  # that found no room yet
        self.fetched = 0

    def fetch(self, sender: str, fetch: Fetch) -> None:
        """Answer, now or when something comes. Raises NotUnderstood for a topic or consumer that is not known."""
        key = fetch.topic, fetch.consumer
        if fetch.first:
            self._begin(sender, fetch)
        elif self._sessions.is_open(key, fetch.session):
            lane = *key, fetch.lane
            self._waiting[lane] = sender, fetch
            self._hand_out(lane)
        elif not self._sessions.is_away(key, fetch.session):
            self._tell(sender, NoSession(*key, fetch.session))

    def serve(self, topic: str) -> None:
        """Something was written to a topic."""
        for lane, (_, fetch) in list(self._waiting.items()):
            if lane[0] == topic and not fetch.durable:
                self._hand_out(lane)

    def serve_durable(self) -> None:
        """Something became durable."""
        for lane, (_, fetch) in list(self._waiting.items()):
            if fetch.durable:
                self._hand_out(lane)

    def commit(self, commit: Commit, hold: bool = False) -> None:
        """Note how far a consumer is; with `hold` only remember it, and write it when `retry` is called."""
        key = commit.topic, commit.consumer
        if not self._sessions.is_open(key, commit.session):
            return  # it begins anew, and says it again
        item = SpoolCommit(*key, position(commit.place), commit.state, tuple(commit.refused))
        if key in self._commits:
            item = replace(item, refused=(*self._commits[key].refused, *item.refused))
        self._commits[key] = item
        if not hold:
            self._write(key)

    def retry(self) -> None:
        """Write the commits that found no room."""
        for key in list(self._commits):
            self._write(key)

    def forget(self, topic: str, consumer: str) -> None:
        """The consumer is forgotten: nothing is kept for it."""
        self._leave(topic, consumer)
        self._commits.pop((topic, consumer), None)
        self._spool.forget(topic, consumer)

    def _begin(self, sender: str, fetch: Fetch) -> None:
        topic, consumer = key = fetch.topic, fetch.consumer
        self._leave(*key)
        if key in self._commits:
            self._write(key)
        self._spool.rewind(topic, consumer)
        cursor, state = self._spool.cursor(topic, consumer)
        self._sessions.opened(key, sender, fetch.session)
        self._tell(sender, Fetched(topic, consumer, fetch.session, (), cursor, state, fetch.lane, self._end(topic)))

    def _leave(self, topic: str, consumer: str) -> None:
        for lane in [lane for lane in self._waiting if lane[:2] == (topic, consumer)]:
            del self._waiting[lane]

    def _write(self, key: tuple[str, str]) -> None:
        commit = self._commits.pop(key)
        try:
            self._room.write(commit.topic, lambda: self._spool.commit(commit))
        except SpoolFull:
            self._commits[key] = commit
        else:
            self._committed()

    def _hand_out(self, lane: Lane) -> None:
        sender, fetch = self._waiting.pop(lane)
        until = None if fetch.until is None else position(fetch.until)
        after = None if fetch.after is None else position(fetch.after)
        found = self._spool.fetch(*lane[:2], fetch.max_bytes, fetch.durable, fetch.lane, after, until)
        if found.records or found.holes or (until is not None and found.end >= until):
            self._tell(sender, self._told(fetch, found))
        else:
            self._waiting[lane] = sender, fetch

    def _told(self, fetch: Fetch, found: Found) -> Fetched:
        told = [(record.position, record.time_ns, record.payload) for record in found.records]
        if found.holes:
            told += [(hole.last, hole.until_ns, codec.pack(gap_of(hole))) for hole in found.holes]
            told.sort(key=lambda each: each[0])
        self.fetched += len(told)
        return Fetched(
            fetch.topic,
            fetch.consumer,
            fetch.session,
            [place for place, _, _ in told],
            lane=fetch.lane,
            end=self._end(fetch.topic),
            times_ns=[time_ns for _, time_ns, _ in told],
            frames=[payload for _, _, payload in told],
        )

    def _end(self, topic: str) -> Place:
        end = self._spool.end(topic)
        return end.epoch, end.seq


def position(place: Place) -> Position:
    """A place as the spool has it. Raises NotUnderstood for what is none."""
    match place:
        case (int(epoch), int(seq)):
            return Position(epoch, seq)
    raise NotUnderstood(f"{place!r:.60} is no place in a topic: it must be an epoch and a number")
