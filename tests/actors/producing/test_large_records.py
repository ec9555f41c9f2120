"""Records of a size that the spool takes: nothing is lost or changed by cutting, and the cuts are as few as need be."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.producing.records import entries, part, pieces
from tests.transports.arbitrary import batches, rows
from transports import codec
from transports.samples import Batch, DataType, Scan, Tag, batch_of

WAVE = (Tag("wave", DataType.BYTES), Tag("n", DataType.INT64))


def waves(*sizes_bytes: int, seq: int = 1) -> Batch:
    scans = [Scan(seq + n, WAVE, [bytes(size), n], [0, n]) for n, size in enumerate(sizes_bytes)]
    return batch_of("camera", seq, scans)


@given(batches(), st.data())
def test_two_parts_are_the_whole(batch: Batch, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(batch.times_ns)))
    one, other = part(batch, 0, at), part(batch, at, len(batch.times_ns))
    assert rows(one) + rows(other) == rows(batch)
    assert (one.seq, other.seq) == (batch.seq, batch.seq + at)


def test_a_batch_that_fits_is_one_record() -> None:
    batch = waves(100, 100, 100)
    assert list(pieces(batch, codec.pack, 1000)) == [(batch, codec.pack(batch))]


def test_a_batch_that_is_too_large_is_cut_by_scans_and_nothing_is_missing() -> None:
    batch = waves(*[300] * 9)
    cut = list(pieces(batch, codec.pack, 1000))
    assert all(payload is not None and len(payload) <= 1000 for _, payload in cut)
    assert [row for piece, _ in cut for row in rows(piece)] == rows(batch)
    assert [piece.seq for piece, _ in cut] == sorted(piece.seq for piece, _ in cut)


def test_a_scan_that_fits_no_record_stands_alone_without_a_payload() -> None:
    cut = list(pieces(waves(10, 5000, 10), codec.pack, 1000))
    assert [(piece.seq, payload is None) for piece, payload in cut] == [(1, False), (2, True), (3, False)]


def test_batches_travel_together_until_they_are_as_large_as_a_record() -> None:
    given_ = [waves(200, 200, seq=2 * n + 1) for n in range(6)]
    told = list(entries(given_, codec.pack, 1100))
    assert [len(entry.payloads) for entry in told] == [2, 2, 2]
    assert [entry.covers[:2] for entry in told] == [(1, 4), (5, 8), (9, 12)]
    assert [entry.counts for entry in told] == [(4, 4)] * 3
    assert sum(entry.scans for entry in told) == 12


def test_what_fits_no_record_keeps_its_place_between_the_others_with_its_seq_and_its_samples() -> None:
    told = list(entries([waves(10, 5000, 10), waves(10, seq=4)], codec.pack, 1000))
    assert [(entry.covers[:2], len(entry.payloads)) for entry in told] == [((1, 1), 1), ((2, 2), 0), ((3, 4), 2)]
    assert [(entry.scans, entry.counts) for entry in told] == [(1, (2,)), (1, (2,)), (2, (2, 2))]


def test_only_the_scans_in_it_are_counted_where_others_went_to_another_topic() -> None:
    (entry,) = entries([waves(10, seq=1), waves(10, seq=7)], codec.pack, 1000)
    assert (entry.covers[:2], entry.scans) == ((1, 7), 2)


NUMBERED = batches().map(lambda batch: replace(batch, seq=1))


@given(st.lists(NUMBERED, max_size=4), st.integers(50, 400))
def test_every_sample_is_in_one_entry(given_: list[Batch], max_bytes: int) -> None:
    told = list(entries(given_, codec.pack, max_bytes))
    assert sum(entry.samples for entry in told) == sum(batch.samples for batch in given_)
    assert all(len(payload) <= max_bytes for entry in told for payload in entry.payloads)
    kept = [row for entry in told for payload in entry.payloads for row in rows(codec.unpack(payload))]  # type: ignore[arg-type]
    missing = sum(1 for entry in told if not entry.payloads)
    assert len(kept) + missing == sum(len(batch.times_ns) for batch in given_)
