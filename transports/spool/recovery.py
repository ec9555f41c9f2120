"""Opening a log: what its files say after whatever happened to them.

    names of all segments ──> newest segment with a whole snapshot ──> replay it and what is newer ──> Recovered

Only names and sizes are asked of the other segments. Of the newest segment only, the end may be unsynced:

    ├─ header, snapshot ─┬─ durable when the last MARK was written ─┬─ never acknowledged ─┤
                           damage: skipped, the rest is kept          damage: the log ends there

What is cut off is the broken transaction and all after it. Their producers still hold all of that; keeping a later
part would make a producer's highest pseq say that the broken one was taken, and its resending would be refused.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from transports.errors import NotUnderstood
from transports.spool import quarantine
from transports.spool.files import Files
from transports.spool.record import MORE, Entry, unpack_mark
from transports.spool.segment import Place, Segment, parse_name
from transports.spool.segment_reader import SegmentReader
from transports.spool.state import State, unpack_state
from transports.spool.terms import Kind, Position

Damage = tuple[tuple[int, int], int]  # segment key, offset


@dataclass(slots=True)
class Recovered:
    """A log as it was found: its segments, oldest first, and what the newest of them say.

    `epoch` is the highest that was ever used, `damage` the places that were skipped.
    """

    segments: list[Segment]
    epoch: int
    state: State = field(default_factory=State)
    torn_bytes: int = 0
    quarantined: int = 0
    damage: set[Damage] = field(default_factory=set)


@dataclass(slots=True)
class _Opened:
    """A segment under examination: `sound` when it can be read, `state` when its snapshot can."""

    segment: Segment
    reader: SegmentReader | None
    sound: bool
    state: State | None


def recover(files: Files, place: Place) -> Recovered:
    """Read one topic back, cut its torn end off and make the rest durable. Raises OSError."""
    files.make_dir(place.folder)
    set_aside = quarantine.names(files, place)
    segments = _segments(files, place)
    epochs = [segment.epoch for segment in segments] + [epoch for _, (epoch, _, _) in set_aside]
    everything = sorted(segments + quarantine.holes(files, place), key=lambda segment: segment.key)
    found = Recovered(everything, max(epochs, default=0), quarantined=len(set_aside))
    newest = _newest(files, place, segments)
    if newest:
        _take_in(found, newest)
    _set_aside(files, place, found, newest)
    return found


def _segments(files: Files, place: Place) -> list[Segment]:
    """What is there by name, oldest first; what never became a segment is removed."""
    segments = []
    for name in files.listdir(place.folder):
        path, parsed = f"{place.folder}/{name}", parse_name(name)
        if name.endswith(".seg.new"):
            with suppress(IsADirectoryError, PermissionError):
                files.unlink(path)
        elif parsed and parsed[2] is None:
            segments.append(_segment(files, path, parsed[0], parsed[1]))
    return sorted(segments, key=lambda segment: segment.key)


def _segment(files: Files, path: str, epoch: int, first: int) -> Segment:
    try:
        return Segment(path, epoch, first, files.size(path), allocated=files.allocated(path))
    except OSError:  # a link to nowhere, or to itself: it is set aside when it is opened
        return Segment(path, epoch, first, 0)


def _newest(files: Files, place: Place, segments: list[Segment]) -> list[_Opened]:
    """As many of the newest segments as it takes to find a whole snapshot, oldest first."""
    opened: list[_Opened] = []
    for segment in reversed(segments):
        opened.insert(0, _open(files, place, segment))
        if opened[0].state is not None:
            break
    return opened


def _open(files: Files, place: Place, segment: Segment) -> _Opened:
    try:
        reader = SegmentReader(files, place, segment)
        reader.read_header()
    except NotUnderstood:
        return _Opened(segment, None, False, None)
    return _Opened(segment, reader, True, _snapshot(reader))


def _snapshot(reader: SegmentReader) -> State | None:
    payload = reader.snapshot()
    try:
        return None if payload is None else unpack_state(payload)
    except NotUnderstood:
        return None


def _take_in(found: Recovered, newest: list[_Opened]) -> None:
    found.state = newest[0].state or State()
    last = newest[-1]
    if last.reader is not None:
        size, durable = _sound_size(last.reader, last.segment.size)
        last.reader.make_durable(size, durable, cut=size < last.segment.size)
        found.torn_bytes, last.segment.size = last.segment.size - size, size
    for opened in newest:
        _replay(found, opened)
        if opened.reader is not None:
            opened.reader.close()


def _sound_size(reader: SegmentReader, size: int) -> tuple[int, int]:
    """Where the log ends: after the last whole transaction before any damage that is not the disk's own; and up to
    where it was durable already."""
    complete = durable = min(reader.body, size)
    damaged: list[tuple[int, int]] = []  # where, and the end of the last whole transaction before it
    for at, entry in _walk(reader, complete, size):
        if entry is None:
            damaged.append((at, complete))
            continue
        if entry.kind == Kind.MARK:
            durable = max(durable, min(unpack_mark(entry.payload), at))
        if not entry.flags & MORE:
            complete = at + entry.size
    torn = [before for at, before in damaged if at >= durable]
    return max(durable, torn[0] if torn else complete), durable


def _replay(found: Recovered, opened: _Opened) -> None:
    segment, state, whole, reader = opened.segment, found.state, 0, opened.reader
    if reader is not None and reader.hurt:
        found.damage.add((segment.key, 0))
    for at, entry in _walk(reader, reader.body, segment.size) if reader is not None else ():
        try:
            if entry is not None:
                state.replay(segment.epoch, entry)
                whole += 1
                continue
        except NotUnderstood:  # whole, but of a form that this version cannot read
            pass
        found.damage.add((segment.key, at))
    if not opened.sound and not whole and state.end.seq < segment.first:
        # nothing tells how many were in it; at least one, so that the loss is seen at all
        state.end = Position(segment.epoch, segment.first)


def _set_aside(files: Files, place: Place, found: Recovered, newest: list[_Opened]) -> None:
    for opened in newest:
        if not opened.sound:
            after = [segment.first - 1 for segment in found.segments if segment.key > opened.segment.key]
            quarantine.put(files, place, opened.segment, after[0] if after else found.state.end.seq)
            found.quarantined += 1


def _walk(reader: SegmentReader, offset: int, limit: int) -> Iterator[tuple[int, Entry | None]]:
    """Each record with the offset at which it begins; None where damage begins."""
    while offset < limit:
        entries, after, skipped = reader.read(offset, limit)
        if skipped:
            yield offset, None
        for entry in entries:
            yield offset, entry
            offset += entry.size
        offset = after
