"""Whose turn it is: starting in order, stopping in reverse, and both for the groups that restart together.

A child with `waits` holds up those after it until it is ready, and stops only when those after it are gone; the
others start and stop side by side with their neighbours.
"""

from dataclasses import replace
from math import inf

from supervisors.plan.tree import (
    GOING,
    LIVE,
    UNSETTLED,
    UP,
    At,
    Child,
    Kill,
    Order,
    Phase,
    Start,
    Step,
    Stop,
    Then,
    Tree,
    change,
)
from supervisors.spec import Exhausted, Restart, Strategy

ASLEEP = frozenset({Phase.PENDING, Phase.WAITING, Phase.QUARANTINED})
UNKILLABLE_S = 5.0  # after SIGKILL: who still lives then hangs in the kernel


# --- one child ------------------------------------------------------------------------------------------------------


def begin(tree: Tree, name: str, at: At) -> Step:
    """Start it: a process is ordered, a supervisor begins with its first child."""
    child = tree.children[name]
    if child.spec.rules is not None:
        return _begin_keeper(tree, name, at), ()
    token = tree.next_token
    due = at.now + child.spec.start_within_s
    tree = _beginning(replace(tree, next_token=token + 1), name, at, token=token, due=due)
    return tree, (Start(name, token),)


def _beginning(tree: Tree, name: str, at: At, **more: object) -> Tree:
    probing = tree.children[name].phase is Phase.QUARANTINED
    fresh = {"ready": False, "killed": False, "unheard": None, "then": Then.RESTART, "probing": probing}
    return change(tree, name, phase=Phase.STARTING, since=at.now, **fresh, **more)


def _begin_keeper(tree: Tree, name: str, at: At) -> Tree:
    """A supervisor that starts knows nothing of what its children did before, but for those that are held."""
    tree = _beginning(tree, name, at, due=inf, restarted=(), group=())
    for member in tree.members[name]:
        if tree.children[member].phase not in (Phase.HELD, Phase.BROKEN):
            fresh = {"recent": (), "failures": 0, "on_probation": False, "unheard": None, "due": inf}
            tree = change(tree, member, phase=Phase.PENDING, since=at.now, **fresh)
    return tree


def stop(tree: Tree, name: str, then: Then, at: At) -> Step:
    """Have a live child end, and `then`; a supervisor ends when its children have."""
    child = tree.children[name]
    if child.phase in GOING:
        return change(tree, name, then=then, phase=Phase.STOPPING), ()
    tree = change(tree, name, phase=Phase.STOPPING, since=at.now, due=inf, then=then, group=(), reason="")
    if child.spec.rules is not None:
        return tree, ()
    if child.spec.grace_s <= 0:
        return kill(tree, name, at)
    return change(tree, name, due=at.now + child.spec.grace_s), (Stop(name, child.token),)


def kill(tree: Tree, name: str, at: At) -> Step:
    """End it now."""
    tree = change(tree, name, due=at.now + UNKILLABLE_S, killed=True)
    return tree, (Kill(name, tree.children[name].token),)


# --- the children of one supervisor ---------------------------------------------------------------------------------


def start_in_turn(tree: Tree, keeper: str, at: At) -> Step:
    """Start the pending children up to the first that holds up the others."""
    orders: list[Order] = []
    if tree.children[keeper].phase not in UP or tree.children[keeper].group:
        return tree, orders
    for name in tree.members[keeper]:
        if tree.children[name].phase is Phase.PENDING:
            tree, more = begin(tree, name, at)
            orders += more
        if holds_up(tree, keeper, tree.children[name]):
            break
    return tree, orders


def holds_up(tree: Tree, keeper: str, child: Child) -> bool:
    """Whether the children after this one wait for it: until it is ready or has failed; where a failure concerns them
    too (in a group, or when the supervisor escalates), until that has been dealt with."""
    if not child.spec.waits or child.on_probation:
        return False
    if child.phase is Phase.DYING and not child.ready:
        return tree.together(keeper) or tree.rules(keeper).on_exhausted is Exhausted.ESCALATE
    return child.phase in UNSETTLED or (child.phase is Phase.WAITING and tree.together(keeper))


def stop_in_turn(tree: Tree, keeper: str, at: At) -> Step:
    """Of a supervisor that goes down: nobody comes back, and the last one that lives is told to stop."""
    return _stop_last(put_to_rest(tree, keeper, at), tree.members[keeper], Then.END, at)


def put_to_rest(tree: Tree, keeper: str, at: At) -> Tree:
    """Nobody below this supervisor starts by himself any more."""
    for name in tree.below(keeper):
        if tree.children[name].phase in ASLEEP:
            tree = change(tree, name, phase=Phase.ENDED, since=at.now, due=inf, unheard=None)
    return tree


def _stop_last(tree: Tree, names: tuple[str, ...], then: Then, at: At) -> Step:
    orders: list[Order] = []
    later_lives = False
    for name in reversed(names):
        child = tree.children[name]
        if child.phase not in LIVE:
            continue
        if child.spec.waits and later_lives:
            break
        later_lives = True
        if child.phase not in GOING or _thinks_otherwise(child, then):
            tree, more = stop(tree, name, then, at)
            orders += more
    return tree, orders


def _thinks_otherwise(child: Child, then: Then) -> bool:
    """Whether one that is going would come back in another way than now is wanted."""
    if then is Then.END:
        return child.then in (Then.RESTART, Then.GROUP)
    return child.phase is Phase.DYING


def regroup(tree: Tree, keeper: str, name: str) -> Tree:
    """`name` is restarted with its group: who belongs to it is going to be stopped, then started in order."""
    members = tree.members[keeper]
    first = members.index(name) if tree.rules(keeper).strategy is Strategy.REST_FOR_ONE else 0
    return change(tree, keeper, group=members[first:])


def renew(tree: Tree, keeper: str, name: str) -> Tree:
    """`name` is back after a quarantine: those of its group that lived on without it are restarted."""
    members = tree.members[keeper]
    first = members.index(name) + 1 if tree.rules(keeper).strategy is Strategy.REST_FOR_ONE else 0
    group = tuple(each for each in members[first:] if each != name and tree.children[each].phase in UP)
    return change(tree, keeper, group=group)


def regroup_in_turn(tree: Tree, keeper: str, at: At) -> Step:
    """Go on with the restart of a group: stop the last one that lives, or let all be started."""
    group = tree.children[keeper].group
    if any(tree.children[name].phase in LIVE for name in group):
        return _stop_last(tree, group, Then.GROUP, at)
    for name in group:
        if tree.children[name].phase in (Phase.WAITING, Phase.ENDED):
            again = tree.children[name].spec.restart is not Restart.TEMPORARY
            phase = Phase.PENDING if again else Phase.ENDED
            tree = change(tree, name, phase=phase, since=at.now, due=inf, unheard=None)
    return change(tree, keeper, group=()), ()


def busy(tree: Tree, keeper: str) -> bool:
    """Whether a group is being stopped or started: what else happens to its children is heard afterwards."""
    if tree.children[keeper].group:
        return True
    children = (tree.children[name] for name in tree.members[keeper])
    return any(c.phase is Phase.STARTING and c.spec.waits and not c.on_probation for c in children)
