"""What a producer said and the spool has no room for, summed up until a gap can say so.

    refused ──> summed up: range of pseq, and for each source its range of seq, times, scans, samples
    refused ──>      "
    due     ──> one append of gaps (one a source) under the last numbers that were refused, then acknowledged

A decider: it imports no I/O and asks no clock. A sum is one frozen record; it grows with the sources of one producer
(a device has one, an aggregate one for each of its devices), never with the records.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from transports import codec
from transports.errors import NotUnderstood
from transports.messages import Append
from transports.samples import Batch, Gap

GAP_EVERY_S = 10.0  # a gap says at most so much at once, so that a producer is not kept waiting for longer
GAP_BYTES = 2 * 1024 * 1024  # or so much: half of what a producer sends ahead of its acknowledgement

Whose = tuple[str, str]  # source, aggregate


@dataclass(frozen=True, slots=True)
class Lost:
    """Of one source: its scans from `first_seq` to `last_seq` (None where unknown), in `scans` and in `samples`."""

    first_seq: int | None
    last_seq: int | None
    since_ns: int
    until_ns: int
    scans: int
    samples: int

    def with_more(self, more: "Lost") -> "Lost":
        """Both in one."""
        firsts = [seq for seq in (self.first_seq, more.first_seq) if seq is not None]
        lasts = [seq for seq in (self.last_seq, more.last_seq) if seq is not None]
        return Lost(
            min(firsts, default=None),
            max(lasts, default=None),
            min(self.since_ns, more.since_ns),
            max(self.until_ns, more.until_ns),
            self.scans + more.scans,
            self.samples + more.samples,
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """What was refused of one producer in one topic since `since` (monotonic), up to its number `pseq`."""

    sender: str
    session: int
    reason: str
    since: float
    pseq: int
    size_bytes: int = 0
    commit: tuple[str, str, int, int, bytes] | None = None
    lost: Mapping[Whose, Lost] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """How many values that is."""
        return sum(each.samples for each in self.lost.values())

    def is_due(self, now: float) -> bool:
        """Whether it is time to say so."""
        return now >= self.since + GAP_EVERY_S or self.size_bytes >= GAP_BYTES


def begun(sender: str, session: int, reason: str, now: float, kept: int) -> Refused:
    """Nothing is refused yet of a producer whose records up to `kept` are held."""
    return Refused(sender, session, reason, now, pseq=kept)


def refused(summed: Refused, sender: str, append: Append, now_ns: int) -> Refused:
    """One more append has been refused; what of it is held or counted already, it being sent twice, does not count.

    Its commit stays: what was made of the input is given up, and the input is done with all the same.
    """
    skip = max(0, summed.pseq + 1 - append.pseq)
    counts: Sequence[int | None] = tuple(append.counts) or (None,) * len(append.frames)
    lost = dict(summed.lost)
    for payload, count in list(zip(append.frames, counts, strict=False))[skip:]:
        for whose, more in _losses(append.producer, payload, count, now_ns):
            lost[whose] = lost[whose].with_more(more) if whose in lost else more
    return replace(
        summed,
        sender=sender,
        session=append.session,
        pseq=max(summed.pseq, append.pseq + len(append.frames) - 1),
        size_bytes=summed.size_bytes + sum(map(len, append.frames[skip:])),
        commit=append.commit or summed.commit,
        lost=lost,
    )


def gaps(summed: Refused) -> list[tuple[Gap, int]]:
    """The gaps to append, one a source, and the samples that each says are missing."""
    return [(_gap(whose, lost, summed.reason), lost.samples) for whose, lost in summed.lost.items()]


def first_pseq(summed: Refused) -> int:
    """The number of the first of them; the last has that of the last record that was refused."""
    return summed.pseq - len(summed.lost) + 1


def _gap(whose: Whose, lost: Lost, reason: str) -> Gap:
    source, aggregate = whose
    return Gap(
        source,
        reason,
        lost.since_ns,
        lost.until_ns,
        lost.first_seq,
        lost.last_seq,
        lost.scans or None,
        aggregate=aggregate,
        samples=lost.samples or None,
    )


def _losses(producer: str, payload: bytes, count: int | None, now_ns: int) -> Iterator[tuple[Whose, Lost]]:
    try:
        item = codec.unpack(payload)
    except NotUnderstood:
        yield (producer, ""), Lost(None, None, now_ns, now_ns, 0, count or 0)
        return
    yield (item.source, item.aggregate), _lost(item, count)


def _lost(item: Batch | Gap, count: int | None) -> Lost:
    if isinstance(item, Gap):
        return Lost(
            item.first_seq, item.last_seq, item.since_ns, item.until_ns, item.count or 0, count or item.samples or 0
        )
    times, scans = item.times_ns, len(item.times_ns)
    samples = item.samples if count is None else count
    return Lost(item.seq, item.seq + scans - 1, min(times), max(times), scans, samples)
