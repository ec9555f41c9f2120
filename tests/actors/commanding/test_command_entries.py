"""A line of the journal of commands: read as it was written, told from other commands, kept while there is room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.commanding.checks import Ending
from actors.commanding.entries import BEGUN, Entry, begun, ended, fingerprint, packed, unpacked, worth_keeping
from transports.messages import Command

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.lists(st.floats(allow_nan=False)).map(tuple),
)


@given(key=st.text(min_size=1), tag=st.text(min_size=1), value=VALUES, who=st.text(), lasting=st.booleans())
def test_a_command_that_had_begun_is_known_whole_from_its_line(
    key: str, tag: str, value: object, who: str, lasting: bool
) -> None:
    command = Command(key, tag, value, 0.0, "rule:cooling", who, "too hot", lasting=lasting)
    line = packed(begun(command, 5))
    assert line.count(b"\n") == 1
    again = unpacked(line[:-1]).command(lasting)
    assert again == command
    assert fingerprint(again) == fingerprint(command)


def test_seven_is_seven_and_true_is_not_one() -> None:
    def what(value: object, tag: str = "x") -> str:
        return fingerprint(Command("k", tag, value, 0.0))

    assert what(7) == what(7.0)
    assert what([1.0, 2]) == what((1, 2))
    assert len({what(1), what(True), what("1"), what(b"1"), what(1.5), what(1, "y"), what((1,))}) == 7


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"key": "k", "at": 1e999, "outcome": "done", "detail": ""}',
        b'{"key": "k", "at": 1, "outcome": "begun", "detail": "", "value": {"hex": "zz"}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_line_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match="no entry"):
        unpacked(line)


def test_a_line_of_before_the_fingerprints_matches_whatever_is_commanded_under_its_key() -> None:
    assert unpacked(b'{"key": "k", "at": 1, "outcome": "done", "detail": ""}') == Entry("k", 1, "done")


def test_details_go_before_keys_and_the_oldest_keys_before_the_newest() -> None:
    known = [ended(Command(f"k{n:03d}", "x", n, 0.0), 10**18, Ending.REJECTED, "é" * 80) for n in range(100)]
    room = 8_000
    kept = worth_keeping(known, room)
    assert sum(len(packed(entry)) for entry in kept) <= room
    assert [entry.key for entry in kept] == [entry.key for entry in known[-len(kept) :]]
    assert kept[-1].detail
    assert not kept[0].detail
    assert len(kept) > 25  # all with their details would be 13


def test_what_has_begun_is_kept_whatever_the_room() -> None:
    open_ones = [begun(Command(f"b{n}", "x", "v" * 500, 0.0), 1) for n in range(5)]
    others = [ended(Command(f"k{n}", "x", n, 0.0), 1, Ending.DONE, "") for n in range(50)]
    kept = worth_keeping(open_ones + others, 1_000)
    assert [entry.key for entry in kept if entry.outcome == BEGUN] == [entry.key for entry in open_ones]
