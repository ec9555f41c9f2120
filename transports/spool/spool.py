"""All topics of one directory: append, fetch, commit, sync, and keeping within the quota."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from transports.errors import NotUnderstood
from transports.spool.accounts import Account, accounts
from transports.spool.cursors import FORGOTTEN_NS, Cursors
from transports.spool.fault import Fault
from transports.spool.files import CountedFiles, Files, OsFiles
from transports.spool.log import Log
from transports.spool.opening import take_over, welcome
from transports.spool.reader import ReadHandle
from transports.spool.record import check_sizes
from transports.spool.retention import Retention, disk_bytes, waiting
from transports.spool.rewriting import Dilute
from transports.spool.segment import Place, check_topic
from transports.spool.settings import Settings
from transports.spool.state import NEVER, NOWHERE, CursorKey
from transports.spool.sync import SyncJob
from transports.spool.terms import DATA, Commit, Dropped, Fetched, Kind, Position, TopicStat
from transports.spool.topics import Topics, Transaction


class Spool:
    """Made by `open`; used by one thread of one process, its sync jobs by any other.

    Every method raises SpoolError when the disk fails, and from then on all of them do: close it, open it again.
    SpoolFull is gentler: nothing has changed, and `shed` makes room. NotUnderstood: this one request is wrong.
    """

    def __init__(
        self, settings: Settings, topics: Topics, files: CountedFiles, fault: Fault, dilute: Dilute | None
    ) -> None:
        self._settings, self._topics, self._files, self._fault = settings, topics, files, fault
        self._cursors = topics.cursors
        self._handles: dict[CursorKey, dict[str, ReadHandle]] = {}  # of a consumer, by lane
        self._dropped: list[Dropped] = []
        self._retention = Retention(settings, topics, dilute)

    @classmethod
    def open(
        cls,
        directory: str,
        settings: Settings,
        consumers: Mapping[str, Collection[str]],
        now_ns: int,
        files: Files | None = None,
        dilute: Dilute | None = None,
        starts: Mapping[str, str] | None = None,
    ) -> "Spool":
        """The spool of a directory, as its files tell it, with a new epoch for each topic.

        `consumers` names the topics (sources first) and who reads each: nothing is deleted as consumed before all of
        them have committed it. `dilute` (dilution.py) is for the policy `thin`; `starts` says by consumer where one
        begins that is new here (beginning.py). Raises SettingsError for a topic's name, SpoolError, SpoolFull when
        the disk has no room for a first segment and nothing can be given up. Nothing else may have the directory open.
        """
        for topic in consumers:
            check_topic(topic)
        counted, fault = CountedFiles(files or OsFiles()), Fault()
        spool = cls(settings, Topics(Cursors(consumers), settings.segment_bytes, fault), counted, fault, dilute)
        places = {topic: Place(settings.directory(directory, topic), topic) for topic in consumers}
        take_over(spool._topics, places, counted, fault, now_ns, spool._relieve)
        welcome(spool._topics, starts or {})
        return spool

    def append(
        self,
        topic: str,
        producer: str,
        pseq: int,
        payloads: Sequence[bytes],
        now_ns: int,
        commit: Commit | None = None,
        kind: Kind = DATA,
        counts: Sequence[int] = (),
    ) -> int:
        """Records `pseq`, `pseq + 1`, ... of a producer, with a commit in the same transaction: all or nothing.

        Records up to the producer's last known pseq are skipped; when all are, so is the commit. Forward jumps of
        pseq are fine. What is appended is in the page cache; it is durable when a sync job made later has returned.
        `counts` are the samples that each record accounts for. Returns the last pseq now held. Raises SpoolFull when
        the disk is, QuotaFull when the topic's policy takes no more.
        """
        log = self._topics.log(topic)
        check_sizes(producer, pseq, payloads, kind, counts)
        last = log.state.producers.get(producer, NEVER).pseq
        known = max(0, last + 1 - pseq)
        fresh = payloads[known:]
        if payloads and not fresh:
            return last
        cursor = self._topics.moved(commit) if commit else None
        if fresh or cursor:
            self._retention.admit(log, kind, sum(map(len, fresh)), now_ns)
            what = Transaction(producer, pseq + known, fresh, counts[known:] or [0] * len(fresh), kind, now_ns)
            self._topics.write(log, what, commit, cursor)
        return log.state.producers.get(producer, NEVER).pseq

    def commit(self, commit: Commit) -> None:
        """Move a consumer's cursor forward; back is ignored. At the same position a new state replaces the old."""
        cursor = self._topics.moved(commit)
        if cursor:
            self._topics.commit(commit, cursor)

    def fetch(
        self,
        topic: str,
        consumer: str,
        max_bytes: int,
        durable: bool = False,
        lane: str = "",
        after: Position | None = None,
        until: Position | None = None,
    ) -> Fetched:
        """The records after those that this consumer fetched last, or after its cursor.

        At most `max_bytes` on disk, but at least one record if there is one. With `durable` only what a power cut
        cannot take back: whoever commits what it made of them in another topic needs that for exactly once.
        A consumer may read in several places, each a `lane`; `after` sets a lane behind a place, and `until` is the
        last place wanted: the answer's end is there when nothing is left up to it.
        """
        log, lanes = self._topics.log(topic), self._handles.setdefault(self._cursors.known(topic, consumer), {})
        handle = lanes.get(lane)
        if handle is not None and after is not None and handle.position != after:
            handle.close()
            handle = None
        if handle is None:
            cursor = self._cursors.at(topic, consumer)
            start = cursor.position if after is None else after
            handle = lanes[lane] = ReadHandle(log, max(start, cursor.settled))
        return handle.fetch(max_bytes, durable, until)

    def rewind(self, topic: str, consumer: str) -> None:
        """The next fetch begins after the committed cursor again: the consumer has restarted."""
        self._fault.check()
        self._rewind(self._cursors.known(topic, consumer))

    def producer(self, topic: str, name: str) -> tuple[int, int]:
        """(last pseq, time in ns of its last record); (0, 0) for a name that never appended."""
        return self._topics.log(topic).state.producers.get(name, NEVER)[:2]

    def cursor(self, topic: str, consumer: str) -> tuple[Position, bytes]:
        """The last committed position and the state that was committed with it; (0, 0) before the first commit."""
        self._fault.check()
        cursor = self._cursors.at(topic, consumer)
        return cursor.position, cursor.state

    def end(self, topic: str) -> Position:
        """The position of the last record."""
        return self._topics.log(topic).state.end

    def durable(self, topic: str) -> Position:
        """The position of the last record that would survive a power cut."""
        return self._topics.log(topic).durable

    def waiting(self, topic: str, consumer: str) -> int:
        """About how many records a consumer has not committed yet; 0 only when there are none."""
        return waiting(self._topics.log(topic), self.cursor(topic, consumer)[0])

    def dirty(self) -> SyncJob:
        """What would not survive a power cut now, as a job to run here or elsewhere; false when there is nothing.

        Jobs are run one after the other, and each is handed to `synced` when it has returned.
        """
        return self._topics.dirty()

    def synced(self, job: SyncJob) -> None:
        """A job has returned: what was written when it was made is durable."""
        self._topics.synced(job)

    def sync(self) -> None:
        """Make everything durable before returning."""
        self._topics.sync()

    def enforce(self, now_ns: int) -> list[Dropped]:
        """Delete what all consumers have durably committed, and the oldest of a topic that is over its quota.

        Says what was given up before all had it. Cheap enough for every second; `now_ns` is for rules by age.
        """
        self._fault.check()
        dropped, self._dropped = self._dropped, []
        return [*dropped, *self._retention.enforce(now_ns)]

    def shed(self, topic: str) -> list[Dropped]:
        """Make room on a full disk: what is consumed, or else the oldest segment. SpoolFull when there is none."""
        return self._retention.shed(self._topics.log(topic))

    def ledger(self) -> list[Account]:
        """Every producer's account with every consumer of its topic; one that nobody reads has the consumer ""."""
        self._fault.check()
        found: list[Account] = []
        for topic, log in self._topics.logs.items():
            cursors = {name: cursor for (_, name), cursor in self._cursors.of(topic)}
            for consumer, cursor in (cursors or {"": NOWHERE}).items():
                found += accounts(log, consumer, cursor)
        return found

    def purge(self, topic: str, consumer: str = "", now_ns: int = 0) -> list[Dropped]:
        """Give up what waits: all of a topic, or only what one consumer, known or not, has not had."""
        log = self._topics.log(topic)
        if consumer and (topic, consumer) not in dict(self._cursors.of(topic)):
            names = ", ".join(name for (_, name), _ in self._cursors.of(topic)) or "none"
            raise NotUnderstood(f"{topic!r} has no consumer {consumer!r}; known are {names}")
        self._topics.roll(log, now_ns or log.state.time_ns)
        if consumer:
            self._rewind((topic, consumer))
            return self._retention.pass_over(log, consumer)
        return list(self._retention.drop(log, log.segments[:-1], "purged", salvage=False))

    def forget(self, topic: str, consumer: str) -> None:
        """Nothing waits for this consumer any more; if it comes back, it is a new one. NotUnderstood: it is in use."""
        key = self.may_forget(topic, consumer)
        cursor = dict(self._cursors.of(topic)).get(key)
        if cursor is not None:
            self._topics.keep(key, replace(cursor, time_ns=FORGOTTEN_NS))
            self.sync()

    def may_forget(self, topic: str, consumer: str) -> CursorKey:
        """Raises NotUnderstood for one that is in use."""
        if self._cursors.is_known((topic, consumer)):
            raise NotUnderstood(f"{consumer!r} is in the configuration: take it out there before it can be forgotten")
        return topic, consumer

    @property
    def written_bytes(self) -> int:
        """What was written to the disk since opening, heads and rewritten segments included: flash wears by it."""
        return self._files.written_bytes

    def stat(self) -> dict[str, TopicStat]:
        """Every topic in numbers."""
        self._fault.check()
        return {topic: self._stat(topic, log) for topic, log in self._topics.logs.items()}

    def close(self) -> None:
        """Make everything durable, unless the disk has failed, and give the descriptors back."""
        try:
            if not self._fault.reason:
                self.sync()
        finally:
            for lanes in self._handles.values():
                for handle in lanes.values():
                    handle.close()
            for log in self._topics.logs.values():
                log.close()
            self._handles.clear()
            self._fault.reason = self._fault.reason or "it was closed"

    def _rewind(self, key: CursorKey) -> None:
        for handle in self._handles.pop(key, {}).values():
            handle.close()

    def _relieve(self) -> bool:
        """Make room for opening: the oldest of what takes most goes."""
        victims = [each for each in self._topics.logs.values() if len(each.segments) > 1]
        if victims:
            self._dropped += self.shed(max(victims, key=disk_bytes).place.topic)
        return bool(victims)

    def _stat(self, topic: str, log: Log) -> TopicStat:
        return TopicStat(
            segments=len(log.segments),
            bytes=disk_bytes(log),
            epoch=log.epoch,
            first=Position(*log.segments[0].key),
            end=log.state.end,
            durable=log.durable,
            cursors={name: self.cursor(topic, name)[0] for name in self._cursors.consumers[topic]},
            torn_bytes=log.torn_bytes,
            quarantined=log.quarantined,
            damaged=len(log.damage),
        )
