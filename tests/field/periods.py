"""Which periods a device missed: pure, from the times of its Good readings and of its own far end's outages.

    far end   ────────alive────────╳ killed        revived ○──grace──┬───────alive────────
    readings  │  │  │  │  │  │  │  │ (excused)             │  │  │  │  │  │           │  │
    judged    ├────────────────────┤                                 ├──────────────────── the hole counts

Two neighbouring readings may lie up to 1.5 periods and TOLERANCE_S apart: one that is left out makes that 2 periods,
one that is merely late does not. A larger hole counts as the periods that it spans, less one. Where the machine itself
stood still, that time is taken off the hole first: only what the control clock (control.py) overslept by more than
TOLERANCE_S, so that a processor that was busy for everybody is not the gateway's blocking, and blocking stays seen.
After a revival a reading has to come within the grace, else each period from the end of the grace on counts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

TOLERANCE_S = 0.1  # a processor shared with others lets a thread wait for tens of milliseconds, now and then
WHOLE = 1.5  # periods: halfway between one reading late and one reading missing


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, ns UTC."""

    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Grace:
    """How long healing may take: fixed, and a share of the outage where waits grow with it."""

    fixed_s: float
    share: float = 0.0

    def after(self, outage: Span) -> int:
        """When a reading is due at last, ns UTC."""
        return outage.end_ns + round(self.fixed_s * 1e9 + self.share * (outage.end_ns - outage.begin_ns))


@dataclass(frozen=True, slots=True)
class Missed:
    """A hole between two readings, and how many periods it cost."""

    hole: Span
    periods: int


def missed(
    good_ns: Sequence[int],
    period_s: float,
    judged: Span,
    outages: Iterable[Span] = (),
    grace: Grace | None = None,
    overslept: Sequence[Span] = (),
) -> list[Missed]:
    """The holes among `good_ns` (ascending) in what is left of `judged` without the outages and the graces after them.

    `overslept` is when the control clock was due, and when it woke.
    """
    grace = grace or Grace(period_s)
    period_ns = round(period_s * 1e9)
    return [
        hole
        for span, since_ns in obligations(judged, outages, grace)
        for hole in _holes(_points(good_ns, span, since_ns, period_ns), period_ns, overslept)
    ]


def obligations(judged: Span, outages: Iterable[Span], grace: Grace) -> Iterator[tuple[Span, int]]:
    """The spans in which periods have to be kept, and since when a reading counts as the first of each."""
    begin_ns, since_ns = judged.begin_ns, 0
    for outage in sorted(outages, key=lambda each: each.begin_ns):
        end_ns = min(outage.begin_ns, judged.end_ns)
        if end_ns > begin_ns:
            yield Span(begin_ns, end_ns), since_ns
        if grace.after(outage) > begin_ns:
            begin_ns, since_ns = grace.after(outage), outage.end_ns
    if begin_ns < judged.end_ns:
        yield Span(begin_ns, judged.end_ns), since_ns


def _points(good_ns: Sequence[int], span: Span, since_ns: int, period_ns: int) -> list[int]:
    """The readings of the span, from the last one before it to its end, which stands for the reading that follows."""
    first = bisect_left(good_ns, span.begin_ns)
    before = good_ns[first - 1] if first and good_ns[first - 1] >= since_ns else span.begin_ns - period_ns
    return [before, *good_ns[first : bisect_right(good_ns, span.end_ns)], span.end_ns]


def _holes(points: Sequence[int], period_ns: int, overslept: Sequence[Span]) -> Iterator[Missed]:
    for begin_ns, end_ns in pairwise(points):
        most_ns = round(WHOLE * period_ns + TOLERANCE_S * 1e9)
        if end_ns - begin_ns <= most_ns:
            continue
        hole = Span(begin_ns, end_ns)
        own_ns = end_ns - begin_ns - stood_still_ns(hole, overslept)
        if own_ns > most_ns:
            yield Missed(hole, max(1, round(own_ns / period_ns) - 1))


def stood_still_ns(hole: Span, overslept: Iterable[Span]) -> int:
    """How much of the hole the control clock overslept, where it was by more than the tolerance."""
    return sum(
        max(0, min(hole.end_ns, late.end_ns) - max(hole.begin_ns, late.begin_ns))
        for late in overslept
        if late.end_ns - late.begin_ns > TOLERANCE_S * 1e9
    )


def healing_ns(good_ns: Sequence[int], outage: Span) -> int:
    """From the revival to the first Good reading after it; 0 where none came."""
    first = bisect_right(good_ns, outage.end_ns)
    return good_ns[first] - outage.end_ns if first < len(good_ns) else 0
