"""Tag names: readable, and never two the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.tag_names import distinct, word


@pytest.mark.parametrize(
    ("text", "name"), [("/", ""), ("/mnt/USB disk", "mnt_usb_disk"), ("eth0.1", "eth0_1"), ("Core 0", "core_0")]
)
def test_a_name_is_lower_case_words(text: str, name: str) -> None:
    assert word(text) == name


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "b", ""])))
def test_no_two_names_are_the_same_and_the_first_keeps_its_own(names: list[str]) -> None:
    made = distinct(names)
    assert len(set(made)) == len(made) == len(names)
    assert made[:1] == names[:1]
    assert all(new.startswith(old) for new, old in zip(made, names, strict=True))
