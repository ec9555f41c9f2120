"""The differential test notices a broken rule of the plan."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.otp.conftest import Asked
from tests.otp.mutations import MUTATIONS, ROOT, Mutation, broken_copy
from tests.otp.written import WRITTEN


@pytest.fixture(scope="module")
def answers(asked: Asked, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What OTP did with the written scenarios."""
    path = tmp_path_factory.mktemp("answers") / "answers"
    lines = {int(line.partition(":")[2].partition(",")[0]): line for line in asked.told.splitlines()}
    path.write_text("".join(f"{lines[number]}\n" for number in range(len(WRITTEN))))
    return path


def holds_against(copy: Path, answers: Path) -> "subprocess.CompletedProcess[str]":
    """The written scenarios, with the packages of the copy."""
    command = [sys.executable, "-m", "tests.otp", "0", "--answers", str(answers)]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_five_rules_are_broken_and_more() -> None:
    assert len(MUTATIONS) >= 5


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_the_rule_stands_in_the_plan_exactly_once(mutation: Mutation) -> None:
    assert (ROOT / "supervisors" / "plan" / mutation.file).read_text().count(mutation.text) == 1


def test_the_plan_as_it_is_passes(answers: Path, tmp_path: Path) -> None:
    done = holds_against(broken_copy(None, tmp_path), answers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(WRITTEN)} scenarios, 0 undocumented differences" in done.stdout


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_a_broken_rule_is_noticed(mutation: Mutation, answers: Path, tmp_path: Path) -> None:
    done = holds_against(broken_copy(mutation, tmp_path), answers)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "undocumented differences" in done.stdout.splitlines()[-1]
    print(done.stdout.splitlines()[-1])
