"""`holdfast profiles`: the device descriptions at hand, those that are shipped and one's own, or all of one."""

from pathlib import Path
from typing import Annotated

import typer

from supervisors.verbs import AsJson
from supervisors.verbs.completion import profiles as known
from transports.errors import HoldfastError, SettingsError
from transports.settings import nearest

Name = Annotated[str | None, typer.Argument(help="one profile, with all its tags", autocompletion=known)]
Folder = Annotated[Path | None, typer.Option("--folder", help="directory of one's own profiles, as gateway.profiles")]
Config = Annotated[Path | None, typer.Option("--config", help="a gateway's TOML file: those that it knows")]


def profiles(name: Name = None, folder: Folder = None, config: Config = None, as_json: AsJson = False) -> None:
    """List the profiles that a device can take, or show one: its tags, and a device table to copy."""
    if folder is not None and config is not None:
        raise typer.BadParameter("choose one of --folder and --config")
    from supervisors.configuration.profiles import Shelf
    from supervisors.face import profiled

    shelf = Shelf(_folder_in(config) if config is not None else folder)
    if wrong := shelf.problems("--folder" if config is None else "gateway.profiles"):
        raise SettingsError(*wrong)
    if name is None:
        profiled.show_all(shelf, as_json)
    elif name not in shelf.names():
        raise HoldfastError(f"unknown profile {name!r}; {nearest(name, shelf.names())}")
    else:
        profiled.show_one(shelf.profile(name, "profile"), as_json)


def _folder_in(config: Path) -> Path | None:
    """The directory that a configuration names; whatever else may be wrong with that is not asked."""
    from supervisors.configuration.document import read
    from supervisors.configuration.tables import GatewaySettings
    from transports.building import build

    document = read(config)
    try:
        return build(GatewaySettings, document.table.get("gateway", {}), "gateway").profiles
    except SettingsError as wrong:
        raise document.error(wrong.problems) from None
