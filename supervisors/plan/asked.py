"""What people ask of a tree: stop, start, restart, end; and, when the configuration changes, add, remove, replace."""

from collections.abc import Collection
from dataclasses import replace
from math import inf

from supervisors.plan.settling import settled
from supervisors.plan.tree import GOING, LIVE, UP, At, Phase, Step, Then, Tree, change, forgiven, grown, without
from supervisors.plan.turns import begin, put_to_rest, stop
from supervisors.spec import ChildSpec


def asked_stop(tree: Tree, name: str, now: float, luck: float = 0.5) -> Step:
    """The operator holds a child, or a supervisor with all it has: stopped until `asked_start`."""
    child, at = tree.children[name], At(now, luck)
    if child.phase is Phase.BROKEN:
        return tree, ()
    if child.phase in LIVE:
        return _and_settled(stop(tree, name, Then.HOLD, at), at)
    held = change(tree, name, phase=Phase.HELD, since=now, due=inf, reason="held by the operator", unheard=None)
    return settled(put_to_rest(held, name, at), at)  # those that waited for it wait no longer


def asked_start(tree: Tree, name: str, now: float, luck: float = 0.5) -> Step:
    """The operator lets a child run: at once, and with a clean record."""
    child, at = tree.children[name], At(now, luck)
    if child.phase is Phase.BROKEN or tree.ending:
        return tree, ()
    if child.phase is Phase.STOPPING and child.then is Then.HOLD:
        return change(forgiven(tree, name), name, then=Then.RESTART), ()
    if child.phase in LIVE:
        return tree, ()
    return _and_settled(_started(forgiven(tree, name), name, at), at)


def asked_restart(tree: Tree, name: str, now: float, luck: float = 0.5) -> Step:
    """The operator wants a new process: stop, then start; it does not count against the budget."""
    at = At(now, luck)
    if tree.children[name].phase in LIVE and not tree.ending:
        return _and_settled(stop(forgiven(tree, name), name, Then.RESTART, at), at)
    return asked_start(tree, name, now, luck)


def asked_shutdown(tree: Tree, now: float, luck: float = 0.5) -> Step:
    """Everything ends, in the reverse of the order in which it was started."""
    at = At(now, luck)
    if tree.children[tree.root].phase in UP:
        return _and_settled(stop(tree, tree.root, Then.END, at), at)
    if tree.children[tree.root].phase in GOING:
        return tree, ()
    return change(tree, tree.root, phase=Phase.ENDED, since=now, due=inf), ()


def asked_add(
    tree: Tree, parent: str, spec: ChildSpec, now: float, before: str | None = None, held: Collection[str] = ()
) -> Step:
    """A new child, at the end of its supervisor's or `before` another one of them; it starts when its turn comes.

    It, and its children, wait for the operator where their names are among the `held`.
    """
    tree = grown(tree, parent, spec, now, held)
    if before is not None:
        others = [name for name in tree.members[parent] if name != spec.name]
        others.insert(others.index(before), spec.name)
        tree = replace(tree, members={**tree.members, parent: tuple(others)})
    return settled(tree, At(now))


def asked_remove(tree: Tree, name: str, now: float) -> Step:
    """A child is stopped and leaves the tree, a supervisor with all it has."""
    at = At(now)
    if tree.children[name].phase in LIVE:
        return _and_settled(stop(tree, name, Then.LEAVE, at), at)
    return settled(without(tree, name), at)


def asked_replace(tree: Tree, spec: ChildSpec, now: float) -> Step:
    """A child is something else from now on: a new process, if it had one. A supervisor gets new rules in place."""
    at, child = At(now), tree.children[spec.name]
    if spec.rules is not None and not spec.broken:
        return settled(change(tree, spec.name, spec=spec), at)
    tree = forgiven(tree, spec.name)
    if child.phase in LIVE:
        then = child.then if child.phase is Phase.STOPPING else Then.RESTART
        return _and_settled(stop(change(tree, spec.name, successor=spec), spec.name, then, at), at)
    tree = change(tree, spec.name, spec=spec)
    return (tree, ()) if child.phase is Phase.HELD else _and_settled(_started(tree, spec.name, at), at)


def _started(tree: Tree, name: str, at: At) -> Step:
    """At once, if its supervisor can: otherwise when its turn comes. What cannot be built is shown."""
    broken = tree.children[name].spec.broken
    if broken:
        return change(tree, name, phase=Phase.BROKEN, since=at.now, due=inf, reason=broken, unheard=None), ()
    keeper = tree.children[tree.parents[name]] if name != tree.root else None
    if keeper is None or (keeper.phase in UP and not keeper.group):
        return begin(tree, name, at)
    phase = Phase.PENDING if keeper.phase in UP else Phase.ENDED
    return change(tree, name, phase=phase, since=at.now, due=inf, reason="", unheard=None), ()


def _and_settled(step: Step, at: At) -> Step:
    tree, orders = step
    tree, more = settled(tree, at)
    return tree, (*orders, *more)
