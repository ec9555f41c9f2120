"""Who is kept by whom: the claims of the tables [supervisor.NAME] on processes and on each other. Pure.

    a name wins over a pattern; a second claim of the same rank is a mistake; whom nobody claims the root keeps

Processes come in the order of the house: programs, uplinks, aggregates, lines, devices. A supervisor stands where its
first process stands. Its children stand as its table lists them, those of one pattern in the order of the house.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import inf

from transports.errors import Problem
from transports.names import ROOT, SPOOLER
from transports.settings import nearest

Lists = Mapping[str, Sequence[str]]  # supervisor -> its `children` as they are written, in file order
_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Claim:
    """An entry of a supervisor's `children`."""

    by: str
    at: int
    text: str

    @property
    def path(self) -> str:
        """Where it is written."""
        return f"supervisor.{self.by}.children[{self.at}]"

    @property
    def is_pattern(self) -> bool:
        """Whether it may mean more than one."""
        return bool(_WILD & set(self.text))

    def means(self, name: str) -> bool:
        """Whether it means that name; none means the supervisor that it belongs to."""
        return name != self.by and (fnmatchcase(name, self.text) if self.is_pattern else name == self.text)


@dataclass(frozen=True, slots=True)
class Kept:
    """Who keeps whom: `claims` has the claim that holds, of each name that is claimed."""

    claims: Mapping[str, Claim]
    children: Mapping[str, tuple[str, ...]]  # of ROOT and of every supervisor, in start order

    def processes(self, supervisor: str) -> Iterator[str]:
        """All that run below a supervisor."""
        for name in self.children[supervisor]:
            yield from self.processes(name) if name in self.children else (name,)


def kept(processes: Sequence[str], lists: Lists) -> Kept:
    """The tree that the claims make. `processes` come in the order of the house, without the spooler.

    Each name is in it exactly once, when `claim_problems` has nothing to say; supervisors can be without children
    all the same, where `processes` are not all that can be named.
    """
    claims = {name: strongest[0] for name, strongest in _strongest([*processes, *lists], lists).items() if strongest}
    below: dict[str, list[str]] = {ROOT: [], **{name: [] for name in lists}}
    for name in (*processes, *lists):
        below[claims[name].by if name in claims else ROOT].append(name)
    places = _places(processes, below)

    def order(name: str) -> tuple[int, float]:
        return (claims[name].at if name in claims else 0), places[name]

    return Kept(claims, {name: tuple(sorted(children, key=order)) for name, children in below.items()})


def claim_problems(processes: Sequence[str], lists: Lists, line_of: Callable[[str], int]) -> Iterator[Problem]:
    """Claims on nobody, on the spooler, on oneself, on whom another has; circles; supervisors that are left alone."""
    names = [*processes, *lists]
    problems = [*_idle(names, lists), *_rivals(names, lists, line_of)]
    tree = kept(processes, lists)
    yield from problems
    yield from _circles(tree, lists)
    spoken = {problem.path.partition(".children")[0] for problem in problems}
    for name in (name for name in lists if not tree.children[name] and lists[name]):
        if f"supervisor.{name}" not in spoken:
            yield Problem(f"supervisor.{name}.children", "", _left_alone(name, names, tree, lists))


def significance_problems(
    significant: Mapping[str, str], never: Collection[str], tree: Kept, line_of: Callable[[str], int]
) -> Iterator[Problem]:
    """OTP's rule (supervisor, "auto_shutdown"): significant children only where their supervisor may end with them.

    `significant` has the tables that say it, by name; `never` the supervisors, ROOT among them, that never end so.
    """
    for name, path in significant.items():
        keeper = tree.claims[name].by if name in tree.claims else ROOT
        if keeper == ROOT:
            cure = f"needs a [supervisor.NAME] with auto_shutdown that claims {name}: the root never ends by itself"
            yield Problem(f"{path}.significant", "true", cure)
        elif keeper in never:
            where = f"supervisor.{keeper} (line {line_of(f'supervisor.{keeper}')})"
            cure = f'needs auto_shutdown = "any_significant" or "all_significant" in {where}'
            yield Problem(f"{path}.significant", "true", cure)


def _claims(lists: Lists) -> Iterator[Claim]:
    return (Claim(by, at, text) for by, texts in lists.items() for at, text in enumerate(texts))


def _strongest(names: Sequence[str], lists: Lists) -> dict[str, list[Claim]]:
    """For each name the claims of the highest rank on it, in file order."""
    claims = list(_claims(lists))
    patterns = [claim for claim in claims if claim.is_pattern]
    by_name: dict[str, list[Claim]] = {}
    for claim in claims:
        by_name.setdefault(claim.text, []).append(claim)
    return {
        name: [claim for claim in by_name.get(name, ()) if claim.means(name)]
        or [claim for claim in patterns if claim.means(name)]
        for name in names
    }


def _places(processes: Sequence[str], below: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Where each name stands in the order of the house: a supervisor where its first process does."""
    places: dict[str, float] = {name: at for at, name in enumerate(processes)}

    def place(name: str, above: frozenset[str]) -> float:
        if name not in places:
            further = (place(child, above | {name}) for child in below[name] if child not in above)
            places[name] = min(further, default=inf)
        return places[name]

    for name in below:
        place(name, frozenset({name}))
    return places


def _idle(names: Sequence[str], lists: Lists) -> Iterator[Problem]:
    for claim in _claims(lists):
        if claim.text == SPOOLER:
            yield Problem(claim.path, repr(SPOOLER), "belongs to the root: all others build on it; take it out")
        elif claim.text == claim.by:
            yield Problem(claim.path, repr(claim.text), "is the supervisor itself; name those whom it keeps")
        elif not any(map(claim.means, names)):
            hint = nearest(claim.text, [name for name in names if name != claim.by])
            yield Problem(
                claim.path, repr(claim.text), f"is no device, aggregate, uplink, program, line or supervisor; {hint}"
            )


def _rivals(names: Sequence[str], lists: Lists, line_of: Callable[[str], int]) -> Iterator[Problem]:
    """Claims of the same rank by two supervisors: told of the later one, once for each pair of entries."""
    contested: dict[tuple[Claim, Claim], list[str]] = {}
    for name, (first, *others) in ((name, claims) for name, claims in _strongest(names, lists).items() if claims):
        for other in (claim for claim in others if claim.by != first.by):
            contested.setdefault((other, first), []).append(name)
    for (later, first), taken in contested.items():
        whom = taken[0] if len(taken) == 1 else f"{taken[0]} and {len(taken) - 1} more"
        line = line_of(first.path)
        cure = f"claims {whom}, as {first.text!r} of supervisor.{first.by} (line {line}) does; each has one supervisor"
        yield Problem(later.path, repr(later.text), cure)


def _circles(tree: Kept, lists: Lists) -> Iterator[Problem]:
    told: set[str] = set()
    for name in lists:
        chain = [name]
        while chain[-1] in tree.claims and tree.claims[chain[-1]].by not in chain:
            chain.append(tree.claims[chain[-1]].by)
        last = tree.claims.get(chain[-1])
        if last is not None and last.by == name and name not in told:
            told |= set(chain)
            circle = " in ".join([*chain, name])
            yield Problem(last.path, repr(last.text), f"makes a circle, {circle}; take one of them out")


def _left_alone(name: str, names: Sequence[str], tree: Kept, lists: Lists) -> str:
    own = [Claim(name, at, text) for at, text in enumerate(lists[name])]
    taken = next(other for other in names if any(claim.means(other) for claim in own))
    return f"leaves it nobody to keep: {taken} is claimed by name in supervisor.{tree.claims[taken].by}"
