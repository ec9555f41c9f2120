"""Makes a scenario on which both sides diverge as small as it gets: fewer acts, fewer children, plainer ones."""

from collections.abc import Iterator
from dataclasses import replace

from tests.otp.compare import Verdict, compared
from tests.otp.erlang import answers
from tests.otp.scenarios import OBEDIENT, Act, Add, Crash, Node, RemoveIt, Scenario, StartIt, StopIt, Sup, Worker, below


def smallest(verdict: Verdict) -> Verdict:
    """The same sort of verdict on a smaller scenario; every step asks OTP about all smaller ones at once."""
    while True:
        tries = list(_smaller(verdict.scenario))
        verdicts = [compared(scenario, answer) for scenario, answer in zip(tries, answers(tries), strict=True)]
        still = next((each for each in verdicts if each.difference == verdict.difference), None)
        if still is None:
            return verdict
        verdict = still


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    for number in range(len(scenario.acts)):
        yield replace(scenario, acts=scenario.acts[:number] + scenario.acts[number + 1 :])
    for name in [node.name for node, up in below(scenario.root, "") if up]:
        yield _without(scenario, name)
    for node, _ in below(scenario.root, ""):
        for plainer in _plainer(node):
            yield replace(scenario, root=_swapped(scenario.root, plainer))


def _plainer(node: Node) -> Iterator[Node]:
    if isinstance(node, Worker):
        if node.starts:
            yield replace(node, starts=node.starts[:-1])
        if node.manner != OBEDIENT or node.grace_ms != 5000:
            yield replace(node, manner=OBEDIENT, grace_ms=5000)
    if node.significant:
        yield replace(node, significant=False)


def _swapped(sup: Sup, new: Node) -> Sup:
    """The tree with `new` for the node of that name."""
    if sup.name == new.name and isinstance(new, Sup):
        return new
    children = [_swapped(child, new) if isinstance(child, Sup) else child for child in sup.children]
    return replace(sup, children=tuple(new if child.name == new.name else child for child in children))


def _without(scenario: Scenario, name: str) -> Scenario:
    gone = {node.name for known, _ in below(scenario.root, "") if known.name == name for node, _ in below(known, "")}
    acts = [kept for act in scenario.acts if (kept := _act_without(act, gone)) is not None]
    return replace(scenario, root=_pruned(scenario.root, name), acts=tuple(acts))


def _act_without(act: Act, gone: set[str]) -> Act | None:
    match act:
        case Crash(names):
            left = tuple(name for name in names if name not in gone)
            return replace(act, names=left) if left else None
        case StopIt(name) | StartIt(name) | RemoveIt(name) | Add(parent=name):
            return None if name in gone else act
    return act


def _pruned(sup: Sup, name: str) -> Sup:
    children = [child for child in sup.children if child.name != name]
    return replace(sup, children=tuple(_pruned(each, name) if isinstance(each, Sup) else each for each in children))
