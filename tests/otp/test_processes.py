"""A subset of the written scenarios on real processes, under a real root: the order of starts and ends is OTP's."""

import re
from functools import partial
from typing import Any

import pytest

from supervisors.control import ask
from tests.otp.conftest import Asked
from tests.otp.scenarios import CRASHED, DEAF, LONG_S, Act, Crash, End, Node, StartIt, StopIt, Sup
from tests.otp.told import GONE, START
from tests.otp.written import WRITTEN
from tests.supervisors.family import WITHIN_S, Family, a_root, kill, new_home
from transports.messages import Operate

PROMISES = (
    "one_for_one restarts the crashed child alone",
    "one_for_all stops the others in reverse and starts all in order",
    "rest_for_one restarts the crashed child and those after it",
    "a transient child stays down after a normal end",
    "a temporary child stays down after a crash",
    "a group's restart starts a transient child again that had ended normally",
    "a group's restart stops a temporary child and does not start it again",
    "a deaf child in a group's restart is killed and started again",
    "one more ends the supervisor, the others stopped in reverse",
    "stopping a sub-supervisor stops its children in reverse",
    "a stopped child starts when asked to",
    "a crash concerns its own supervisor alone",
    "a sub-supervisor that gives up is restarted with all its children",
    "rest_for_one above restarts the trees that come later",
)
GRACE_S, DEAF_S = 10.0, 0.3
LINE = re.compile(r"^\w+:holdfast\.supervisor:(\w+) (?:\(pid \d+\) )?(is running|died|stopped)\b", re.MULTILINE)

Happened = list[tuple[str, str]]  # (start | gone, name)


def happened(family: Family) -> Happened:
    """What the root says of its children, in order; its log here is neither folded nor cut."""
    return [(START if what == "is running" else GONE, name) for name, what in LINE.findall(family.log)]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.replace(" ", "-"))
def test_real_processes_start_and_end_in_the_order_of_otp(promise: str, asked: Asked) -> None:
    number = next(number for number, scenario in enumerate(WRITTEN) if scenario.name == promise)
    scenario, answer = WRITTEN[number], asked.answers[number]
    workers = frozenset(scenario.workers())
    expected: Happened = []
    with (
        new_home() as home,
        a_root(home, *[_table(each) for each in scenario.root.children], rules=_rules(scenario.root)) as family,
    ):
        for act, told in zip((None, *scenario.acts), answer, strict=True):
            if isinstance(act, End):  # of its children's ends, a root that ends says nothing
                break
            _do(act, family)
            expected += [(entry.kind, entry.name) for entry in told.of(workers)]
            family.wait(partial(_has_happened, family, len(expected)))
            assert happened(family) == expected


def _has_happened(family: Family, number: int) -> bool:
    return len(happened(family)) >= number


def _do(act: Act | None, family: Family) -> None:
    match act:
        case Crash((name,), how) if how == CRASHED:
            kill(family.pids()[name])
        case Crash((name,)):
            family.tell(name, "done")
        case StopIt(name):
            _ask(family, "stop", name)
        case StartIt(name):
            _ask(family, "start", name)


def _ask(family: Family, verb: str, name: str) -> None:
    ask(family.run_dir, Operate(verb, name, "a test", subtree=True), timeout_s=WITHIN_S)


def _table(node: Node) -> dict[str, Any]:
    """As the peer wants it."""
    plain = {"name": node.name, "restart": str(node.restart)}
    if isinstance(node, Sup):
        return {**plain, "rules": _rules(node), "children": [_table(child) for child in node.children]}
    if node.manner == DEAF:
        return {**plain, "mood": DEAF, "grace_s": DEAF_S}
    return {**plain, "grace_s": GRACE_S}


def _rules(sup: Sup) -> dict[str, Any]:
    return {
        "strategy": str(sup.strategy),
        "intensity": sup.intensity,
        "period_s": LONG_S,
        "on_exhausted": str(sup.exhausted),
    }
