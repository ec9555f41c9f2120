"""What of a log may go: what every consumer has had, what is too old, and what the quota has no room for.

    whole ──> diluted to 1 s ──> 10 s ──> 60 s ──> only its gaps and alarms ──> deleted
      └── policy `thin` ───────────────────────┘      └── while there is reserve for them

Before a segment changes under a consumer, what the consumer had of it is put to its account.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile

from transports.errors import QuotaFull, SpoolFull
from transports.spool.accounts import add, counts_to, credited, lost_samples
from transports.spool.log import Log
from transports.spool.rewriting import REMAINS_S, Dilute, bridged, diluted, has_remains, reduced
from transports.spool.segment import Segment
from transports.spool.settings import DILUTE_S, Policy, Quota, Settings
from transports.spool.state import SegmentKey
from transports.spool.terms import DATA, Dropped, Kind, Position
from transports.spool.topics import Topics

AT_ONCE = 2  # segments that are diluted before others have their turn: each costs some tenths of a second


class Retention:
    """Keeps the logs within their quotas."""

    def __init__(self, settings: Settings, topics: Topics, dilute: Dilute | None) -> None:
        self._settings, self._topics, self._dilute = settings, topics, dilute
        self._cursors = topics.cursors

    def quota(self, topic: str) -> Quota:
        """The room of a topic."""
        return self._settings.quota(topic)

    def enforce(self, now_ns: int) -> Iterator[Dropped]:
        """Keep all topics within their quotas, and say what was given up before all who are known had it."""
        self.settle_accounts()
        for topic, log in list(self._topics.logs.items()):
            self.remove_consumed(topic, now_ns)
            yield from self._too_old(log, now_ns)
            yield from self._too_much(log)
        if self._settings.total_bytes:
            yield from self._too_much_in_all()

    def admit(self, log: Log, kind: Kind, more_bytes: int, now_ns: int) -> None:
        """Raises QuotaFull when the topic takes no more of this; gaps and alarms may use the reserve."""
        quota = self.quota(log.place.topic)
        if quota.policy not in (Policy.DROP_NEWEST, Policy.BLOCK):
            return
        limit = quota.data_bytes(self._settings.reserve_bytes) if kind == DATA else quota.max_bytes
        if disk_bytes(log) + more_bytes > limit:
            self.settle_accounts()
            self.remove_consumed(log.place.topic, now_ns)
        if (used := disk_bytes(log)) + more_bytes > limit:
            raise QuotaFull(f"{log.place.topic}: {used} of {limit} bytes are used; the policy is {quota.policy.value}")

    def shed(self, log: Log) -> list[Dropped]:
        """Make room on a full disk: what is consumed, or else the oldest segment. SpoolFull when there is none."""
        oldest = log.segments[0]
        self.remove_consumed(log.place.topic, log.state.time_ns)
        if oldest.gone:
            return []
        if len(log.segments) == 1:
            raise SpoolFull(f"{log.place.folder}: the disk is full, and there is nothing left to give up")
        return list(self.drop(log, [oldest], "full", salvage=False))

    def pass_over(self, log: Log, consumer: str) -> list[Dropped]:
        """A consumer goes on after everything that is there; it has been closed off already."""
        key = log.place.topic, consumer
        before = credited(log, dict(self._cursors.of(log.place.topic))[key], log.active.segment.key)
        position, count = before.position, waiting(log, before.position)
        self._topics.keep(key, replace(before, position=log.state.end, state=b""))
        self._topics.sync()
        if not count:
            return []
        first = max(Position(position.epoch, position.seq + 1), Position(*log.segments[0].key))
        return [Dropped(log.place.topic, first, log.state.end, count, 0, log.state.time_ns, "purged")]

    def settle_accounts(self) -> None:
        """Put to the accounts of all consumers the segments that they have passed."""
        changed = False
        for topic, log in list(self._topics.logs.items()):
            for key, cursor in list(self._cursors.of(topic)):
                after = credited(log, cursor)
                changed |= after is not cursor and self._topics.keep(key, after)
        if changed:
            self._topics.sync()

    def remove_consumed(self, topic: str, now_ns: int) -> None:
        """Delete the oldest segments as far as everything in them is behind the slowest consumer."""
        log = self._topics.logs[topic]
        keep_ns = None if topic == "raw" else now_ns - round(self._settings.keep_removed_s * 1e9)
        position, at = self._cursors.slowest(topic, keep_ns)
        passed = takewhile(lambda each: log.last_of(each) <= position and each.key < at, log.segments[:-1])
        log.remove(list(passed))

    def drop_oldest(self, log: Log, excess_bytes: int, reason: str) -> Iterator[Dropped]:
        """Give up the oldest segments, had or not, until this much is freed; the active one never."""
        first = len(list(remains_of(log)))
        yield from self.drop(log, _enough(log.segments[first:-1], excess_bytes), reason)

    def drop(self, log: Log, going: list[Segment], reason: str, salvage: bool = True) -> Iterator[Dropped]:
        """Give these segments up. Their gaps and alarms stay while there is room for them in the reserve."""
        if not going:
            return
        kept = self._worth_keeping(log, going) if salvage else set()
        self._leave(log, going, kept)
        last = going[-1].key
        dropped = [self._dropped(log, segment, reason) for segment in going]
        try:
            self._reduce(log, [segment for segment in going if segment.key in kept])
            self._bridge(log, kept, last)
        except SpoolFull:
            kept = set()  # then what is left of them must go as well
        removed = [each for each in log.segments if going[0].key <= each.key <= last and each.key not in kept]
        self._remove(log, removed)
        self._trim_remains(log)
        yield from (each for each in dropped if each.count > 0)

    def thin(self, log: Log, excess_bytes: int) -> int:
        """Dilute the oldest segments, a few at once; how much more is to be freed, all of it when none is left."""
        assert self._dilute is not None
        done = 0
        for target_s in DILUTE_S:
            for segment in log.segments[:-1]:
                if excess_bytes <= 0 or done >= AT_ONCE:
                    return 0  # the others have their turn a moment later
                if self._may_thin(log, segment, target_s):
                    excess_bytes -= diluted(log, segment, target_s, self._dilute)
                    done += 1
        return excess_bytes

    def _too_old(self, log: Log, now_ns: int) -> Iterator[Dropped]:
        age_s = self.quota(log.place.topic).max_age_s
        if not age_s:
            return
        before_ns = now_ns - round(age_s * 1e9)
        while len(log.segments) > 1 and log.begun_ns(log.segments[1]) < before_ns:
            yield from self.drop(log, log.segments[:1], "age", salvage=False)

    def _too_much(self, log: Log) -> Iterator[Dropped]:
        quota = self.quota(log.place.topic)
        excess = disk_bytes(log) - remains_bytes(log) - quota.data_bytes(self._settings.reserve_bytes)
        if excess > 0 and quota.policy is Policy.THIN and self._dilute and excess < quota.max_bytes // 8:
            excess = self.thin(log, excess)
        if excess > 0 and quota.policy in (Policy.DROP_OLDEST, Policy.THIN):
            yield from self.drop_oldest(log, excess, "quota")
        elif disk_bytes(log) > quota.max_bytes + self._settings.segment_bytes:  # such as after a smaller quota was set
            yield from self.drop_oldest(log, disk_bytes(log) - quota.max_bytes, "quota")

    def _too_much_in_all(self) -> Iterator[Dropped]:
        excess = sum(map(disk_bytes, self._topics.logs.values())) - self._settings.total_bytes
        if excess > 0:
            yield from self.drop_oldest(max(self._topics.logs.values(), key=disk_bytes), excess, "quota")

    def _remove(self, log: Log, going: Sequence[Segment]) -> None:
        """Delete what somebody may not have had; that it went on purpose is durable before."""
        if going and going[0] is log.segments[0]:
            with suppress(SpoolFull):
                log.raise_floor(going)
                self._topics.sync()
        log.remove(going)

    def _worth_keeping(self, log: Log, going: Sequence[Segment]) -> set[SegmentKey]:
        """Those with gaps or alarms in them that somebody has not had."""
        left = [each for each in going if each.lost_to is None and not self._had(log, each)]
        return {each.key for each in left if log.diluted_s(each) == REMAINS_S or has_remains(log, each, self._settings)}

    def _reduce(self, log: Log, segments: Sequence[Segment]) -> None:
        """Leave only their gaps and alarms; what a consumer had of the rest is put to its account."""
        for segment in segments:
            if log.diluted_s(segment) == REMAINS_S:
                continue
            inside = [(key, cursor) for key, cursor in self._cursors.of(log.place.topic) if cursor.at == segment.key]
            before = [counts_to(log, segment, cursor.position) for _, cursor in inside]
            after = reduced(log, segment)
            for (key, cursor), had in zip(inside, before, strict=True):
                got = dict(cursor.got)
                add(got, had)
                add(got, {name: -count for name, count in counts_to(log, after, cursor.position).items()})
                if got != cursor.got:
                    self._topics.keep(key, replace(cursor, got=got))

    def _bridge(self, log: Log, kept: Collection[SegmentKey], last: SegmentKey) -> None:
        """What is left of a segment says also that those after it were given up, or a reader would find a hole."""
        before, to_seq = None, 0
        for segment in [each for each in log.segments if each.key <= last]:
            if log.diluted_s(segment) == REMAINS_S and segment.lost_to is None:
                if before is not None:
                    bridged(log, before, to_seq)
                before, to_seq = segment, 0
            elif segment.key not in kept:
                to_seq = log.last_of(segment).seq
        if before is not None:
            bridged(log, before, to_seq)

    def _trim_remains(self, log: Log) -> None:
        """What is left of given up segments may not outgrow the reserve: the oldest goes."""
        excess = remains_bytes(log) - self.quota(log.place.topic).reserve(self._settings.reserve_bytes)
        self._remove(log, _enough(remains_of(log), excess))

    def _leave(self, log: Log, going: Sequence[Segment], kept: Collection[SegmentKey]) -> None:
        """Settle the accounts of those who had a part of what goes now."""
        changed, first, last = False, Position(*going[0].key), going[-1].key
        for key, cursor in list(self._cursors.of(log.place.topic)):
            if cursor.at <= last and cursor.position >= first:
                changed |= self._topics.keep(key, credited(log, cursor, last, kept))
        if changed:
            self._topics.sync()

    def _had(self, log: Log, segment: Segment) -> bool:
        position, _ = self._cursors.slowest(log.place.topic)
        return log.last_of(segment) <= position

    def _may_thin(self, log: Log, segment: Segment, target_s: int) -> bool:
        """Not what is diluted that far already, and not under the eyes of somebody who has read a part of it."""
        if log.diluted_s(segment) >= target_s or segment.lost_to is not None:
            return False
        first, last = Position(*segment.key), log.last_of(segment)
        return not any(first <= cursor.position < last for _, cursor in self._cursors.of(log.place.topic))

    def _dropped(self, log: Log, segment: Segment, reason: str) -> Dropped:
        """What is lost with a segment; the part that every consumer has had is not."""
        slowest, _ = self._cursors.slowest(log.place.topic)
        last = log.last_of(segment)
        first = max(segment.first, slowest.seq + 1) if slowest.epoch == segment.epoch else segment.first
        since_ns = log.begun_ns(segment)
        told = log.diluted_s(segment) == REMAINS_S or last <= slowest
        return Dropped(
            log.place.topic,
            Position(segment.epoch, first),
            last,
            0 if told else last.seq - first + 1,
            since_ns,
            max(since_ns, log.begun_ns(log.following(segment))),
            "quarantined" if segment.lost_to is not None else reason,
            lost_samples(log, [segment]),
        )


def _enough(segments: Iterable[Segment], bytes_to_free: int) -> list[Segment]:
    """The first of them that together free this much, or all."""
    found: list[Segment] = []
    for segment in segments:
        if bytes_to_free <= 0:
            break
        bytes_to_free -= segment.disk_bytes
        found.append(segment)
    return found


def waiting(log: Log, position: Position) -> int:
    """About how many records come after a position; 0 only when there are none."""
    if position >= log.state.end:
        return 0
    return max(1, log.state.end.seq - max(position.seq, log.segments[0].first - 1))


def disk_bytes(log: Log) -> int:
    """What a topic takes on disk."""
    return sum(segment.disk_bytes for segment in log.segments)


def remains_of(log: Log) -> Iterator[Segment]:
    """The segments, oldest first, of which only gaps and alarms are left."""
    for segment in log.segments[:-1]:
        if segment.lost_to is None and log.diluted_s(segment) == REMAINS_S:
            yield segment
        else:
            return


def remains_bytes(log: Log) -> int:
    """What they take on disk."""
    return sum(segment.disk_bytes for segment in remains_of(log))
