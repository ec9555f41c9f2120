"""Bytes on disk: what is packed is read back, and nothing else is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spool_disks import MemoryFiles

from transports.errors import NotUnderstood
from transports.spool.record import Entry, pack, parse
from transports.spool.segment import Place, Segment, parse_name
from transports.spool.segment_reader import SegmentReader
from transports.spool.state import (
    NOWHERE,
    Cursor,
    Produced,
    State,
    pack_commit,
    pack_state,
    unpack_commit,
    unpack_state,
)
from transports.spool.terms import START, Commit, Kind, Position

U64 = st.integers(0, 2**64 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
U32 = st.integers(0, 2**32 - 1)
RECORDS = st.tuples(
    st.sampled_from(Kind), st.binary(max_size=200), U64, I64, st.integers(0, 1), NAMES, U64, U32, U32, U32
)
PLACE = Place("spool", "out")
POSITIONS = st.builds(Position, U64, U64)


def packed(record: tuple, seed: int) -> bytes:
    kind, payload, seq, time_ns, flags, name, *numbers = record
    return b"".join(pack(seed, kind, payload, seq, time_ns, flags, name.encode(), *numbers))


def entry(record: tuple, seed: int) -> Entry:
    kind, payload, seq, time_ns, flags, name, pseq, *counts = record
    return Entry(kind, flags, name, pseq, seq, time_ns, *counts, payload, len(packed(record, seed)))


@given(st.lists(RECORDS, max_size=8), st.integers(1, 2**32 - 1))
def test_records_are_read_back_as_they_were_packed(records: list[tuple], seed: int) -> None:
    block = b"".join(packed(record, seed) for record in records)
    assert parse(block, 0, seed) == ([entry(record, seed) for record in records], len(block))


@given(RECORDS, st.integers(1, 2**32 - 1), st.data())
def test_a_changed_bit_is_never_read_as_a_record(record: tuple, seed: int, data: st.DataObject) -> None:
    block = bytearray(packed(record, seed))
    bit = data.draw(st.integers(0, len(block) * 8 - 1))
    block[bit // 8] ^= 1 << bit % 8
    assert parse(bytes(block), 0, seed) == ([], 0)


@given(RECORDS, RECORDS, st.integers(1, 2**32 - 2))
def test_reading_finds_back_behind_garbage_that_holds_a_record_of_elsewhere(a: tuple, b: tuple, seed: int) -> None:
    garbage = b"\xf5\xc1HR garbage " + packed(a, seed + 1) + b"\xf5\xc1"
    disk = MemoryFiles()
    disk.create("spool/out/file").pwrite(garbage + packed(b, PLACE.seed(1, 1)), 0)
    reader = SegmentReader(disk, PLACE, Segment("spool/out/file", 1, 1, disk.size("spool/out/file")))
    assert reader.find(0, disk.size("spool/out/file")) == len(garbage)


SAMPLES = st.integers(-(2**40), 2**63)
CURSORS = st.builds(
    Cursor,
    POSITIONS,
    U64,
    st.binary(max_size=30),
    I64,
    st.tuples(U64, U64),
    st.dictionaries(NAMES, SAMPLES, max_size=3),
    st.dictionaries(NAMES, st.tuples(SAMPLES, SAMPLES), max_size=3),
)


@given(
    st.builds(
        State,
        st.dictionaries(NAMES, st.builds(Produced, U64, I64, U64, U64), max_size=4),
        st.dictionaries(st.tuples(NAMES, NAMES), CURSORS, max_size=4),
        POSITIONS,
        I64,
    )
)
def test_a_snapshot_is_read_back_as_it_was_packed(state: State) -> None:
    assert unpack_state(pack_state(state)) == state


@given(NAMES, NAMES, CURSORS, st.sampled_from(["unknown", "older", "the same"]))
def test_a_commit_is_read_back_by_a_log_that_knows_what_it_leaves_out(
    topic: str, consumer: str, cursor: Cursor, known: str
) -> None:
    commit, log = Commit(topic, consumer, cursor.position, cursor.state), State()
    if known != "unknown":
        got = cursor.got if known == "the same" else {}
        log.cursors[topic, consumer] = replace(cursor, position=START, revision=0, got=got)
    before = log.cursors.get((topic, consumer), NOWHERE)
    log.replay(1, Entry(Kind.COMMIT, 0, "", 0, 0, 0, 0, 1, 0, pack_commit(commit, cursor, before), 0))
    assert log.cursors[topic, consumer] == (cursor if cursor.order > before.order else before)


@given(st.binary(max_size=60))
def test_other_bytes_are_refused_as_a_snapshot_and_as_a_commit(payload: bytes) -> None:
    for unpack in (unpack_state, unpack_commit):
        with pytest.raises(NotUnderstood):
            unpack(payload)


def test_only_segments_are_taken_for_segments() -> None:
    assert parse_name("0000000007-00000000000000000042.seg") == (7, 42, None)
    assert parse_name("0000000007-00000000000000000042-00000000000000000050.seg") == (7, 42, 50)
    for other in ("0000000007-00000000000000000042.seg.new", "7-42.seg", "lost+found", ""):
        assert parse_name(other) is None
