"""An act of a reload, carried out by the real plan."""

from supervisors import plan
from supervisors.plan import End, Phase, Start, Stop, Tree
from supervisors.reload.acts import done
from supervisors.reload.changes import Act, Add, Remove, Replace, changes
from supervisors.spec import ChildSpec
from tests.supervisors.reload.trees import keeper, leaf, root


def grown(tree: ChildSpec, held: tuple[str, ...] = ()) -> Tree:
    """Everybody runs who is not held."""
    standing, orders = plan.passed(plan.planted(tree, held, 0.0), 0.0)
    while starts := [order for order in orders if isinstance(order, Start)]:
        orders = []
        for start in starts:
            standing, more = plan.became_ready(standing, start.name, start.token, 0.0)
            orders += more
    return standing


def test_a_changed_device_is_the_only_one_that_is_told_anything() -> None:
    many = [leaf(f"d{number}", waits=False) for number in range(200)]
    other = [leaf("d77", 1, waits=False) if spec.name == "d77" else spec for spec in many]
    tree = grown(root(*many))
    (act,) = changes(root(*many), root(*other)).replacements
    token = tree.children["d77"].token
    tree, orders = done(tree, act, (), 1.0)
    assert list(orders) == [Stop("d77", token)]
    tree, orders = plan.died(tree, "d77", token, "exit code 0", End.NORMAL, 2.0)
    assert [order.name for order in orders] == ["d77"]
    assert tree.children["d77"].spec.table == {"value": 1}


def test_other_rules_of_a_supervisor_are_in_force_at_once_and_order_nothing() -> None:
    before, after = root(keeper("s", leaf("a"))), root(keeper("s", leaf("a"), intensity=0))
    (act,) = changes(before, after).replacements
    tree, orders = done(grown(before), act, (), 1.0)
    assert (list(orders), tree.rules("s").intensity) == ([], 0)


def test_another_deadline_of_a_device_is_in_force_at_once_and_orders_nothing() -> None:
    before, after = root(leaf("a")), root(leaf("a", hang_after_s=3.0))
    (act,) = changes(before, after).replacements
    standing = grown(before)
    tree, orders = done(standing, act, (), 1.0)
    assert (list(orders), tree.children["a"].spec.hang_after_s) == ([], 3.0)
    assert tree.children["a"].token == standing.children["a"].token


def test_a_device_that_is_being_restarted_has_the_newest_deadline_afterwards() -> None:
    tree, orders = done(grown(root(leaf("a"))), Replace(leaf("a", 1), in_place=False), (), 1.0)
    (stop,) = orders
    assert isinstance(stop, Stop)
    tree, _ = done(tree, Replace(leaf("a", 1, hang_after_s=3.0), in_place=True), (), 1.0)
    tree, _ = plan.died(tree, "a", stop.token, "exit code 0", End.NORMAL, 2.0)
    assert tree.children["a"].spec == leaf("a", 1, hang_after_s=3.0)


def test_a_removed_child_leaves_the_tree_when_its_process_is_gone() -> None:
    tree, orders = done(grown(root(leaf("a"), leaf("b"))), Remove("a"), (), 1.0)
    (order,) = orders
    assert isinstance(order, Stop)
    assert "a" in tree.children
    tree, _ = plan.died(tree, "a", order.token, "exit code 0", End.NORMAL, 2.0)
    assert ("a" in tree.children, tree.members["root"]) == (False, ("b",))


def test_a_new_child_stands_where_it_was_put_and_starts() -> None:
    tree, orders = done(grown(root(leaf("a"), leaf("c"))), Add("root", leaf("b"), "c"), (), 1.0)
    assert (tree.members["root"], [order.name for order in orders]) == (("a", "b", "c"), ["b"])


def test_a_held_child_stays_held_when_it_comes_back_under_another_supervisor() -> None:
    before, after = root(leaf("a"), keeper("s")), root(keeper("s", leaf("a")))
    tree, step = grown(before, held=("a",)), changes(before, after)
    acts: list[Act] = [*step.removals, *step.additions]
    for act in acts:
        tree, orders = done(tree, act, {"a"}, 1.0)
        alive = [order for order in orders if isinstance(order, Start)]
        stopped = [order.token for order in orders if isinstance(order, Stop)]
        assert {start.token for start in alive} <= set(stopped)
    assert tree.children["a"].phase in (Phase.HELD, Phase.STOPPING)


def test_a_held_child_keeps_its_new_specification_for_later() -> None:
    tree, orders = done(grown(root(leaf("a")), held=("a",)), Replace(leaf("a", 1), in_place=False), {"a"}, 1.0)
    assert (list(orders), tree.children["a"].phase) == ([], Phase.HELD)
    assert tree.children["a"].spec.table == {"value": 1}


def test_what_is_not_there_any_more_is_passed_over() -> None:
    tree = grown(root(leaf("a")))
    absent: tuple[Act, ...] = (
        Remove("x"),
        Replace(leaf("x"), in_place=False),
        Add("x", leaf("y"), None),
        Add("root", leaf("a"), None),
    )
    for each in absent:
        assert done(tree, each, (), 1.0) == (tree, ())
    tree, _ = done(tree, Add("root", leaf("b"), "x"), (), 1.0)
    assert tree.members["root"] == ("a", "b")
