"""The logs of all topics together: what is written, where a commit goes, and in which order they are made durable."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transports.errors import NotUnderstood, SpoolFull
from transports.spool.accounts import credited
from transports.spool.cursors import Cursors
from transports.spool.fault import Fault
from transports.spool.log import Log, transaction_bytes
from transports.spool.state import NOWHERE, Cursor, CursorKey, pack_commit
from transports.spool.sync import SyncJob
from transports.spool.terms import DATA, Commit, Kind, Position


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one append brings, as far as it is new."""

    producer: str
    pseq: int
    payloads: Sequence[bytes]
    counts: Sequence[int]
    kind: Kind
    now_ns: int


class Topics:
    """The logs by topic, in the order of syncing: a topic moves behind the one whose cursor it commits."""

    def __init__(self, cursors: Cursors, segment_bytes: int, fault: Fault) -> None:
        self.cursors, self._segment_bytes, self._fault = cursors, segment_bytes, fault
        self.logs: dict[str, Log] = {}

    def log(self, topic: str) -> Log:
        """Raises NotUnderstood for a topic that was not named at opening, SpoolError after a fault."""
        self._fault.check()
        log = self.logs.get(topic)
        if log is None:
            raise NotUnderstood(f"there is no topic {topic!r}; known are {', '.join(self.logs)}")
        return log

    def moved(self, commit: Commit) -> Cursor | None:
        """The cursor after a commit; None when the commit says nothing new. Raises NotUnderstood."""
        log = self.log(commit.topic)
        if commit.position > max(log.state.end, Position(log.epoch, 0)):
            raise NotUnderstood(f"{commit.consumer} commits {commit.position}, but {commit.topic} ends before it")
        after = self.cursors.after(commit)
        return after and credited(log, replace(after, time_ns=log.state.time_ns))

    def write(self, log: Log, what: Transaction, commit: Commit | None, cursor: Cursor | None) -> None:
        """One transaction, in a new segment when this one is full. Raises SpoolFull or SpoolError: nothing then."""
        key = (commit.topic, commit.consumer) if commit else ("", "")
        packed = pack_commit(commit, cursor, log.state.cursors.get(key, NOWHERE)) if commit and cursor else None
        if log.active.is_full(transaction_bytes(what.producer, what.payloads, packed), self._segment_bytes):
            self.roll(log, what.now_ns)
        log.append(what.producer, what.pseq, what.payloads, what.counts, what.kind, what.now_ns, packed)
        if commit and cursor:
            self.cursors.moved(key, cursor)
            log.state.committed(key, cursor)
            if commit.topic != log.place.topic:
                self.logs[log.place.topic] = self.logs.pop(log.place.topic)

    def commit(self, commit: Commit, cursor: Cursor) -> None:
        """A commit alone, in the log of its own topic."""
        log = self.log(commit.topic)
        self.write(log, _nothing(log), commit, cursor)

    def keep(self, key: CursorKey, cursor: Cursor) -> bool:
        """Write a cursor as it is now into the log that has it, because a later one would not bring back its commit.

        False when there was no room: then it is only remembered, and comes with the next one or the next snapshot.
        """
        cursor = replace(cursor, revision=self.cursors.revision(key) + 1)
        home = next((log for log in self.logs.values() if _has(log, key, cursor.revision - 1)), self.log(key[0]))
        try:
            if home.begun:
                self.write(home, _nothing(home), Commit(*key, cursor.position, cursor.state), cursor)
                return True
        except SpoolFull:
            pass
        self.cursors.noted(key, cursor)
        home.state.committed(key, cursor)
        return False

    def roll(self, log: Log, now_ns: int) -> None:
        """Go on in a new segment. What is closed is durable, in all topics: none of them before what it commits."""
        job = self.dirty()
        job.run()
        log.roll(now_ns)
        self.synced(job)

    def dirty(self) -> SyncJob:
        """What would not survive a power cut now, as a job; false when there is nothing."""
        self._fault.check()
        written = (log.written() for log in self.logs.values() if log.begun)
        return SyncJob(tuple(each for each in written if each), self.cursors.written(), self._fault)

    def synced(self, job: SyncJob) -> None:
        """A job has returned: what was written when it was made is durable."""
        self._fault.check()
        for written in job.written:
            self.logs[written.topic].synced(written)
        self.cursors.durable_to(job.cursors)

    def sync(self) -> None:
        """Make everything durable before returning."""
        job = self.dirty()
        job.run()
        self.synced(job)


def _nothing(log: Log) -> Transaction:
    """A commit alone."""
    return Transaction("", 0, (), (), DATA, log.state.time_ns)


def _has(log: Log, key: CursorKey, revision: int) -> bool:
    known = log.state.cursors.get(key)
    return known is not None and known.revision == revision
