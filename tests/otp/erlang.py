"""Runs scenarios on the real supervisor of Erlang/OTP and reads what it did."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from math import floor
from pathlib import Path
from typing import Any

from tests.otp.scenarios import Scenario
from tests.otp.terms import term
from tests.otp.told import GONE, Entry, StepTold

SCRIPT = Path(__file__).with_name("otp.escript")
WITHIN_S = 600.0

Answer = list[StepTold]  # the first step is the start of the tree


def missing() -> str:
    """Why OTP cannot be asked here ("" when it can)."""
    absent = [command for command in ("erl", "escript") if shutil.which(command) is None]
    return f"{' and '.join(absent)} not found: apt-get install erlang-base" if absent else ""


def answers(scenarios: Sequence[Scenario]) -> list[Answer]:
    """What OTP does with each of them."""
    return read(told(scenarios)) if scenarios else []


def told(scenarios: Sequence[Scenario]) -> str:
    """The same as otp.escript writes it, in one run of `erl`."""
    with tempfile.TemporaryDirectory(prefix="otp-") as home:
        asked, answered = Path(home, "scenarios"), Path(home, "answers")
        asked.write_text("".join(term(number, scenario) for number, scenario in enumerate(scenarios)))
        done = subprocess.run(
            ["escript", SCRIPT, asked, answered],
            cwd=home,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{SCRIPT.name} failed: {done.stdout}{done.stderr}")
        return answered.read_text()


def read(text: str) -> list[Answer]:
    """The lines of otp.escript, by the scenario's number."""
    lines = [json.loads(line) for line in text.splitlines()]
    return [_answer(line["steps"]) for line in sorted(lines, key=lambda line: int(line["scenario"]))]


def _answer(steps: list[dict[str, Any]]) -> Answer:
    """Erlang's monotonic time is some negative number; a shift by whole seconds leaves its whole seconds."""
    shift_s = 1000 - floor(steps[0]["at"] / 10**9)

    def seconds(ns: int) -> float:
        whole, rest = divmod(ns, 10**9)
        return float(whole + shift_s) + rest / 10**9

    def entries(step: dict[str, Any]) -> list[Entry]:
        return [Entry(kind, name, how, seconds(ns)) for kind, name, how, ns in step["trace"]]

    return [_step(step, entries(step), seconds(step["at"])) for step in steps]


def _step(step: dict[str, Any], entries: list[Entry], at: float) -> StepTold:
    alive = frozenset(step["alive"])
    return StepTold(
        at=at,
        entries=tuple(entries),
        alive=alive,
        anew=alive & {entry.name for entry in entries if entry.kind == GONE},
        result=step["result"],
        listed=frozenset(step["listed"]),
    )
