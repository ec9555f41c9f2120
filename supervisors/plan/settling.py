"""What follows by itself: rules that are applied until none applies any more."""

from collections.abc import Callable, Mapping
from math import inf

from supervisors.plan.ends import ended, heard
from supervisors.plan.tree import GOING, LIVE, UP, At, Kill, Order, Phase, Report, Step, Tree, change, forgiven
from supervisors.plan.turns import (
    begin,
    busy,
    holds_up,
    kill,
    regroup,
    regroup_in_turn,
    renew,
    start_in_turn,
    stop_in_turn,
)

STACKS_WITHIN_S = 1.0  # how long a hung process has to write its stacks after SIGABRT; then SIGKILL


def settled(tree: Tree, at: At) -> Step:
    """The tree when everything has been ordered that can be, by the time `at`."""
    orders: list[Order] = []
    before = None
    while tree is not before:
        before = tree
        for rule in (_supervisors, _what_is_due):
            tree, more = rule(tree, at)
            orders += more
    return tree, orders


def doomed(tree: Tree, name: str, reason: str, at: At) -> Step:
    """End a process that must not go on; it writes where it is first."""
    tree = change(tree, name, phase=Phase.DYING, since=at.now, due=at.now + STACKS_WITHIN_S, reason=reason)
    return tree, (Kill(name, tree.children[name].token, stacks=True),)


# --- each supervisor ------------------------------------------------------------------------------------------------


def _supervisors(tree: Tree, at: At) -> Step:
    orders: list[Order] = []
    for keeper in list(tree.keepers()):
        if keeper in tree.members:
            tree, more = _one(tree, keeper, at)
            orders += more
    return tree, orders


def _one(tree: Tree, keeper: str, at: At) -> Step:
    child = tree.children[keeper]
    if child.phase in GOING:
        if any(tree.children[name].phase in LIVE for name in tree.members[keeper]):
            return stop_in_turn(tree, keeper, at)
        tree, _ = stop_in_turn(tree, keeper, at)
        return ended(tree, keeper, child.fate, child.reason, at)
    if child.phase not in UP:
        return _root_begins(tree, keeper, at)
    if child.group:
        return regroup_in_turn(tree, keeper, at)
    tree, orders = start_in_turn(tree, keeper, at)
    tree = _risen(tree, keeper, at)
    if orders or not tree.together(keeper) or busy(tree, keeper):
        return tree, orders
    return _hear_the_unheard(tree, keeper, at)


def _root_begins(tree: Tree, keeper: str, at: At) -> Step:
    waits = keeper == tree.root and tree.children[keeper].phase is Phase.PENDING
    return begin(tree, keeper, at) if waits else (tree, ())


def _risen(tree: Tree, keeper: str, at: At) -> Tree:
    """A supervisor is ready when none of its children is waited for any more."""
    members = (tree.children[name] for name in tree.members[keeper])
    if tree.children[keeper].phase is not Phase.STARTING or any(holds_up(tree, keeper, each) for each in members):
        return tree
    return risen(tree, keeper, at)


def risen(tree: Tree, name: str, at: At) -> Tree:
    """A child does its work, from now on."""
    if name == tree.root:
        return change(tree, name, phase=Phase.RUNNING, since=at.now, ready=True, reason="")
    child, keeper = tree.children[name], tree.parents[name]
    rules = tree.rules(keeper)
    well_s = rules.healthy_after_s if child.on_probation else rules.period_s
    tree = change(tree, name, phase=Phase.RUNNING, since=at.now, due=at.now + well_s, ready=True, reason="")
    if child.probing and tree.together(keeper) and not tree.children[keeper].group:
        return renew(tree, keeper, name)
    return tree


def _hear_the_unheard(tree: Tree, keeper: str, at: At) -> Step:
    for name in tree.members[keeper]:
        child = tree.children[name]
        if child.unheard is not None:
            return heard(change(tree, name, unheard=None), name, child.unheard, child.reason, at)
    return tree, ()


# --- each child whose time has come ---------------------------------------------------------------------------------


def _what_is_due(tree: Tree, at: At) -> Step:
    orders: list[Order] = []
    for name, child in tree.children.items():
        if child.due <= at.now and name in tree.children and tree.children[name].due <= at.now:
            tree, more = _DUE[child.phase](tree, name, at)
            orders += more
    return tree, orders


def _again(tree: Tree, name: str, at: At) -> Step:
    """The next attempt: alone, or with its group once that is at rest."""
    keeper = tree.parents[name]
    if not tree.together(keeper):
        return begin(tree, name, at)
    if busy(tree, keeper):
        return tree, ()
    return regroup(tree, keeper, name), ()


def _late(tree: Tree, name: str, at: At) -> Step:
    return doomed(tree, name, f"not ready within {tree.children[name].spec.start_within_s:g} s", at)


def _out_of_grace(tree: Tree, name: str, at: At) -> Step:
    if not tree.children[name].killed:
        return kill(tree, name, at)
    return change(tree, name, due=inf), (Report(name, tree.children[name].token),)


def _well(tree: Tree, name: str, at: At) -> Step:
    return change(forgiven(tree, name), name, due=inf), ()


# what to do with a child whose `due` has come, by phase
_DUE: Mapping[Phase, Callable[[Tree, str, At], Step]] = {
    Phase.WAITING: _again,
    Phase.QUARANTINED: begin,
    Phase.STARTING: _late,
    Phase.STOPPING: _out_of_grace,
    Phase.DYING: _out_of_grace,
    Phase.RUNNING: _well,
}
