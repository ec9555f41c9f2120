"""The record codec: what was packed is unpacked bit for bit; anything else is NotUnderstood and nothing worse."""

from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.arbitrary import batches, gaps, rows
from transports.codec import pack, unpack
from transports.errors import NotUnderstood
from transports.samples import Batch, DataType, Gap, Scan, Tag, batch_of

EVERY_TYPE = batch_of(
    "press",
    9,
    [
        Scan(
            1,
            tuple(Tag(kind.name, kind, "Cel") for kind in DataType),
            [True, -1, 2**64 - 1, float("nan"), "s", b"b", (1,), (2,), (0.5, 1.5)],
            [0] * 9,
        )
    ]
    * 2,
)
FIELDS: list[Any] = msgpack.unpackb(pack(EVERY_TYPE), strict_map_key=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 9) | st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(batches())
def test_a_batch_comes_back_bit_for_bit(batch: Batch) -> None:
    back = unpack(pack(batch))
    assert isinstance(back, Batch)
    assert rows(back) == rows(batch)
    assert (back.source, back.seq, back.tags, back.times_ns, back.window_ns) == (
        batch.source,
        batch.seq,
        batch.tags,
        batch.times_ns,
        batch.window_ns,
    )


@given(batches())
def test_packing_what_was_unpacked_gives_the_same_bytes(batch: Batch) -> None:
    payload = pack(batch)
    assert pack(unpack(memoryview(payload))) == payload


@given(gaps())
def test_a_gap_comes_back_equal_in_every_field(gap: Gap) -> None:
    back = unpack(pack(gap))
    assert back == gap
    assert isinstance(back, Gap)
    assert back.detail == gap.detail


def understood_or_refused(payload: bytes) -> None:
    """The only two things that may happen; and what is understood can be read to the end."""
    try:
        item = unpack(payload)
    except NotUnderstood:
        return
    if isinstance(item, Batch):
        list(item.rows())
        item.qualities()
    pack(item)


@given(st.binary(max_size=200))
def test_any_bytes_are_understood_or_refused(payload: bytes) -> None:
    understood_or_refused(payload)


@given(item=batches() | gaps(), at=st.integers(0, 10_000), patch=st.binary(min_size=1, max_size=3), cut=st.booleans())
def test_damaged_payloads_are_understood_or_refused(item: Batch | Gap, at: int, patch: bytes, cut: bool) -> None:
    payload = pack(item)
    at %= len(payload)
    understood_or_refused(payload[:at] + (b"" if cut else patch + payload[at + len(patch) :]))


@given(at=st.integers(0, len(FIELDS) - 1), strange=ANYTHING)
def test_a_batch_with_a_strange_field_is_understood_or_refused(at: int, strange: Any) -> None:
    understood_or_refused(msgpack.packb([*FIELDS[:at], strange, *FIELDS[at + 1 :]]))


@given(kind=st.sampled_from(DataType), strange=ANYTHING)
def test_a_batch_with_a_strange_block_is_understood_or_refused(kind: DataType, strange: Any) -> None:
    understood_or_refused(msgpack.packb([*FIELDS[:5], {**FIELDS[5], int(kind): strange}, *FIELDS[6:]]))


@given(tags=st.lists(st.lists(ANYTHING, min_size=3, max_size=3)) | ANYTHING)
def test_a_batch_with_strange_tags_is_understood_or_refused(tags: Any) -> None:
    understood_or_refused(msgpack.packb([*FIELDS[:3], msgpack.packb(tags), *FIELDS[4:]]))


@given(st.lists(ANYTHING, min_size=4, max_size=8))
def test_a_gap_of_strange_fields_is_understood_or_refused(fields: list[Any]) -> None:
    understood_or_refused(msgpack.packb(["g1", *fields]))


GAP = ["g1", "press", "died", 1, 2, None, None, None, ""]
ONE_TAG = msgpack.packb([["a", 5, ""]])
WRONG: dict[str, Any] = {
    "nothing": b"",
    "a number": msgpack.packb(5),
    "a kind of the future": msgpack.packb(["b9", 1]),
    "bytes after the end": pack(EVERY_TYPE) + b"\0",
    "a cut payload": pack(EVERY_TYPE)[:-1],
    "blocks that are no table": msgpack.packb([*FIELDS[:5], [], *FIELDS[6:]]),
    "a block that is missing": msgpack.packb([*FIELDS[:5], {}, *FIELDS[6:]]),
    "a block too many": msgpack.packb(["b1", "x", 0, ONE_TAG, b"", {5: [], 6: []}, 0, 0]),
    "text where a list of texts belongs": msgpack.packb(["b1", "x", 0, ONE_TAG, bytes(16), {5: "ab"}, 0, 0]),
    "a number where a text belongs": msgpack.packb(["b1", "x", 0, ONE_TAG, bytes(8), {5: [1]}, 0, 0]),
    "half a time": msgpack.packb([*FIELDS[:4], bytes(12), *FIELDS[5:]]),
    "a source that is a number": msgpack.packb(["b1", 1, *FIELDS[2:]]),
    "status codes as text": msgpack.packb([*FIELDS[:6], "x" * 72, 0]),
    "a status code beyond 32 bits": msgpack.packb([*FIELDS[:6], 2**32, 0]),
    "too few status codes": msgpack.packb([*FIELDS[:6], bytes(4), 0]),
    "an unknown type": msgpack.packb(["b1", "x", 0, msgpack.packb([["a", 77, ""]]), b"", {}, 0, 0]),
    "a tag whose name is a number": msgpack.packb(["b1", "x", 0, msgpack.packb([[1, 5, ""]]), b"", {5: []}, 0, 0]),
    "a gap since a text": msgpack.packb([*GAP[:3], "1", *GAP[4:]]),
    "a gap that counts half": msgpack.packb([*GAP[:7], 0.5, ""]),
    "a gap that counts samples as text": msgpack.packb([*GAP, "", "9"]),
    "a batch thinned to half a scan": msgpack.packb([*FIELDS, 0.5]),
    "more fields than a batch has": msgpack.packb([*FIELDS, 5, 5]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_payload_is_never_guessed_at(name: str) -> None:
    with pytest.raises(NotUnderstood):
        unpack(WRONG[name])


def test_what_the_versions_before_wrote_is_understood() -> None:
    assert len(FIELDS) == 9
    old = unpack(msgpack.packb(FIELDS))
    assert isinstance(old, Batch)
    assert (rows(old), old.thinned_to) == (rows(EVERY_TYPE), 0)
    assert unpack(msgpack.packb([*GAP, "agg"])) == Gap("press", "died", 1, 2, aggregate="agg", samples=None)


def test_a_new_field_takes_no_room_and_no_version_before_from_what_does_not_need_it() -> None:
    assert len(msgpack.unpackb(pack(EVERY_TYPE), strict_map_key=False)) == 9
    assert len(msgpack.unpackb(pack(replace(EVERY_TYPE, thinned_to=7)), strict_map_key=False)) == 10
    assert len(msgpack.unpackb(pack(Gap("press", "died", 1, 2)))) == 10
    assert len(msgpack.unpackb(pack(Gap("press", "died", 1, 2, samples=8)))) == 11


def test_the_shortest_payloads_that_are_right_are_understood() -> None:
    assert unpack(msgpack.packb(GAP)) == Gap("press", "died", 1, 2)
    one = unpack(msgpack.packb(["b1", "x", 0, ONE_TAG, bytes(8), {5: ["a"]}, 0, 0]))
    assert isinstance(one, Batch)
    assert list(one.rows()) == [(0, ("a",), (0,))]
