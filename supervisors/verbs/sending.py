"""`holdfast send`: commands to one device, each with its time, its key and its outcome.

    holdfast send press-1 setpoint=42 mode=auto

Only tags that the configuration declares writable, within their limits. One after the other; the first that is not done
ends it. Exit code 0 when all are done, 1 otherwise.
"""

import os
import secrets
import tomllib
from dataclasses import replace
from typing import Annotated, Any

import typer

from supervisors import control
from supervisors.verbs import AsJson, RunDir
from supervisors.verbs.completion import devices
from transports.messages import Command, Outcome
from transports.units import parse_duration

Device = Annotated[str, typer.Argument(help="a device, as `holdfast status` shows it", autocompletion=devices)]
Writes = Annotated[list[str], typer.Argument(metavar="TAG=VALUE", help='such as speed=42, open=true, mode="auto"')]
Ttl = Annotated[str, typer.Option("--ttl", help='time to live: not executed later than this, such as "5s"')]
Key = Annotated[str, typer.Option("--key", help="idempotency key: sent again under it, nothing is executed again")]
Why = Annotated[str, typer.Option("--why", help="a reason, for the audit")]
Verify = Annotated[
    bool | None,
    typer.Option(
        "--read-back/--no-read-back", help="done only when the tag then reads so; default: as it is configured"
    ),
]


def send(
    device: Device,
    writes: Writes,
    ttl: Ttl = "5s",
    key: Key = "",
    why: Why = "",
    read_back: Verify = None,
    run_dir: RunDir = None,
    as_json: AsJson = False,
) -> None:
    """Command a device: set tags, in order; each is executed at most once and never after its time to live."""
    from actors.commanding.form import malformed
    from supervisors.records.audit import whoami
    from supervisors.sending import send as send_command
    from transports.clock import MachineClock

    given = [_parsed(text) for text in writes]
    clock, where, ttl_s = MachineClock(), control.find_run_dir(run_dir), _seconds(ttl)
    key, who = key or secrets.token_hex(8), whoami(os.environ)
    keys = [key] if len(given) == 1 else [f"{key}.{at}" for at in range(len(given))]
    wishes = [Command(one, *what, 0.0, "operator", who, why, read_back) for one, what in zip(keys, given, strict=True)]
    for wish in wishes:  # all before the first is executed
        if wrong := malformed(wish):
            raise typer.BadParameter(f"{wish.tag!r:.80} = {wish.value!r:.80}: {wrong}")
    for wish in wishes:
        wish = replace(wish, until_s=clock.now() + ttl_s)
        outcome = send_command(where, device, wish, clock)
        _report(device, wish, outcome, as_json)
        if outcome.outcome != "done":
            raise typer.Exit(1)


def value_of(text: str) -> Any:
    """What is written as in TOML (42, 1.5, true, "auto", [1, 2]); anything else is a text as it stands.

    Raises BadParameter for what begins like a list and is none, and for numbers that nobody can hold.
    """
    try:
        said = tomllib.loads(f"v = {text}")
    except tomllib.TOMLDecodeError as wrong:
        if text.lstrip().startswith("["):
            raise typer.BadParameter(f"{text!r:.80}: no list ({wrong}); a text in quotes: '\"[...\"'") from wrong
        return text
    except (ValueError, RecursionError) as wrong:  # more digits, or brackets, than Python takes
        raise typer.BadParameter(f"{text!r:.80}: too long a number, or too deep a list") from wrong
    value = said["v"]
    return value if len(said) == 1 and isinstance(value, (bool, int, float, str, list)) else text


def _parsed(text: str) -> tuple[str, Any]:
    tag, equals, value = text.partition("=")
    if not tag or not equals:
        raise typer.BadParameter(f"{text!r}: write TAG=VALUE, such as speed=42")
    return tag, value_of(value)


def _seconds(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"--ttl {text!r}: {wrong}") from wrong
    if not 0 < seconds <= 3600:
        raise typer.BadParameter(f"--ttl {text!r}: must be more than 0s and at most 1h")
    return seconds


def _report(device: str, wish: Command, outcome: Outcome, as_json: bool) -> None:
    if as_json:
        import json

        told = {"device": device, "tag": wish.tag, "value": wish.value, "key": wish.key}
        typer.echo(json.dumps({**told, "outcome": outcome.outcome, "detail": outcome.detail}))
        return
    detail = f": {outcome.detail}" if outcome.detail else ""
    again = f" (key {wish.key})" if outcome.outcome == "unknown" else ""
    typer.echo(f"{device}.{wish.tag} = {wish.value!r}: {outcome.outcome}{detail}{again}")
