"""Where one consumer reads: a segment, an offset in it, and the seq that comes next if nothing is missing.

    cursor ──> the segment that holds it ──> records, in blocks ──> end of the segment ──> the next segment
                                               seq jumps: a hole       it begins later: a hole

What was deleted on purpose (consumed, quota) was told of when it went: coming from there is silent.
"""

from math import inf

from transports.spool.log import Log
from transports.spool.record import Entry
from transports.spool.segment import Segment
from transports.spool.segment_reader import SegmentReader
from transports.spool.terms import COUNTED, NUMBERED, START, Fetched, Hole, Kind, Position, Record

_KINDS = tuple(Kind)


class ReadHandle:
    """Reads a log onwards from just after a position, each record once. Holds one descriptor and one block."""

    def __init__(self, log: Log, after: Position) -> None:
        self._log, self._end = log, after
        self._segment: Segment | None = None
        self._reader: SegmentReader | None = None
        self._offset = self._next = self._time_ns = 0
        self._parsed: list[Entry] = []  # from `_offset` on, not handed out yet
        self._durable, self._beyond = True, False
        self._counts: dict[str, int] = {}  # samples of the segment, as far as it was read

    @property
    def position(self) -> Position:
        """After which record it goes on."""
        return self._end

    def fetch(self, max_bytes: int, durable: bool, until: Position | None = None) -> Fetched:
        """The next records, at most `max_bytes` of them on disk, but at least one if there is one.

        With `until` none that lies wholly behind it; the end is there when nothing is left up to it.
        """
        records: list[Record] = []
        holes: list[Hole] = []
        if (durable and not self._durable) or (self._segment and self._segment.gone):
            self._parsed = []
        self._durable, self._beyond = durable, until is not None and self._end >= until
        room = max(1, max_bytes)
        while room > 0 and not self._beyond and self._fill(holes):
            room = self._take(records, holes, room, until)
        if until is None or room <= 0:
            return Fetched(records, holes, self._end)
        finished = self._beyond or not durable or self._log.durable >= until
        return Fetched(records, holes, max(self._end, until) if finished else self._end)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _take(self, records: list[Record], holes: list[Hole], room: int, until: Position | None) -> int:
        """Hand out the parsed entries that fit; the room that is left, 0 when the next one is too large for it."""
        entries, expected, offset, epoch = self._parsed, self._next, self._offset, self._epoch
        stop = inf if until is None or epoch < until.epoch else until.seq if epoch == until.epoch else -1
        make, taken, first, counts = tuple.__new__, 0, expected, self._counts
        for kind, _, producer, pseq, seq, time_ns, count, span, _, payload, size in entries:
            if seq >= expected:  # lower: consumed before, or not data and saying nothing new
                if numbered := kind in NUMBERED:
                    if seq - span >= stop:
                        self._beyond = True
                        break
                    if size > room and records:
                        room = 0
                        break
                    position = make(Position, (epoch, seq))
                    records.append(make(Record, (position, time_ns, producer, pseq, _KINDS[kind], payload, count)))
                    room -= size
                missing_to = seq - span if numbered or kind == Kind.SPAN else seq
                if missing_to >= expected:
                    self._missing(holes, epoch, expected, missing_to, time_ns, "damaged")
                expected = seq + 1
            if count and kind in COUNTED:
                counts[producer] = counts.get(producer, 0) + count
            self._time_ns = time_ns
            offset += size
            taken += 1
        if self._beyond and until and epoch == until.epoch and expected <= until.seq:
            self._missing(holes, epoch, expected, until.seq, self._time_ns, "damaged")
            expected = until.seq + 1
        self._parsed, self._next, self._offset = entries[taken:], expected, offset
        if expected > first:
            self._end = Position(epoch, expected - 1)
        return room

    def _fill(self, holes: list[Hole]) -> bool:
        """Have parsed entries at hand; False at the end of what may be read."""
        segment = self._segment or self._begin(holes)
        if segment.gone:  # deleted, or diluted: then its successor has the same key
            segment = self._enter(next(iter(self._log.from_key(segment.key)), self._log.active.segment), holes)
        while not self._parsed:
            limit = self._log.limit(segment, self._durable) if self._reader else 0
            if self._reader and self._offset < limit:
                self._read_block(self._reader, segment, limit)
            elif following := self._log.following(segment):
                if self._next < following.first:
                    until_ns = self._log.begun_ns(following)
                    self._missing(holes, segment.epoch, self._next, following.first - 1, until_ns, "damaged")
                if self._reader:
                    self._log.counted(segment, self._counts)
                segment = self._enter(following, holes)
            else:
                return False
        return True

    def _read_block(self, reader: SegmentReader, segment: Segment, limit: int) -> None:
        with self._log.reading(segment):
            self._parsed, offset, skipped = reader.read(self._offset, limit)
        if skipped:
            self._log.note_damage(segment, self._offset)
            self._offset = offset

    def _begin(self, holes: list[Hole]) -> Segment:
        self._look_before(self._log.segments[0], holes)
        segment = self._log.holding(self._end)
        if segment.epoch < self._end.epoch:  # the records of that epoch were lost unsynced, after they were consumed
            segment = self._log.following(segment) or segment
        return self._enter(segment, holes)

    def _look_before(self, oldest: Segment, holes: list[Hole]) -> None:
        """What should be there before the oldest segment: not given up, and not had by this consumer."""
        first = max(self._end.seq + 1, self._log.state.floor)
        if self._end > START and self._end < Position(*oldest.key) and first < oldest.first:
            self._missing(holes, self._end.epoch, first, oldest.first - 1, self._log.begun_ns(oldest), "damaged")

    def _enter(self, segment: Segment, holes: list[Hole]) -> Segment:
        self.close()
        self._segment, self._epoch, self._offset, self._parsed, self._counts = segment, segment.epoch, 0, [], {}
        self._next = max(segment.first, self._end.seq + 1 if self._end.epoch == segment.epoch else 0)
        self._reader = None if segment.lost_to is not None else self._log.open(segment)
        if self._reader:
            self._offset, self._time_ns = self._reader.body, max(self._time_ns, self._reader.created_ns)
        elif segment.lost_to is not None and segment.lost_to >= self._next:
            until_ns = self._log.begun_ns(segment)
            self._missing(holes, segment.epoch, self._next, segment.lost_to, until_ns, "quarantined")
            self._next = segment.lost_to + 1
        return segment

    def _missing(self, holes: list[Hole], epoch: int, first: int, last: int, until_ns: int, reason: str) -> None:
        since_ns, self._end = self._time_ns, Position(epoch, last)
        until_ns, topic = max(since_ns, until_ns), self._log.place.topic
        holes.append(Hole(topic, Position(epoch, first), self._end, last - first + 1, since_ns, until_ns, reason))
