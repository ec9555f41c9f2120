"""`holdfast simulate`: far ends to try a gateway with, each in the foreground until Ctrl-C or SIGTERM.

holdfast simulate                             # which there are
holdfast simulate modbus                      # its settings as they are by default
holdfast simulate modbus port=5020 units=3    # settings as KEY=VALUE, values as in TOML; a bare text as it stands
"""

import signal
import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

from supervisors.verbs import AsJson
from supervisors.verbs.completion import simulators
from transports.errors import Problem, SettingsError

Name = Annotated[str | None, typer.Argument(help="a simulator; all are listed if left out", autocompletion=simulators)]
Settings = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="its settings, such as port=5020")]
Explain = Annotated[bool, typer.Option("--explain", help="show its manual page and every setting instead")]


def simulate(name: Name = None, settings: Settings = None, explain: Explain = False, as_json: AsJson = False) -> None:
    """Pretend to be a device, so that a gateway can be tried without one; nothing else is needed."""
    from supervisors.face.manual_page import show_simulators
    from transports import catalog
    from transports.building import build

    if name is None or explain:
        show_simulators(name, as_json)
        return
    module = catalog.load(catalog.SIMULATORS, name, "simulate")
    built = build(module.Settings, table_of(settings or ()), name)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        module.serve(built, lambda text: typer.echo(text))
    except KeyboardInterrupt:
        return


def table_of(texts: Sequence[str]) -> dict[str, Any]:
    """The settings as a table. Raises SettingsError for what is no KEY=VALUE."""
    table: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise SettingsError(Problem(text, "", "must be written as KEY=VALUE, such as port=5020"))
        table[key.strip()] = _value(value)
    return table


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
