"""Trees of specs for the tests of reloading, written in a line or drawn by Hypothesis."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from supervisors.spec import ChildSpec, Restart, Rules, Strategy

NAMES = tuple("abcdefgh")


def leaf(name: str, value: Any = 0, **fields: Any) -> ChildSpec:
    return ChildSpec(name, "device", {"value": value}, **fields)


def keeper(name: str, *children: ChildSpec, strategy: Strategy = Strategy.ONE_FOR_ONE, **rules: Any) -> ChildSpec:
    return ChildSpec(name, "supervisor", rules=Rules(strategy=strategy, **rules), children=children)


def root(*children: ChildSpec, strategy: Strategy = Strategy.ONE_FOR_ONE, **rules: Any) -> ChildSpec:
    return keeper("root", *children, strategy=strategy, **rules)


@st.composite
def trees(draw: st.DrawFn, strategies: Sequence[Strategy] = tuple(Strategy), grace_s: float = 5.0) -> ChildSpec:
    """A root with any of the eight names below it, at most three deep."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(0, len(NAMES)))]
    return replace(_keeper(draw, "root", list(names), 2, strategies, grace_s), name="root")


def _keeper(
    draw: st.DrawFn, name: str, names: list[str], depth: int, strategies: Sequence[Strategy], grace_s: float
) -> ChildSpec:
    children = []
    while names:
        own, below = names.pop(), draw(st.integers(0, 3)) if depth else 0
        if below:
            taken = [names.pop() for _ in range(min(below, len(names)))]
            children.append(_keeper(draw, own, taken, depth - 1, strategies, grace_s))
        else:
            restart = draw(st.sampled_from(Restart))
            children.append(
                leaf(own, draw(st.integers(0, 2)), hang_after_s=draw(st.sampled_from((5.0, 10.0))), restart=restart)
            )
    return keeper(name, *children, strategy=draw(st.sampled_from(strategies)), intensity=draw(st.integers(0, 1)))
