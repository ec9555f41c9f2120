"""The command `holdfast`: run a gateway, look at it, operate it.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 no gateway is running there. An error is one line on standard
error; a configuration has one line for each mistake. What a verb needs is imported by the verb: `status` is quick.
"""

import sys
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from supervisors import control
from supervisors.verbs import (
    AsJson,
    DataDir,
    RunDir,
    browsing,
    completion,
    configuration,
    operating,
    profiles,
    receiving,
    records,
    requesting,
    sending,
    simulating,
    spool,
    watching,
)
from transports.errors import HoldfastError, NotRunning, SettingsError
from transports.messages import Status

app = typer.Typer(
    help="An industrial gateway of supervised processes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Config = Annotated[Path, typer.Argument(help="the gateway's TOML file")]


@app.command()
def run(config: Config, data_dir: DataDir = None, run_dir: RunDir = None) -> None:
    """Run a gateway in the foreground; SIGTERM or Ctrl-C stops it in order."""
    from supervisors.reload.opening import opened
    from supervisors.reload.texts import Source
    from supervisors.run import run as run_gateway

    run_gateway(opened(Source(config, data_dir, run_dir)))


@app.command()
def check(config: Config) -> None:
    """Check a configuration and say every mistake in it, one a line; nothing is started."""
    from supervisors.configuration.config import load

    gateway = load(config)
    for warning in gateway.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if gateway.broken:
        raise SettingsError(*gateway.broken)
    counted = ("devices", "aggregates", "uplinks", "programs", "lines", "rules", "supervisors")
    parts = (
        f"{len(getattr(gateway, kind))} {kind}"
        for kind in counted
        if kind in ("devices", "uplinks") or getattr(gateway, kind)
    )
    typer.echo(f"{config}: good: gateway {gateway.name}, {', '.join(parts)}")


app.command()(watching.status)
app.command()(watching.top)
app.command()(operating.restart)
app.command()(operating.stop)
app.command()(operating.start)
app.command()(sending.send)
app.command()(requesting.request)
app.command()(watching.rules)
app.command()(simulating.simulate)
app.command()(receiving.receive)
app.command()(browsing.browse)
app.command()(profiles.profiles)
app.command()(configuration.reload)
app.command()(records.logs)
app.command()(records.events)
app.command()(records.crashes)
app.command()(operating.level)
history = typer.Typer(help="Earlier configurations: list them, show one, bring one back.", no_args_is_help=True)
history.command("history")(configuration.history)
history.command("show")(configuration.show)
history.command("rollback")(configuration.rollback)
app.add_typer(history, name="config")
app.add_typer(spool.spool_app, name="spool")
app.command()(spool.ledger)
app.command()(completion.completion)
app.command(hidden=True, context_settings={"ignore_unknown_options": True})(completion.complete)


@app.command()
def tail(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="devices to follow; all when none is named", autocompletion=completion.devices),
    ] = None,
    run_dir: RunDir = None,
    as_json: AsJson = False,
) -> None:
    """Print live values as they are read, until Ctrl-C."""
    from supervisors.face.tail import follow
    from transports.settings import nearest

    where = control.find_run_dir(run_dir)
    devices = [child["name"] for child in control.ask(where, Status())["children"] if child["kind"] == "device"]
    for unknown in (name for name in names or () if name not in devices):
        raise HoldfastError(f"unknown device {unknown!r}; {nearest(unknown, devices)}")
    if not devices:
        raise HoldfastError("this gateway has no devices")
    follow(where, sorted(set(names or devices)), as_json)


@app.command()
def drivers(
    name: Annotated[
        str | None, typer.Argument(help="one driver, with all its settings", autocompletion=completion.drivers)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the device drivers, or explain one with every setting."""
    from supervisors.face.manual_page import show_drivers

    show_drivers(name, as_json)


@app.command()
def probe(
    config: Config,
    device: Annotated[str, typer.Argument(help="one of its devices", autocompletion=completion.configured_devices)],
    as_json: AsJson = False,
) -> None:
    """Read one device once, without a gateway, and show what it says."""
    from supervisors.configuration.config import load
    from supervisors.face.probe import probe as probe_device

    probe_device(load(config), device, as_json)


@app.command()
def init(
    config: Annotated[Path, typer.Argument(help="the file to write")] = Path("gateway.toml"),
    force: Annotated[bool, typer.Option("--force", help="replace an existing file")] = False,
) -> None:
    """Write a commented configuration to start from."""
    from supervisors.configuration.starter import starter
    from supervisors.configuration.tables import gateway_name_rule

    if config.exists() and not force:
        raise HoldfastError(f"{config} exists; name another file, or replace it with --force")
    name = "gateway" if gateway_name_rule(config.stem) else config.stem
    try:
        config.write_text(starter(name, config.absolute().with_suffix(".ndjson")))
    except OSError as refused:
        raise HoldfastError(f"{config} cannot be written ({refused.strerror})") from refused
    typer.echo(f"wrote {config}; look at it, then: holdfast check {config} && holdfast run {config}")


@app.command()
def demo(
    duration: Annotated[str, typer.Option("--for", help='stop by itself after this long, such as "20s"')] = "",
) -> None:
    """Run a whole gateway with simulated devices and a broker on this machine; nothing is needed."""
    from supervisors.demo import demo as run_demo

    raise typer.Exit(run_demo(duration))


def main() -> NoReturn:
    """The entry point: errors become one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter gets "?", not a traceback
    sys.exit(_code())


def _code() -> int:
    try:
        return app(standalone_mode=False) or 0
    except typer.TyperException as misused:
        return _misused(misused)
    except SettingsError as wrong:
        return _complain(str(wrong).splitlines(), 2)
    except NotRunning as nobody:
        return _complain([str(nobody)], 3)
    except HoldfastError as failed:
        return _complain([str(failed)], 1)


def _misused(error: typer.TyperException) -> int:
    """A usage error; without any argument the help has been printed instead."""
    ctx = getattr(error, "ctx", None)
    command = ctx.command_path if ctx is not None else "holdfast"
    said = error.format_message().rstrip(".")
    return _complain([f"{command}: {said}; see {command} --help"] if said else [], error.exit_code)


def _complain(lines: Iterable[str], code: int) -> int:
    for line in lines:
        typer.echo(" ".join(line.split()), err=True)
    return code


if __name__ == "__main__":
    main()
