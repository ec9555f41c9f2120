"""Reading a whole topic through, every byte of it: its records in order, and each place where they are not.

    segments, quarantine ──> records | Damage | Torn          (reader.py is the way of the owner)

A `Damage` names the bytes and the exact seq that nobody can have any more because of them: the same range as the Hole
that a consumer is told of. What follows the sound part of the newest segment is no damage but `Torn`: it was never
acknowledged, or it is being written at this moment. It is read from the files alone, also while a gateway writes them.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from transports.spool.files import Files
from transports.spool.record import Entry
from transports.spool.segment import Place, Segment
from transports.spool.terms import NUMBERED, START, Kind, Position
from transports.spool.viewing import Piece, SegmentView


class Line(NamedTuple):
    """A record of any kind, and the epoch of the segment in which it stands."""

    epoch: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes `offset` to `end` of a file, and the records `first` to `last` that are lost with them.

    `count` is 0 (and both are None) when only commits or marks were hit. Where a whole file is missing, there are no
    bytes. The records were appended after `since_ns` and not after `until_ns` (UTC; 0 where unknown). Of a whole file
    that nobody reads any more (quarantine), so many records are `readable` still, by hand.
    """

    path: str
    offset: int
    end: int
    reason: str
    first: Position | None = None
    last: Position | None = None
    since_ns: int = 0
    until_ns: int = 0
    readable: int = 0

    @property
    def count(self) -> int:
        return self.last.seq - self.first.seq + 1 if self.first and self.last else 0


@dataclass(frozen=True, slots=True)
class Torn:
    """The end of the newest segment that is not whole: being written, or cut off at the next opening. Nothing of it
    was ever acknowledged."""

    path: str
    offset: int
    end: int


Found = Line | Damage | Torn


class Examination:
    """Of the segments of one topic, oldest first, as they were listed; those in quarantine are among them."""

    def __init__(self, files: Files, place: Place, segments: Sequence[Segment]) -> None:
        self._files, self._place, self._segments = files, place, segments
        self._next = self._time_ns = 0  # the seq that comes next if nothing is missing; the time of the last record

    def found(self, after: Position = START) -> Iterator[Found]:
        """Everything from the segment on that holds the record after this position. Raises OSError."""
        for at in range(len(self._segments)):
            last = self.last_of(at)
            if last is None or last > after:
                yield from self.of(at)

    def of(self, at: int) -> Iterator[Found]:
        """Everything in one segment. Raises OSError."""
        segment, end = self._segments[at], self.last_of(at)
        last, self._next = end and end.seq, segment.first
        if segment.lost_to is None:
            yield from self._segment(segment, last)
        else:
            yield self._whole(segment, "quarantined", segment.lost_to)
            yield from self._missing(segment, None, segment.size, last)

    def last_of(self, at: int) -> Position | None:
        """The position of the last record that a segment may have had; None where no next segment tells."""
        following = self._segments[at + 1 : at + 2]
        return Position(self._segments[at].epoch, following[0].first - 1) if following else None

    def _segment(self, segment: Segment, last: int | None) -> Iterator[Found]:
        """`last` is the seq before that with which the next segment begins; None in the newest."""
        try:
            view = SegmentView(self._files, self._place, segment)
        except FileNotFoundError:
            return  # consumed and deleted since it was listed
        except OSError as refused:
            yield self._whole(segment, f"it cannot be read: {refused.strerror}", last)
            return
        try:
            if view.wrong:
                yield self._whole(segment, view.wrong, _last_seq(view) if last is None else last)
            else:
                yield from self._through(view, last)
        finally:
            view.close()

    def _through(self, view: SegmentView, last: int | None) -> Iterator[Found]:
        segment, broken, self._time_ns = view.segment, None, max(self._time_ns, view.created_ns)
        limit = view.sound_size(segment.size) if last is None else segment.size
        for piece in view.pieces(view.head_bytes, limit):
            if piece.entry is None:
                broken = piece
                continue
            entry = piece.entry
            yield from self._missing(segment, broken, piece.offset, before(entry), entry.time_ns)
            self._next, self._time_ns, broken = max(self._next, entry.seq + 1), entry.time_ns, None
            yield Line(segment.epoch, entry)
        yield from self._missing(segment, broken, limit, last)
        if limit < segment.size:
            yield Torn(segment.path, limit, segment.size)

    def _missing(
        self, segment: Segment, broken: Piece | None, offset: int, last: int | None, until_ns: int = 0
    ) -> Iterator[Damage]:
        """What is lost up to the seq `last`, found out at `offset`, with the bytes that are broken before it."""
        first, since_ns = self._next, self._time_ns
        start, end = (broken.offset, broken.end) if broken else (offset, offset)
        if last is not None and first <= last:
            self._next = last + 1
            lost = Position(segment.epoch, first), Position(segment.epoch, last)
            yield Damage(
                segment.path, start, end, "damaged", *lost, since_ns, max(since_ns, until_ns) if until_ns else 0
            )
        elif broken:
            yield Damage(segment.path, start, end, "damaged")

    def _whole(self, segment: Segment, reason: str, last: int | None) -> Damage:
        """A segment that cannot be read as one: everything that was in it."""
        size = segment.size
        with suppress(OSError):  # somebody took it away: the hole is the same
            size = self._files.size(segment.path)
        still = readable(self._files, self._place, replace(segment, size=size))
        if last is None or last < segment.first:
            return Damage(segment.path, 0, size, reason, readable=still)
        self._next = last + 1
        lost = Position(segment.epoch, segment.first), Position(segment.epoch, last)
        return Damage(segment.path, 0, size, reason, *lost, self._time_ns, 0, still)


def readable(files: Files, place: Place, segment: Segment) -> int:
    """How many records can be read in a file, whatever is wrong with it."""
    try:
        view = SegmentView(files, place, segment)
    except OSError:
        return 0
    try:
        pieces = view.pieces(view.head_bytes, segment.size)
        return sum(piece.entry is not None and piece.entry.kind in NUMBERED for piece in pieces)
    finally:
        view.close()


def before(entry: Entry) -> int:
    """The last seq that is told of before this record, or by it although it has none of its own (record.py)."""
    return entry.seq - entry.span if entry.kind in NUMBERED or entry.kind == Kind.SPAN else entry.seq


def _last_seq(view: SegmentView) -> int:
    """The last seq that a segment without a header still tells of; at least one was in it (recovery.py)."""
    whole = (piece.entry.seq for piece in view.pieces(0, view.segment.size) if piece.entry)
    return max(whole, default=view.segment.first)
