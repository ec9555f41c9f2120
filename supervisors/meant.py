"""Whom an operator means: names and patterns, against the tree. Pure.

press-1          that child; a supervisor only with --subtree, because that is all its children
press-*          all children whose names match; with --subtree supervisors too (then with all they have)
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from supervisors.plan import UP, Phase, Tree
from transports.errors import HoldfastError
from transports.settings import nearest

_MAGIC = frozenset("*?[")


def meant(tree: Tree, pattern: str, subtree: bool = False) -> Sequence[str]:
    """The names, in start order. Raises HoldfastError, with the cure, when nobody is meant, or more than was said."""
    if pattern in tree.parents:
        if pattern in tree.members and not subtree:
            below = sum(name not in tree.members for name in tree.below(pattern))
            children = "1 process" if below == 1 else f"{below} processes"
            raise HoldfastError(f"{pattern} is a supervisor of {children}; add --subtree to mean all of them")
        return [pattern]
    if not _MAGIC & set(pattern):
        raise HoldfastError(f"unknown name {pattern!r}; {nearest(pattern, list(tree.parents))}")
    found = [n for n, _ in tree.walk() if fnmatchcase(n, pattern) and (subtree or n not in tree.members)]
    if not found:
        raise HoldfastError(f"no name matches {pattern!r}; there are {', '.join(sorted(tree.parents))}"[:500])
    return [name for name in found if not _within(tree, name, found)]


def _within(tree: Tree, name: str, others: Sequence[str]) -> bool:
    """Whether a supervisor of it is meant as well."""
    while name != tree.root:
        name = tree.parents[name]
        if name in others:
            return True
    return False


def objection(tree: Tree, verb: str, name: str) -> str:
    """Why a verb cannot be carried out for this child; "" when it can."""
    child, keeper = tree.children[name], tree.parents[name]
    if child.phase is Phase.BROKEN:
        return f"cannot be built: {child.reason}"
    if verb != "stop" and tree.ending:
        return "the gateway is stopping"
    if verb != "stop" and tree.children[keeper].phase not in UP:
        return f"its supervisor {keeper} is {tree.children[keeper].phase}; holdfast start {keeper} --subtree"
    return ""
