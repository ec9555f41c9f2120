"""A device's own table over its profile's: its own keys win, everything else stays, and no table is shared."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.configuration.overlay import chosen, overlaid, steps

KEYS = st.sampled_from(["a", "b", "c", "tags", "tags.a"])
PLAIN = st.one_of(st.integers(), st.text(max_size=3), st.booleans(), st.lists(st.integers(), max_size=3))
TABLES = st.recursive(
    st.dictionaries(KEYS, PLAIN, max_size=4),
    lambda inner: st.dictionaries(KEYS, st.one_of(PLAIN, inner), max_size=4),
    max_leaves=12,
)
Path = tuple[str, ...]


def leaves(table: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything that is no table, and empty tables, with the keys that lead there."""
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def at(table: Any, path: Path) -> Any:
    """What stands there, or None."""
    for key in path:
        if not isinstance(table, Mapping) or key not in table:
            return None
        table = table[key]
    return table


@given(under=TABLES, over=TABLES)
def test_what_a_device_says_itself_is_what_holds(under: dict[str, Any], over: dict[str, Any]) -> None:
    whole = overlaid(under, over)
    said = [(path, value) for path, value in leaves(over) if value != {}]
    assert [at(whole, path) for path, _ in said] == [value for _, value in said]


@given(under=TABLES, over=TABLES)
def test_what_only_the_profile_says_stays(under: dict[str, Any], over: dict[str, Any]) -> None:
    whole = overlaid(under, over)
    kept = [(path, value) for path, value in leaves(under) if silent(over, path)]
    assert [at(whole, path) for path, _ in kept] == [value for _, value in kept]


def silent(over: Any, path: Path) -> bool:
    """Whether a table says nothing of what stands there, nor anything in place of a table around it."""
    for key in path:
        if not isinstance(over, Mapping):
            return False
        if key not in over:
            return True
        over = over[key]
    return False


@given(under=TABLES, over=TABLES)
def test_nothing_is_in_it_that_neither_says(under: dict[str, Any], over: dict[str, Any]) -> None:
    for path, value in leaves(overlaid(under, over)):
        assert value in (at(over, path), at(under, path))


@given(under=TABLES, over=TABLES)
def test_laying_the_same_over_it_again_changes_nothing(under: dict[str, Any], over: dict[str, Any]) -> None:
    whole = overlaid(under, over)
    assert overlaid(whole, over) == whole
    assert overlaid({}, over) == over
    assert overlaid(under, {}) == under


@given(under=TABLES, over=TABLES)
def test_neither_is_changed_and_no_table_is_shared(under: dict[str, Any], over: dict[str, Any]) -> None:
    before = deepcopy((under, over))
    spoil(overlaid(under, over))
    assert (under, over) == before


def spoil(value: Any) -> None:
    """Change every table and list in it."""
    for inner in list(value.values() if isinstance(value, dict) else value):
        if isinstance(inner, (dict, list)):
            spoil(inner)
    if isinstance(value, dict):
        value["spoilt"] = True
    else:
        value.append("spoilt")


@given(under=TABLES, over=TABLES)
def test_the_profiles_order_stays_and_what_is_new_stands_behind(under: dict[str, Any], over: dict[str, Any]) -> None:
    assert list(overlaid(under, over)) == [*under, *(key for key in over if key not in under)]


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        ([], ["voltage_l1", "voltage_l2", "power"]),
        (["voltage_*"], ["voltage_l1", "voltage_l2"]),
        (["power", "voltage_l?"], ["voltage_l1", "voltage_l2", "power"]),
        (["volt"], []),
    ],
)
def test_tags_are_chosen_by_pattern_in_the_profiles_order(patterns: list[str], taken: list[str]) -> None:
    assert chosen(["voltage_l1", "voltage_l2", "power"], patterns) == taken


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("tags.power.scale", ("tags", "power", "scale")),
        ("tags.power.nothing", ("tags", "power")),
        ("tags.oil.temp.unit", ("tags", "oil.temp", "unit")),
        ("tags.oil", ("tags", "oil")),
        ("list[3]", ("list",)),
        ("lis", ()),
        ("", ()),
    ],
)
def test_a_path_is_followed_as_far_as_the_table_has_it(path: str, there: Path) -> None:
    tags = {"power": {"scale": 1}, "oil": {"x": 1}, "oil.temp": {"unit": "Cel"}}
    assert steps({"tags": tags, "list": [1, 2]}, path) == there
