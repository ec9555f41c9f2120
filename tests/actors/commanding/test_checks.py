"""What a command may write: what fits the tag, exactly, and within its limits; everything else is refused with why."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.commanding.checks import Unfit, fitted, reads_as, refusal
from transports.messages import Command
from transports.samples import DataType, Tag
from transports.writing import Limits

TAGS = (Tag("speed", DataType.INT64), Tag("level"), Tag("open", DataType.BOOL), Tag("name", DataType.STRING))
WRITABLE = {"speed": Limits(0, 100), "open": Limits(), "name": Limits(choices=("auto", "hand"))}


def command(tag: str, value: object) -> Command:
    return Command("k", tag, value, 1.0)


@pytest.mark.parametrize(
    ("tag", "value"), [("speed", 0), ("speed", 100), ("speed", 7.0), ("open", 1), ("name", "hand")]
)
def test_what_fits_is_not_refused(tag: str, value: object) -> None:
    assert refusal(command(tag, value), WRITABLE, TAGS) == ""


@pytest.mark.parametrize(
    ("tag", "value", "why"),
    [
        ("speed", 101, "at most 100"),
        ("speed", -1, "at least 0"),
        ("speed", 1.5, "whole number"),
        ("speed", "fast", "whole number"),
        ("speed", True, "whole number"),
        ("speed", math.nan, "finite"),
        ("speed", math.inf, "finite"),
        ("open", 2, "true or false"),
        ("open", "yes", "true or false"),
        ("name", "other", "must be one of 'auto', 'hand'"),
        ("level", 1.0, "writable = true"),
        ("sped", 1, "did you mean 'speed'?"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(tag: str, value: object, why: str) -> None:
    assert why in refusal(command(tag, value), WRITABLE, TAGS)


@given(st.integers(-(2**70), 2**70))
def test_whole_numbers_are_taken_exactly_or_not_at_all(value: int) -> None:
    for kind, low, high in ((DataType.INT64, -(2**63), 2**63 - 1), (DataType.UINT64, 0, 2**64 - 1)):
        if low <= value <= high:
            assert fitted(value, kind) == value
            assert type(fitted(value, kind)) is int
        else:
            with pytest.raises(Unfit):
                fitted(value, kind)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.integers())))
def test_whatever_is_sent_becomes_a_value_of_the_type_or_is_refused(value: object) -> None:
    wanted = {DataType.BOOL: bool, DataType.INT64: int, DataType.UINT64: int, DataType.FLOAT64: float}
    wanted |= {DataType.STRING: str, DataType.BYTES: bytes}
    for kind in DataType:
        with suppress(Unfit):
            assert type(fitted(value, kind)) is wanted.get(kind, tuple)


@pytest.mark.parametrize("kind", [None, *DataType])
@pytest.mark.parametrize("value", [math.nan, math.inf, [math.nan], [-math.inf], [1.0, math.nan]])
def test_what_is_no_finite_number_is_refused_for_every_type_and_without_one(
    kind: DataType | None, value: object
) -> None:
    with pytest.raises(Unfit):
        fitted(value, kind)


def test_a_float_reads_as_written_though_the_register_has_32_bits() -> None:
    assert reads_as(42.1, 42.099998474121094)
    assert not reads_as(42.1, 42.2)
    assert not reads_as(True, 1)
    assert reads_as(2**63 - 1, 2**63 - 1)
    assert not reads_as(2**63 - 1, 2**63 - 2)
