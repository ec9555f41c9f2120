"""What a new configuration changes in the tree of children: pure.

    added      in the new tree only
    removed    in the old one only: ended and left out
    moved      under another supervisor, or in another place where the place counts: ended and begun anew
    changed    its process is told something else: restarted
    retuned    only how it is kept differs (deadlines, back-off, a supervisor's rules): no process is touched
    untouched  the rest

The order of children counts where a strategy goes by it (`rest_for_one`, `one_for_all` stops in reverse); with
`one_for_one` it does not, and who stands elsewhere in the file than before goes on as it is.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from supervisors.reload.terms import terms, told
from supervisors.spec import ChildSpec, Strategy


@dataclass(frozen=True, slots=True)
class Remove:
    """End this child, with everything below it, and leave it out of the tree."""

    name: str


@dataclass(frozen=True, slots=True)
class Replace:
    """Give a child its new specification; of a supervisor, only its own rules, not its children. `in_place` says that
    its process would notice nothing, and need not be restarted."""

    spec: ChildSpec
    in_place: bool


@dataclass(frozen=True, slots=True)
class Add:
    """Put a child, with everything below it, under `parent`: before that sibling, or last (None)."""

    parent: str
    spec: ChildSpec
    before: str | None


Act = Remove | Replace | Add


@dataclass(frozen=True, slots=True)
class Changes:
    """Names in start order, and the acts in the order in which they are done: removals, replacements, additions."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    retuned: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()
    removals: tuple[Remove, ...] = ()  # the last started first; a supervisor stands for its children
    replacements: tuple[Replace, ...] = ()
    additions: tuple[Add, ...] = ()
    touched: tuple[str, ...] = ()  # processes that are begun by this
    leaving: frozenset[str] = field(default=frozenset())  # who must be gone before anybody is added

    @property
    def any(self) -> bool:
        return bool(self.removals or self.replacements or self.additions)

    def summary(self) -> dict[str, list[str]]:
        """Who is touched and how, as plain data; what is empty is left out."""
        kinds = ("removed", "moved", "changed", "retuned", "added")
        return {kind: list(getattr(self, kind)) for kind in kinds if getattr(self, kind)}


@dataclass(frozen=True, slots=True)
class _Place:
    parent: str
    spec: ChildSpec


def changes(old: ChildSpec, new: ChildSpec) -> Changes:
    """What leads from one tree to the other; both are roots, whose own name is the same."""
    was, will = dict(_places(old)), dict(_places(new))
    moved = _moved(was, will, _out_of_order(old, new))
    ended, begun = (was.keys() - will.keys()) | moved, (will.keys() - was.keys()) | moved
    kept = {old.name: _Place("", new), **{name: place for name, place in will.items() if name not in begun}}
    before = {old.name: _Place("", old), **was}
    differing = {name for name in kept if terms(kept[name].spec) != terms(before[name].spec)}
    changed = {name for name in differing if told(kept[name].spec) != told(before[name].spec)}
    return Changes(
        added=tuple(name for name in will if name not in was),
        removed=tuple(name for name in was if name not in will),
        changed=tuple(name for name in kept if name in changed),
        moved=tuple(name for name in will if name in moved),
        retuned=tuple(name for name in kept if name in differing - changed),
        untouched=tuple(name for name in kept if name not in differing and name != old.name),
        removals=tuple(Remove(name) for name in reversed(was) if name in ended and was[name].parent not in ended),
        replacements=tuple(
            Replace(place.spec, name not in changed) for name, place in kept.items() if name in differing
        ),
        additions=tuple(_additions(new, begun)),
        touched=tuple(name for name in will if name in changed or (name in begun and will[name].spec.rules is None)),
        leaving=frozenset(ended | begun),
    )


def _places(root: ChildSpec) -> Iterator[tuple[str, _Place]]:
    """Everybody below, each after its supervisor."""
    for spec in root.children:
        yield spec.name, _Place(root.name, spec)
        yield from _places(spec)


def _moved(was: Mapping[str, _Place], will: Mapping[str, _Place], out_of_order: Collection[str]) -> set[str]:
    """Those in both trees that must end and begin anew; whoever is below one of them is one too."""
    moved: set[str] = set()
    for name, place in will.items():
        if name in was and (
            name in out_of_order
            or place.parent != was[name].parent
            or (place.spec.rules is None) != (was[name].spec.rules is None)
            or place.parent in moved
        ):
            moved.add(name)
    return moved


def _additions(parent: ChildSpec, begun: Collection[str]) -> Iterator[Add]:
    """The topmost of those that begin, each before the next sibling that stays."""
    before: dict[str, str | None] = {}
    following: str | None = None
    for spec in reversed(parent.children):
        before[spec.name] = following
        following = following if spec.name in begun else spec.name
    for spec in parent.children:
        if spec.name in begun:
            yield Add(parent.name, spec, before[spec.name])
        else:
            yield from _additions(spec, begun)


# --- the order of siblings -------------------------------------------------------------------------------------------


def _out_of_order(old: ChildSpec, new: ChildSpec) -> set[str]:
    """Those who must move so that the rest stand as before, wherever a strategy goes by the order."""
    found: set[str] = set()
    before = {spec.name: spec for spec in (old, *(place.spec for _, place in _places(old)))}
    for spec in (new, *(place.spec for _, place in _places(new))):
        if spec.rules is not None and spec.rules.strategy is not Strategy.ONE_FOR_ONE and spec.name in before:
            rank = {child.name: at for at, child in enumerate(before[spec.name].children)}
            common = [child.name for child in spec.children if child.name in rank]
            found |= set(common) - _longest_rising(common, rank)
    return found


def _longest_rising(names: Sequence[str], rank: Mapping[str, int]) -> set[str]:
    """As many of the names as possible whose ranks rise: they can stay where they are."""
    if all(rank[one] < rank[next_one] for one, next_one in pairwise(names)):
        return set(names)
    best: list[tuple[str, ...]] = []  # the longest that ends at each name
    for at, name in enumerate(names):
        earlier = [run for run, end in zip(best, names[:at], strict=True) if rank[end] < rank[name]]
        best.append((*max(earlier, key=len), name) if earlier else (name,))
    longest = max(best, key=len)
    return set(longest)


# --- what becomes of a tree ------------------------------------------------------------------------------------------


def applied(root: ChildSpec, acts: Sequence[Act]) -> ChildSpec:
    """The tree after these acts."""
    for act in acts:
        match act:
            case Remove(name):
                root = _without(root, name)
            case Replace(spec=spec):
                root = _replaced(root, spec)
            case Add():
                root = _grafted(root, act)
    return root


def _without(root: ChildSpec, name: str) -> ChildSpec:
    return replace(root, children=tuple(_without(child, name) for child in root.children if child.name != name))


def _replaced(root: ChildSpec, spec: ChildSpec) -> ChildSpec:
    own = spec if root.name == spec.name else root
    return replace(own, children=tuple(_replaced(child, spec) for child in root.children))


def _grafted(root: ChildSpec, add: Add) -> ChildSpec:
    if root.name != add.parent:
        return replace(root, children=tuple(_grafted(child, add) for child in root.children))
    names = [child.name for child in root.children]
    at = names.index(add.before) if add.before in names else len(names)
    return replace(root, children=(*root.children[:at], add.spec, *root.children[at:]))


def everybody(root: ChildSpec) -> dict[str, ChildSpec]:
    """The specs of all below the root, by name, each after its supervisor's."""
    return {name: place.spec for name, place in _places(root)}


def keepers(root: ChildSpec) -> dict[str, str]:
    """Whose child each of them is."""
    return {name: place.parent for name, place in _places(root)}
