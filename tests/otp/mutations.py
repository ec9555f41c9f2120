"""Ways to break a rule of the plan: a text in it, and what to write instead.

The differential test is worth what it notices: test_mutations breaks a copy in each of these ways, and the written
scenarios must tell.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("supervisors", "transports", "tests/otp")


@dataclass(frozen=True, slots=True)
class Mutation:
    """`file` is in supervisors/plan; `text` stands there exactly once."""

    name: str
    file: str
    text: str
    instead: str


MUTATIONS = (
    Mutation(
        "the intensity is not looked at",
        "ends.py",
        "if len(restarted) > rules.intensity:",
        "if len(restarted) > rules.intensity + 10**6:",
    ),
    Mutation(
        "restarts are never forgotten",
        "ends.py",
        "if now - then <= period_s",
        "if now >= then",
    ),
    Mutation(
        "children are stopped in the order of their start",
        "turns.py",
        "for name in reversed(names):",
        "for name in names:",
    ),
    Mutation(
        "transient is taken for temporary",
        "ends.py",
        "(restart is Restart.TRANSIENT and end is End.ABNORMAL)",
        "False",
    ),
    Mutation(
        "transient is taken for permanent",
        "ends.py",
        "(restart is Restart.TRANSIENT and end is End.ABNORMAL)",
        "restart is Restart.TRANSIENT",
    ),
    Mutation(
        "rest_for_one is taken for one_for_one",
        "tree.py",
        "is not Strategy.ONE_FOR_ONE",
        "is Strategy.ONE_FOR_ALL",
    ),
    Mutation(
        "rest_for_one is taken for one_for_all",
        "turns.py",
        "first = members.index(name) if",
        "first = 0 if",
    ),
    Mutation(
        "a group's restart starts temporary children again",
        "ends.py",
        "case Then.GROUP if child.spec.restart is not Restart.TEMPORARY:",
        "case Then.GROUP:",
    ),
    Mutation(
        "auto_shutdown is not looked at",
        "ends.py",
        "if rule is AutoShutdown.NEVER or not child.spec.significant:",
        "if rule is not None:",
    ),
    Mutation(
        "all_significant is taken for any_significant",
        "ends.py",
        "if rule is AutoShutdown.ALL and any(",
        "if rule is AutoShutdown.NEVER and any(",
    ),
    Mutation(
        "a restart that fails is not counted",
        "ends.py",
        "        if child.spec.restart is not Restart.TEMPORARY:\n            return _failed(tree, name, how, at)",
        "        if child.spec.restart is not Restart.TEMPORARY:\n"
        "            return _comes_again(tree, name, Phase.WAITING, how, at), ()",
    ),
    Mutation(
        "a start that fails does not fail its supervisor's",
        "ends.py",
        "if escalates and tree.children[keeper].phase is Phase.STARTING:",
        "if escalates and tree.children[keeper].phase is None:",
    ),
    Mutation(
        "a restarted supervisor remembers its restarts",
        "turns.py",
        "due=inf, restarted=(), group=())",
        "due=inf, group=())",
    ),
)


def broken_copy(mutation: Mutation | None, where: Path) -> Path:
    """The packages that the differential test needs, with one rule broken; None breaks none."""
    leave_out = shutil.ignore_patterns("__pycache__", "test_*.py", "conftest.py")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, where / package, ignore=leave_out)
    shutil.copy(ROOT / "tests" / "__init__.py", where / "tests")
    if mutation is not None:
        path = where / "supervisors" / "plan" / mutation.file
        path.write_text(path.read_text().replace(mutation.text, mutation.instead))
    return where
