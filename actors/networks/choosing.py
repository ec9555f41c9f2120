"""Which link an uplink uses: a decider.

    the link in use works          stay, unless a better one has been good for long enough: then back to it
    its cable is gone              the best that works, at once
    its checks fail                the best that has answered since; while none has, stay: the server may be down
    nothing works                  stay: the uplink's own attempts show when it does again

A link that fails again soon after it was gone back to must be good twice as long the next time, up to 10 minutes; and
two returns are at least as far apart as the one that is returned to must be good. Where all of them come and go, each
is stayed on for a while: whoever connects anew each time delivers nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from actors.networks.standing import Standing

LONGEST_S = 600.0
HOPS, WITHIN_S = 3, 10.0  # so many links that fail are left in this time
SOON_S = 300.0  # a link that lasts longer after a return has recovered; with long waits, twice the wait


@dataclass(frozen=True, slots=True)
class Candidate:
    """A link as an uplink sees it. `allowed`: its budget lets something pass."""

    name: str
    standing: Standing
    recover_after_s: float = 30.0
    allowed: bool = True

    @property
    def lives(self) -> bool:
        """Whether it may be used and is not known to be dead."""
        return self.standing.up and self.allowed


@dataclass(frozen=True, slots=True)
class Return:
    """When a link was last gone back to, and how often in a row it failed soon after."""

    at: float
    setbacks: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """`link` is in use ("" for none), since `at`; `back_at` is when a better link was last gone back to, `hops` when
    the last HOPS that failed were left."""

    link: str = ""
    at: float = 0.0
    back_at: float = -inf
    returns: Mapping[str, Return] = field(default_factory=dict)
    hops: tuple[float, ...] = ()


def chosen(choice: Choice, candidates: Sequence[Candidate], now: float) -> Choice:
    """The choice as it should be now; `candidates` come best first. The same one where nothing is to change."""
    current = next((each for each in candidates if each.name == choice.link), None)
    if current is None:
        return _moved(choice, _first(candidates), now)
    better = _to_go_back_to(choice, candidates, now)
    if better is not None:
        return _gone_back(choice if current.lives else _failed(choice, current, now), better.name, now)
    if current.lives:
        return choice
    other = _instead(choice, current, candidates, now)
    if other is None or other == current.name or (current.allowed and now < _next_hop(choice)):
        return choice
    return _moved(_failed(choice, current, now), other, now)


def look_again(choice: Choice, candidates: Sequence[Candidate]) -> float:
    """When a better link will have been good for long enough, or one that fails may be left, if nothing happens
    (monotonic seconds; inf: never)."""
    back = min((_due(choice, each) for each in _better(choice, candidates)), default=inf)
    current = next((each for each in candidates if each.name == choice.link), None)
    if current is None or current.lives or not current.allowed:
        return back
    leaves = _instead(choice, current, candidates, _next_hop(choice)) not in (None, current.name)
    return min(back, _next_hop(choice)) if leaves else back


def recover_s(choice: Choice, candidate: Candidate) -> float:
    """How long it must be good before it is gone back to."""
    setbacks = choice.returns[candidate.name].setbacks if candidate.name in choice.returns else 0
    return _wait_s(candidate, setbacks)


def _wait_s(candidate: Candidate, setbacks: int) -> float:
    return min(max(LONGEST_S, candidate.recover_after_s), candidate.recover_after_s * 2.0 ** min(setbacks, 32))


def _first(candidates: Sequence[Candidate]) -> str:
    lives = next((each.name for each in candidates if each.lives), "")
    return lives or next((each.name for each in candidates if each.allowed), "")


def _better(choice: Choice, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those before the one in use that live, and have answered since it came into use."""
    names = [each.name for each in candidates]
    rank = names.index(choice.link) if choice.link in names else 0
    return [each for each in candidates[:rank] if each.lives and each.standing.good_at >= choice.at]


def _due(choice: Choice, candidate: Candidate) -> float:
    wait_s = recover_s(choice, candidate)
    return max(candidate.standing.good_since, choice.back_at) + wait_s


def _to_go_back_to(choice: Choice, candidates: Sequence[Candidate], now: float) -> Candidate | None:
    return next((each for each in _better(choice, candidates) if _due(choice, each) <= now), None)


def _instead(choice: Choice, current: Candidate, candidates: Sequence[Candidate], now: float) -> str | None:
    """Who takes over from a link that is dead or used up; None for nobody."""
    standing = current.standing
    certain = standing.cut or not current.allowed
    proven = [
        each for each in candidates if each.lives and (certain or each.standing.good_at >= standing.failing_since)
    ]
    steady = (each for each in proven if each.standing.good_since + recover_s(choice, each) <= now)
    best = next(steady, None) or next(iter(proven), None)
    if best is not None:
        return best.name
    return None if current.allowed else next((each.name for each in candidates if each.allowed), "")


def _next_hop(choice: Choice) -> float:
    return choice.hops[0] + WITHIN_S if len(choice.hops) == HOPS else -inf


def _moved(choice: Choice, link: str, now: float) -> Choice:
    return replace(choice, link=link, at=now) if link != choice.link else choice


def _gone_back(choice: Choice, link: str, now: float) -> Choice:
    before = choice.returns.get(link, Return(now))
    return replace(choice, link=link, at=now, back_at=now, returns={**choice.returns, link: replace(before, at=now)})


def _failed(choice: Choice, current: Candidate, now: float) -> Choice:
    """A link is left because it failed: soon after a return, or later. One that is only used up did not fail."""
    if current.standing.up:
        return choice
    choice = replace(choice, hops=(*choice.hops, now)[-HOPS:])
    before = choice.returns.get(current.name)
    if before is None:
        return choice
    soon_s = max(SOON_S, 2 * _wait_s(current, before.setbacks))
    setbacks = before.setbacks + 1 if now - before.at < soon_s else 0
    return replace(choice, returns={**choice.returns, current.name: replace(before, setbacks=setbacks)})
