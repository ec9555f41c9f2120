"""What is given up is summed up exactly: each scan once, each source by itself, and the sum does not grow."""

from hypothesis import given
from hypothesis import strategies as st

from actors.spooling.giving_up import GAP_BYTES, GAP_EVERY_S, Refused, begun, first_pseq, gaps, refused
from transports import codec
from transports.messages import Append
from transports.samples import Gap, Scan, Tag, batch_of

TAGS = (Tag("a"), Tag("b"))
NOW_NS = 5_000


def _record(seq: int, scans: int, source: str = "plc") -> bytes:
    return codec.pack(batch_of(source, seq, [Scan(1_000 + seq + at, TAGS, (1.0, 2.0)) for at in range(scans)]))


def _append(pseq: int, *payloads: bytes, **fields: object) -> Append:
    return Append("out", "plc", 7, pseq, frames=payloads, **fields)  # type: ignore[arg-type]


def _begun(kept: int = 0) -> Refused:
    return begun("plc", 7, "quota", 100.0, kept)


def _sum(*appends: Append, kept: int = 0) -> Refused:
    summed = _begun(kept)
    for append in appends:
        summed = refused(summed, "plc", append, NOW_NS)
    return summed


def test_a_gap_has_the_range_the_times_and_the_samples_of_all_that_was_refused() -> None:
    summed = _sum(_append(1, _record(10, 3), _record(13, 1)), _append(3, _record(14, 2)))
    assert gaps(summed) == [(Gap("plc", "quota", 1_010, 1_015, 10, 15, 6, samples=12), 12)]
    assert (first_pseq(summed), summed.pseq) == (3, 3)


def test_what_is_sent_twice_counts_once() -> None:
    first, second = _append(1, _record(1, 1), _record(2, 1)), _append(2, _record(2, 1), _record(3, 1))
    assert gaps(_sum(first, first, second)) == gaps(_sum(_append(1, *(_record(seq, 1) for seq in (1, 2, 3)))))


def test_what_the_spool_holds_already_is_not_given_up() -> None:
    assert gaps(_sum(_append(1, _record(1, 1), _record(2, 1)), kept=1)) == gaps(_sum(_append(2, _record(2, 1)), kept=1))


def test_each_source_of_an_aggregate_has_a_gap_of_its_own_under_numbers_that_were_refused() -> None:
    summed = _sum(_append(5, _record(1, 1, "a"), _record(1, 2, "b"), _record(2, 1, "a")), kept=4)
    assert [(gap.source, gap.count) for gap, _ in gaps(summed)] == [("a", 2), ("b", 2)]
    assert (first_pseq(summed), summed.pseq) == (6, 7)


def test_the_last_commit_stays_though_what_was_made_is_given_up() -> None:
    summed = _sum(
        _append(1, _record(1, 1), commit=("raw", "mean", 1, 5, b"x")),
        _append(2, _record(2, 1)),
        _append(3, commit=None),
    )
    assert summed.commit == ("raw", "mean", 1, 5, b"x")


def test_a_gap_that_is_refused_is_in_the_gap() -> None:
    own = codec.pack(Gap("plc", "buffer full", 900, 950, 4, 6, 3))
    (gap, samples), *_ = gaps(_sum(_append(1, own, gaps=True, counts=(6,)), _append(2, _record(7, 1))))
    assert (gap.first_seq, gap.last_seq, gap.count, gap.since_ns, samples) == (4, 7, 4, 900, 8)


def test_a_record_that_cannot_be_read_is_counted_as_its_producer_counts_it() -> None:
    (gap, samples), *_ = gaps(_sum(_append(1, b"\xff", counts=(40,))))
    assert (gap.source, gap.first_seq, gap.count, samples) == ("plc", None, None, 40)


def test_it_is_said_after_a_while_or_after_so_much() -> None:
    few = _sum(_append(1, _record(1, 1)))
    assert not few.is_due(100.0 + GAP_EVERY_S / 2)
    assert few.is_due(100.0 + GAP_EVERY_S)
    assert _sum(_append(1, bytes(GAP_BYTES))).is_due(100.0)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 6)), min_size=1, max_size=12))
def test_however_often_and_in_whatever_pieces_it_is_sent_each_scan_counts_once(sent: list[tuple[int, int]]) -> None:
    """A producer sends on without a hole: a resend begins at a number that was sent, or at the next."""
    summed, sent_to = _begun(), 0
    for begin, records in sent:
        first = min(begin, sent_to + 1)
        summed = refused(summed, "plc", _append(first, *(_record(first + at, 1) for at in range(records))), NOW_NS)
        sent_to = max(sent_to, first + records - 1)
    (gap, samples), *others = gaps(summed)
    assert not others
    assert (gap.first_seq, gap.last_seq, gap.count, samples) == (1, sent_to, sent_to, 2 * sent_to)
