"""`holdfast restart`, `stop`, `start` and `level`: what an operator asks of children, by name or by pattern.

The root answers {"results": {name: what follows}}, and "error" for whom it refused; one line a child is printed. Exit
code 1 when anything was refused.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from supervisors import control
from supervisors.verbs import AsJson, RunDir
from supervisors.verbs.completion import everybody
from transports.errors import HoldfastError
from transports.messages import Level, Message, Operate


class Severity(StrEnum):
    """From which on a child logs."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="a child, as `holdfast status` shows it, or several as in 'press-*'",
        autocompletion=everybody,
    ),
]
Subtree = Annotated[bool, typer.Option("--subtree", help="a supervisor is meant with everybody below it")]
Why = Annotated[str, typer.Option("--why", help="a reason, for the audit")]
From = Annotated[Severity, typer.Argument(metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR", case_sensitive=False)]


def restart(
    name: Name, subtree: Subtree = False, why: Why = "", run_dir: RunDir = None, as_json: AsJson = False
) -> None:
    """Stop children and start them again, with a clean record."""
    _operate("restart", name, subtree, why, run_dir, as_json)


def stop(name: Name, subtree: Subtree = False, why: Why = "", run_dir: RunDir = None, as_json: AsJson = False) -> None:
    """Stop children and hold them: they stay stopped, also when the gateway restarts, until `start`."""
    _operate("stop", name, subtree, why, run_dir, as_json)


def start(name: Name, subtree: Subtree = False, why: Why = "", run_dir: RunDir = None, as_json: AsJson = False) -> None:
    """Let held, quarantined or waiting children run now."""
    _operate("start", name, subtree, why, run_dir, as_json)


def level(name: Name, level: From, run_dir: RunDir = None, as_json: AsJson = False) -> None:
    """Have children log more or less, from now until the gateway restarts."""
    _ask(Level(str(level), name, _who()), run_dir, as_json)


def _operate(verb: str, name: str, subtree: bool, why: str, run_dir: Path | None, as_json: bool) -> None:
    _ask(Operate(verb, name, _who(), why, subtree), run_dir, as_json)


def _ask(wish: Message, run_dir: Path | None, as_json: bool) -> None:
    answer: dict[str, Any] = control.ask(control.find_run_dir(run_dir), wish)
    if as_json:
        import json

        typer.echo(json.dumps(answer, indent=1))
    else:
        _print(answer.get("results", {}))
    if "error" in answer:
        raise HoldfastError(answer["error"])


def _print(results: Mapping[str, str]) -> None:
    for name, follows in results.items():
        typer.echo(f"{name}: {follows}")


def _who() -> str:
    from supervisors.records.audit import whoami

    return whoami(os.environ)
