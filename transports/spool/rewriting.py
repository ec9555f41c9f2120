"""A closed segment is written again with less in it: diluted, or with nothing left but its gaps and alarms.

    D1 D2 D3 G4 D5 D6      diluted:  D3(span 3) G4 D6(span 2)      remains:  G4(span 4) SPAN6(span 2)

What is left keeps its seq, and says by its span which others it stands for: a reader finds no hole. A hole that was
there before stays one. The old file lasts until the new one is durable under its name.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from transports.spool.log import Log
from transports.spool.record import Entry, pack
from transports.spool.segment import Segment
from transports.spool.settings import Settings
from transports.spool.terms import ALARM, DATA, GAP, NUMBERED, Kind

REMAINS_S = (1 << 32) - 1  # the dilution of a segment of which only gaps and alarms are left
REMAINS_MOST = 8  # and only where they are less than an eighth of it: else nothing is gained


class Diluted(Protocol):
    """Some neighbouring records of one producer as one: which (indices), what it says, and its samples."""

    @property
    def payload(self) -> bytes: ...

    @property
    def last_index(self) -> int: ...

    @property
    def samples(self) -> int: ...


Dilute = Callable[[Sequence[bytes], int], Sequence[Diluted]]
_Rewritten = Mapping[int, Entry | None]  # by seq: another entry, or None for one that goes; the others stay


def diluted(log: Log, segment: Segment, target_s: int, dilute: Dilute) -> int:
    """Keep of each producer one record an interval; how many bytes on disk that freed."""
    entries = list(log.entries(segment))
    before = segment.disk_bytes
    after = log.rewrite(segment, _records(log, segment, entries, _diluted(entries, target_s, dilute)), target_s)
    return before - after.disk_bytes


def has_remains(log: Log, segment: Segment, settings: Settings) -> bool:
    """Whether there are gaps and alarms in a segment, and so few that it is worth keeping them alone."""
    worth = sum(entry.size for entry in log.entries(segment) if entry.kind in (GAP, ALARM))
    return 0 < worth <= max(settings.segment_bytes // REMAINS_MOST, 4096)


def reduced(log: Log, segment: Segment) -> Segment:
    """A segment of which only its gaps and alarms are left."""
    entries = list(log.entries(segment))
    going: _Rewritten = {entry.seq: None for entry in entries if entry.kind == DATA}
    return log.rewrite(segment, _records(log, segment, entries, going), REMAINS_S)


def bridged(log: Log, segment: Segment, last_seq: int) -> None:
    """The remains of a segment, which now stand for everything up to this seq, in other segments too."""
    entries = [entry for entry in log.entries(segment) if entry.kind in NUMBERED or entry.kind == Kind.SPAN]
    told, time_ns = (entries[-1].seq, entries[-1].time_ns) if entries else (segment.first - 1, 0)
    if told < last_seq:
        entries.append(_span(last_seq, last_seq - told, time_ns))
        log.rewrite(segment, _records(log, segment, entries, {}), REMAINS_S)


def _diluted(entries: Sequence[Entry], target_s: int, dilute: Dilute) -> _Rewritten:
    by_producer: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.kind == DATA:
            by_producer[entry.name].append(entry)
    rewritten: dict[int, Entry | None] = {}
    for records in by_producer.values():
        rewritten.update((entry.seq, None) for entry in records)
        for each in dilute([entry.payload for entry in records], target_s * 10**9):
            last = records[each.last_index]
            rewritten[last.seq] = last._replace(payload=each.payload, samples=each.samples)
    return rewritten


def _records(log: Log, segment: Segment, entries: Sequence[Entry], rewritten: _Rewritten) -> bytes:
    seed = log.place.seed(*segment.key)
    return b"".join(part for entry in _spanned(segment.first, entries, rewritten) for part in _packed(seed, entry))


def _packed(seed: int, entry: Entry) -> tuple[bytes, ...]:
    name = entry.name.encode()
    return pack(
        seed,
        entry.kind,
        entry.payload,
        entry.seq,
        entry.time_ns,
        0,
        name,
        entry.pseq,
        entry.samples,
        entry.span,
        entry.total,
    )


def _spanned(first: int, entries: Sequence[Entry], rewritten: _Rewritten) -> Iterator[Entry]:
    """What is left, each with the span of what went before it; what nothing follows, or a hole, is a SPAN."""
    expected, gone, time_ns = first, 0, 0
    for entry in entries:
        if entry.kind not in NUMBERED and entry.kind != Kind.SPAN:
            continue  # commits are in the snapshot of the segment that follows
        if gone and entry.seq - entry.span + 1 > expected:
            yield _span(expected - 1, gone, time_ns)
            gone = 0
        kept = None if entry.kind == Kind.SPAN else rewritten.get(entry.seq, entry)
        gone += entry.span
        if kept is not None:
            yield kept._replace(span=gone)
            gone = 0
        expected, time_ns = entry.seq + 1, entry.time_ns
    if gone:
        yield _span(expected - 1, gone, time_ns)


def _span(seq: int, span: int, time_ns: int) -> Entry:
    return Entry(Kind.SPAN, 0, "", 0, seq, time_ns, 0, span, 0, b"", 0)
