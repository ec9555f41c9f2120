"""What is no command at all: whatever MessagePack can carry is refused with a reason, and nothing of it can hurt."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.commanding.form import can_be_answered, malformed
from transports.messages import Command

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary())
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner), max_leaves=5
)


def command(**changes: Any) -> Command:
    return Command(**{"key": "k", "tag": "x", "value": 1, "until_s": 1.0, **changes})


@pytest.mark.parametrize("value", [True, 0, -(2**63), 2**64 - 1, 1.5, "auto", b"\xff", (1, 2.5), [], "é" * 4096])
def test_every_value_that_a_tag_can_have_is_of_the_form(value: object) -> None:
    assert malformed(command(value=value)) == ""


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("key", 5),
        ("key", ""),
        ("key", "k" * 201),
        ("key", b"k"),
        ("tag", None),
        ("tag", ["x"]),
        ("tag", "x" * 1001),
        ("until_s", math.nan),
        ("until_s", math.inf),
        ("until_s", 10**400),
        ("until_s", "soon"),
        ("until_s", True),
        ("origin", 5),
        ("who", {}),
        ("why", "w" * 1001),
        ("read_back", 2),
        ("lasting", None),
        ("value", None),
        ("value", {"a": 1}),
        ("value", 2**64),
        ("value", -(2**63) - 1),
        ("value", (1, 2**64)),
        ("value", (1, (2,))),
        ("value", (1, True)),
        ("value", [0] * 4097),
        ("value", "x" * 4097),
        ("value", b"x" * 4097),
        ("value", "\udcff"),
    ],
)
def test_a_field_of_a_wrong_kind_or_size_is_named(field: str, wrong: object) -> None:
    assert malformed(command(**{field: wrong})).startswith(field) or field in ("read_back", "lasting")
    assert malformed(command(**{field: wrong}))


def test_a_key_that_is_no_text_cannot_be_answered() -> None:
    assert can_be_answered(command(key="k" * 1000))
    assert not can_be_answered(command(key=7))
    assert not can_be_answered(command(key="\udcff"))


@given(fields=st.lists(ANYTHING, min_size=9, max_size=9))
def test_whatever_comes_is_judged_and_never_raises(fields: list[Any]) -> None:
    assert isinstance(malformed(Command(*fields)), str)
