"""An act of a reload as a step of the plan: pure. What the tree does not have (any more) is passed over."""

from collections.abc import Collection

from supervisors import plan
from supervisors.plan import Step, Tree
from supervisors.plan.tree import change
from supervisors.reload.changes import Act, Add, Remove, Replace
from supervisors.spec import ChildSpec


def done(tree: Tree, act: Act, held: Collection[str], now: float) -> Step:
    """Do it. Who is `held` by the operator stays so, also as a new child."""
    match act:
        case Remove(name) if name in tree.children:
            return plan.asked_remove(tree, name, now)
        case Replace(spec, in_place) if spec.name in tree.children:
            return _retuned(tree, spec, now) if in_place else plan.asked_replace(tree, spec, now)
        case Add(parent, spec) if parent in tree.members and spec.name not in tree.children:
            return _added(tree, act, held, now)
    return tree, ()


def _retuned(tree: Tree, spec: ChildSpec, now: float) -> Step:
    """Other deadlines or rules for a child whose process, if it has one, goes on; one to come has them too."""
    later = {} if tree.children[spec.name].successor is None else {"successor": spec}
    return plan.passed(change(tree, spec.name, spec=spec, **later), now)


def _added(tree: Tree, add: Add, held: Collection[str], now: float) -> Step:
    before = add.before if add.before in tree.members[add.parent] else None
    return plan.asked_add(tree, add.parent, add.spec, now, before, held)
