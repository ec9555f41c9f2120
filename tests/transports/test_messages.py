"""Messages travel: what is packed is unpacked, older and newer ones are understood, garbage never is."""

from dataclasses import fields
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import NotUnderstood
from transports.mailbox import PeerDown, PeerUp
from transports.messages import (
    Append,
    Appended,
    Beat,
    Command,
    Commit,
    Deed,
    Fared,
    Fetch,
    Fetched,
    Ledger,
    Level,
    Message,
    NoSession,
    Notice,
    Operate,
    Outcome,
    Purge,
    Ready,
    Reload,
    Reply,
    Requested,
    Rules,
    Status,
    Way,
    WhichWay,
    pack,
    unpack,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBER = st.integers(0, 2**64 - 1)
PLACE = st.tuples(NUMBER, NUMBER)
FRAMES = st.lists(st.binary(max_size=50), min_size=1, max_size=4)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXT | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(TEXT | NUMBER, inner, max_size=3),
    max_leaves=8,
)
BYTES = st.binary(max_size=50)
COUNTS = st.lists(NUMBER, max_size=4).map(tuple)
PLACES = st.lists(PLACE, max_size=4).map(tuple)
MAYBE_PLACE = st.none() | PLACE
MADE: dict[type[Message], st.SearchStrategy[Message]] = {
    Ready: st.builds(Ready, NUMBER, NUMBER),
    Beat: st.builds(Beat, NUMBER, NUMBER, st.dictionaries(TEXT, PLAIN, max_size=3)),
    Append: st.builds(
        Append,
        TEXT,
        TEXT,
        NUMBER,
        NUMBER,
        st.booleans(),
        st.none() | st.tuples(TEXT, TEXT, NUMBER, NUMBER, BYTES),
        COUNTS,
        st.booleans(),
        FRAMES,
    ),
    Appended: st.builds(Appended, TEXT, TEXT, NUMBER, NUMBER, NUMBER),
    NoSession: st.builds(NoSession, TEXT, TEXT, NUMBER),
    Fetch: st.builds(Fetch, TEXT, TEXT, NUMBER, NUMBER, st.booleans(), st.booleans(), TEXT, MAYBE_PLACE, MAYBE_PLACE),
    Fetched: st.builds(Fetched, TEXT, TEXT, NUMBER, PLACES, MAYBE_PLACE, BYTES, TEXT, MAYBE_PLACE, COUNTS, FRAMES),
    Commit: st.builds(
        Commit, TEXT, TEXT, NUMBER, PLACE, BYTES, st.lists(st.tuples(TEXT, NUMBER), max_size=3).map(tuple)
    ),
    Ledger: st.just(Ledger()),
    Purge: st.builds(Purge, TEXT, TEXT, st.booleans(), TEXT, TEXT),
    Command: st.builds(
        Command,
        TEXT,
        TEXT,
        PLAIN,
        st.floats(allow_nan=False),
        TEXT,
        TEXT,
        TEXT,
        st.none() | st.booleans(),
        st.booleans(),
    ),
    Outcome: st.builds(Outcome, TEXT, TEXT, TEXT),
    Notice: st.builds(Notice, TEXT, st.booleans()),
    Deed: st.builds(Deed, TEXT, st.lists(PLAIN, max_size=4).map(tuple), TEXT, TEXT),
    WhichWay: st.builds(
        WhichWay, st.lists(TEXT, max_size=3).map(tuple), st.lists(st.tuples(TEXT, NUMBER), max_size=3).map(tuple), TEXT
    ),
    Way: st.builds(Way, TEXT, TEXT, TEXT, st.booleans(), TEXT),
    Fared: st.builds(Fared, TEXT, st.booleans()),
    Rules: st.just(Rules()),
    Status: st.just(Status()),
    Operate: st.builds(Operate, TEXT, TEXT, TEXT, TEXT, st.booleans()),
    Level: st.builds(Level, TEXT, TEXT, TEXT),
    Reload: st.builds(Reload, st.floats(allow_nan=False), st.booleans(), NUMBER, TEXT, TEXT, BYTES),
    Requested: st.builds(Requested, TEXT, TEXT, st.lists(TEXT, max_size=3).map(tuple), TEXT, TEXT),
    Reply: st.builds(Reply, PLAIN, TEXT),
}


def test_every_message_there_is_is_tried_here() -> None:
    assert set(MADE) == set(Message.registry.values())


@given(item=st.one_of(*MADE.values()), ask=NUMBER)
def test_a_message_is_the_same_on_the_other_side(item: Message, ask: int) -> None:
    assert unpack(pack(item, ask)) == (item, ask)


@given(item=st.one_of(*MADE.values()))
def test_payloads_travel_as_frames_of_their_own_and_are_not_packed_again(item: Message) -> None:
    head, *frames = pack(item)
    assert frames == list(getattr(item, "frames", ()))
    assert len(msgpack.unpackb(head, strict_map_key=False)) == 2 + len(type(item).slots_in_order)


def test_a_message_without_payloads_has_an_empty_sequence_of_them() -> None:
    handshake, _ = unpack(pack(Append("out", "press", 1, 0)))
    assert isinstance(handshake, Append)
    assert list(handshake.frames) == []


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_a_shorter_message_of_an_older_process_gets_the_defaults(kind: type[Message]) -> None:
    known: list[Any] = [field for field in fields(kind) if field.name != "frames"]  # type: ignore[arg-type]
    required = [field for field in known if field.default is field.default_factory]  # both are MISSING
    head = msgpack.packb([kind.__name__, 0, *(1 for _ in required)])
    item, _ = unpack([head])
    assert [getattr(item, field.name) for field in known[len(required) :]] == [
        f.default for f in known[len(required) :]
    ]
    assert [getattr(item, field.name) for field in required] == [1] * len(required)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_a_longer_message_of_a_newer_process_is_understood_as_far_as_it_is_known(kind: type[Message]) -> None:
    head = msgpack.packb([kind.__name__, 0, *(1 for _ in kind.slots_in_order), "something", "new"])
    item, _ = unpack([head])
    assert type(item) is kind


@pytest.mark.parametrize("kind", [Ready, Append, Fetched, Reply])
def test_a_message_without_what_it_needs_is_not_understood(kind: type[Message]) -> None:
    with pytest.raises(NotUnderstood):
        unpack([msgpack.packb([kind.__name__, 0])])


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"\xc1"],
        [msgpack.packb(7)],
        [msgpack.packb(["Status"])],
        [msgpack.packb(["Unheard", 0])],
        [msgpack.packb([{}, 0])],
        [msgpack.packb(["Status", {}])],
        [msgpack.packb(["Status", "1"])],
        [msgpack.packb(["Status", 0]), b"a payload that it does not have"],
        [msgpack.packb(["Status", 0]) + b"more"],
        [msgpack.packb(["Status", 0])[:-1]],
        [b"\x93" * 5000],
    ],
    ids=lambda frames: repr(frames)[:30],
)
def test_garbage_is_not_understood(frames: list[bytes]) -> None:
    with pytest.raises(NotUnderstood):
        unpack(frames)


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_any_bytes_are_a_message_or_not_understood(frames: list[bytes]) -> None:
    try:
        item, ask = unpack(frames)
    except NotUnderstood:
        return
    assert isinstance(item, Message)
    assert isinstance(ask, int)


@given(item=st.one_of(*MADE.values()), data=st.data())
def test_a_damaged_message_is_another_one_or_not_understood(item: Message, data: st.DataObject) -> None:
    head, *frames = pack(item)
    at = data.draw(st.integers(0, len(head) - 1))
    damaged = head[:at] + bytes([head[at] ^ data.draw(st.integers(1, 255))]) + head[at + 1 :]
    try:
        understood, ask = unpack([damaged, *frames])
    except NotUnderstood:
        return
    assert isinstance(understood, Message)
    assert isinstance(ask, int)


@pytest.mark.parametrize("kind", [PeerUp, PeerDown])
def test_news_of_connections_cannot_come_from_another_process(kind: type[Message]) -> None:
    with pytest.raises(NotUnderstood):
        unpack([msgpack.packb([kind.__name__, 0, "spooler"])])
