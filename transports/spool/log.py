"""The log of one topic: its segments in order, the newest of which is written."""

import errno
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from math import inf

from transports.errors import NotUnderstood
from transports.spool import quarantine
from transports.spool.active import Active
from transports.spool.fault import Fault, full
from transports.spool.files import Files
from transports.spool.recent import Recent
from transports.spool.record import HEAD_BYTES, MORE, Entry, pack, pack_mark
from transports.spool.recovery import Damage, Recovered
from transports.spool.segment import Head, Place, Segment, create, rewrite
from transports.spool.segment_reader import SegmentReader
from transports.spool.state import NEVER, Produced, SegmentKey, unpack_state
from transports.spool.sync import Written
from transports.spool.terms import COUNTED, Kind, Position

_MAX_DAMAGE = 10_000  # places remembered; enough to say that the disk is dying


class Log:
    """A topic's segments, oldest first; the last is the active one once `begin` has been called."""

    def __init__(self, files: Files, place: Place, fault: Fault, found: Recovered) -> None:
        self._files, self.place, self._fault = files, place, fault
        self.segments, self.state, self.epoch = found.segments, found.state, found.epoch
        self.torn_bytes, self.quarantined, self.damage = found.torn_bytes, found.quarantined, found.damage
        self.durable: Position = found.state.end
        self._heads: Recent[Mapping[str, Produced] | None] = Recent(64)
        self._counts: Recent[Mapping[str, int]] = Recent(16)
        self.active: Active  # once it has begun
        self.begun = False

    def begin(self, epoch: int, now_ns: int) -> None:
        """A new active segment, durable before it is used. Segments without a record give way to it.

        Everything written before must be durable. Raises SpoolFull, and all stays as it was, or SpoolError.
        """
        try:
            segment, file = create(self._files, self.place, epoch, self.state, now_ns)
        except OSError as error:
            path = self.place.path(epoch, self.state.end.seq + 1)
            raise full("create", path, error) or self._fault.found("create", path, error) from error
        empty = [s for s in self.segments if s.lost_to is None and s.first >= segment.first]
        self.segments.append(segment)
        # the file before it is not closed here: it closes with its last holder, which may be a sync under way
        self.active, self.begun = Active(segment, file, self.place.seed(*segment.key), self._fault), True
        self.epoch, self.durable = epoch, self.state.end
        self.remove(empty)

    def roll(self, now_ns: int) -> None:
        """Go on in a new segment; what was written is durable already.

        Without a record in this one its name would be the same, so the epoch moves.
        """
        self.active.seal()
        with self._fault.guard("look at", self.active.segment.path):
            self.active.segment.allocated = self._files.allocated(self.active.segment.path)
        self.begin(self.epoch + (self.state.end.seq < self.active.segment.first), now_ns)

    def append(
        self,
        producer: str,
        pseq: int,
        payloads: Sequence[bytes],
        counts: Sequence[int],
        kind: Kind,
        now_ns: int,
        commit: bytes | None,
    ) -> None:
        """One transaction, of which all is found again or nothing. Raises SpoolFull or SpoolError: nothing then."""
        name, seed, seq, last = producer.encode(), self.active.seed, self.state.end.seq, len(payloads) - 1
        parts: list[bytes] = []
        _, _, kept, missed = self.state.producers.get(producer, NEVER)
        total = kept + missed
        for at, (payload, count) in enumerate(zip(payloads, counts, strict=True)):
            flags = MORE if at < last or commit is not None else 0
            total += count
            parts += pack(seed, kind, payload, seq + 1 + at, now_ns, flags, name, pseq + at, count, 1, total)
        if commit is not None:
            parts += pack(seed, Kind.COMMIT, commit, seq + len(payloads), now_ns)
        self.active.append(b"".join(parts))
        if payloads:
            self.state.produced(producer, pseq + last, now_ns, sum(counts), kind == Kind.GAP)
            self.state.end = Position(self.epoch, seq + len(payloads))

    def raise_floor(self, segments: Collection[Segment]) -> None:
        """Say that these go on purpose, before they do. Raises SpoolFull or SpoolError."""
        floor = max((self.last_of(segment).seq + 1 for segment in segments), default=0)
        if floor > self.state.floor:
            self.state.floor = floor
            if self.begun:
                state, seed = self.state, self.active.seed
                self.active.append(b"".join(pack(seed, Kind.FLOOR, pack_mark(floor), state.end.seq, state.time_ns)))

    def written(self) -> Written | None:
        """What a sync would make durable; None when everything is."""
        active = self.active
        if active.written <= active.durable:
            return None
        return Written(self.place.topic, active.segment, active.file, active.written, self.state.end)

    def synced(self, done: Written) -> None:
        """A sync of `done` returned."""
        self.durable = max(self.durable, done.position)
        if done.segment is self.active.segment:
            self.active.synced(done.offset, self.state.end.seq, self.state.time_ns)

    def limit(self, segment: Segment, durable: bool) -> int:
        """Up to which offset a segment may be read."""
        return self.active.durable if durable and segment is self.active.segment else segment.size

    def holding(self, after: Position) -> Segment:
        """The segment in which the first record after a position is, if it is still there, or else the oldest."""
        at = bisect_right(self.segments, (after.epoch, after.seq + 1), key=_key)
        return self.segments[max(at - 1, 0)]

    def following(self, segment: Segment) -> Segment | None:
        """The next segment that there is now."""
        at = bisect_right(self.segments, segment.key, key=_key)
        return self.segments[at] if at < len(self.segments) else None

    def last_of(self, segment: Segment) -> Position:
        """The position of the last record that a segment may have had."""
        if segment.lost_to is not None:
            return Position(segment.epoch, segment.lost_to)
        following = self.following(segment)
        return Position(segment.epoch, following.first - 1 if following else self.state.end.seq)

    def open(self, segment: Segment) -> SegmentReader | None:
        """A reader; None when the segment cannot be read, and then it is in quarantine from now on."""
        with self._fault.guard("open", segment.path):
            try:
                return self._open(segment)
            except NotUnderstood as wrong:
                if segment is self.active.segment:  # damaged under our hands: open the spool again, elsewhere
                    raise OSError(errno.EIO, str(wrong)) from wrong
            quarantine.put(self._files, self.place, segment, self.last_of(segment).seq)
        self.quarantined += 1
        return None

    def begun_ns(self, segment: Segment | None) -> int:
        """When the first readable segment from this one on was begun."""
        at = bisect_left(self.segments, segment.key, key=_key) if segment else len(self.segments)
        for candidate in self.segments[at:]:
            try:
                reader = self._open(candidate)
            except (NotUnderstood, OSError):
                continue
            reader.close()
            return reader.created_ns
        return self.state.time_ns

    def reading(self, segment: Segment) -> AbstractContextManager[None]:
        """An error of the disk inside ends this spool; a sector that cannot be read is none (SegmentReader)."""
        return self._fault.guard("read", segment.path)

    def from_key(self, key: SegmentKey) -> Sequence[Segment]:
        """The segments from one on, oldest first."""
        return self.segments[bisect_left(self.segments, key, key=_key) :]

    def head(self, segment: Segment) -> Mapping[str, Produced] | None:
        """What each producer had said before a segment; None when that cannot be read any more."""
        if segment.key not in self._heads:
            self._heads.put(segment.key, self._read_head(segment))
        return self._heads.get(segment.key)

    def counts(self, segment: Segment, upto: Position | None = None) -> Mapping[str, int]:
        """The samples in a segment's records by producer, of those that can be read; `upto` a position, or all."""
        if upto is None and segment.key in self._counts:
            return self._counts.get(segment.key) or {}
        found = self._count(segment, upto)
        if upto is None:
            self.counted(segment, found)
        return found

    def entries(self, segment: Segment) -> Iterator[Entry]:
        """Every record of a segment that can be read, in order; none of one that cannot be opened."""
        with self._fault.guard("read", segment.path):
            try:
                reader = self._open(segment)
            except NotUnderstood:
                return
            at = reader.body
            while at < segment.size:
                entries, at, _ = reader.read(at, segment.size)
                yield from entries
            reader.close()

    def diluted_s(self, segment: Segment) -> int:
        """How far a segment is diluted already; 0 for one that cannot be read, which is in quarantine from now on."""
        if segment.diluted_s is None and segment.lost_to is None:
            reader = self.open(segment)  # reading the header tells it
            if reader is not None:
                reader.close()
        return segment.diluted_s or 0

    def rewrite(self, segment: Segment, records: bytes, diluted_s: int) -> Segment:
        """A closed segment with other records in its place. Raises SpoolFull, and all stays as it was, or
        SpoolError."""
        try:
            reader = self._open(segment)
            head = Head(reader.created_ns, reader.snapshot() or b"", diluted_s)
            reader.close()
            after = rewrite(self._files, self.place, segment, head, records)
            after.allocated = self._files.allocated(after.path)
        except OSError as error:
            raise full("rewrite", segment.path, error) or self._fault.found("rewrite", segment.path, error) from error
        self.segments[self.segments.index(segment)] = after
        segment.gone = True
        self._counts.forget(segment.key)
        return after

    def counted(self, segment: Segment, counts: Mapping[str, int]) -> None:
        """Somebody has read a whole segment, and this is what was in it."""
        if not segment.gone and self.following(segment) is not None:
            self._counts.put(segment.key, counts)

    def note_damage(self, segment: Segment, offset: int) -> None:
        """A place had to be skipped; met again, it is the same place."""
        place: Damage = segment.key, offset
        if len(self.damage) < _MAX_DAMAGE:
            self.damage.add(place)

    def remove(self, segments: Collection[Segment]) -> None:
        """Delete segments for good; those in quarantine leave the log, and their files stay."""
        if not segments:
            return
        for segment in segments:
            with self._fault.guard("delete", segment.path):
                self._unlink(segment)
            segment.gone = True
        self.segments = [segment for segment in self.segments if not segment.gone]
        with self._fault.guard("sync", self.place.folder):
            self._files.fsync_dir(self.place.folder)

    def close(self) -> None:
        """Give the descriptor back."""
        self.active.file.close()

    def _read_head(self, segment: Segment) -> Mapping[str, Produced] | None:
        with self._fault.guard("read", segment.path):
            try:
                reader = self._open(segment)
                payload = reader.snapshot()
                reader.close()
                return None if payload is None else unpack_state(payload).producers
            except NotUnderstood:
                return None

    def _count(self, segment: Segment, upto: Position | None) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        last = inf if upto is None else upto.seq
        for entry in self.entries(segment):
            if entry.kind in COUNTED and entry.seq <= last:
                counts[entry.name] = counts.get(entry.name, 0) + entry.samples
        return counts

    def _open(self, segment: Segment) -> SegmentReader:
        """Raises NotUnderstood for a segment that is no segment or not there."""
        if segment.lost_to is not None:
            raise NotUnderstood(f"{segment.path} is in quarantine")
        reader = SegmentReader(self._files, self.place, segment)
        reader.read_header()
        if reader.hurt:
            self.note_damage(segment, 0)
        return reader

    def _unlink(self, segment: Segment) -> None:
        if segment.lost_to is not None:
            quarantine.passed(self._files, self.place, segment)
            return
        try:
            self._files.unlink(segment.path)
        except FileNotFoundError:
            return  # somebody was quicker


def transaction_bytes(producer: str, payloads: Sequence[bytes], commit: bytes | None) -> int:
    """An upper bound of what an append takes on disk."""
    heads = len(payloads) * (HEAD_BYTES + 4 * len(producer)) + HEAD_BYTES  # 4 bytes are the longest of UTF-8
    return heads + sum(map(len, payloads)) + len(commit or b"")


def _key(segment: Segment) -> tuple[int, int]:
    return segment.key
