"""Which records of a producer are diluted together: runs of the same tags, between gaps, of a bounded size."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from transports import codec
from transports.dilution.sheets import sheet_for
from transports.dilution.thinning import thinned
from transports.errors import NotUnderstood
from transports.samples import Batch, Tag

RUN_BYTES = 64 * 1024  # about the size of a diluted record: more would not fit the messages of some clouds
STRETCH_BYTES = 4 * 1024 * 1024  # what is read before something is written
_VALUE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Diluted:
    """One record after dilution. It stands for the inputs `first_index` to `last_index`: the results' ranges follow
    each other without a hole. Where devices bring several sets of tags by turns, the ranges part what belongs to which
    only roughly; the samples are exact.

    `samples` single values are in it, `lost_samples` more were in what it was made of; together, the inputs' count.
    What is as it was has the very payload that was handed in, and lost nothing.
    """

    payload: bytes
    first_index: int
    last_index: int
    samples: int
    lost_samples: int


@dataclass(slots=True)
class _Run:
    """Batches of the same tags, with their indices."""

    batches: list[Batch] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    size_bytes: int = 0  # of their payloads
    intervals: int = 0  # about
    newest: int = -1  # the number of the interval that came last

    def add(self, index: int, payload: bytes, batch: Batch, interval_ns: int) -> None:
        self.batches.append(batch)
        self.indices.append(index)
        self.size_bytes += len(payload)
        times_ns = batch.times_ns
        oldest, newest = times_ns[0] // interval_ns, times_ns[-1] // interval_ns
        self.intervals += min(len(times_ns), abs(newest - oldest) + 1) - (oldest == self.newest)
        self.newest = newest


def diluted(payloads: Sequence[bytes], interval_ns: int) -> Sequence[Diluted]:
    """The records of one producer, oldest first, diluted to one scan in each `interval_ns`. Fails for no input."""
    if interval_ns <= 0:
        raise ValueError(f"an interval of {interval_ns} ns")
    results: list[Diluted] = []
    stretch = _Stretch(payloads, interval_ns)
    for index, payload in enumerate(payloads):
        samples = stretch.take(index, payload)
        if samples is not None:
            results += stretch.ended()
            results.append(Diluted(payload, index, index, samples, 0))
        elif stretch.is_full:
            results += stretch.ended()
    return results + stretch.ended()


class _Stretch:
    """Neighbouring records that can be diluted."""

    def __init__(self, payloads: Sequence[bytes], interval_ns: int) -> None:
        self._payloads, self._interval_ns = payloads, interval_ns
        self._begin()

    def _begin(self) -> None:
        self._runs: dict[tuple[str, str, tuple[Tag, ...], bool], _Run] = {}
        self._known: dict[int, tuple[Batch, _Run]] = {}
        self._bytes = 0
        self.is_full = False

    def take(self, index: int, payload: bytes) -> int | None:
        """None when it was taken; else how many samples it accounts for, which stays as it is."""
        try:
            item = codec.unpack(payload)
        except NotUnderstood:
            return 0
        if not isinstance(item, Batch):
            return item.samples or 0
        if not item.samples or item.window_ns > self._interval_ns or sheet_for(item) is None:
            return item.samples
        run = self._run(item)
        run.add(index, payload, item, self._interval_ns)
        self._bytes += len(payload)
        width_bytes = len(item.tags) * _VALUE_BYTES * (1 if item.window_ns else 6)
        self.is_full = run.intervals * width_bytes >= RUN_BYTES or self._bytes >= STRETCH_BYTES
        return None

    def ended(self) -> list[Diluted]:
        """Everything that was taken, diluted where that makes it smaller; and begin anew."""
        made = sorted((each for run in self._runs.values() for each in self._made(run)), key=lambda each: each[0])
        first = min((run.indices[0] for run in self._runs.values()), default=0)
        results = []
        for last, payload, samples, lost in made:
            results.append(Diluted(payload, first, last, samples, lost))
            first = last + 1
        self._begin()
        return results

    def _run(self, batch: Batch) -> _Run:
        """The run that a batch goes on; by the identity of its tags first, hashing a thousand is slow."""
        known = self._known.get(id(batch.tags))
        if known is not None and _alike(known[0], batch):
            return known[1]
        run = self._runs.setdefault((batch.source, batch.aggregate, batch.tags, batch.window_ns > 0), _Run())
        self._known[id(batch.tags)] = batch, run
        return run

    def _made(self, run: _Run) -> list[tuple[int, bytes, int, int]]:
        """(last index, payload, samples, lost samples) of each record that a run becomes."""
        before = sum(batch.samples for batch in run.batches)
        batch = thinned(run.batches, self._interval_ns)
        if batch.samples < before:
            payload = codec.pack(batch)
            if codec.is_compressed(self._payloads[run.indices[0]]):
                payload = codec.pack(batch, codec.LEVEL)
            if len(payload) < run.size_bytes:
                return [(run.indices[-1], payload, batch.samples, before - batch.samples)]
        return [
            (index, self._payloads[index], batch.samples, 0)
            for index, batch in zip(run.indices, run.batches, strict=True)
        ]


def _alike(one: Batch, other: Batch) -> bool:
    same_maker = one.source == other.source and one.aggregate == other.aggregate
    return one.tags is other.tags and same_maker and (one.window_ns > 0) == (other.window_ns > 0)
