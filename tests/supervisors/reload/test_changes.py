"""What a new configuration changes: only what differs, in an order that can be carried out."""

from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import given

from supervisors.reload.changes import Add, Remove, Replace, applied, changes, everybody, keepers
from supervisors.reload.terms import canonical, terms
from supervisors.spec import ChildSpec, Strategy
from tests.supervisors.reload.trees import keeper, leaf, root, trees

REST, ALL = Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL


def test_nothing_changed_is_nothing_to_do() -> None:
    tree = root(leaf("a"), keeper("s", leaf("b")))
    plan = changes(tree, tree)
    assert (plan.any, plan.summary(), plan.untouched) == (False, {}, ("a", "s", "b"))


def test_one_of_two_hundred_touches_one() -> None:
    many = [leaf(f"d{number}") for number in range(200)]
    other = [leaf("d77", value=1) if spec.name == "d77" else spec for spec in many]
    plan = changes(root(*many), root(*other))
    assert (plan.summary(), plan.touched, len(plan.untouched)) == ({"changed": ["d77"]}, ("d77",), 199)
    assert plan.replacements == (Replace(leaf("d77", value=1), in_place=False),)


def test_another_deadline_alone_touches_no_process() -> None:
    plan = changes(root(leaf("a")), root(leaf("a", hang_after_s=3.0)))
    assert (plan.summary(), plan.touched) == ({"retuned": ["a"]}, ())
    assert plan.replacements == (Replace(leaf("a", hang_after_s=3.0), in_place=True),)


def test_a_supervisor_with_other_rules_keeps_its_children_as_they_are() -> None:
    plan = changes(root(keeper("s", leaf("a"))), root(keeper("s", leaf("a"), intensity=1)))
    assert (plan.summary(), plan.touched, plan.untouched) == ({"retuned": ["s"]}, (), ("a",))


def test_the_roots_own_rules_can_change() -> None:
    plan = changes(root(leaf("a")), root(leaf("a"), intensity=1))
    assert (plan.summary(), plan.untouched) == ({"retuned": ["root"]}, ("a",))


def test_an_added_child_comes_before_the_next_one_that_stays() -> None:
    plan = changes(root(leaf("a"), leaf("d")), root(leaf("a"), leaf("b"), leaf("c"), leaf("d"), leaf("e")))
    assert plan.additions == (Add("root", leaf("b"), "d"), Add("root", leaf("c"), "d"), Add("root", leaf("e"), None))
    assert plan.touched == ("b", "c", "e")


def test_a_removed_supervisor_goes_with_all_it_has() -> None:
    plan = changes(root(leaf("a"), keeper("s", leaf("b"), keeper("t", leaf("c")))), root(leaf("a")))
    assert plan.removals == (Remove("s"),)
    assert plan.removed == ("s", "b", "t", "c")
    assert plan.leaving == {"s", "b", "t", "c"}


def test_removals_go_from_the_last_started_to_the_first() -> None:
    assert changes(root(leaf("a"), leaf("b"), leaf("c")), root(leaf("b"))).removals == (Remove("c"), Remove("a"))


def test_a_child_under_another_supervisor_is_ended_there_before_it_begins_here() -> None:
    plan = changes(root(leaf("a"), keeper("s")), root(keeper("s", leaf("a"))))
    assert (plan.removals, plan.additions) == ((Remove("a"),), (Add("s", leaf("a"), None),))
    assert plan.moved == plan.touched == ("a",)
    assert plan.leaving == {"a"}


def test_a_child_may_leave_a_supervisor_that_goes_and_join_one_that_comes() -> None:
    plan = changes(root(keeper("s", leaf("a"), leaf("b"))), root(keeper("t", leaf("a"))))
    assert (plan.removals, plan.additions) == ((Remove("s"),), (Add("root", keeper("t", leaf("a")), None),))
    assert plan.leaving == {"s", "t", "a", "b"}


def test_a_device_that_becomes_a_supervisor_is_another_child_of_that_name() -> None:
    plan = changes(root(leaf("a")), root(keeper("a", leaf("b"))))
    assert (plan.moved, plan.removals) == (("a",), (Remove("a"),))


def test_another_order_in_the_file_moves_nobody_where_each_stands_alone() -> None:
    assert not changes(root(leaf("a"), leaf("b")), root(leaf("b"), leaf("a"))).any


@pytest.mark.parametrize("strategy", [REST, ALL])
def test_another_order_moves_as_few_as_possible_where_the_order_counts(strategy: Strategy) -> None:
    old = [leaf(name) for name in "abcdef"]
    new = [leaf(name) for name in "bcdeaf"]
    plan = changes(root(*old, strategy=strategy), root(*new, strategy=strategy))
    assert (plan.moved, plan.additions) == (("a",), (Add("root", leaf("a"), "f"),))


@pytest.mark.parametrize(
    ("one", "other"),
    [((1, 2), [1, 2]), (Path("/x"), "/x"), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (nan, nan), (inf, inf)],
)
def test_what_a_wire_makes_of_a_value_is_the_same_value(one: object, other: object) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1), (2**64 - 1, 2**64 - 2)])
def test_what_toml_tells_apart_is_a_change(one: object, other: object) -> None:
    assert changes(root(leaf("a", one)), root(leaf("a", other))).changed == ("a",)


@given(trees(), trees())
def test_the_changes_lead_to_the_new_tree(old: ChildSpec, new: ChildSpec) -> None:
    plan = changes(old, new)
    made = applied(old, (*plan.removals, *plan.replacements, *plan.additions))
    assert keepers(made) == keepers(new)
    assert {name: terms(spec) for name, spec in everybody(made).items()} == {
        name: terms(spec) for name, spec in everybody(new).items()
    }
    assert terms(made) == terms(new)
    assert not changes(made, new).any


@given(trees((REST, ALL)), trees((REST, ALL)))
def test_where_the_order_counts_it_is_that_of_the_new_tree(old: ChildSpec, new: ChildSpec) -> None:
    plan = changes(old, new)
    assert applied(old, (*plan.removals, *plan.replacements, *plan.additions)) == new


@given(trees(), trees())
def test_everybody_is_told_of_once_and_nobody_is_touched_without_a_reason(old: ChildSpec, new: ChildSpec) -> None:
    plan, was, will = changes(old, new), everybody(old), everybody(new)
    kinds = [*plan.added, *plan.removed, *plan.moved, *plan.changed, *plan.retuned, *plan.untouched]
    assert sorted(set(kinds) - {"root"}) == sorted(was.keys() | will.keys())
    assert len(kinds) == len(set(kinds))
    for name in plan.untouched:
        assert terms(was[name]) == terms(will[name])
        assert keepers(old)[name] == keepers(new)[name]
    assert set(plan.touched) <= {name for name, spec in will.items() if spec.rules is None}


@given(trees(), trees())
def test_nothing_is_added_under_who_is_not_there(old: ChildSpec, new: ChildSpec) -> None:
    plan = changes(old, new)
    there = applied(old, plan.removals)
    for add in plan.additions:
        siblings = [spec.name for spec in ({"root": there} | everybody(there))[add.parent].children]
        assert add.before is None or add.before in siblings
        assert not everybody(there).keys() & {add.spec.name, *everybody(add.spec)}
        there = applied(there, (add,))


def test_a_replaced_supervisor_has_its_children_in_the_tree_that_is_told() -> None:
    old, new = root(keeper("s", leaf("a"))), root(keeper("s", leaf("a"), intensity=1))
    assert applied(old, changes(old, new).replacements) == replace(new)
