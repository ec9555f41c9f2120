"""What can happen to a tree by itself: time passes, children get ready, hang, take too much, end."""

from collections.abc import Iterator
from math import inf

from supervisors.plan.ends import ended
from supervisors.plan.settling import doomed, risen, settled
from supervisors.plan.tree import LIVE, At, End, Phase, Step, Tree
from supervisors.plan.turns import busy


def passed(tree: Tree, now: float, luck: float = 0.5) -> Step:
    """Time has passed: start whose turn it is, and do what is due."""
    return settled(tree, At(now, luck))


def became_ready(tree: Tree, name: str, token: int, now: float, luck: float = 0.5) -> Step:
    """A child does its work: it counts as running from now."""
    child = tree.children.get(name)
    if child is None or child.token != token or child.phase is not Phase.STARTING:
        return tree, ()
    at = At(now, luck)
    return settled(risen(tree, name, at), at)


def hung(tree: Tree, name: str, token: int, now: float) -> Step:
    """A running child shows no sign of life: hang is death."""
    child = tree.children.get(name)
    if child is None:
        return tree, ()
    return overran(tree, name, token, f"hung: no sign of life for {child.spec.hang_after_s:g} s", now)


def overran(tree: Tree, name: str, token: int, reason: str, now: float) -> Step:
    """A running child has passed a hard limit."""
    child = tree.children.get(name)
    if child is None or child.token != token or child.phase is not Phase.RUNNING:
        return tree, ()
    return doomed(tree, name, reason, At(now))


def died(tree: Tree, name: str, token: int, how: str, end: End, now: float, luck: float = 0.5) -> Step:
    """A process is gone, or could not be made. `how` is for people."""
    child, at = tree.children.get(name), At(now, luck)
    if child is None or child.token != token or child.phase not in LIVE or child.spec.rules is not None:
        return tree, ()
    if child.phase is Phase.DYING:  # whatever it did with its last breath: it was being ended
        end, how = End.ABNORMAL, child.reason
    tree, orders = ended(tree, name, end, how, at)
    tree, more = settled(tree, at)
    return tree, (*orders, *more)


def next_due(tree: Tree) -> float:
    """The time at which `passed` has something to do (inf: only an event will)."""
    return min(_dues(tree), default=inf)


def _dues(tree: Tree) -> Iterator[float]:
    """Of everybody, but those whose next attempt has to wait for their group."""
    waiting = {keeper for keeper in tree.members if tree.together(keeper) and busy(tree, keeper)}
    for name, child in tree.children.items():
        if child.due < inf and not (child.phase is Phase.WAITING and tree.parents[name] in waiting):
            yield child.due
