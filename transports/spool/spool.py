"""All topics of one directory: append, fetch, commit, sync, and keeping within the quota."""

from collections.abc import Collection, Mapping, Sequence

from transports.errors import NotUnderstood, SpoolFull
from transports.spool.cursors import Cursors
from transports.spool.fault import Fault
from transports.spool.files import Files, OsFiles
from transports.spool.log import Log, transaction_bytes
from transports.spool.reader import ReadHandle
from transports.spool.record import check_sizes
from transports.spool.recovery import Recovered, recover
from transports.spool.retention import disk_bytes, drop_oldest, remove_consumed
from transports.spool.segment import Place, check_topic
from transports.spool.settings import Settings
from transports.spool.state import Cursor, CursorKey, pack_commit
from transports.spool.sync import SyncJob
from transports.spool.terms import DATA, Commit, Dropped, Fetched, Kind, Position, TopicStat


class Spool:
    """Made by `open`; used by one thread of one process, its sync jobs by any other.

    Every method raises SpoolError when the disk fails, and from then on all of them do: close it, open it again.
    SpoolFull is gentler: nothing has changed, and `shed` makes room. NotUnderstood: this one request is wrong.
    """

    def __init__(self, settings: Settings, consumers: Mapping[str, Collection[str]], fault: Fault) -> None:
        self._settings, self._fault = settings, fault
        self._cursors = Cursors(consumers)
        self._logs: dict[str, Log] = {}  # in the order of syncing: a topic moves behind the one whose cursor it commits
        self._handles: dict[CursorKey, ReadHandle] = {}
        self._dropped: list[Dropped] = []

    @classmethod
    def open(
        cls,
        directory: str,
        settings: Settings,
        consumers: Mapping[str, Collection[str]],
        now_ns: int,
        files: Files | None = None,
    ) -> "Spool":
        """The spool of a directory, as its files tell it, with a new epoch for each topic.

        `consumers` names the topics (sources first) and who reads each: nothing is deleted as consumed before all of
        them have committed it. Raises SettingsError for a topic's name, SpoolError, SpoolFull when the disk has no
        room for a first segment and nothing can be given up. Nothing else may have the directory open.
        """
        for topic in consumers:
            check_topic(topic)
        files = files or OsFiles()
        spool = cls(settings, consumers, Fault())
        with spool._fault.guard("open", directory):
            files.make_dir(f"{directory}/quarantine")
            found = {topic: recover(files, Place(directory, topic)) for topic in consumers}
            files.fsync_dir(f"{directory}/quarantine")
            files.fsync_dir(directory)
        spool._take_over(directory, files, found, now_ns)
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
    ) -> int:
        """Records `pseq`, `pseq + 1`, ... of a producer, with a commit in the same transaction: all or nothing.

        Records up to the producer's last known pseq are skipped; when all are, so is the commit. Forward jumps of
        pseq are fine. What is appended is in the page cache; it is durable when a sync job made later has returned.
        Returns the last pseq now held.
        """
        log = self._log(topic)
        check_sizes(producer, pseq, payloads, kind)
        last, _ = log.state.producers.get(producer, (0, 0))
        fresh = payloads[max(0, last + 1 - pseq) :]
        if payloads and not fresh:
            return last
        cursor = self._moved(commit) if commit else None
        if fresh or cursor:
            self._write(log, producer, pseq + len(payloads) - len(fresh), fresh, kind, now_ns, commit, cursor)
        return log.state.producers.get(producer, (0, 0))[0]

    def commit(self, commit: Commit) -> None:
        """Move a consumer's cursor forward; back is ignored. At the same position a new state replaces the old."""
        log, cursor = self._log(commit.topic), self._moved(commit)
        if cursor:
            self._write(log, "", 0, (), DATA, log.state.time_ns, commit, cursor)

    def fetch(self, topic: str, consumer: str, max_bytes: int, durable: bool = False) -> Fetched:
        """The records after those that this consumer fetched last, or after its cursor.

        At most `max_bytes` on disk, but at least one record if there is one. With `durable` only what a power cut
        cannot take back: whoever commits what it made of them in another topic needs that for exactly once.
        """
        log, key = self._log(topic), self._cursors.known(topic, consumer)
        handle = self._handles.get(key)
        if handle is None:
            handle = self._handles[key] = ReadHandle(log, self._cursors.at(topic, consumer).position)
        return handle.fetch(max_bytes, durable)

    def rewind(self, topic: str, consumer: str) -> None:
        """The next fetch begins after the committed cursor again: the consumer has restarted."""
        self._fault.check()
        handle = self._handles.pop(self._cursors.known(topic, consumer), None)
        if handle:
            handle.close()

    def producer(self, topic: str, name: str) -> tuple[int, int]:
        """(last pseq, time in ns of its last record); (0, 0) for a name that never appended."""
        return self._log(topic).state.producers.get(name, (0, 0))

    def cursor(self, topic: str, consumer: str) -> tuple[Position, bytes]:
        """The last committed position and the state that was committed with it; (0, 0) before the first commit."""
        self._fault.check()
        cursor = self._cursors.at(topic, consumer)
        return cursor.position, cursor.state

    def end(self, topic: str) -> Position:
        """The position of the last record."""
        return self._log(topic).state.end

    def durable(self, topic: str) -> Position:
        """The position of the last record that would survive a power cut."""
        return self._log(topic).durable

    def waiting(self, topic: str, consumer: str) -> int:
        """About how many records a consumer has not committed yet; 0 only when there are none."""
        log, (position, _) = self._log(topic), self.cursor(topic, consumer)
        if position >= log.state.end:
            return 0
        return max(1, log.state.end.seq - max(position.seq, log.segments[0].first - 1))

    def dirty(self) -> SyncJob:
        """What would not survive a power cut now, as a job to run here or elsewhere; false when there is nothing.

        Jobs are run one after the other, and each is handed to `synced` when it has returned.
        """
        self._fault.check()
        written = (log.written() for log in self._logs.values())
        return SyncJob(tuple(each for each in written if each), self._cursors.positions(), self._fault)

    def synced(self, job: SyncJob) -> None:
        """A job has returned: what was written when it was made is durable."""
        self._fault.check()
        for written in job.written:
            self._logs[written.topic].synced(written)
        self._cursors.durable_to(job.cursors)

    def sync(self) -> None:
        """Make everything durable before returning."""
        job = self.dirty()
        job.run()
        self.synced(job)

    def enforce(self, now_ns: int) -> list[Dropped]:
        """Delete what all consumers have durably committed, and the oldest of a topic that is over its quota.

        Says what was given up before all had it. Cheap enough for every second; `now_ns` is for rules by age.
        """
        self._fault.check()
        dropped, self._dropped = self._dropped, []
        for topic, log in self._logs.items():
            slowest = self._cursors.slowest(topic)
            remove_consumed(log, slowest)
            excess = disk_bytes(log) - self._settings.quota_bytes(topic)
            dropped += drop_oldest(log, slowest, excess, "quota")
        return dropped

    def shed(self, topic: str) -> list[Dropped]:
        """Make room on a full disk: what is consumed, or else the oldest segment. SpoolFull when there is none."""
        log, slowest = self._log(topic), self._cursors.slowest(topic)
        before = len(log.segments)
        remove_consumed(log, slowest)
        dropped = drop_oldest(log, slowest, 1, "full") if len(log.segments) == before else []
        if len(log.segments) == before:
            raise SpoolFull(f"{log.place.folder}: the disk is full, and there is nothing left to give up")
        return dropped

    def stat(self) -> dict[str, TopicStat]:
        """Every topic in numbers."""
        self._fault.check()
        return {topic: self._stat(topic, log) for topic, log in self._logs.items()}

    def close(self) -> None:
        """Make everything durable, unless the disk has failed, and give the descriptors back."""
        try:
            if not self._fault.reason:
                self.sync()
        finally:
            for handle in self._handles.values():
                handle.close()
            for log in self._logs.values():
                log.close()
            self._handles.clear()
            self._fault.reason = self._fault.reason or "it was closed"

    def _take_over(self, directory: str, files: Files, found: Mapping[str, Recovered], now_ns: int) -> None:
        for topic, recovered in found.items():
            self._logs[topic] = Log(files, Place(directory, topic), self._fault, recovered)
            self._cursors.found(recovered.state.cursors)
        for topic, log in self._logs.items():
            self._begin(log, self._cursors.furthest(topic), now_ns)

    def _begin(self, log: Log, furthest: Position, now_ns: int) -> None:
        if not log.segments:  # the topic's files were taken away, but cursors elsewhere remember how far it was
            log.state.end = max(log.state.end, furthest)
        while True:
            try:
                log.begin(max(log.epoch, furthest.epoch) + 1, now_ns)
                return
            except SpoolFull:  # which must not keep the gateway from starting
                victims = [each for each in self._logs.values() if len(each.segments) > 1]
                if not victims:
                    raise
                self._dropped += self.shed(max(victims, key=disk_bytes).place.topic)

    def _write(
        self,
        log: Log,
        producer: str,
        pseq: int,
        payloads: Sequence[bytes],
        kind: Kind,
        now_ns: int,
        commit: Commit | None,
        cursor: Cursor | None,
    ) -> None:
        packed = pack_commit(commit, cursor.revision) if commit and cursor else None
        if log.active.is_full(transaction_bytes(producer, payloads, packed), self._settings.segment_bytes):
            job = self.dirty()  # of all topics: what is closed is durable, and never before what it commits
            job.run()
            log.roll(now_ns)
            self.synced(job)
        log.append(producer, pseq, payloads, kind, now_ns, packed)
        if commit and cursor:
            key = commit.topic, commit.consumer
            self._cursors.moved(key, cursor)
            log.state.committed(key, cursor)
            if commit.topic != log.place.topic:
                self._logs[log.place.topic] = self._logs.pop(log.place.topic)

    def _moved(self, commit: Commit) -> Cursor | None:
        """The cursor after a commit; None when the commit says nothing new. Raises NotUnderstood."""
        log = self._log(commit.topic)
        if commit.position > max(log.state.end, Position(log.epoch, 0)):
            raise NotUnderstood(f"{commit.consumer} commits {commit.position}, but {commit.topic} ends before it")
        return self._cursors.after(commit)

    def _log(self, topic: str) -> Log:
        self._fault.check()
        log = self._logs.get(topic)
        if log is None:
            raise NotUnderstood(f"there is no topic {topic!r}; known are {', '.join(self._logs)}")
        return log

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
