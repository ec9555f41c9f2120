"""A spool directory as its files tell it, for whoever does not own it: a gateway may be running, or long ended.

    names of all segments ──┬─> sights: what the heads and the newest segments say  (sights.py, little is read)
                            ├─> examine: every byte, each place that is damaged     (examination.py)
                            └─> records: those after a position, and the holes between them

Nothing is locked and nothing is written. What a running gateway does meanwhile is no error: a segment that went since
it was listed had been consumed, and the end that is being written is not damage.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from transports.errors import SettingsError
from transports.spool import quarantine
from transports.spool.examination import Damage, Examination, Found, Line, Torn, readable
from transports.spool.files import Files
from transports.spool.segment import Place, Segment, check_topic, parse_name
from transports.spool.terms import NUMBERED, START, Hole, Kind, Position, Record
from transports.spool.viewing import SegmentView, ViewFiles

_QUARANTINE = "quarantine"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SetAside:
    """A segment in quarantine of which everybody has been told; so many records can still be read in it."""

    path: str
    bytes: int
    readable: int


@dataclass(frozen=True, slots=True)
class Examined:
    """A topic that was read through: how much of it there is, and how much of it is lost. `bytes` are on disk."""

    topic: str
    segments: int
    bytes: int
    records: int
    damages: int
    lost: int
    torn_bytes: int


class Inspection:
    """Of one spool directory; `elsewhere` names topics that lie in a directory of their own (`raw_dir`).

    Every method raises OSError when the disk or its permissions refuse.
    """

    def __init__(self, directory: str, files: Files | None = None, elsewhere: Mapping[str, str] | None = None) -> None:
        self.directory, self.files, self._elsewhere = directory, files or ViewFiles(), elsewhere or {}

    def topics(self) -> list[str]:
        """The topics that have a directory, in the order of their names."""
        folders = [Path(self.directory), Path(self.directory, _QUARANTINE)]
        names = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()}
        names |= {topic for topic in self._elsewhere if Path(self.place(topic).folder).is_dir()}
        return sorted(name for name in names - {_QUARANTINE} if is_topic(name))

    def examine(self, topic: str) -> Iterator[Damage | Torn | SetAside | Examined]:
        """Each damaged place as it is found, the torn end, what is kept to be looked at, and at last the sum."""
        segments = self.segments(topic)
        records = damages = lost = torn_bytes = 0
        for found in Examination(self.files, self.place(topic), segments).found():
            match found:
                case Line(entry=entry):
                    records += entry.kind in NUMBERED
                    continue
                case Damage(count=count):
                    damages, lost = damages + 1, lost + count
                case Torn(offset=offset, end=end):
                    torn_bytes += end - offset
            yield found
        yield from self._set_aside(topic)
        own = sum(segment.lost_to is None for segment in segments)
        disk_bytes = sum(segment.disk_bytes for segment in segments)
        yield Examined(topic, own, disk_bytes, records, damages, lost, torn_bytes)

    def records(self, topic: str, after: Position = START, since_ns: int = 0) -> Iterator[Record | Hole]:
        """The records after a position that were appended at `since_ns` or later, and the holes between them."""
        examination = Examination(self.files, self.place(topic), self._since(topic, since_ns))
        return _told(topic, examination.found(after), after, since_ns)

    def last_records(
        self, topic: str, count: int, wanted: Callable[[Record], bool], after: Position = START, since_ns: int = 0
    ) -> list[Record | Hole]:
        """The last so many records that are wanted, and the holes between them. Reads from the newest segment back."""
        segments, found = self._since(topic, since_ns), deque[Record | Hole]()
        examination = Examination(self.files, self.place(topic), segments)
        for at in range(len(segments) - 1, -1, -1):
            last = examination.last_of(at)
            if count <= 0 or (last is not None and last <= after):
                break
            newest = _last(_told(topic, examination.of(at), after, since_ns), count, wanted)
            count -= sum(isinstance(each, Record) for each in newest)
            found.extendleft(reversed(newest))
        return list(found)

    def place(self, topic: str) -> Place:
        """Where the files of a topic lie."""
        return Place(self._elsewhere.get(topic, self.directory), topic)

    def segments(self, topic: str) -> list[Segment]:
        """Those of a topic, oldest first, as the names of the files tell; with the holes in quarantine."""
        place, found = self.place(topic), []
        for name in self.files.listdir(place.folder):
            parsed, path = parse_name(name), f"{place.folder}/{name}"
            if parsed and parsed[2] is None and (sizes := self._sizes(path)):
                found.append(Segment(path, parsed[0], parsed[1], sizes[0], allocated=sizes[1]))
        return sorted(found + quarantine.holes(self.files, place), key=lambda segment: segment.key)

    def looked(self, topic: str, segment: Segment, look: Callable[[SegmentView], T]) -> T | None:
        """What is seen in a segment; None when it cannot be opened or is gone."""
        try:
            view = SegmentView(self.files, self.place(topic), segment)
        except OSError:
            return None
        try:
            return look(view)
        finally:
            view.close()

    def _sizes(self, path: str) -> tuple[int, int] | None:
        """Length and what it takes on disk; None for a file that was deleted since it was listed."""
        try:
            return self.files.size(path), self.files.allocated(path)
        except FileNotFoundError:
            return None
        except OSError:  # a link to itself, for one: what is wrong with it is told when it is opened
            return 0, 0

    def _set_aside(self, topic: str) -> Iterator[SetAside]:
        place = self.place(topic)
        waiting = {segment.path for segment in quarantine.holes(self.files, place)}
        for name, (epoch, first, _) in sorted(quarantine.names(self.files, place)):
            path = f"{place.quarantine}/{name}"
            if path not in waiting:
                segment = Segment(path, epoch, first, self.files.size(path))
                yield SetAside(path, segment.size, readable(self.files, place, segment))

    def _since(self, topic: str, since_ns: int) -> list[Segment]:
        """The segments without those that end before a time: the next one was begun before it."""
        segments = self.segments(topic)
        if not since_ns:
            return segments
        begun = [self.looked(topic, segment, _created_ns) or 0 for segment in segments]
        return segments[max((at for at, time_ns in enumerate(begun) if 0 < time_ns <= since_ns), default=0) :]


def is_topic(name: str) -> bool:
    """Whether a directory of this name may be a topic's."""
    try:
        check_topic(name)
    except SettingsError:
        return False
    return True


def _created_ns(view: SegmentView) -> int:
    return view.created_ns


def _told(topic: str, everything: Iterable[Found], after: Position, since_ns: int) -> Iterator[Record | Hole]:
    for found in everything:
        if isinstance(found, Line):
            entry, position = found.entry, Position(found.epoch, found.entry.seq)
            if entry.kind in NUMBERED and position > after and entry.time_ns >= since_ns:
                kind = Kind(entry.kind)
                yield Record(position, entry.time_ns, entry.name, entry.pseq, kind, entry.payload, entry.samples)
        elif isinstance(found, Damage) and found.last and found.last > after and _may_be_since(found, since_ns):
            yield _hole(topic, found, after, found.last)


def _may_be_since(damage: Damage, since_ns: int) -> bool:
    return not damage.until_ns or damage.until_ns >= since_ns


def _hole(topic: str, damage: Damage, after: Position, last: Position) -> Hole:
    """As a consumer is told of it that has had everything up to `after`."""
    first = last.seq - damage.count + 1
    if after.epoch == last.epoch:
        first = max(first, after.seq + 1)
    reason = "damaged" if damage.reason != "quarantined" else damage.reason
    return Hole(
        topic, Position(last.epoch, first), last, last.seq - first + 1, damage.since_ns, damage.until_ns, reason
    )


def _last(told: Iterable[Record | Hole], count: int, wanted: Callable[[Record], bool]) -> list[Record | Hole]:
    """The last so many wanted records, with the holes behind the first of them."""
    kept: deque[Record | Hole] = deque()
    records = 0
    for each in told:
        if isinstance(each, Record):
            if not wanted(each):
                continue
            records += 1
        kept.append(each)
        while records > count:
            records -= isinstance(kept.popleft(), Record)
    return list(kept)
